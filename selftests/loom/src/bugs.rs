// SPDX-License-Identifier: GPL-2.0

//! What may be wrong with a model. See `found.rs` for the tests that find each of it.

use crate::{
    direct::{
        self,
        GroupWords,
        Server, //
    },
    protocol::SharedWord,
    state::StateWord, //
};

/// What is wrong with a model.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// A task that goes to sleep looks at its word, and marks itself as asleep then.
    SleeperLooksTooEarly,
    /// A server that has published itself does not look at the list again.
    ServerDoesNotLookAgain,
    /// Who wakes a task looks whether it sleeps without a barrier before.
    WakerHasNoBarrier,
    /// Who starts a server wakes it before the word says so.
    WakerWritesTooLate,
    /// The kernel does not mark a node whose link it has not written yet.
    PushIsNotPending,
    /// A word that has the preemption flag gets a new timestamp when somebody asks for it again.
    PreemptionIsStampedAnew,
    /// Wake detection looks whether the worker has a server, and at its state then.
    ServerIsReadTooEarly,
    /// Who puts a server back into the set does not look for workers after that.
    NoLookAfterPutBack,
    /// Who queues a worker looks at the set before that.
    SetIsReadTooEarly,
    /// A server is taken out of the set by a load and a store.
    ServerIsTakenTwice,
    /// A worker is popped off the ring by a load and a store.
    RingIsPoppedTwice,
    /// A worker that wakes takes a server although others are queued.
    WorkerOvertakes,
    /// A worker that is to give way does so in a critical section.
    SectionIsIgnored,
    /// Who queues a worker, and finds no server, does not look for the watcher.
    WatcherIsForgotten,
    /// The watcher does not look for workers after it has published itself.
    WatcherDoesNotLook,
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
