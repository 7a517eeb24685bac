// SPDX-License-Identifier: GPL-2.0

//! The adaptive mutex.

use crate::harness::{
    fixture, in_child, own_tid, sleeps_in, sleeps_of, spin_until, wait_until, Pipe,
};
use std::{
    hint, mem,
    sync::{
        atomic::{AtomicU32, Ordering::SeqCst},
        Arc,
    },
    thread,
    time::{Duration, Instant},
};
use umcg::{
    sched::Slot,
    sync::{Mutex, RawMutex},
    Group,
};

fixture!(FIXTURE, "mutexes":
    one_thread_at_a_time_holds_the_mutex,
    one_worker_at_a_time_holds_the_mutex,
    waiter_spins_while_the_owner_runs,
    waiter_sleeps_while_the_owner_sleeps,
    worker_that_leaves_still_holds_the_mutex,
    mutex_of_a_thread_that_has_ended_stays_locked,
    child_holds_the_mutex_of_the_forking_thread,
);

/// Threads count under a mutex, and call `meanwhile` while they hold it.
fn count(
    threads: u64,
    rounds: u64,
    meanwhile: impl Fn(u64) + Copy + Send + 'static,
    spawn: impl Fn(Box<dyn FnOnce() + Send>),
) {
    let counter = Arc::new(Mutex::new(0));
    let done = Arc::new(Mutex::new(0));

    for _ in 0..threads {
        let (counter, done) = (Arc::clone(&counter), Arc::clone(&done));
        spawn(Box::new(move || {
            for round in 0..rounds {
                let mut count = counter.lock();
                let seen = *count;
                meanwhile(round);
                *count = seen + 1;
            }
            *done.lock() += 1;
        }));
    }
    wait_until("all threads have counted", || *done.lock() == threads);
    assert_eq!(*counter.lock(), threads * rounds);
}

fn one_thread_at_a_time_holds_the_mutex() {
    count(
        6,
        2000,
        |round| match round % 64 {
            0 => thread::yield_now(),
            1 => thread::sleep(Duration::from_micros(10)),
            _ => {}
        },
        |body| drop(thread::spawn(body)),
    );
}

fn one_worker_at_a_time_holds_the_mutex() {
    let group = Group::builder()
        .servers(2)
        .slice(Duration::from_millis(1))
        .build()
        .unwrap();

    count(
        8,
        500,
        |round| match round % 32 {
            0 => umcg::yield_now(),
            1 => thread::sleep(Duration::from_micros(10)),
            2 => (0..2000).for_each(|_| hint::spin_loop()),
            _ => {}
        },
        |body| drop(group.spawn(body).unwrap()),
    );
    group.shutdown_timeout(Duration::MAX).unwrap();
}

/// Shared with a thread that locks a mutex once in each round.
#[derive(Default)]
struct Turns {
    mutex: Mutex<()>,
    /// The round that the thread may begin.
    round: AtomicU32,
    /// The round in which the thread is about to lock the mutex.
    about_to: AtomicU32,
    /// The last round that the thread has finished.
    done: AtomicU32,
}

impl Turns {
    fn take(&self, rounds: u32) {
        for round in 1..=rounds {
            spin_until(|| self.round.load(SeqCst) == round);
            self.about_to.store(round, SeqCst);
            drop(self.mutex.lock());
            self.done.store(round, SeqCst);
        }
        spin_until(|| self.round.load(SeqCst) > rounds);
    }
}

/// The owner holds the mutex for some microseconds, in which the waiter starts to wait. If waiters
/// slept at once, this one would do so in nearly every round. On a busy host the owner may hold it for
/// longer than waiters spin: the best of some tries counts.
fn waiter_spins_while_the_owner_runs() {
    const ROUNDS: u32 = 200;
    const TRIES: u32 = 8;
    const HELD: Duration = Duration::from_micros(20);
    if thread::available_parallelism().unwrap().get() < 2 {
        return;
    }
    let turns = Arc::new(Turns::default());
    let waits = Arc::clone(&turns);
    let tid = Arc::new(AtomicU32::new(0));
    let names = Arc::clone(&tid);

    Slot::of_this_thread().unwrap();
    let thread = thread::spawn(move || {
        Slot::of_this_thread().unwrap();
        names.store(own_tid(), SeqCst);
        waits.take(TRIES * ROUNDS);
    });
    wait_until("the thread runs", || tid.load(SeqCst) != 0);
    let tid = tid.load(SeqCst);
    let mut best = 0;
    let mut without = 0;
    for round in 1..=TRIES * ROUNDS {
        let guard = turns.mutex.lock();
        let before = sleeps_of(tid);
        turns.round.store(round, SeqCst);
        spin_until(|| turns.about_to.load(SeqCst) == round);
        let begin = Instant::now();
        spin_until(|| begin.elapsed() > HELD);
        drop(guard);
        spin_until(|| turns.done.load(SeqCst) == round);
        without += u32::from(sleeps_of(tid) == before);
        if round % ROUNDS == 0 {
            best = best.max(without);
            without = 0;
        }
    }
    turns.round.store(TRIES * ROUNDS + 1, SeqCst);
    thread.join().unwrap();
    println!("# {best} of {ROUNDS} without a sleep");
    assert!(best > ROUNDS / 4, "{best} of {ROUNDS}");
}

fn waiter_sleeps_while_the_owner_sleeps() {
    let (mutex, pipe) = (Arc::new(Mutex::new(())), Arc::new(Pipe::new()));
    let (owned, reads) = (Arc::clone(&mutex), Arc::clone(&pipe));

    let owner = thread::spawn(move || {
        let _guard = owned.lock();
        reads.read();
    });
    wait_until("the owner holds the mutex", || mutex.is_locked());
    let waiter = {
        let mutex = Arc::clone(&mutex);
        let builder = thread::Builder::new().name("waiter".to_owned());
        builder.spawn(move || drop(mutex.lock())).unwrap()
    };
    wait_until("the waiter sleeps", || sleeps_in("waiter", libc::SYS_futex));
    pipe.write(0);
    owner.join().unwrap();
    waiter.join().unwrap();
}

fn worker_that_leaves_still_holds_the_mutex() {
    let group = Group::builder().servers(1).build().unwrap();
    let mutex = Mutex::new(());

    let own = group.enter().unwrap();
    let guard = mutex.lock();
    drop(own);
    assert!(mutex.try_lock().is_none());
    let own = group.enter().unwrap();
    drop(guard);
    assert!(mutex.try_lock().is_some());
    drop(own);
    group.shutdown().unwrap();
}

fn mutex_of_a_thread_that_has_ended_stays_locked() {
    let mutex = Arc::new(Mutex::new(()));
    let raw = Arc::new(RawMutex::INIT);
    let (owned, raw_owned) = (Arc::clone(&mutex), Arc::clone(&raw));

    thread::spawn(move || {
        mem::forget(owned.lock());
        raw_owned.lock();
    })
    .join()
    .unwrap();
    assert!(!raw.try_lock_for(Duration::from_millis(5)));
    let waiter = {
        let mutex = Arc::clone(&mutex);
        let builder = thread::Builder::new().name("waiter".to_owned());
        let lock = move || mutex.try_lock_for(Duration::from_secs(2)).is_some();
        builder.spawn(lock).unwrap()
    };
    // It does not spin for the thread that has ended, nor for another one with the same slot.
    wait_until("the waiter sleeps", || sleeps_in("waiter", libc::SYS_futex));
    assert!(!waiter.join().unwrap());
}

fn child_holds_the_mutex_of_the_forking_thread() {
    let mutex = Arc::new(Mutex::new(5));
    let guard = mutex.lock();
    let copy = Arc::clone(&mutex);

    // The closure owns the guard, which is dropped in both processes.
    let status = in_child(|| {
        assert!(copy.try_lock_for(Duration::from_millis(5)).is_none());
        let free = Mutex::new(0);
        let threads = [(); 2].map(|()| thread::spawn(|| Slot::of_this_thread().is_ok()));
        *free.lock() += 1;
        assert!(threads.map(|thread| thread.join().unwrap()) == [true; 2]);
        drop(guard);
        assert_eq!(*copy.try_lock().unwrap(), 5);
    });
    assert!(status.success(), "{status}");
    // The closure, with the guard, has been dropped here, too.
    assert_eq!(*mutex.try_lock().unwrap(), 5);
}
