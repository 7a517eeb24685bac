// SPDX-License-Identifier: GPL-2.0

//! Tests of direct mode: the set of servers and the ring, also with invalid words.

use crate::{
    abi::{
        UMCG_DIRECT_RING,
        UMCG_DIRECT_SERVERS,
        UMCG_TASK_BLOCKED,
        UMCG_TASK_IDLE,
        UMCG_TASK_RUNNING,
        UMCG_TF_LOCKED,
        UMCG_TF_PREEMPTED, //
    },
    direct::{
        enter,
        has_work,
        leave,
        leaves_others_queued,
        pop_ready,
        push_ready,
        put_back,
        queue_ready,
        take_back,
        take_server,
        take_server_to_run_under,
        take_watcher,
        GroupWords,
        Server, //
    },
    protocol::{
        adopt,
        may_run_ready,
        run_ready,
        SharedWord, //
    },
    state::StateWord, //
};
use std::{
    array,
    sync::atomic::{
        AtomicU32, AtomicU64,
        Ordering::{
            Acquire,
            Relaxed,
            Release,
            SeqCst, //
        },
    },
};

impl SharedWord<u32> for AtomicU32 {
    fn load(&self) -> u32 {
        AtomicU32::load(self, Acquire)
    }

    fn store(&self, value: u32) {
        AtomicU32::store(self, value, Release);
    }

    fn exchange(&self, new: u32) -> u32 {
        self.swap(new, SeqCst)
    }

    fn compare_exchange(&self, old: u32, new: u32) -> Result<(), u32> {
        AtomicU32::compare_exchange(self, old, new, SeqCst, Acquire).map(|_| ())
    }
}

struct Group {
    idle_workers: AtomicU64,
    idle_servers: AtomicU64,
    ready_ends: AtomicU64,
    queued: AtomicU32,
    watcher_tid: AtomicU32,
    refused_servers: AtomicU64,
    server_tid: [AtomicU32; UMCG_DIRECT_SERVERS as usize],
    running: [AtomicU32; UMCG_DIRECT_SERVERS as usize],
    ready: [AtomicU64; UMCG_DIRECT_RING as usize],
}

impl Group {
    /// A group that has a server with each number, its TID is 1000 more; none is idle.
    fn new() -> Self {
        Self {
            idle_workers: AtomicU64::new(0),
            idle_servers: AtomicU64::new(0),
            ready_ends: AtomicU64::new(0),
            queued: AtomicU32::new(0),
            watcher_tid: AtomicU32::new(0),
            refused_servers: AtomicU64::new(0),
            server_tid: array::from_fn(|nr| AtomicU32::new(1000 + nr as u32)),
            running: array::from_fn(|_| AtomicU32::new(0)),
            ready: array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    fn set_ends(&self, head: u32, tail: u32) {
        self.ready_ends
            .store(u64::from(tail) << 32 | u64::from(head), Relaxed);
    }

    fn set(&self) -> u64 {
        self.idle_servers.load(Relaxed)
    }
}

impl GroupWords for Group {
    type Long = AtomicU64;
    type Short = AtomicU32;

    fn idle_workers(&self) -> &AtomicU64 {
        &self.idle_workers
    }
    fn idle_servers(&self) -> &AtomicU64 {
        &self.idle_servers
    }
    fn ready_ends(&self) -> &AtomicU64 {
        &self.ready_ends
    }
    fn queued(&self) -> &AtomicU32 {
        &self.queued
    }
    fn watcher_tid(&self) -> &AtomicU32 {
        &self.watcher_tid
    }
    fn refused_servers(&self) -> &AtomicU64 {
        &self.refused_servers
    }
    fn server_tid(&self, nr: u32) -> &AtomicU32 {
        &self.server_tid[nr as usize]
    }
    fn running(&self, nr: u32) -> &AtomicU32 {
        &self.running[nr as usize]
    }
    fn ready(&self, position: u32) -> &AtomicU64 {
        &self.ready[(position % UMCG_DIRECT_RING) as usize]
    }
}

fn server(nr: u32) -> Server {
    Server { nr, tid: 1000 + nr }
}

#[test]
fn a_server_that_is_put_back_is_taken_once() {
    let group = Group::new();
    group.running[63].store(7, Relaxed);

    assert!(put_back(&group, 63));
    assert_eq!((group.set(), group.running[63].load(Relaxed)), (1 << 63, 0));
    assert_eq!(take_server(&group), Some(server(63)));
    assert_eq!(take_server(&group), None);
}

#[test]
fn the_server_with_the_lowest_number_is_taken_first() {
    let group = Group::new();
    group.idle_servers.store(1 << 40 | 1 << 7, Relaxed);

    assert_eq!(take_server(&group), Some(server(7)));
    assert_eq!(take_server(&group), Some(server(40)));
    assert_eq!(group.set(), 0);
}

/// Each queues a worker where a server finds it.
const QUEUES: [fn(&Group); 3] = [
    |group| group.idle_workers.store(64, Relaxed),
    |group| group.queued.store(1, Relaxed),
    |group| assert!(push_ready(group, 5)),
];

#[test]
fn a_server_is_not_put_back_while_a_worker_is_queued() {
    for queue in QUEUES {
        let group = Group::new();
        queue(&group);

        assert!(has_work(&group));
        assert!(!put_back(&group, 3));
        assert_eq!(group.set(), 0);
    }
}

#[test]
fn a_server_that_refuses_those_of_user_space_is_put_back() {
    for (queue, is_put_back) in QUEUES.into_iter().zip([false, true, false]) {
        let group = Group::new();
        queue(&group);
        group.refused_servers.store(1 << 3, Relaxed);

        assert_eq!(put_back(&group, 3), is_put_back);
        assert!(!put_back(&group, 4));
    }
}

#[test]
fn a_worker_that_wakes_takes_a_server_unless_others_are_queued() {
    let group = Group::new();

    assert_eq!(take_server_to_run_under(&group, true), None);
    group.idle_servers.store(1 << 3, Relaxed);
    group.queued.store(1, Relaxed);
    assert_eq!(take_server_to_run_under(&group, false), None);
    assert_eq!(take_server_to_run_under(&group, true), Some(server(3)));
    group.idle_servers.store(1 << 3, Relaxed);
    group.queued.store(0, Relaxed);
    assert_eq!(take_server_to_run_under(&group, false), Some(server(3)));
}

#[test]
fn a_watcher_is_woken_for_workers_in_any_queue() {
    for queue in QUEUES {
        let group = Group::new();

        queue(&group);
        assert!(!leaves_others_queued(&group));
        group.watcher_tid.store(7, Relaxed);
        assert!(leaves_others_queued(&group));
    }
    let group = Group::new();
    group.watcher_tid.store(7, Relaxed);
    assert!(!leaves_others_queued(&group));
}

#[test]
fn a_bit_that_is_no_servers_is_dropped() {
    let group = Group::new();
    for nr in 0..UMCG_DIRECT_SERVERS - 1 {
        group.server_tid[nr as usize].store(0, Relaxed);
    }
    group.idle_servers.store(!0, Relaxed);

    assert_eq!(take_server(&group), Some(server(63)));
    group.idle_servers.store(!0 >> 1, Relaxed);
    assert_eq!(take_server(&group), None);
    assert_eq!(group.set(), 0);
}

#[test]
fn a_server_is_taken_back_if_it_is_there() {
    let group = Group::new();
    group.idle_servers.store(0b110, Relaxed);

    assert!(take_back(&group, 1));
    assert!(!take_back(&group, 1));
    assert_eq!(group.set(), 0b100);
}

#[test]
fn a_number_belongs_to_one_server() {
    let group = Group::new();
    let other = Server { nr: 5, tid: 77 };

    assert!(!enter(&group, other));
    assert!(!leave(&group, server(5)));
    assert!(enter(&group, other));
    // What user space has written there meanwhile stays.
    group.server_tid[5].store(78, Relaxed);
    leave(&group, other);
    assert_eq!(group.server_tid[5].load(Relaxed), 78);
}

#[test]
fn a_server_that_leaves_is_out_of_the_set() {
    let group = Group::new();
    group.idle_servers.store(0b11, Relaxed);
    group.queued.store(1, Relaxed);

    // It was there, so no thread relies on it.
    assert!(!leave(&group, server(0)));
    assert_eq!(group.set(), 0b10);
    // The thread that has taken this one may have queued a worker.
    assert!(leave(&group, server(7)));
    group.queued.store(0, Relaxed);
    assert!(!leave(&group, server(8)));
}

#[test]
fn the_watcher_is_taken_once() {
    let group = Group::new();
    group.watcher_tid.store(9, Relaxed);

    assert_eq!(take_watcher(&group), Some(9));
    assert_eq!(take_watcher(&group), None);
}

#[test]
fn the_ring_is_first_come_first_served_for_many_turns() {
    let group = Group::new();

    for start in [0, 3, u32::MAX - 100] {
        // As if it had been used so far.
        group.set_ends(start, start);
        for i in 0..UMCG_DIRECT_RING {
            let turn = start.wrapping_add(i) / UMCG_DIRECT_RING;
            group
                .ready(start.wrapping_add(i))
                .store(u64::from(turn) << 32, Relaxed);
        }
        for round in 1..200 {
            assert!(push_ready(&group, round));
            assert!(push_ready(&group, round + 1000));
            assert!(has_work(&group));
            assert_eq!(pop_ready(&group), Some(round));
            assert_eq!(pop_ready(&group), Some(round + 1000));
            assert_eq!(pop_ready(&group), None);
            assert!(!has_work(&group));
        }
    }
}

#[test]
fn a_ring_that_is_full_takes_no_more() {
    let group = Group::new();

    for tid in 1..=UMCG_DIRECT_RING {
        assert!(push_ready(&group, tid));
    }
    assert!(!push_ready(&group, 1000));
    assert_eq!(pop_ready(&group), Some(1));
    assert!(push_ready(&group, 1000));
    assert!(!push_ready(&group, 1001));
    for tid in 2..=UMCG_DIRECT_RING {
        assert_eq!(pop_ready(&group), Some(tid));
    }
    assert_eq!(pop_ready(&group), Some(1000));
}

#[test]
fn position_that_lags_behind_is_advanced() {
    let group = Group::new();

    assert!(push_ready(&group, 1));
    group.set_ends(0, 0);
    assert!(push_ready(&group, 2));
    assert_eq!(pop_ready(&group), Some(1));
    group.set_ends(0, 2);
    assert!(has_work(&group));
    assert_eq!(pop_ready(&group), Some(2));
    group.set_ends(1, 2);
    assert!(!has_work(&group));
    assert_eq!(pop_ready(&group), None);
    // Filled, popped, and neither counted.
    group.set_ends(1, 1);
    assert!(push_ready(&group, 3));
    assert_eq!(pop_ready(&group), Some(3));
    assert_eq!(group.ready_ends.load(Relaxed), 3 << 32 | 3);
}

#[test]
fn a_worker_goes_to_the_ring_if_no_other_one_is_queued_elsewhere() {
    let group = Group::new();

    assert!(queue_ready(&group, 1));
    assert!(queue_ready(&group, 2));
    group.queued.store(1, Relaxed);
    assert!(!queue_ready(&group, 3));
    group.queued.store(0, Relaxed);
    group.idle_workers.store(64, Relaxed);
    assert!(!queue_ready(&group, 3));
}

/// Pseudo-random numbers, the same in each run.
fn numbers() -> impl FnMut() -> u64 {
    let mut state = 1u64;

    move || {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        state >> 29 ^ state
    }
}

#[test]
fn wild_words_end_every_call() {
    let mut next = numbers();

    for _ in 0..20_000 {
        let group = Group::new();
        group.idle_servers.store(next() & next(), Relaxed);
        group.set_ends(next() as u32, next() as u32);
        for place in &group.ready {
            let turn =
                [group.ready_ends.load(Relaxed) as u32, next() as u32][(next() & 1) as usize];
            let turn = u64::from(turn / UMCG_DIRECT_RING + (next() & 1) as u32);
            place.store(turn << 32 | next() & 0x7, Relaxed);
        }
        for tid in &group.server_tid {
            tid.store((next() & 3) as u32, Relaxed);
        }

        let mut popped = 0;
        while pop_ready(&group).is_some() {
            popped += 1;
            assert!(popped <= 2 * UMCG_DIRECT_RING);
        }
        push_ready(&group, 1);
        has_work(&group);
        put_back(&group, (next() % 64) as u32);
        while take_server(&group).is_some() {}
        leave(&group, server((next() % 64) as u32));
    }
}

#[test]
fn a_worker_of_the_ring_is_run_if_it_is_idle_and_not_locked() {
    for state in 0..4 {
        for flags in [0, UMCG_TF_LOCKED, UMCG_TF_PREEMPTED] {
            let before = u64::from(state | flags);
            let word = AtomicU64::new(before);
            let runs = state == UMCG_TASK_IDLE && flags != UMCG_TF_LOCKED;

            assert_eq!(may_run_ready(&word), runs);
            assert_eq!(run_ready(&word, 0), Some(runs));
            let after = StateWord::from_bits(word.load(Relaxed));
            assert!(!runs || after.runs() && !after.is_preempted());
            assert!(runs || after.bits() == before);
        }
    }
}

#[test]
fn a_worker_that_is_adopted_has_given_way() {
    let before = u64::from(UMCG_TASK_BLOCKED | UMCG_TF_PREEMPTED);
    let word = AtomicU64::new(before);

    assert!(!adopt(
        &word,
        StateWord::from_bits(UMCG_TASK_RUNNING.into()),
        0
    ));
    assert!(adopt(&word, StateWord::from_bits(before), 0));
    let after = StateWord::from_bits(word.load(Relaxed));
    assert!(after.runs() && !after.is_preempted());
}
