// SPDX-License-Identifier: GPL-2.0

//! Scenarios of direct mode. Four tasks at most, as in [`crate::scenarios`].

use crate::{
    abi::*,
    bugs::Bug,
    direct,
    direct_words::{
        nr_of,
        Group, //
    },
    world::{
        explore,
        explore_preemptions,
        node_of,
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

const ABSENT: Start = (UMCG_TASK_NONE, 0);
/// A server in user mode.
const SERVES: Start = (UMCG_TASK_RUNNING, 0);
/// A server that waits: it is in the set, or has a worker.
const WAITS: Start = (UMCG_TASK_IDLE, 0);
/// A worker in user mode under this server.
const fn under(server: Tid) -> Start {
    (UMCG_TASK_RUNNING, server)
}
/// A worker that waits.
const ASLEEP: Start = (UMCG_TASK_IDLE, 0);
/// A worker that is registering, or was blocked.
const WAKES: Start = (UMCG_TASK_BLOCKED, 0);

/// A worker blocks forever while another one wakes: the only server must find it, or be found by
/// it.
pub(crate) fn put_back_against_queue(bug: Option<Bug>) {
    let group = Group::new(&[], &[], false);

    World::direct([WAITS, ABSENT, under(S1), WAKES], group, bug).run([
        |world| world.serves_directly(S1, 1),
        |world| world.falls_into_block(W1),
        |world| {
            world.registers(W2);
            world.finishes(W2);
        },
    ]);
}

#[test]
fn a_worker_that_wakes_runs_when_another_one_blocks() {
    explore_preemptions(4, || put_back_against_queue(None));
}

#[test]
fn a_worker_that_wakes_goes_to_the_ring_or_runs_when_another_one_blocks() {
    explore_preemptions(4, || {
        let group = Group::new(&[], &[], true);

        World::direct([WAITS, ABSENT, under(S1), WAKES], group, None).run([
            |world| world.serves_directly(S1, 1),
            |world| world.falls_into_block(W1),
            |world| {
                world.registers(W2);
                world.finishes(W2);
            },
        ]);
    });
}

/// Two workers wake, and one server is idle.
pub(crate) fn two_wakes(bug: Option<Bug>) {
    two_wakes_in(Group::new(&[S1], &[], false), bug);
}

fn two_wakes_in(group: Group, bug: Option<Bug>) {
    World::direct([WAITS, ABSENT, WAKES, WAKES], group, bug).run([
        |world| world.serves_directly(S1, 2),
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
fn two_workers_that_wake_run_one_after_the_other() {
    explore_preemptions(3, || two_wakes(None));
}

#[test]
fn two_workers_that_wake_run_one_after_the_other_by_the_ring() {
    explore_preemptions(3, || two_wakes_in(Group::new(&[S1], &[], true), None));
}

#[test]
fn two_workers_that_wake_take_a_server_each() {
    explore(|| {
        let group = Group::new(&[S1, S2], &[], false);

        World::direct([WAITS, WAITS, WAKES, WAKES], group, None)
            .run([|world| world.registers(W1), |world| world.registers(W2)]);
    });
}

/// Two workers block, and one is in the ring.
pub(crate) fn two_pops(bug: Option<Bug>) {
    let group = Group::new(&[], &[W1], false);

    World::direct([WAITS, WAITS, ASLEEP, under(S2)], group, bug).run([
        |world| {
            world.is_run_again(W1, false);
            let server = world.task(W1).next_tid.load_relaxed();
            assert!(
                !world.is_idle(server),
                "a worker runs under a server that is idle"
            );
        },
        // Of this one only the server matters.
        |world| world.gives_up_server(W1, S1),
        |world| world.falls_into_block(W2),
    ]);
}

#[test]
fn a_worker_of_the_ring_runs_under_one_of_two_servers() {
    explore(|| two_pops(None));
}

/// A server that refuses the workers that user space has queued is put back, while user space queues
/// one that it does not refuse.
pub(crate) fn put_back_against_offer(bug: Option<Bug>) {
    let group = Group::new(&[], &[], false);
    group.queued.0.store_relaxed(1);
    group.refused_servers.store_relaxed(1 << nr_of(S1));

    World::direct([WAITS, ABSENT, ASLEEP, ABSENT], group, bug).run([
        |world| world.server_sleeps(S1, 0),
        |world| world.gives_up_server(W1, S1),
        |world| world.offers_to_all(),
    ]);
}

#[test]
fn a_server_that_refused_others_is_started_for_a_worker() {
    explore(|| put_back_against_offer(None));
}

/// A worker wakes while a server is put back, and another one is queued already.
pub(crate) fn wake_behind_a_queued_worker(bug: Option<Bug>) {
    let group = Group::new(&[], &[], false);
    group.idle_workers.store_relaxed(node_of(W1));

    World::direct([WAITS, ABSENT, ASLEEP, WAKES], group, bug).run([
        |world| world.gives_up_server(W1, S1),
        |world| {
            world.queue_directly(W2, world.task(W2).state_ts.read(), false);
            assert!(!world.task(W2).state_ts.read().runs(), "W1 is overtaken");
        },
    ]);
}

#[test]
fn a_worker_that_wakes_does_not_overtake_one_that_is_queued() {
    explore(|| wake_behind_a_queued_worker(None));
}

/// A worker is kicked while it is in a critical section.
pub(crate) fn kick_in_a_section(bug: Option<Bug>) {
    World::new([WAITS, SERVES, under(S1), ABSENT], bug).run([
        |world| {
            world.waits_for_its_worker(S1);
            world.sends_next(S1);
        },
        |world| world.is_kicked_in_a_section(W1),
        |world| world.kick(W1),
    ]);
}

#[test]
fn a_worker_that_is_kicked_in_a_critical_section_gives_way_behind_it() {
    explore(|| kick_in_a_section(None));
}

/// A worker is queued, and no server is idle: the watcher is started, or sees it.
pub(crate) fn queue_against_watcher(bug: Option<Bug>) {
    let group = Group::new(&[], &[], false);

    World::direct([WAITS, SERVES, ABSENT, WAKES], group, bug).run([
        |world| world.watches(S2),
        |world| world.queue_directly(W2, world.task(W2).state_ts.read(), false),
    ]);
}

#[test]
fn a_watcher_hears_of_a_worker_that_no_server_can_run() {
    explore(|| queue_against_watcher(None));
}

/// A worker is queued, and the watcher sees a server enter the set, which another worker takes.
pub(crate) fn watcher_against_adoption(bug: Option<Bug>) {
    let mut group = Group::new(&[], &[], false);
    group.overtakes = true;
    group.idle_workers.store_relaxed(node_of(W1));

    World::direct([SERVES, SERVES, ASLEEP, WAKES], group, bug).run([
        |world| world.comes_into_the_set(S1),
        |world| world.watches(S2),
        |world| world.wakes_or_ends_the_watch(W2),
    ]);
}

#[test]
fn a_watcher_hears_of_a_worker_whose_server_another_one_takes() {
    explore_preemptions(3, || watcher_against_adoption(None));
}

/// A server of the set dies while a worker is queued, behind another one: the second server has to
/// be started.
pub(crate) fn queue_against_death(bug: Option<Bug>) {
    let group = Group::new(&[S1, S2], &[], false);
    group.queued.0.store_relaxed(1);

    World::direct([WAITS, WAITS, ABSENT, WAKES], group, bug).run([
        |world| world.server_sleeps(S2, 0),
        |world| world.server_dies(S1),
        |world| world.queue_directly(W2, world.task(W2).state_ts.read(), false),
    ]);
}

#[test]
fn a_server_that_dies_in_the_set_passes_a_start_on() {
    explore(|| queue_against_death(None));
}

/// The ring with concurrent users: two that push, two that pop.
#[test]
fn what_is_pushed_to_the_ring_is_popped_once() {
    explore_preemptions(3, || {
        let group = Group::new(&[], &[], false);

        World::direct([ABSENT; 4], group, None).run([
            |world| assert!(direct::push_ready(world.group(), W1 as u32)),
            |world| assert!(direct::push_ready(world.group(), W2 as u32)),
            |world| world.pops_one(),
        ]);
    });
}
