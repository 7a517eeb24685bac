// SPDX-License-Identifier: GPL-2.0

//! Seeded bugs of a model. See `found.rs` for the tests that find each of them.

use crate::{
    direct::{
        self,
        GroupWords,
        Server, //
    },
    protocol::SharedWord,
    state::StateWord, //
};

/// A seeded bug of a model.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A task that goes to sleep checks its word before it marks itself as asleep.
    SleeperLooksTooEarly,
    /// A server that has published its TID does not check the list again.
    ServerDoesNotLookAgain,
    /// A waker checks whether the task sleeps without a barrier before.
    WakerHasNoBarrier,
    /// A server is woken before its word is changed.
    WakerWritesTooLate,
    /// The kernel does not mark a node whose link it has not written yet.
    PushIsNotPending,
    /// A word with the preemption flag gets a new timestamp when the worker is kicked again.
    PreemptionIsStampedAnew,
    /// Wake detection checks whether the worker has a server before it reads the state.
    ServerIsReadTooEarly,
    /// No check for workers after a server was put back into the set.
    NoLookAfterPutBack,
    /// The set is checked before the worker is queued.
    SetIsReadTooEarly,
    /// A server is taken out of the set by a load and a store.
    ServerIsTakenTwice,
    /// A worker is popped off the ring by a load and a store.
    RingIsPoppedTwice,
    /// A worker that wakes takes a server although others are queued.
    WorkerOvertakes,
    /// A worker is preempted in a critical section.
    SectionIsIgnored,
    /// No check for the watcher after a worker was queued and no server found.
    WatcherIsForgotten,
    /// The watcher does not check for workers after it has published its TID.
    WatcherDoesNotLook,
    /// A task that takes a server while others are queued does not check for the watcher.
    WatcherIsPassedOver,
    /// A server that leaves does not pass on that it was taken.
    StartDiesWithServer,
}

/// [`crate::protocol::push_idle`] with [`Bug::PushIsNotPending`].
pub(crate) fn push_without_pending(
    node: &impl SharedWord,
    head: &impl SharedWord,
    node_address: u64,
) {
    let first = head.exchange(node_address);
    node.store(first);
}

/// [`direct::put_back`] with [`Bug::NoLookAfterPutBack`].
pub(crate) fn put_back_without_look(group: &impl GroupWords, nr: u32) -> bool {
    group.running(nr).store(0);
    direct::put(group, nr)
}

/// [`direct::take_server`] with [`Bug::ServerIsTakenTwice`].
pub(crate) fn take_server_twice(group: &impl GroupWords) -> Option<Server> {
    let set = group.idle_servers().load();

    (set != 0).then(|| {
        let nr = set.trailing_zeros();
        group.idle_servers().store(set & (set - 1));
        Server {
            nr,
            tid: group.server_tid(nr).load(),
        }
    })
}

/// [`direct::pop_ready`] with [`Bug::RingIsPoppedTwice`].
pub(crate) fn pop_ready_twice(group: &impl GroupWords) -> Option<u32> {
    let ends = group.ready_ends().load();
    let head = ends as u32;
    let tid = group.ready(head).load() as u32;

    (tid != 0).then(|| {
        group.ready(head).store(1 << 32);
        group.ready_ends().store(ends + 1);
        tid
    })
}

/// [`crate::protocol::preempt`] with [`Bug::PreemptionIsStampedAnew`].
pub(crate) fn preempt_anew(word: &impl SharedWord, now_ns: u64) -> Option<bool> {
    let old = StateWord::from_bits(word.load());
    let preempted = old.runs()
        && word
            .compare_exchange(old.bits(), old.preempted(now_ns).bits())
            .is_ok();

    Some(preempted)
}
