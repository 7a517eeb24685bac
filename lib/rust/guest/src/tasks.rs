// SPDX-License-Identifier: GPL-2.0

//! Tasks without a group.

use crate::harness::{fixture, in_child, own_tid, sleeps, wait_until};
use std::{
    mem,
    os::unix::thread::JoinHandleExt,
    sync::{
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
        mpsc, Arc,
    },
    thread,
    time::{Duration, Instant},
};
use umcg::{
    policy::{Fifo, IdleWorker, Policy, Reason, SliceEnd, Worker},
    task::{self, Registered, Task},
    Error, Group, Options,
};

fixture!(FIXTURE, "tasks":
    tasks_swap_in_turn,
    each_wakeup_ends_one_wait,
    wait_ends_when_its_timeout_expires,
    woken_swap_beats_its_timeout,
    task_that_is_gone_cannot_be_woken,
    thread_that_is_not_a_task_cannot_wake_one,
    worker_wakes_a_task,
    slice_ends_of_a_worker_that_wakes_tasks,
    signal_does_not_end_a_wait,
    thread_is_not_a_task_and_a_worker_at_once,
    task_leaves_with_its_thread,
    tasks_stay_with_the_parent,
    worker_that_forks_cannot_wake_tasks_in_the_child,
);

/// Starts a thread that is a task.
fn spawn<T: Send + 'static>(
    body: impl FnOnce(&Registered) -> T + Send + 'static,
) -> (Task, thread::JoinHandle<T>) {
    let (sends, tasks) = mpsc::channel();
    let thread = thread::spawn(move || {
        let own = task::register().unwrap();
        sends.send(own.task()).unwrap();
        body(&own)
    });

    (tasks.recv().unwrap(), thread)
}

/// Waits until the thread of a task sleeps in a wait.
fn wait_until_it_waits(task: &Task) {
    wait_until("the task waits", || sleeps(task.id()));
}

fn tasks_swap_in_turn() {
    const ROUNDS: u32 = 2000;
    let own = task::register().unwrap();
    let (back, turn) = (own.task(), Arc::new(AtomicU32::new(0)));
    let counts = Arc::clone(&turn);

    let (other, thread) = spawn(move |own| {
        own.wait().unwrap();
        for round in 0..ROUNDS {
            assert_eq!(counts.fetch_add(1, SeqCst), 2 * round + 1);
            if round + 1 < ROUNDS {
                own.swap(&back).unwrap();
            }
        }
        back.wake().unwrap();
    });
    for round in 0..ROUNDS {
        assert_eq!(turn.fetch_add(1, SeqCst), 2 * round);
        own.swap(&other).unwrap();
    }
    assert_eq!(turn.load(SeqCst), 2 * ROUNDS);
    thread.join().unwrap();
}

fn each_wakeup_ends_one_wait() {
    let own = task::register().unwrap();
    let waited = Arc::new(AtomicU32::new(0));
    let counts = Arc::clone(&waited);

    let (other, thread) = spawn(move |own| {
        for _ in 0..6 {
            own.wait().unwrap();
            counts.fetch_add(1, SeqCst);
        }
        own.wait_timeout(Duration::from_millis(5))
    });
    for woken in 1..=3 {
        wait_until_it_waits(&other);
        assert_eq!(waited.load(SeqCst), woken - 1);
        other.wake().unwrap();
        wait_until("its wait has ended", || waited.load(SeqCst) == woken);
    }
    for _ in 0..3 {
        other.wake_on_this_cpu().unwrap();
    }
    assert_eq!(thread.join().unwrap(), Err(Error::TimedOut));
    assert_eq!(waited.load(SeqCst), 6);
    // As does that of the task itself.
    own.task().wake().unwrap();
    own.wait().unwrap();
}

fn wait_ends_when_its_timeout_expires() {
    let own = task::register().unwrap();
    let timeout = Duration::from_millis(20);
    let (other, thread) = spawn(move |own| own.wait());

    let begin = Instant::now();
    assert_eq!(own.wait_timeout(timeout), Err(Error::TimedOut));
    assert!(begin.elapsed() >= timeout);
    assert_eq!(own.wait_deadline(begin), Err(Error::TimedOut));
    let begin = Instant::now();
    assert_eq!(own.swap_timeout(&other, timeout), Err(Error::TimedOut));
    assert!(begin.elapsed() >= timeout);
    // It was woken nevertheless.
    assert_eq!(thread.join().unwrap(), Ok(()));
    own.task().wake().unwrap();
    assert_eq!(own.wait_deadline(begin), Ok(()));
}

fn woken_swap_beats_its_timeout() {
    let own = task::register().unwrap();
    let back = own.task();
    let (other, thread) = spawn(move |own| {
        for _ in 0..200 {
            own.wait().unwrap();
            back.wake().unwrap();
        }
    });

    for _ in 0..200 {
        own.swap_timeout(&other, Duration::MAX).unwrap();
    }
    thread.join().unwrap();
}

fn task_that_is_gone_cannot_be_woken() {
    let own = task::register().unwrap();

    for _ in 0..50 {
        let (other, thread) = spawn(|_| {});
        thread.join().unwrap();
        assert_eq!(other.wake(), Err(Error::Gone));
        assert_eq!(own.swap(&other), Err(Error::Gone));
        // The old handle does not refer to another task.
        let (new, thread) = spawn(|own| own.wait());
        assert_ne!(new, other);
        assert_eq!(other.wake(), Err(Error::Gone));
        new.wake().unwrap();
        thread.join().unwrap().unwrap();
    }
    assert_eq!(own.swap(&own.task()), Err(Error::SameTask));
}

fn thread_that_is_not_a_task_cannot_wake_one() {
    let own = task::register().unwrap();
    let task = own.task();

    let result = thread::spawn(move || task.wake()).join().unwrap();
    assert_eq!(result, Err(Error::NotEntered));
    // Nothing was counted.
    let result = own.wait_timeout(Duration::from_millis(1));
    assert_eq!(result, Err(Error::TimedOut));
    let (other, thread) = spawn(|own| own.wait());
    drop(own);
    assert_eq!(other.wake(), Err(Error::NotEntered));
    let own = task::register().unwrap();
    other.wake().unwrap();
    thread.join().unwrap().unwrap();
    drop(own);
}

fn worker_wakes_a_task() {
    const ROUNDS: u32 = 300;
    let group = Group::builder().servers(1).build().unwrap();
    let own = task::register().unwrap();
    let (task, waited) = (own.task(), Arc::new(AtomicU32::new(0)));
    let counts = Arc::clone(&waited);

    let worker = group.spawn(move || {
        for round in 0..ROUNDS {
            task.wake().unwrap();
            while counts.load(SeqCst) == round {
                umcg::yield_now();
            }
        }
    });
    for _ in 0..ROUNDS {
        own.wait().unwrap();
        waited.fetch_add(1, SeqCst);
    }
    worker.unwrap().join().unwrap();
    group.shutdown().unwrap();
}

/// First come, first served; counts the ends of slices, and lets the worker continue.
#[derive(Default)]
struct Slices {
    fifo: Fifo,
    count: Arc<AtomicU32>,
}

impl Policy for Slices {
    fn wake(&mut self, worker: IdleWorker, reason: Reason) {
        self.fifo.wake(worker, reason);
    }

    fn next(&mut self, server: usize) -> Option<IdleWorker> {
        self.fifo.next(server)
    }

    fn slice_end(&mut self, worker: &Worker, _: Duration) -> SliceEnd {
        self.count.fetch_add((worker.class() == 1).into(), SeqCst);
        SliceEnd::Keep
    }
}

/// A worker is locked while it wakes a task, which must not begin a new slice.
fn slice_ends_of_a_worker_that_wakes_tasks() {
    let policy = Slices::default();
    let count = Arc::clone(&policy.count);
    let group = Group::builder()
        .servers(1)
        .slice(Duration::from_millis(2))
        .policy(policy)
        .build()
        .unwrap();
    let (task, sleeper) = spawn(|own| while own.wait_timeout(Duration::from_secs(1)).is_ok() {});
    let over = Arc::new(AtomicBool::new(false));
    let is_over = Arc::clone(&over);

    // A worker is always queued.
    let rival = group.spawn(move || {
        while !is_over.load(SeqCst) {
            umcg::yield_now();
        }
    });
    let busy = group.spawn_with(&Options::new().class(1), move || {
        while count.load(SeqCst) < 3 {
            task.wake().unwrap();
        }
        over.store(true, SeqCst);
    });
    busy.unwrap().join().unwrap();
    rival.unwrap().join().unwrap();
    sleeper.join().unwrap();
    group.shutdown().unwrap();
}

static HANDLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn counts(_: libc::c_int) {
    HANDLED.fetch_add(1, SeqCst);
}

fn signal_does_not_end_a_wait() {
    let own = task::register().unwrap();
    let ended = Arc::new(AtomicBool::new(false));
    let sets = Arc::clone(&ended);

    // SAFETY: A structure of numbers and a pointer, for which zero is a value.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    // Without SA_RESTART.
    action.sa_sigaction = counts as extern "C" fn(libc::c_int) as usize;
    // SAFETY: The handler does what a handler may do.
    unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()) };

    let (other, thread) = spawn(move |own| {
        own.wait().unwrap();
        sets.store(true, SeqCst);
    });
    for signals in 1..=20 {
        wait_until_it_waits(&other);
        // SAFETY: The thread has not been joined.
        unsafe { libc::pthread_kill(thread.as_pthread_t(), libc::SIGUSR1) };
        wait_until("it has been handled", || HANDLED.load(SeqCst) == signals);
    }
    wait_until_it_waits(&other);
    assert!(!ended.load(SeqCst));
    other.wake().unwrap();
    thread.join().unwrap();
    drop(own);
}

fn thread_is_not_a_task_and_a_worker_at_once() {
    let group = Group::builder().servers(1).build().unwrap();
    let own = task::register().unwrap();

    assert_eq!(own.task().id(), own_tid());
    assert_eq!(task::register().unwrap_err(), Error::AlreadyEntered);
    assert_eq!(group.enter().unwrap_err(), Error::AlreadyEntered);
    // It is still a task.
    own.task().wake().unwrap();
    own.wait().unwrap();
    drop(own);
    let worker = group.enter().unwrap();
    assert_eq!(task::register().unwrap_err(), Error::AlreadyEntered);
    drop(worker);
    drop(task::register().unwrap());
    group.shutdown().unwrap();
}

fn task_leaves_with_its_thread() {
    let own = task::register().unwrap();

    for _ in 0..20 {
        let thread = thread::spawn(|| {
            let own = task::register().unwrap();
            let task = own.task();
            mem::forget(own);
            task
        });
        let task = thread.join().unwrap();
        // The kernel unregisters it when the thread exits, which may be after the join.
        wait_until("the task is gone", || task.wake() == Err(Error::Gone));
    }
    drop(own);
}

fn tasks_stay_with_the_parent() {
    let own = task::register().unwrap();
    let (other, thread) = spawn(|own| own.wait());

    let status = in_child(|| {
        assert_eq!(own.wait(), Err(Error::Forked));
        assert_eq!(other.wake(), Err(Error::Forked));
        assert_eq!(own.swap(&other), Err(Error::Forked));
        let new = task::register().unwrap();
        drop(own);
        new.task().wake().unwrap();
        new.wait().unwrap();
        let (partner, thread) = spawn(|own| own.wait());
        partner.wake().unwrap();
        thread.join().unwrap().unwrap();
    });
    assert!(status.success(), "{status}");
    // The closure, with the registration, has been dropped here, too.
    let own = task::register().unwrap();
    other.wake().unwrap();
    thread.join().unwrap().unwrap();
    drop(own);
}

fn worker_that_forks_cannot_wake_tasks_in_the_child() {
    let group = Group::builder().servers(1).build().unwrap();
    let worker = group.enter().unwrap();

    let status = in_child(|| {
        let (task, thread) = spawn(|own| own.wait());
        wait_until_it_waits(&task);
        assert_eq!(task.wake(), Err(Error::NotEntered));
        // No wake-up was lost.
        let own = task::register().unwrap();
        task.wake().unwrap();
        thread.join().unwrap().unwrap();
        drop(own);
    });
    assert!(status.success(), "{status}");
    drop(worker);
    group.shutdown().unwrap();
}
