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
    owner_cell::{
        OwnerCell,
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
    /// Runs workers, or waits, wakes and swaps without any.
    Server,
    /// Is run by a server.
    Worker,
}

impl Kind {
    /// Its name in trace events.
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
    /// Whether it is to be preempted even in a critical section.
    insisted: Atomic<bool>,
    /// What the next pass of a worker through the scheduler is for.
    pub(crate) on_pass: OwnerCell<OnPass>,
    /// Its event counters.
    pub(crate) counters: Counters,
    /// Its last event.
    pub(crate) last: Last,
}

/// The pinned memory of a task, which is unpinned as soon as it leaves.
pub(crate) struct Lent {
    pub(crate) words: TaskWords,
    /// Its group, if it is in direct mode.
    pub(crate) direct: Option<DirectGroup>,
}

/// Accessed only by the task itself.
pub(crate) struct Owned {
    /// The last task that it has looked up.
    pub(crate) last_found: LastFound<Task>,
    /// Its share of the limits, until its memory is freed.
    pub(crate) share: Share,
    /// A wait that was interrupted by a signal, and will restart.
    pub(crate) interrupted: Cell<Option<Interrupted>>,
    /// Additional data of a worker.
    pub(crate) worker: WorkerOwned,
}

/// A wait that was interrupted by a signal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interrupted {
    /// The state word at that time.
    pub(crate) state: u64,
    /// The task that it had woken.
    pub(crate) next_tid: u32,
    /// The deadline of a worker, which continues to wait before the call restarts; `None` once it
    /// does not wait any more.
    pub(crate) deadline: Option<Deadline>,
    /// What happens at the deadline.
    pub(crate) on_timeout: OnTimeout,
    /// Whether the deadline has passed.
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
    /// The data of a task that registers; `says` and `group` are those of a worker.
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

/// The optional words of a worker.
#[derive(Clone, Copy)]
pub(crate) struct Says {
    /// Whether it has the word `critical`.
    pub(crate) critical: bool,
    /// Whether it has the word `signals`.
    pub(crate) signals: bool,
}

/// Whether a worker is within the handler of an immediate signal.
///
/// If all signals that could be a sentinel are blocked there is none, and the return of the handler
/// is not detected.
#[derive(Clone, Copy)]
pub(crate) enum Handler {
    /// It is not.
    None,
    /// It has taken a signal. The frame of the handler will be set up before it next runs task
    /// work.
    Begins(Option<Sentinel>),
    /// It is, or was; a sentinel tells which.
    Runs(Option<Sentinel>),
}

/// Accessed only by the worker itself.
pub(crate) struct WorkerOwned {
    /// Whether it sleeps in a wait of the module, which is no block.
    pub(crate) sleeps_on_purpose: Cell<bool>,
    /// Whether it is legitimately idle: it waits, or wake detection has queued it.
    pub(crate) idles: Cell<bool>,
    /// Whether it was found to violate the protocol in a context where it cannot be killed.
    pub(crate) condemned: Cell<bool>,
    pub(crate) says: Says,
    /// The probes that the task, of whatever kind, needs until it leaves. Placed here to fill a
    /// hole.
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
    /// It was released from the hold, and must not reach user mode.
    Catch,
    /// It is in the handler of an immediate signal. Task work is to run at its end.
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
    /// The data of a worker that registers in this group.
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

    /// Makes the process be killed before the worker returns to user mode.
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
            on_pass: OwnerCell::new(OnPass::Nothing),
            counters: Counters::new(),
            last: Last::new(),
        }
    }

    /// Makes the worker be preempted even in a critical section. For a peer, after it has set the
    /// preemption flag, and before it nudges the worker.
    pub(crate) fn insist(&self, insists: bool) {
        // Relaxed: pairs with the load in `is_in_section()`, which comes after the nudge at the latest.
        self.insisted.store(insists, Relaxed);
    }

    /// Ends a request that insists. For the worker itself, when it has been preempted.
    #[inline]
    pub(crate) fn has_given_way(&self) {
        // Relaxed: a thread that kicks the worker from now on finds that it does not run, or insists
        // anew.
        self.insisted.store(false, Relaxed);
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

/// Whether the current worker, which is to be preempted, is in a critical section. A request that
/// insists holds until the worker has been preempted, however often this is called before.
#[cold]
pub(crate) fn is_in_section(current: &Current<'_, Task>) -> bool {
    is_critical(current) && !current.insisted.load(Relaxed)
}

/// Whether the current worker is in a critical section.
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

/// How often the gate of a task is entered for one change of its word, at most.
const ROUNDS: u32 = 16;

/// Calls `change` in the gate of a task, to change its word, and repeats that while it returns
/// `None` because the word keeps changing: each time with interrupts disabled for a few attempts
/// only. `Err(EAGAIN)` if it never succeeds; `None` if the task is not registered any more.
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

/// A registered task and the kernel's data of it.
pub(crate) type TaskRef = Record<Task>;

// A size class of the allocator; the next larger one is twice as large. A debug kernel's locks are
// larger.
const _: () = assert!(size_of::<TaskRef>() <= 256 || cfg!(CONFIG_DEBUG_LOCK_ALLOC));
