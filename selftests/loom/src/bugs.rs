// SPDX-License-Identifier: GPL-2.0

//! Bugs that loom has to find, or it would prove nothing.

use crate::{
    protocol::SharedWord,
    scenarios,
    state::StateWord,
    world::{
        explore,
        explore_preemptions, //
    },
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
pub(crate) fn preempt_anew(word: &impl SharedWord, now_ns: u64) -> bool {
    let old = StateWord::from_bits(word.load());

    old.runs()
        && word
            .compare_exchange(old.bits(), old.preempted(now_ns).bits())
            .is_ok()
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_server_that_does_not_look_at_its_word_when_it_sleeps_is_found() {
    explore(|| scenarios::block_against_sleep(Some(Bug::SleeperLooksTooEarly)));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_server_that_does_not_look_at_the_list_when_it_sleeps_is_found() {
    explore(|| scenarios::idle_against_sleep(Some(Bug::ServerDoesNotLookAgain)));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_waker_without_a_barrier_is_found() {
    explore(|| scenarios::wait_against_wake(Some(Bug::WakerHasNoBarrier)));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_waker_that_writes_after_it_wakes_is_found() {
    explore(|| scenarios::block_against_sleep(Some(Bug::WakerWritesTooLate)));
}

#[test]
#[should_panic(expected = "a link that leads nowhere")]
fn a_push_that_is_not_pending_is_found() {
    explore_preemptions(3, || scenarios::two_pushes(Some(Bug::PushIsNotPending)));
}

#[test]
#[should_panic(expected = "killed: its word changed while it blocked")]
fn a_preemption_that_is_stamped_anew_is_found() {
    explore(|| scenarios::preempt_against_block(Some(Bug::PreemptionIsStampedAnew)));
}

#[test]
#[should_panic(expected = "killed: its word says what cannot be")]
fn a_look_for_the_server_before_the_state_is_found() {
    explore(|| scenarios::idle_against_sleep(Some(Bug::ServerIsReadTooEarly)));
}
