// SPDX-License-Identifier: GPL-2.0

//! Scenarios. Four tasks at most: loom has no more threads.

use crate::{
    abi::*,
    bugs::Bug,
    state::StateWord,
    world::{
        explore,
        explore_preemptions,
        Tid,
        World,
        S1,
        S2,
        W1,
        W2, //
    },
};

/// A task at the beginning: its state, and its `next_tid`.
type Start = (u32, Tid);

/// It takes no part.
const ABSENT: Start = (UMCG_TASK_NONE, 0);
/// A server in user mode.
const SERVES: Start = (UMCG_TASK_RUNNING, 0);
/// A server that waits, or is about to call for that.
const WAITS: Start = (UMCG_TASK_IDLE, 0);
/// A worker in user mode under this server.
const fn under(server: Tid) -> Start {
    (UMCG_TASK_RUNNING, server)
}
/// A worker that waits.
const ASLEEP: Start = (UMCG_TASK_IDLE, 0);
/// A worker that is registering.
const NEW: Start = (UMCG_TASK_BLOCKED, 0);

/// Two tasks wake one that waits, or is about to. One of them does it.
pub(crate) fn wait_against_wake(bug: Option<Bug>) {
    World::new([WAITS, SERVES, ABSENT, ABSENT], bug).run([
        |world| world.server_sleeps(S1, 0),
        |world| world.wakes(S1),
        |world| world.wakes(S1),
    ]);
}

#[test]
fn task_that_falls_asleep_is_woken() {
    explore(|| wait_against_wake(None));
}

#[test]
fn two_tasks_that_swap_wake_each_other() {
    explore(|| {
        World::new([SERVES, WAITS, ABSENT, ABSENT], None).run([
            |world| {
                world.swaps_to(S1, S2);
                world.swaps_to(S1, S2);
            },
            |world| {
                world.server_sleeps(S2, 0);
                world.swaps_to(S2, S1);
                world.wakes(S1);
            },
        ]);
    });
}

/// A worker blocks when its server is about to sleep.
pub(crate) fn block_against_sleep(bug: Option<Bug>) {
    World::new([WAITS, ABSENT, under(S1), ABSENT], bug).run([
        |world| assert!(!world.waits_for_its_worker(S1)),
        |world| world.falls_into_block(W1),
    ]);
}

#[test]
fn a_worker_that_blocks_starts_its_server() {
    explore(|| block_against_sleep(None));
}

#[test]
fn two_workers_that_block_start_a_server_each() {
    explore(|| {
        World::new([WAITS, WAITS, under(S1), under(S2)], None).run([
            |world| assert!(!world.waits_for_its_worker(S1)),
            |world| assert!(!world.waits_for_its_worker(S2)),
            |world| world.falls_into_block(W1),
            |world| world.falls_into_block(W2),
        ]);
    });
}

#[test]
fn a_preemption_and_a_wake_up_do_not_disturb_two_workers_that_block() {
    explore(|| {
        World::new([WAITS, WAITS, under(S1), under(S2)], None).run([
            |world| assert!(!world.waits_for_its_worker(S1)),
            |world| assert!(!world.waits_for_its_worker(S2)),
            |world| {
                world.kick(W2);
                world.falls_into_block(W1);
            },
            |world| {
                world.wakes_only(S1);
                world.falls_into_block(W2);
            },
        ]);
    });
}

/// Two tasks kick a worker when it is about to block.
pub(crate) fn preempt_against_block(bug: Option<Bug>) {
    World::new([WAITS, SERVES, under(S1), ABSENT], bug).run([
        |world| assert!(!world.waits_for_its_worker(S1)),
        |world| world.falls_into_block(W1),
        |world| world.kick(W1),
        |world| world.kick(W1),
    ]);
}

#[test]
fn a_worker_that_is_preempted_twice_while_it_blocks_starts_its_server() {
    explore(|| preempt_against_block(None));
}

#[test]
fn a_worker_that_is_preempted_while_it_dies_starts_its_server() {
    explore(|| {
        World::new([WAITS, SERVES, under(S1), ABSENT], None).run([
            |world| {
                world.waits_for_its_worker(S1);
            },
            |world| world.vanishes(W1),
            |world| world.kick(W1),
        ]);
    });
}

/// A worker becomes idle when a server is about to sleep for lack of one.
pub(crate) fn idle_against_sleep(bug: Option<Bug>) {
    World::new([SERVES, ABSENT, NEW, ABSENT], bug)
        .run([|world| world.sends_next(S1), |world| world.registers(W1)]);
}

#[test]
fn a_worker_that_becomes_idle_is_run_by_a_server_that_falls_asleep() {
    explore(|| idle_against_sleep(None));
}

/// Two workers become idle at a time, under one server.
pub(crate) fn two_pushes(bug: Option<Bug>) {
    World::new([SERVES, ABSENT, NEW, NEW], bug).run([
        |world| world.serves(S1, 2),
        |world| {
            world.registers(W1);
            world.finishes(W1);
        },
        |world| {
            world.registers(W2);
            world.finishes(W2);
        },
    ]);
}

#[test]
fn no_worker_is_lost_when_two_become_idle() {
    explore_preemptions(3, || two_pushes(None));
}

#[test]
fn two_servers_run_two_workers_that_become_idle() {
    explore_preemptions(3, || {
        World::new([SERVES, SERVES, NEW, NEW], None).run([
            |world| world.sends_next(S1),
            |world| world.sends_next(S2),
            |world| world.registers(W1),
            |world| world.registers(W2),
        ]);
    });
}

#[test]
fn a_worker_that_yields_can_be_run_again_at_once() {
    explore(|| {
        World::new([WAITS, ABSENT, under(S1), ABSENT], None).run([
            |world| {
                world.waits_for_its_worker(S1);
                assert!(world.sends(S1, W1, world.falls_asleep(W1)));
            },
            |world| world.yields(W1),
        ]);
    });
}

#[test]
fn a_worker_that_swaps_hands_over_its_server() {
    explore(|| {
        World::new([WAITS, ABSENT, under(S1), ASLEEP], None).run([
            |world| {
                assert!(world.waits_for_its_worker(S1));
                assert!(world.sends(S1, W1, world.falls_asleep(W1)));
            },
            |world| world.swaps(W1, W2, StateWord::from_bits(UMCG_TASK_IDLE.into())),
            |world| {
                world.is_run_again(W2, false);
                world.finishes(W2);
            },
        ]);
    });
}

#[test]
fn a_worker_that_is_run_when_its_time_is_over_is_run_once() {
    explore(|| {
        World::new([SERVES, ABSENT, ASLEEP, ABSENT], None).run([
            |world| {
                let seen = StateWord::from_bits(UMCG_TASK_IDLE.into());
                if !world.sends(S1, W1, seen) {
                    world.sends_next(S1);
                }
            },
            |world| world.is_run_again(W1, true),
        ]);
    });
}

#[test]
fn a_worker_that_is_preempted_gives_way_to_its_server() {
    explore(|| {
        World::new([WAITS, SERVES, under(S1), ABSENT], None).run([
            |world| {
                world.waits_for_its_worker(S1);
                world.sends_next(S1);
            },
            |world| world.spins_until_kicked(W1),
            |world| world.kick(W1),
        ]);
    });
}

#[test]
fn a_worker_lives_under_a_server() {
    explore_preemptions(5, || {
        World::new([SERVES, ABSENT, NEW, ABSENT], None).run([
            |world| world.serves(S1, 1),
            |world| {
                world.registers(W1);
                world.calls_what_blocks(W1);
                world.finishes(W1);
            },
        ]);
    });
}

#[test]
fn a_worker_that_blocks_goes_on_under_another_server() {
    explore_preemptions(5, || {
        World::new([WAITS, SERVES, under(S1), ABSENT], None).run([
            |world| {
                world.waits_for_its_worker(S1);
            },
            |world| world.serves(S2, 1),
            |world| {
                world.calls_what_blocks(W1);
                world.finishes(W1);
            },
        ]);
    });
}

#[test]
fn two_servers_run_two_workers_that_block_and_are_preempted() {
    explore_preemptions(2, || {
        World::new([WAITS, WAITS, under(S1), under(S2)], None).run([
            |world| {
                world.waits_for_its_worker(S1);
                world.kick(W2);
                world.serves(S1, 1);
            },
            |world| {
                world.waits_for_its_worker(S2);
                world.kick(W1);
                world.serves(S2, 1);
            },
            |world| {
                world.calls_what_blocks(W1);
                world.finishes(W1);
            },
            |world| {
                world.calls_what_blocks(W2);
                world.finishes(W2);
            },
        ]);
    });
}
