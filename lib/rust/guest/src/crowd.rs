// SPDX-License-Identifier: GPL-2.0

//! Many workers at a time.

use crate::harness::{fixture, Pipe};
use std::{
    hint,
    sync::{
        atomic::{AtomicU64, Ordering::SeqCst},
        Arc, Barrier, Condvar, Mutex,
    },
    thread,
    time::Duration,
};
use umcg::{Group, Options};

fixture!(FIXTURE, "crowd":
    thousands_of_workers_block_and_wake,
    workers_do_everything_at_once,
    threads_enter_and_leave_beside_workers,
);

fn thousands_of_workers_block_and_wake() {
    const WORKERS: u64 = 2000;
    let group = Group::builder().servers(2).build().unwrap();
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let options = Options::new().stack_size(64 << 10);

    let workers: Vec<_> = (0..WORKERS)
        .map(|number| {
            let gate = Arc::clone(&gate);
            let body = move || {
                let (open, changed) = &*gate;
                let open = open.lock().unwrap();
                drop(changed.wait_while(open, |open| !*open).unwrap());
                number
            };
            group.spawn_with(&options, body).unwrap()
        })
        .collect();
    assert_eq!(group.workers() as u64, WORKERS);
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
    let sum: u64 = workers
        .into_iter()
        .map(|worker| worker.join().unwrap())
        .sum();
    assert_eq!(sum, WORKERS * (WORKERS - 1) / 2);
    group.shutdown().unwrap();
}

/// The next one of a sequence that looks random.
fn next_random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// What workers have in common.
struct Common {
    pipe: Pipe,
    lock: Mutex<u64>,
    written: AtomicU64,
}

fn do_something(common: &Common, random: &mut u64) {
    match next_random(random) % 8 {
        0 => umcg::yield_now(),
        1 => thread::sleep(Duration::from_micros(next_random(random) % 500)),
        2 => {
            let _section = umcg::no_preempt();
            *common.lock.lock().unwrap() += 1;
        }
        3 => *common.lock.lock().unwrap() += 1,
        4 => {
            common.written.fetch_add(1, SeqCst);
            common.pipe.write(0);
        }
        5 => {
            // No more than were written, or it would wait for ever.
            let take = |count: u64| count.checked_sub(1);
            if common.written.fetch_update(SeqCst, SeqCst, take).is_ok() {
                common.pipe.read();
            }
        }
        6 => (0..next_random(random) % 20_000).for_each(|_| hint::spin_loop()),
        _ => drop(hint::black_box(vec![0u8; 1 << (next_random(random) % 18)])),
    }
}

fn workers_do_everything_at_once() {
    for servers in [1, 2, 5] {
        let group = Group::builder()
            .servers(servers)
            .slice(Duration::from_micros(500))
            .build()
            .unwrap();
        let common = Arc::new(Common {
            pipe: Pipe::new(),
            lock: Mutex::new(0),
            written: AtomicU64::new(0),
        });

        let workers: Vec<_> = (1..=20u64)
            .map(|seed| {
                let common = Arc::clone(&common);
                let body = move || {
                    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    for _ in 0..60 {
                        do_something(&common, &mut random);
                    }
                };
                group.spawn(body).unwrap()
            })
            .collect();
        for worker in workers {
            worker.join().unwrap();
        }
        group.shutdown().unwrap();
    }
}

fn threads_enter_and_leave_beside_workers() {
    const THREADS: usize = 8;
    let group = Group::builder().servers(2).build().unwrap();
    let start = Arc::new(Barrier::new(THREADS));

    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (group, start) = (group.clone(), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                for _ in 0..50 {
                    let own = group.enter().unwrap();
                    umcg::yield_now();
                    drop(own);
                    thread::yield_now();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    group.shutdown().unwrap();
}
