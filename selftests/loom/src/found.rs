// SPDX-License-Identifier: GPL-2.0

//! Bugs that loom has to find, or it would prove nothing.

use crate::{
    bugs::Bug,
    direct_scenarios, scenarios,
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

#[test]
#[should_panic(expected = "deadlock")]
fn a_server_that_is_put_back_without_a_look_is_found() {
    explore_preemptions(4, || {
        direct_scenarios::put_back_against_queue(Some(Bug::NoLookAfterPutBack))
    });
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_server_that_refused_others_and_does_not_look_is_found() {
    explore(|| direct_scenarios::put_back_against_offer(Some(Bug::NoLookAfterPutBack)));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_look_at_the_set_before_the_worker_is_queued_is_found() {
    explore_preemptions(4, || {
        direct_scenarios::put_back_against_queue(Some(Bug::SetIsReadTooEarly))
    });
}

#[test]
#[should_panic(expected = "is not Idle")]
fn a_server_that_two_workers_take_is_found() {
    explore_preemptions(3, || {
        direct_scenarios::two_wakes(Some(Bug::ServerIsTakenTwice));
    });
}

#[test]
#[should_panic(expected = "runs under a server that is idle")]
fn a_ring_that_is_popped_twice_is_found() {
    explore(|| direct_scenarios::two_pops(Some(Bug::RingIsPoppedTwice)));
}

#[test]
#[should_panic(expected = "overtaken")]
fn a_worker_that_overtakes_is_found() {
    explore(|| direct_scenarios::wake_behind_a_queued_worker(Some(Bug::WorkerOvertakes)));
}

#[test]
#[should_panic(expected = "gave way in a critical section")]
fn a_critical_section_that_is_ignored_is_found() {
    explore(|| direct_scenarios::kick_in_a_section(Some(Bug::SectionIsIgnored)));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_watcher_that_is_forgotten_is_found() {
    explore(|| direct_scenarios::queue_against_watcher(Some(Bug::WatcherIsForgotten)));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_watcher_that_does_not_look_is_found() {
    explore(|| direct_scenarios::queue_against_watcher(Some(Bug::WatcherDoesNotLook)));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_watcher_that_is_passed_over_is_found() {
    explore(|| direct_scenarios::watcher_against_adoption(Some(Bug::WatcherIsPassedOver)));
}

#[test]
#[should_panic(expected = "deadlock")]
fn a_start_that_dies_with_its_server_is_found() {
    explore(|| direct_scenarios::queue_against_death(Some(Bug::StartDiesWithServer)));
}
