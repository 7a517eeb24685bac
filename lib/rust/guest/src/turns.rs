// SPDX-License-Identifier: GPL-2.0

//! Whose turn it is: how many workers run at a time, and when they change.

use crate::harness::{fixture, sleeps, wait_until, Pipe};
use std::{
    hint,
    sync::{
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
        Arc,
    },
    time::Duration,
};
use umcg::Group;

fixture!(FIXTURE, "turns":
    result_comes_back_by_join,
    one_server_runs_one_worker_at_a_time,
    two_servers_run_two_workers_at_a_time,
    blocked_worker_leaves_its_server_to_another,
    woken_worker_goes_on_under_an_idle_server,
    woken_worker_waits_for_its_turn,
    worker_that_yields_lets_others_run,
    end_of_a_slice_lets_others_run,
    worker_that_is_alone_yields_at_once,
);

/// A group of so many servers without slices.
fn group(servers: usize) -> Group {
    Group::builder()
        .servers(servers)
        .slice(Duration::ZERO)
        .build()
        .unwrap()
}

fn result_comes_back_by_join() {
    let group = group(1);
    let worker = group.spawn(|| 6 * 7).unwrap();

    assert_eq!(worker.join().unwrap(), 42);
    group.shutdown().unwrap();
}

fn one_server_runs_one_worker_at_a_time() {
    let group = group(1);
    let running = Arc::new(AtomicU32::new(0));

    let workers: Vec<_> = (0..8)
        .map(|_| {
            let running = Arc::clone(&running);
            group.spawn(move || {
                for _ in 0..20 {
                    // Elsewhere it lends its server when the kernel preempts it, or a page fault
                    // blocks.
                    let section = umcg::no_preempt();
                    let others = running.fetch_add(1, SeqCst);
                    for _ in 0..1000 {
                        hint::spin_loop();
                    }
                    running.fetch_sub(1, SeqCst);
                    drop(section);
                    assert_eq!(others, 0, "two run at a time");
                    umcg::yield_now();
                }
            })
        })
        .collect();
    for worker in workers {
        worker.unwrap().join().unwrap();
    }
    group.shutdown().unwrap();
}

fn two_servers_run_two_workers_at_a_time() {
    let group = group(2);
    let running = Arc::new(AtomicU32::new(0));

    let workers = [(); 2].map(|()| {
        let running = Arc::clone(&running);
        group.spawn(move || {
            running.fetch_add(1, SeqCst);
            while running.load(SeqCst) < 2 {
                hint::spin_loop();
            }
        })
    });
    for worker in workers {
        worker.unwrap().join().unwrap();
    }
    group.shutdown().unwrap();
}

fn blocked_worker_leaves_its_server_to_another() {
    let group = group(1);
    let pipe = Arc::new(Pipe::new());
    let other_end = Arc::clone(&pipe);

    let reader = group.spawn(move || pipe.read()).unwrap();
    let writer = group.spawn(move || other_end.write(7)).unwrap();
    writer.join().unwrap();
    assert_eq!(reader.join().unwrap(), 7);
    group.shutdown().unwrap();
}

fn woken_worker_goes_on_under_an_idle_server() {
    let group = group(1);
    let (there, back) = (Arc::new(Pipe::new()), Arc::new(Pipe::new()));
    let (in_worker, out_worker) = (Arc::clone(&there), Arc::clone(&back));

    let worker = group
        .spawn(move || {
            for _ in 0..100 {
                out_worker.write(in_worker.read());
            }
        })
        .unwrap();
    for byte in 0..100 {
        there.write(byte);
        assert_eq!(back.read(), byte);
    }
    worker.join().unwrap();
    group.shutdown().unwrap();
}

fn woken_worker_waits_for_its_turn() {
    let group = group(1);
    let pipe = Arc::new(Pipe::new());
    let other_end = Arc::clone(&pipe);
    let reader_tid = Arc::new(AtomicU32::new(0));
    let tid = Arc::clone(&reader_tid);
    let has_run = Arc::new(AtomicBool::new(false));
    let (sets, sees) = (Arc::clone(&has_run), has_run);
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);

    let reader = group
        .spawn(move || {
            // SAFETY: The call takes nothing.
            tid.store(unsafe { libc::gettid() } as u32, SeqCst);
            pipe.read();
            sets.store(true, SeqCst);
        })
        .unwrap();
    wait_until("the reader blocks", || {
        let tid = reader_tid.load(SeqCst);
        tid != 0 && sleeps(tid)
    });
    let spinner = group
        .spawn(move || {
            // In a section it does not lend its server.
            let _section = umcg::no_preempt();
            other_end.write(0);
            while !stopped.load(SeqCst) {
                hint::spin_loop();
            }
            sees.load(SeqCst)
        })
        .unwrap();
    // The reader is woken, and is soon held. It never runs while the other one does.
    std::thread::sleep(Duration::from_millis(50));
    stop.store(true, SeqCst);
    assert!(
        !spinner.join().unwrap(),
        "a woken worker has run beside the only server"
    );
    reader.join().unwrap();
    group.shutdown().unwrap();
}

/// One worker goes on when another one has run; both are of one server.
fn waits_for_another(group: &Group, wait: impl Fn() + Send + 'static) {
    let flag = Arc::new(AtomicBool::new(false));
    let sets = Arc::clone(&flag);

    let first = group
        .spawn(move || {
            while !flag.load(SeqCst) {
                wait();
            }
        })
        .unwrap();
    let second = group.spawn(move || sets.store(true, SeqCst)).unwrap();
    first.join().unwrap();
    second.join().unwrap();
}

fn worker_that_yields_lets_others_run() {
    let group = group(1);

    waits_for_another(&group, umcg::yield_now);
    group.shutdown().unwrap();
}

fn end_of_a_slice_lets_others_run() {
    let group = Group::builder()
        .servers(1)
        .slice(Duration::from_millis(2))
        .build()
        .unwrap();

    for _ in 0..10 {
        waits_for_another(&group, hint::spin_loop);
    }
    group.shutdown().unwrap();
}

fn worker_that_is_alone_yields_at_once() {
    let group = group(1);
    let worker = group.spawn(|| (0..100).for_each(|_| umcg::yield_now()));

    worker.unwrap().join().unwrap();
    // So does a thread that is not a worker.
    umcg::yield_now();
    group.shutdown().unwrap();
}
