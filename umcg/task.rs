// SPDX-License-Identifier: GPL-2.0

//! A registered task.

use super::{
    hooks,
    protocol,
    registry,
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
        gate::Gate,
        record::{
            Current,
            Record, //
        },
        tracepoint,
        wake::{
            self,
            Placement, //
        },
    },
};
use core::cell::Cell;
use kernel::prelude::*;

/// What a task is registered as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Runs workers, or is a task of its own.
    Server,
    /// Is run by a server.
    Worker,
}

/// A registered task, as all tasks of its process see it.
#[pin_data]
pub(crate) struct Task {
    kind: Kind,
    words: TaskWords,
    /// Closed when the task leaves: nobody else touches `words` after that.
    #[pin]
    gate: Gate,
    _count: stats::Count,
}

/// What only the task itself touches.
pub(crate) struct Owned {
    /// Its number in the registry.
    pub(crate) number: usize,
    /// The probes that it needs, until it leaves.
    pub(crate) hooks: Cell<Option<hooks::Use>>,
    /// Whether it sleeps on purpose, so that this is no blocking.
    pub(crate) sleeps_on_purpose: Cell<bool>,
    /// The words of its group, if it is a worker.
    pub(crate) group: Cell<Option<Group>>,
    /// Its state word and `next_tid` when a signal interrupted its wait.
    pub(crate) interrupted: Cell<Option<(u64, u32)>>,
    /// Whether block detection has found the contract broken.
    pub(crate) condemned: Cell<bool>,
}

impl Task {
    /// A task of this kind, whose words are these.
    pub(crate) fn new(kind: Kind, words: TaskWords) -> impl PinInit<Self> {
        pin_init!(Self {
            kind,
            words,
            gate <- Gate::new(),
            _count: stats::RECORDS.count(),
        })
    }

    /// What it is registered as.
    #[inline]
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }
}

/// The words of a task, for the task itself.
#[inline]
pub(crate) fn own_words<'a>(current: &'a Current<'_, Task>) -> &'a TaskWords {
    &current.words
}

/// Starts the server `tid` on this CPU, which the current task is about to leave: IDLE becomes
/// RUNNING. A server that is not idle has been started by somebody else.
///
/// Any context without a run-queue lock.
///
/// # Errors
///
/// `ESRCH` if the process has no such server, `EPERM` if it is a task of another address space.
pub(crate) fn start_server(tid: u32) -> Result {
    registry::with(tid, |task| {
        if task.kind != Kind::Server {
            return Err(ESRCH);
        }
        let started = task
            .gate
            .pass(|| protocol::start_server(task.words.state(), clock::monotonic_ns()))
            .ok_or(ESRCH)?;
        if started {
            wake::wake(task.task(), Placement::ThisCpu);
        }
        Ok(())
    })?
}

/// Takes the current task out, if it is registered: from here on the kernel does not touch its words.
pub(crate) fn leave(mut ctx: TaskContext) -> Result {
    let Some(current) = ctx.current::<Task>() else {
        return Err(EINVAL);
    };
    current.gate.close();
    registry::remove(current.owned().number);

    // The probes stay until the record is off the task: they are what finds it.
    if let Some(record) = ctx.detach::<Task>() {
        drop(record.owned().hooks.take());
    }

    Ok(())
}

/// The current task goes without having said so. What it leaves behind says that it is gone.
fn vanish(ctx: TaskContext) {
    if let Some(current) = ctx.current::<Task>() {
        let words = own_words(&current);
        let server = words.next_tid();
        let was_running = protocol::leave(words.state(), clock::monotonic_ns());

        if current.kind == Kind::Worker && was_running && server != 0 {
            // A server that is gone too has nothing to be told.
            let _ = start_server(server);
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
    fn goes_to_sleep(current: &Current<'_, Self>) {
        if current.kind == Kind::Worker {
            worker::goes_to_sleep(current);
        }
    }

    fn exits(ctx: TaskContext) {
        vanish(ctx);
    }

    fn execs(ctx: TaskContext) {
        vanish(ctx);
    }
}

/// A registered task and what only the kernel side knows of it.
pub(crate) type TaskRef = Record<Task>;
