// SPDX-License-Identifier: GPL-2.0

//! A registered task.

use super::{
    activity::{
        self,
        Activity,
        Reason, //
    },
    hooks,
    limits::Share,
    protocol::{
        self,
        SharedWord, //
    },
    registry,
    sched,
    stats,
    words::{
        Group,
        TaskWords, //
    },
    worker, //
};
use crate::{
    impl_task_record,
    sys::{
        clock,
        context::TaskContext,
        record::{
            Current,
            Record, //
        },
        record_map::LastFound,
        trace::Role,
        tracepoint,
        wake::{
            self,
            Placement, //
        },
    },
};
use core::cell::Cell;
use kernel::{
    mm::Mm,
    prelude::*, //
};

/// What a task is registered as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Runs workers, or is a task of its own.
    Server,
    /// Is run by a server.
    Worker,
}

impl Kind {
    /// What tracers call it.
    pub(crate) fn role(self) -> Role {
        match self {
            Kind::Server => Role::Server,
            Kind::Worker => Role::Worker,
        }
    }
}

/// A registered task, as all tasks of its process see it.
pub(crate) struct Task {
    kind: Kind,
    words: TaskWords,
    /// What has happened to it.
    pub(crate) activity: Activity,
    _count: stats::Count,
}

/// What only the task itself touches.
pub(crate) struct Owned {
    /// Whom it has last dealt with.
    pub(crate) last_found: LastFound<Task>,
    /// The probes that it needs, until it leaves.
    pub(crate) hooks: Cell<Option<hooks::Use>>,
    /// What it is counted for, from when it is attached until it leaves.
    pub(crate) share: Cell<Option<Share>>,
    /// A wait that a signal has interrupted, and that will start again.
    pub(crate) interrupted: Cell<Option<Interrupted>>,
    /// More, if it is a worker.
    pub(crate) worker: worker::Owned,
}

/// A wait that a signal has interrupted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interrupted {
    /// The state word then.
    pub(crate) state: u64,
    /// Whom it had woken.
    pub(crate) next_tid: u32,
    /// When a worker is to give up, which goes on waiting before the call starts again; `None` once
    /// it does not wait any more. Nanoseconds of CLOCK_REALTIME.
    pub(crate) deadline: Option<u64>,
    /// Whether it has given up.
    pub(crate) timed_out: bool,
}

impl Owned {
    /// What belongs to a task that registers.
    pub(crate) fn new(hooks: hooks::Use, group: Option<Group>) -> Self {
        Self {
            last_found: LastFound::new(),
            hooks: Cell::new(Some(hooks)),
            share: Cell::new(None),
            interrupted: Cell::new(None),
            worker: worker::Owned::new(group),
        }
    }
}

impl Task {
    /// A task of this kind, whose words are these.
    pub(crate) fn new(kind: Kind, words: TaskWords) -> Self {
        Self {
            kind,
            words,
            activity: Activity::new(),
            _count: stats::RECORDS.count(),
        }
    }

    /// What it is registered as.
    #[inline]
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it is a task of this address space.
    pub(crate) fn is_in(&self, mm: &Mm) -> bool {
        self.words.is_in(mm)
    }

    /// The bits of its state word.
    pub(crate) fn state_bits(&self) -> u64 {
        SharedWord::load(self.words.state())
    }

    /// The server that a worker names; zero for a server.
    pub(crate) fn server(&self) -> u32 {
        match self.kind {
            Kind::Server => 0,
            Kind::Worker => self.words.next_tid(),
        }
    }
}

/// The words of a task, for the task itself.
#[inline]
pub(crate) fn own_words<'a>(current: &'a Current<'_, Task>) -> &'a TaskWords {
    &current.words
}

/// Starts the server `tid` on this CPU, which the current task is about to leave: IDLE becomes
/// RUNNING at `now_ns`. Returns false if it is not idle, for then somebody else has started it; or if
/// the process has no such server.
///
/// Any context without a run-queue lock.
pub(crate) fn start_server(current: &Current<'_, Task>, tid: u32, now_ns: u64) -> bool {
    let start = |record: &TaskRef| {
        let started = record.visit(|server| {
            server.kind == Kind::Server && protocol::start_server(server.words.state(), now_ns)
        });
        let started = started == Some(true);
        if started {
            wake::wake(record.task(), Placement::ThisCpu);
        }
        started
    };

    registry::with(&current.owned().last_found, tid, start) == Ok(true)
}

/// Makes the worker `tid` give way to its server when it is next in user mode, and at once if it is
/// there now.
///
/// # Errors
///
/// `ESRCH` if the process has no such task, `EPERM` if it is one of another address space; `EINVAL` if
/// it is no worker; `EAGAIN` if it does not run.
pub(crate) fn preempt(tid: u32) -> Result {
    registry::with(&LastFound::new(), tid, |record| {
        let kicked = record
            .visit(|worker| {
                if worker.kind != Kind::Worker {
                    return Err(EINVAL);
                }
                if !protocol::preempt(worker.words.state(), clock::monotonic_ns()) {
                    return Err(EAGAIN);
                }
                worker.nudge();
                Ok(())
            })
            .ok_or(ESRCH)?;
        if kicked.is_ok() {
            activity::is_kicked(record.task());
        }
        kicked
    })?
}

/// The current task unregisters.
///
/// # Errors
///
/// `EINVAL` if it is not registered.
pub(crate) fn unregister(ctx: TaskContext) -> Result {
    activity::unregisters(&*ctx.current::<Task>().ok_or(EINVAL)?);
    leave(ctx)
}

/// Takes the current task out: from here on the kernel does not touch its words.
///
/// # Errors
///
/// `EINVAL` if it is not registered.
fn leave(mut ctx: TaskContext) -> Result {
    if ctx.current::<Task>().is_none() {
        return Err(EINVAL);
    }
    registry::remove_current();

    // The probes stay until the record is off the task: they are what finds it.
    if let Some(record) = ctx.detach::<Task>() {
        drop(record.owned().hooks.take());
        drop(record.owned().share.take());
        activity::leaves(&record);
    }

    Ok(())
}

/// The current task goes without having said so. What it leaves behind says that it is gone.
fn vanish(ctx: TaskContext, reason: Reason) {
    if let Some(current) = ctx.current::<Task>() {
        let words = own_words(&current);
        let server = words.next_tid();
        let now = clock::monotonic_ns();
        activity::vanishes(&current, reason);
        let was_running = protocol::leave(words.state(), now);

        if current.kind == Kind::Worker && was_running && server != 0 {
            // A server that is gone too has nothing to be told.
            activity::starts(server, start_server(&current, server, now), reason);
        }
        // It is registered, so this does not fail.
        let _ = leave(ctx);
    }
}

impl_task_record! {
    impl TaskRecord for Task {
        type Owned = Owned;

        fn returns_to_user(ctx: &TaskContext, current: &Current<'_, Self>) {
            worker::returns_to_user(ctx, current);
        }
    }
}

impl tracepoint::Hooks for Task {
    #[inline]
    fn passes_scheduler(current: &Current<'_, Self>, sleeps: bool) {
        if current.kind == Kind::Worker {
            worker::passes_scheduler(current, sleeps);
        }
    }

    fn misses_scheduler() {
        stats::MISSED.increment();
    }

    fn takes_signal(current: &Current<'_, Self>) {
        if current.kind == Kind::Worker {
            worker::takes_signal(current);
        }
    }

    fn exits(mut ctx: TaskContext) {
        sched::vanish(&mut ctx);
        vanish(ctx, Reason::Exit);
    }

    fn execs(mut ctx: TaskContext) {
        sched::vanish(&mut ctx);
        vanish(ctx, Reason::Exec);
    }
}

/// A registered task and what only the kernel side knows of it.
pub(crate) type TaskRef = Record<Task>;

// The allocator has objects of this size, and the next larger ones have twice as much. A debug
// kernel's locks are larger.
const _: () = assert!(size_of::<TaskRef>() <= 256 || cfg!(CONFIG_DEBUG_LOCK_ALLOC));
