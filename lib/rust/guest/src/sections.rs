// SPDX-License-Identifier: GPL-2.0

//! Critical sections, and the end of a slice in them.

use crate::harness::{fixture, spin_until};
use std::{
    hint,
    sync::{
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
        Arc,
    },
    time::Duration,
};
use umcg::{
    policy::{Fifo, IdleWorker, Policy, Reason, SliceEnd, Worker},
    sync::Mutex,
    Group,
};

fixture!(FIXTURE, "sections":
    slice_does_not_end_in_a_section,
    slice_does_not_end_while_a_mutex_is_held,
    worker_gives_way_at_the_end_of_its_section,
    slices_end_where_sections_do,
    worker_without_further_sections_gives_way,
    policy_can_insist,
    leaked_section_ends_with_the_membership,
    section_of_a_worker_that_has_left_is_nothing,
    section_outside_of_a_group_is_nothing,
);

/// What the policy was asked at the ends of slices.
#[derive(Default)]
struct Asked {
    ends: AtomicU32,
    /// How often the worker had been kicked before, and was in a section.
    deferred: AtomicU32,
    /// How often a worker was queued because it gave way.
    preempted: AtomicU32,
}

/// First come, first served, with this decision at the end of slices.
struct Asks {
    fifo: Fifo,
    asked: Arc<Asked>,
    end: SliceEnd,
}

impl Policy for Asks {
    fn wake(&mut self, worker: IdleWorker, reason: Reason) {
        if reason == Reason::Preempted {
            self.asked.preempted.fetch_add(1, SeqCst);
        }
        self.fifo.wake(worker, reason);
    }

    fn next(&mut self, server: usize) -> Option<IdleWorker> {
        self.fifo.next(server)
    }

    fn slice_end(&mut self, worker: &Worker, _: Duration) -> SliceEnd {
        self.asked.ends.fetch_add(1, SeqCst);
        if worker.defers() {
            self.asked.deferred.fetch_add(1, SeqCst);
        }
        self.end
    }
}

fn group(end: SliceEnd) -> (Group, Arc<Asked>) {
    group_with_slice(end, Duration::from_millis(1))
}

fn group_with_slice(end: SliceEnd, slice: Duration) -> (Group, Arc<Asked>) {
    let asked = Arc::new(Asked::default());
    let policy = Asks {
        fifo: Fifo::new(),
        asked: Arc::clone(&asked),
        end,
    };
    let group = Group::builder()
        .servers(1)
        .slice(slice)
        .policy(policy)
        .build()
        .unwrap();

    (group, asked)
}

/// Runs something in a worker of a group with one server.
fn in_worker(group: &Group, body: impl FnOnce(&Group) + Send + 'static) {
    let inner = group.clone();

    group.spawn(move || body(&inner)).unwrap().join().unwrap();
}

/// A worker that wants to run, and sets a flag then.
fn start_rival(group: &Group) -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let sets = Arc::clone(&flag);

    group.spawn(move || sets.store(true, SeqCst)).unwrap();
    flag
}

/// A worker gives way when its guard is dropped, and not before.
fn slice_does_not_end_while<T>(guard: impl FnOnce() -> T + Send + 'static) {
    let (group, asked) = group(SliceEnd::Kick);

    in_worker(&group, move |group| {
        let guard = guard();
        let rival = start_rival(group);
        // It may have run while this one was starting it.
        let before = rival.load(SeqCst);
        spin_until(|| rival.load(SeqCst) || asked.deferred.load(SeqCst) > 2);
        assert_eq!(rival.load(SeqCst), before, "the rival has run");
        drop(guard);
        spin_until(|| rival.load(SeqCst));
    });
    end(&group);
}

fn slice_does_not_end_in_a_section() {
    slice_does_not_end_while(umcg::no_preempt);
}

fn slice_does_not_end_while_a_mutex_is_held() {
    static MUTEX: Mutex<()> = Mutex::new(());

    slice_does_not_end_while(|| MUTEX.lock());
}

fn worker_gives_way_at_the_end_of_its_section() {
    let (group, asked) = group(SliceEnd::Kick);

    in_worker(&group, move |group| {
        let inner = umcg::no_preempt();
        let outer = umcg::no_preempt();
        let before = start_rival(group).load(SeqCst);
        spin_until(|| before || asked.deferred.load(SeqCst) > 0);
        drop(inner);
        let preempted = asked.preempted.load(SeqCst);
        assert_eq!(preempted, 0, "it has given way in its section");
        drop(outer);
        // Not at the end of another slice, but before it goes on.
        let preempted = asked.preempted.load(SeqCst);
        assert!(before || preempted >= 1, "it has not given way");
    });
    end(&group);
}

/// Computes for some microseconds.
fn compute() {
    for number in 0..2000 {
        hint::black_box(number);
    }
}

/// Two workers share a server, and are nearly always outside of their short sections; yet most of
/// their slices end at the end of one. Not all: a CPU of an emulator may stand still for longer than
/// the quarter of a slice that a worker has for that.
fn slices_end_where_sections_do() {
    const SLICES: u32 = 40;
    let (group, asked) = group_with_slice(SliceEnd::Kick, Duration::from_millis(10));
    let outside = Arc::new(AtomicU32::new(0));

    let workers: Vec<_> = (0..2)
        .map(|_| {
            let (asked, outside) = (Arc::clone(&asked), Arc::clone(&outside));
            group.spawn(move || {
                while asked.preempted.load(SeqCst) < SLICES {
                    let before = asked.preempted.load(SeqCst);
                    compute();
                    // If it was preempted, so was the other one after it.
                    if asked.preempted.load(SeqCst) > before + 1 {
                        outside.fetch_add(1, SeqCst);
                    }
                    drop(umcg::no_preempt());
                }
            })
        })
        .map(Result::unwrap)
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    let outside = outside.load(SeqCst);
    assert!(2 * outside < SLICES, "{outside} ended outside of sections");
    end(&group);
}

fn worker_without_further_sections_gives_way() {
    let (group, _) = group(SliceEnd::Kick);

    in_worker(&group, move |group| {
        drop(umcg::no_preempt());
        let rival = start_rival(group);
        spin_until(|| rival.load(SeqCst));
    });
    end(&group);
}

fn policy_can_insist() {
    let (group, asked) = group(SliceEnd::Insist);

    in_worker(&group, move |group| {
        let section = umcg::no_preempt();
        let rival = start_rival(group);
        let before = rival.load(SeqCst);
        spin_until(|| rival.load(SeqCst));
        assert!(before || asked.ends.load(SeqCst) > 0);
        drop(section);
    });
    end(&group);
}

/// Rivals may not have come to their ends.
fn end(group: &Group) {
    group.shutdown_timeout(Duration::MAX).unwrap();
}

fn leaked_section_ends_with_the_membership() {
    let (group, _) = group(SliceEnd::Kick);
    let own = group.enter().unwrap();

    std::mem::forget(umcg::no_preempt());
    drop(own);
    let own = group.enter().unwrap();
    let flag = Arc::new(AtomicBool::new(false));
    let sets = Arc::clone(&flag);
    let rival = group.spawn(move || sets.store(true, SeqCst)).unwrap();
    spin_until(|| flag.load(SeqCst));
    drop(own);
    rival.join().unwrap();
    group.shutdown().unwrap();
}

fn section_of_a_worker_that_has_left_is_nothing() {
    let (group, _) = group(SliceEnd::Kick);
    let own = group.enter().unwrap();
    let old = umcg::no_preempt();

    drop(own);
    let own = group.enter().unwrap();
    let section = umcg::no_preempt();
    // It must not end the other one.
    drop(old);
    let flag = Arc::new(AtomicBool::new(false));
    let sets = Arc::clone(&flag);
    let rival = group.spawn(move || sets.store(true, SeqCst)).unwrap();
    let end = std::time::Instant::now() + Duration::from_millis(30);
    spin_until(|| std::time::Instant::now() > end);
    assert!(!flag.load(SeqCst), "the rival has run");
    drop(section);
    spin_until(|| flag.load(SeqCst));
    drop(own);
    rival.join().unwrap();
    group.shutdown().unwrap();
}

fn section_outside_of_a_group_is_nothing() {
    let (group, _) = group(SliceEnd::Kick);
    let before = umcg::no_preempt();

    let own = group.enter().unwrap();
    drop(before);
    drop(umcg::no_preempt());
    drop(own);
    group.shutdown().unwrap();
}
