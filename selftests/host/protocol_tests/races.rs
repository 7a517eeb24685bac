// SPDX-License-Identifier: GPL-2.0

//! Tests of the transitions with several threads on the same words.

use super::*;
use std::{
    sync::{
        atomic::AtomicBool,
        Barrier, //
    },
    thread, //
};

/// The number of the first node: neither zero nor the mark of a node that is not linked yet.
const FIRST_NODE: u64 = 2;

/// Takes the whole list, and returns the numbers of its nodes.
fn take_all(head: &AtomicU64, nodes: &[AtomicU64]) -> Vec<u64> {
    let mut taken = Vec::new();
    let mut number = head.swap(0, SeqCst);

    while number != 0 {
        let node = &nodes[(number - FIRST_NODE) as usize];
        taken.push(number);
        number = loop {
            match node.load(Acquire) {
                pending if pending == u64::from(UMCG_IDLE_NODE_PENDING) => thread::yield_now(),
                next => break next,
            }
        };
    }
    taken
}

#[test]
fn no_push_is_lost_among_many() {
    const PUSHERS: u64 = 4;
    const PUSHES: u64 = 20_000;
    let nodes: Vec<_> = (0..PUSHERS * PUSHES).map(|_| AtomicU64::new(0)).collect();
    let (head, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let (head, nodes, done) = (&head, &nodes, &done);

    let mut taken = thread::scope(|scope| {
        let taker = scope.spawn(move || {
            let mut taken = Vec::new();
            while !done.load(Acquire) {
                taken.extend(take_all(head, nodes));
            }
            taken.extend(take_all(head, nodes));
            taken
        });
        let pushers: Vec<_> = (0..PUSHERS)
            .map(|pusher| {
                scope.spawn(move || {
                    for i in pusher * PUSHES..(pusher + 1) * PUSHES {
                        push_idle(&nodes[i as usize], head, i + FIRST_NODE);
                    }
                })
            })
            .collect();
        for pusher in pushers {
            pusher.join().expect("a pusher");
        }
        done.store(true, Release);
        taker.join().expect("the taker")
    });

    taken.sort_unstable();
    assert!(taken
        .into_iter()
        .eq(FIRST_NODE..FIRST_NODE + PUSHERS * PUSHES));
}

/// Lets two sides act on a fresh word concurrently, many times.
fn race<A: Send, B: Send>(
    start: u64,
    first: impl Fn(&AtomicU64) -> A + Sync,
    second: impl Fn(&AtomicU64) -> B + Sync,
    check: impl Fn(u64, A, B),
) {
    const ROUNDS: usize = 5_000;
    let words: Vec<_> = (0..ROUNDS).map(|_| AtomicU64::new(start)).collect();
    let barrier = Barrier::new(2);

    let (firsts, seconds) = thread::scope(|scope| {
        let (words, barrier, second) = (&words, &barrier, &second);
        let other = scope.spawn(move || {
            let act = |word| {
                barrier.wait();
                second(word)
            };
            words.iter().map(act).collect::<Vec<_>>()
        });
        let act = |word| {
            barrier.wait();
            first(word)
        };
        let firsts: Vec<_> = words.iter().map(act).collect();
        (firsts, other.join().expect("the other side"))
    });
    for ((word, a), b) in words.iter().zip(firsts).zip(seconds) {
        check(word.load(Relaxed), a, b);
    }
}

#[test]
fn a_preemption_never_makes_a_block_a_breach() {
    race(
        word(UMCG_TASK_RUNNING, 0),
        |word| block(word, 2 * SECOND),
        |word| preempt(word, 2 * SECOND),
        |end, blocked, asked| {
            assert_eq!(blocked, Block::Reported);
            assert_eq!(state(end), UMCG_TASK_BLOCKED);
            assert_eq!(Some(wants_preemption(flags(end))), asked);
        },
    );
}

#[test]
fn either_the_timeout_or_the_server_gets_the_worker() {
    let idle = word(UMCG_TASK_IDLE, 0);
    let locked = word(UMCG_TASK_RUNNING, UMCG_TF_LOCKED) + (1 << 18);

    for (then, late) in [
        (OnTimeout::Queue, UMCG_TASK_BLOCKED),
        (OnTimeout::Lock, UMCG_TASK_IDLE),
    ] {
        race(
            idle,
            |word| time_out(word, then, 2 * SECOND),
            |word| SharedWord::compare_exchange(word, idle, locked).is_ok(),
            |end, timed_out, run| {
                assert_ne!(timed_out, run);
                assert_eq!(end == locked, run);
                assert_eq!(state(end) == late, timed_out);
            },
        );
    }
}

#[test]
fn a_server_is_started_once() {
    race(
        word(UMCG_TASK_IDLE, 0),
        |word| start_server(word, 2 * SECOND),
        |word| start_server(word, 2 * SECOND),
        |end, first, second| {
            assert_eq!(first, second.map(|second| !second));
            assert_eq!(state(end), UMCG_TASK_RUNNING);
        },
    );
}
