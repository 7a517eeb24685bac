// SPDX-License-Identifier: GPL-2.0

//! A registered task.

use super::{
    activity::{
        Counters,
        Last, //
    },
    direct_group::DirectGroup,
    hooks,
    limits::Share,
    protocol::OnTimeout,
    words::{
        Group,
        TaskWords, //
    },
};
use crate::sys::{
    hook_cell::{
        HookCell,
        Word, //
    },
    record::map::LastFound,
    record::{
        Allowance,
        Current,
        Record,
        Visit, //
    },
    sentinel::Sentinel,
    sleep::Deadline,
    trace::Role, //
};
use core::{
    cell::Cell,
    sync::atomic::{
        AtomicU8,
        Ordering, //
    },
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
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

/// A registered task, as all tasks of its process see it; see also [`words_of`].
pub(crate) struct Task {
    kind: Kind,
    /// Whether it was told to give way even where it must not be preempted.
    insisted: Atomic<bool>,
    /// What the next pass of a worker through the scheduler is for.
    pub(crate) on_pass: HookCell<OnPass>,
    /// How often what has happened to it.
    pub(crate) counters: Counters,
    /// What has happened to it last.
    pub(crate) last: Last,
}

/// The pinned memory of a task, which is given back as soon as it leaves.
pub(crate) struct Lent {
    pub(crate) words: TaskWords,
    /// Its group, if it is in direct mode.
    pub(crate) direct: Option<DirectGroup>,
}

/// What only the task itself touches.
pub(crate) struct Owned {
    /// Whom it has last dealt with.
    pub(crate) last_found: LastFound<Task>,
    /// What it is counted for, until its memory is free again.
    pub(crate) share: Share,
    /// A wait that a signal has interrupted, and that will start again.
    pub(crate) interrupted: Cell<Option<Interrupted>>,
    /// More, if it is a worker.
    pub(crate) worker: WorkerOwned,
}

/// A wait that a signal has interrupted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interrupted {
    /// The state word then.
    pub(crate) state: u64,
    /// Whom it had woken.
    pub(crate) next_tid: u32,
    /// When a worker is to give up, which goes on waiting before the call starts again; `None` once
    /// it does not wait any more.
    pub(crate) deadline: Option<Deadline>,
    /// What becomes of it then.
    pub(crate) on_timeout: OnTimeout,
    /// Whether it has given up.
    pub(crate) timed_out: bool,
}

impl Interrupted {
    /// A wait up to this deadline that has woken `next_tid` and has not been interrupted yet.
    #[inline(always)]
    pub(crate) fn new(next_tid: u32, deadline: Option<Deadline>, on_timeout: OnTimeout) -> Self {
        Self {
            state: 0,
            next_tid,
            deadline,
            on_timeout,
            timed_out: false,
        }
    }
}

impl Owned {
    /// What belongs to a task that registers; `says` and `group` are those of a worker.
    pub(crate) fn new(
        share: Share,
        hooks: hooks::Use,
        says: Says,
        group: Option<KBox<Group>>,
    ) -> Self {
        Self {
            last_found: LastFound::new(),
            share,
            interrupted: Cell::new(None),
            worker: WorkerOwned::new(hooks, says, group),
        }
    }
}

/// What a worker says in words that not all have.
#[derive(Clone, Copy)]
pub(crate) struct Says {
    /// When it must not be preempted.
    pub(crate) critical: bool,
    /// Which signals it handles even while it is held.
    pub(crate) signals: bool,
}

/// Whether a worker is within the handler of an immediate signal.
///
/// Where all signals that could be a sentinel are blocked there is none, and nobody knows when the
/// handler has returned.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    /// It is not.
    None,
    /// It has taken a signal. The frame of the handler is set up by when it is next in task work.
    Begins(Option<Sentinel>),
    /// It is, or has been, unless a sentinel says more.
    Runs(Option<Sentinel>),
}

/// What only a worker itself touches.
pub(crate) struct WorkerOwned {
    /// Whether it sleeps on purpose, so that this is no blocking.
    pub(crate) sleeps_on_purpose: Cell<bool>,
    /// Whether it is idle by the rules: it waits, or wake detection has queued it.
    pub(crate) idles: Cell<bool>,
    /// Whether it has been found to break the contract where nobody can be killed.
    pub(crate) condemned: Cell<bool>,
    pub(crate) says: Says,
    /// The probes that the task, of whatever kind, needs until it leaves. Here there is room.
    pub(crate) hooks: Cell<Option<hooks::Use>>,
    /// The words of its group, if it is not in direct mode.
    pub(crate) group: Cell<Option<KBox<Group>>>,
    /// Whether it is within the handler of an immediate signal.
    pub(crate) handler: Cell<Handler>,
    /// The CPU time that it has there while it is held.
    pub(crate) allowance: Cell<Option<Pin<KBox<Allowance<Task>>>>>,
}

/// What the next pass of a worker through the scheduler is for, which may be on its way to user mode.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum OnPass {
    /// Nothing.
    Nothing,
    /// It has been let out of the hold of wake detection, and must not reach user mode.
    Catch,
    /// It is within the handler of an immediate signal. Task work waits for the end of that.
    QueueSilently,
}

impl Word for OnPass {
    type Shared = AtomicU8;

    #[inline(always)]
    fn share(self) -> AtomicU8 {
        AtomicU8::new(self as u8)
    }

    #[inline(always)]
    fn load(shared: &AtomicU8) -> Self {
        match shared.load(Ordering::Relaxed) {
            0 => Self::Nothing,
            1 => Self::Catch,
            _ => Self::QueueSilently,
        }
    }

    #[inline(always)]
    fn store(self, shared: &AtomicU8) {
        shared.store(self as u8, Ordering::Relaxed);
    }
}

impl WorkerOwned {
    /// What belongs to a worker that registers in this group.
    pub(crate) fn new(hooks: hooks::Use, says: Says, group: Option<KBox<Group>>) -> Self {
        Self {
            says,
            hooks: Cell::new(Some(hooks)),
            sleeps_on_purpose: Cell::new(false),
            idles: Cell::new(false),
            condemned: Cell::new(false),
            group: Cell::new(group),
            handler: Cell::new(Handler::None),
            allowance: Cell::new(None),
        }
    }

    /// Has the process killed when the worker is about to be in user mode.
    pub(crate) fn condemn(&self) {
        self.condemned.set(true);
    }
}

impl Task {
    /// A task of this kind.
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            insisted: Atomic::new(false),
            on_pass: HookCell::new(OnPass::Nothing),
            counters: Counters::new(),
            last: Last::new(),
        }
    }

    /// Has the worker give way although it must not be preempted. For a peer, after the worker has
    /// been asked to give way, and before it is nudged.
    pub(crate) fn insist(&self, insists: bool) {
        // Relaxed: pairs with the exchange in `is_in_section()`, which comes after the nudge.
        self.insisted.store(insists, Relaxed);
    }

    /// What it is registered as.
    #[inline]
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The server that a worker, whose words these are, names; zero for a server.
    pub(crate) fn server(&self, words: &TaskWords) -> u32 {
        match self.kind {
            Kind::Server => 0,
            Kind::Worker => words.next_tid(),
        }
    }
}

/// The words of a task, for the task itself.
#[inline]
pub(crate) fn own_words<'a>(current: &'a Current<'_, Task>) -> &'a TaskWords {
    &current.lent().words
}

/// Whether the current worker, which is to give way, must not be preempted. Who has insisted has done
/// so for this time.
#[cold]
pub(crate) fn is_in_section(current: &Current<'_, Task>) -> bool {
    is_critical(current) && !current.insisted.xchg(false, Relaxed)
}

/// Whether the current worker says that it must not be preempted.
pub(crate) fn is_critical(current: &Current<'_, Task>) -> bool {
    current.owned().worker.says.critical && own_words(current).is_critical()
}

/// The group of a task, for the task itself, if it is in direct mode.
#[inline]
pub(crate) fn own_group<'a>(current: &'a Current<'_, Task>) -> Option<&'a DirectGroup> {
    current.lent().direct.as_ref()
}

/// The words of a task, for a peer.
#[inline]
pub(crate) fn words_of<'a>(visit: &'a Visit<'_, Task>) -> &'a TaskWords {
    &visit.lent().words
}

/// How often the gate of a task is passed for one change of its word, at most.
const ROUNDS: u32 = 16;

/// Calls `change` in the gate of a task, to change the word that it finds there, and again as long as
/// it returns `None` because others change it all the time: each time with interrupts off for a few
/// attempts only. `Err(EAGAIN)` if it never comes to its end; `None` if the task is not registered any
/// more.
#[inline]
pub(crate) fn change_word<R>(
    record: &TaskRef,
    change: impl Fn(&Visit<'_, Task>) -> Option<Result<R>>,
) -> Option<Result<R>> {
    for _ in 0..ROUNDS {
        if let Some(result) = record.visit(&change)? {
            return Some(result);
        }
    }
    Some(Err(EAGAIN))
}

/// A registered task and what only the kernel side knows of it.
pub(crate) type TaskRef = Record<Task>;

// The allocator has objects of this size, and the next larger ones have twice as much. A debug
// kernel's locks are larger.
const _: () = assert!(size_of::<TaskRef>() <= 256 || cfg!(CONFIG_DEBUG_LOCK_ALLOC));
