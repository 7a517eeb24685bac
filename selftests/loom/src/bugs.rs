// SPDX-License-Identifier: GPL-2.0

//! What may be wrong with a model. See `found.rs` for the tests that find each of it.

use crate::{
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

/// [`crate::protocol::preempt`] with [`Bug::PreemptionIsStampedAnew`].
pub(crate) fn preempt_anew(word: &impl SharedWord, now_ns: u64) -> Option<bool> {
    let old = StateWord::from_bits(word.load());
    let preempted = old.runs()
        && word
            .compare_exchange(old.bits(), old.preempted(now_ns).bits())
            .is_ok();

    Some(preempted)
}
