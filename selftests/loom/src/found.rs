// SPDX-License-Identifier: GPL-2.0

//! Bugs that loom has to find, or it would prove nothing.

use crate::{
    bugs::Bug,
    scenarios,
    world::{
        explore,
        explore_preemptions, //
    },
};

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
