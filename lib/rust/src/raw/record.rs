// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What the engine knows of a thread.

use super::{deadline::Deadline, link, node::Node, task::Task};
use crate::{
    atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering},
    sys::memory::{Zeroed, SIZE},
};
use core::{mem::offset_of, ptr};

/// A thread of a group. Records are never unmapped: one that is not used any more is used again.
///
/// Each link is used by the current owner of the record only. Loads and stores are relaxed, since
/// what passes a record on orders them as well.
#[repr(C)]
pub(crate) struct Record {
    pub(crate) task: Task,
    tid: AtomicU32,
    /// What a worker does that its state does not say: `FRESH`, `YIELDS` or zero.
    phase: AtomicU32,
    /// `HELD` while a policy has a token of the worker, `RETURNED` when that was dropped.
    token: AtomicU32,
    /// The class of a worker, 0 to 255: what it means is the policy's business.
    class: AtomicU32,
    /// The number of its group.
    group: AtomicU32,
    /// Not zero if the worker was preempted in a critical section that was too long.
    overrun: AtomicU32,
    /// Not zero if the worker has begun a critical section since somebody looked.
    sections: AtomicU32,
    /// A word for the policy.
    pub(crate) data: AtomicU64,
    /// The deadline of a worker: see [`Deadline`].
    deadline: AtomicU64,
    /// When a server has last let the worker run.
    turn_ns: AtomicU64,
    /// The next one in a list of a policy, or of workers that were taken over.
    pub(crate) link: Link,
    /// For trees of a policy.
    pub(crate) node: Node<Self>,
    /// The neighbours among the workers that are queued; under the lock of the scheduler.
    pub(crate) before: Link,
    pub(crate) after: Link,
    /// The next one that has the same hash, or is free; under the lock of the roster.
    pub(crate) beside: Link,
}

// SAFETY: All fields are atomic integers and pointers, and the latter are null when they are zero.
unsafe impl Zeroed for Record {}

/// The number in a page, which the documentation of the crate gives for `RLIMIT_MEMLOCK`.
const _: () = assert!(SIZE / core::mem::size_of::<Record>() == 21);

const FRESH: u32 = 1;
const YIELDS: u32 = 2;
const HELD: u32 = 1;
const RETURNED: u32 = 2;

/// Why a worker is queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It has entered the group.
    New,
    /// It was blocked, and could go on.
    Woken,
    /// It gives way to others: [`yield_now()`](crate::yield_now).
    Yielded,
    /// Its slice was over. It may have blocked before it noticed.
    Preempted,
}

impl Record {
    /// Makes this the record of the calling thread, which registers with it.
    pub(crate) fn prepare(&self, tid: u32, group: u32, class: u8) {
        // Relaxed, all of them: others find the record by what comes after this.
        self.tid.store(tid, Ordering::Relaxed);
        self.group.store(group, Ordering::Relaxed);
        self.phase.store(FRESH, Ordering::Relaxed);
        self.token.store(0, Ordering::Relaxed);
        self.class.store(class.into(), Ordering::Relaxed);
        self.overrun.store(0, Ordering::Relaxed);
        self.sections.store(0, Ordering::Relaxed);
        self.data.store(0, Ordering::Relaxed);
        self.deadline
            .store(Deadline::None.word(), Ordering::Relaxed);
        self.turn_ns.store(0, Ordering::Relaxed);
    }

    pub(crate) fn tid(&self) -> u32 {
        // Relaxed: it does not change while the record is in use.
        self.tid.load(Ordering::Relaxed)
    }

    pub(crate) fn group(&self) -> u32 {
        // Relaxed: it does not change while the record is in use.
        self.group.load(Ordering::Relaxed)
    }

    pub(crate) fn class(&self) -> u8 {
        // CAST: It was a u8. Relaxed: no other data depends on it.
        self.class.load(Ordering::Relaxed) as u8
    }

    pub(crate) fn set_class(&self, class: u8) {
        // Relaxed: no other data depends on it.
        self.class.store(class.into(), Ordering::Relaxed);
    }

    pub(crate) fn deadline(&self) -> Deadline {
        // Relaxed: no other data depends on it.
        Deadline::of(self.deadline.load(Ordering::Relaxed))
    }

    pub(crate) fn set_deadline(&self, deadline: Deadline) {
        // Relaxed: no other data depends on it.
        self.deadline.store(deadline.word(), Ordering::Relaxed);
    }

    /// A server is about to let the worker run, with this time in its state.
    pub(crate) fn begins_turn(&self, now_ns: u64) {
        // Relaxed: only policies use it, later.
        self.turn_ns.store(now_ns, Ordering::Relaxed);
    }

    /// The time since which the worker runs, if it has resumed under an idle server after it had
    /// blocked. `None` if a server has run it since.
    pub(crate) fn resumed_at(&self, now_ns: u64) -> Option<u64> {
        /// The time in the state may be a few steps later than the stored one. A worker takes
        /// longer to block.
        const SAME_NS: u64 = 256;
        let since = now_ns.saturating_sub(self.task.age_ns(now_ns));
        // Relaxed: a server stores it before the worker runs.
        let turn = self.turn_ns.load(Ordering::Relaxed);

        (since > turn.saturating_add(SAME_NS)).then_some(since)
    }

    /// The worker is preempted in a critical section that is too long.
    pub(crate) fn set_overrun(&self) {
        // Relaxed: no other data depends on it.
        self.overrun.store(1, Ordering::Relaxed);
    }

    /// Whether that has happened since this was called last. For the worker.
    pub(crate) fn take_overrun(&self) -> bool {
        // Relaxed: no other data depends on it. If it is set in between, that is for a section
        // which is over all the same.
        let overrun = self.overrun.load(Ordering::Relaxed) != 0;

        self.overrun.store(0, Ordering::Relaxed);
        overrun
    }

    /// The calling worker begins a critical section.
    #[inline]
    pub(crate) fn begins_section(&self) {
        // Relaxed: a hint for the ticker.
        self.sections.store(1, Ordering::Relaxed);
    }

    /// Whether the worker has begun a critical section since this was called last.
    pub(crate) fn takes_sections(&self) -> bool {
        // Relaxed: what is missed here is seen the next time, or never.
        self.sections.swap(0, Ordering::Relaxed) != 0
    }

    /// The calling worker has run.
    pub(crate) fn has_run(&self) {
        // Relaxed: the kernel orders what the worker did before it was queued.
        self.phase.store(0, Ordering::Relaxed);
    }

    /// The calling worker is about to give way.
    pub(crate) fn yields(&self) {
        // Relaxed: the kernel orders it before the worker is queued.
        self.phase.store(YIELDS, Ordering::Relaxed);
    }

    /// Why the worker was queued, which was taken from the kernel's list.
    pub(crate) fn reason(&self) -> Reason {
        // Relaxed: ordered by the exchange that has taken the list.
        match self.phase.load(Ordering::Relaxed) {
            FRESH => Reason::New,
            YIELDS => Reason::Yielded,
            _ if self.task.state().is_preempted() => Reason::Preempted,
            _ => Reason::Woken,
        }
    }

    /// A policy gets a token of the worker. Under the lock of the scheduler, as all but the last.
    pub(crate) fn give_token(&self) {
        // Relaxed: the lock orders it.
        self.token.store(HELD, Ordering::Relaxed);
    }

    /// The token has come back with the worker to be run. Returns false if it is of no worth.
    pub(crate) fn take_token(&self) -> bool {
        // Relaxed: the lock orders it.
        self.token.swap(0, Ordering::Relaxed) == HELD
    }

    pub(crate) fn is_returned(&self) -> bool {
        // Acquire: pairs with the release in `return_token()`.
        self.token.load(Ordering::Acquire) == RETURNED
    }

    /// The policy has dropped the token, anywhere.
    pub(crate) fn return_token(&self) {
        // Release: pairs with the acquire of `is_returned()`. Nothing to be done if it has failed:
        // the worker is no longer that of the policy.
        let _ = self
            .token
            .compare_exchange(HELD, RETURNED, Ordering::Release, Ordering::Relaxed);
    }

    /// The address of its words, for the kernel to share them. The whole record may be found by
    /// them then: see `of_node()`.
    pub(crate) fn expose_task(&self) -> u64 {
        (ptr::from_ref(self).expose_provenance() + offset_of!(Self, task)) as u64
    }

    /// The record whose node of the idle-worker list has this address.
    ///
    /// # Safety
    ///
    /// It is the node of a record that is never unmapped, and was exposed.
    pub(super) unsafe fn of_node(node: u64) -> &'static Self {
        // CAST: The address of a node.
        let address = node as usize - offset_of!(Self, task) - offset_of!(Task, idle_node);

        // SAFETY: The caller promises that there is a record, which was exposed as a whole.
        unsafe { &*ptr::with_exposed_provenance(address) }
    }
}

/// A record, or none.
pub(crate) type Link = link::Link<Record>;

/// Records from anywhere, linked by [`Record::beside`], that any thread may give and take.
pub(crate) struct Pile(AtomicPtr<Record>);

impl Pile {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// Takes all, or none.
    pub(crate) fn take(&self) -> Option<&'static Record> {
        // Acquire: pairs with the release in `give()`.
        let first = self.0.swap(ptr::null_mut(), Ordering::Acquire);

        // SAFETY: The pointer comes from a reference of this lifetime, or is null: see `give()`.
        unsafe { first.as_ref() }
    }

    /// Gives the records that begin with `first` and end with `last`.
    pub(crate) fn give(&self, first: &'static Record, last: &'static Record) {
        let new = ptr::from_ref(first).cast_mut();
        // Relaxed: nothing is read of it.
        let mut head = self.0.load(Ordering::Relaxed);

        loop {
            // Relaxed: published by the exchange.
            last.beside.0.store(head, Ordering::Relaxed);
            // Release: pairs with the acquire in `take()`.
            match self
                .0
                .compare_exchange(head, new, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }
}

/// Whether both are the same thread's.
pub(crate) fn is_same(one: &Record, other: &Record) -> bool {
    ptr::eq(one, other)
}
