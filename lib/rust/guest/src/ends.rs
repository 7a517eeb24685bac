// SPDX-License-Identifier: GPL-2.0

//! The ends of groups.

use crate::harness::{fixture, threads_called, wait_until, Pipe};
use std::{sync::Arc, thread, time::Duration};
use umcg::{Error, Group, ShutdownError};

fixture!(FIXTURE, "ends":
    shutdown_ends_all_threads,
    shutdown_fails_while_workers_remain,
    group_that_was_shut_down_takes_no_workers,
    shutdown_waits_for_the_last_worker,
    shutdown_gives_up_when_its_timeout_expires,
    dropped_group_ends,
    dropped_group_ends_with_its_last_worker,
    worker_drops_the_last_handle,
    groups_come_and_go_while_workers_enter,
);

fn group() -> Group {
    Group::builder().servers(3).build().unwrap()
}

/// Servers, tickers and closers.
fn threads_of_groups() -> usize {
    threads_called("umcg-").len()
}

/// A worker that blocks until it is told to go on, by the other end.
fn blocked_worker(group: &Group) -> (umcg::JoinHandle<()>, Arc<Pipe>) {
    let (there, back) = (Arc::new(Pipe::new()), Arc::new(Pipe::new()));
    let (reads, writes) = (Arc::clone(&there), Arc::clone(&back));
    let worker = group.spawn(move || {
        writes.write(0);
        reads.read();
    });

    back.read();
    (worker.unwrap(), there)
}

fn shutdown_ends_all_threads() {
    let group = group();

    assert_eq!(threads_of_groups(), 4);
    group.spawn(|| {}).unwrap().join().unwrap();
    group.shutdown().unwrap();
    // They have been joined; the kernel may show one a moment longer.
    wait_until("they are gone", || threads_of_groups() == 0);
}

fn shutdown_fails_while_workers_remain() {
    let group = group();
    let (worker, pipe) = blocked_worker(&group);

    match group.shutdown() {
        Err(ShutdownError::WorkersRemain(1)) => {}
        result => panic!("{result:?}"),
    }
    // It goes on as if nothing had happened.
    group.spawn(|| {}).unwrap().join().unwrap();
    pipe.write(0);
    worker.join().unwrap();
    group.shutdown().unwrap();
}

fn group_that_was_shut_down_takes_no_workers() {
    let group = group();
    let other = group.clone();

    group.shutdown().unwrap();
    assert_eq!(other.enter().unwrap_err(), Error::ShutDown);
    assert_eq!(other.spawn(|| {}).unwrap_err(), Error::ShutDown);
    match other.shutdown() {
        Err(ShutdownError::Failed(Error::ShutDown)) => {}
        result => panic!("{result:?}"),
    }
}

fn shutdown_waits_for_the_last_worker() {
    let group = group();
    let (worker, pipe) = blocked_worker(&group);

    let ends = {
        let group = group.clone();
        thread::spawn(move || group.shutdown_timeout(Duration::MAX))
    };
    thread::sleep(Duration::from_millis(5));
    pipe.write(0);
    ends.join().unwrap().unwrap();
    worker.join().unwrap();
}

fn shutdown_gives_up_when_its_timeout_expires() {
    let group = group();
    let (worker, pipe) = blocked_worker(&group);

    match group.shutdown_timeout(Duration::from_millis(5)) {
        Err(ShutdownError::WorkersRemain(1)) => {}
        result => panic!("{result:?}"),
    }
    pipe.write(0);
    worker.join().unwrap();
    group.shutdown().unwrap();
}

fn dropped_group_ends() {
    drop(group());
    wait_until("its threads are gone", || threads_of_groups() == 0);
}

fn dropped_group_ends_with_its_last_worker() {
    let group = group();
    let (first, release_first) = blocked_worker(&group);
    let (last, release_last) = blocked_worker(&group);

    drop(group);
    release_first.write(0);
    first.join().unwrap();
    // The closer has come to its end by now.
    assert_eq!(threads_of_groups(), 4);
    release_last.write(0);
    last.join().unwrap();
    wait_until("its threads are gone", || threads_of_groups() == 0);
}

fn worker_drops_the_last_handle() {
    let group = group();
    let moved = group.clone();
    let worker = group.spawn(move || drop(moved)).unwrap();

    drop(group);
    worker.join().unwrap();
    wait_until("its threads are gone", || threads_of_groups() == 0);
}

fn groups_come_and_go_while_workers_enter() {
    for _ in 0..5 {
        let group = group();
        let enter = [(); 3].map(|()| {
            let group = group.clone();
            thread::spawn(move || {
                let mut times = 0u64;
                // Until the group has ended.
                while let Ok(own) = group.enter() {
                    times += 1;
                    drop(own);
                    // Sooner or later none is there.
                    thread::sleep(Duration::from_millis(times % 5));
                }
                times
            })
        });
        // It succeeds when nobody is there just then.
        while let Err(error) = group.shutdown() {
            assert!(matches!(error, ShutdownError::WorkersRemain(_)), "{error}");
            thread::yield_now();
        }
        for thread in enter {
            thread.join().unwrap();
        }
    }
    wait_until("all threads are gone", || threads_of_groups() == 0);
}
