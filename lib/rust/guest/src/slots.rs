// SPDX-License-Identifier: GPL-2.0

//! Slots and deschedule notifications.

use crate::harness::{
    block_once, fixture, in_child, is_held, own_tid, sleeps_in, wait_until, Pipe,
};
use std::{
    hint, mem,
    sync::{
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc, Arc,
    },
    thread,
    time::Duration,
};
use umcg::{
    sched::{self, Event, Notification, Slot, State},
    Error, Group, Options,
};

fixture!(FIXTURE, "slots":
    calling_thread_is_on_a_cpu,
    thread_has_one_slot,
    slot_shows_that_its_thread_sleeps,
    slot_shows_that_its_thread_has_ended,
    slot_shows_that_a_worker_waits_for_a_server,
    threads_have_virtual_cpus,
    slots_of_the_parent_are_on_no_cpu_in_a_child,
    word_is_written_when_the_thread_has_slept,
    time_is_when_the_thread_has_slept,
    thread_has_eight_notifications,
    leaked_notification_does_no_harm,
    notifications_stay_with_the_parent,
);

fn calling_thread_is_on_a_cpu() {
    let slot = Slot::of_this_thread().unwrap();

    for _ in 0..1000 {
        assert!(slot.on_cpu());
    }
    // The kernel may be changing it.
    let snapshot = std::iter::repeat_with(|| slot.snapshot()).find_map(|seen| seen);
    let snapshot = snapshot.unwrap();
    assert_eq!(snapshot.state, State::OnCpu);
    assert_eq!(snapshot.tid, own_tid());
    assert_eq!(snapshot.vcpu, None);
    assert!(snapshot.on > Duration::ZERO);
}

fn thread_has_one_slot() {
    let slot = Slot::of_this_thread().unwrap();

    assert_eq!(Slot::of_this_thread(), Ok(slot));
    assert_eq!(Slot::from_number(slot.number()), Some(slot));
    assert_eq!(Slot::from_number(1 << 20), None);
    let other = thread::spawn(Slot::of_this_thread).join().unwrap().unwrap();
    assert_ne!(other, slot);
    assert_eq!(sched::release(), Ok(true));
    assert!(!slot.on_cpu());
    assert_eq!(sched::release(), Ok(false));
    assert!(Slot::of_this_thread().unwrap().on_cpu());
}

/// A thread that has a slot, and waits for a byte.
struct Sleeper {
    slot: Slot,
    tid: u32,
    pipe: Arc<Pipe>,
    thread: thread::JoinHandle<()>,
}

impl Sleeper {
    fn new() -> Self {
        let (sends, facts) = mpsc::channel();
        let pipe = Arc::new(Pipe::new());
        let reads = Arc::clone(&pipe);

        let thread = thread::spawn(move || {
            let slot = Slot::of_this_thread().unwrap();
            sends.send((slot, own_tid())).unwrap();
            reads.read();
        });
        let (slot, tid) = facts.recv().unwrap();
        Self {
            slot,
            tid,
            pipe,
            thread,
        }
    }

    fn state(&self) -> Option<State> {
        self.slot.snapshot().map(|snapshot| snapshot.state)
    }
}

fn slot_shows_that_its_thread_sleeps() {
    let sleeper = Sleeper::new();

    wait_until("its slot shows that it sleeps", || {
        sleeper.state() == Some(State::Blocked)
    });
    assert!(!sleeper.slot.on_cpu());
    assert_eq!(sleeper.slot.snapshot().unwrap().tid, sleeper.tid);
    sleeper.pipe.write(0);
    sleeper.thread.join().unwrap();
}

fn slot_shows_that_its_thread_has_ended() {
    let sleeper = Sleeper::new();

    sleeper.pipe.write(0);
    wait_until("its slot shows that it has ended", || {
        sleeper.state() == Some(State::Exited)
    });
    assert!(!sleeper.slot.on_cpu());
    sleeper.thread.join().unwrap();
}

fn slot_shows_that_a_worker_waits_for_a_server() {
    let group = Group::builder()
        .servers(1)
        .slice(Duration::ZERO)
        .build()
        .unwrap();
    let (pipe, over) = (Arc::new(Pipe::new()), Arc::new(AtomicBool::new(false)));
    let (reads, stops) = (Arc::clone(&pipe), Arc::clone(&over));
    let (sends, slots) = mpsc::channel();

    let worker = group.spawn_with(&Options::new().name("worker"), move || {
        sends.send(Slot::of_this_thread().unwrap()).unwrap();
        reads.read();
    });
    let slot = slots.recv().unwrap();
    wait_until("it waits for a byte", || {
        sleeps_in("worker", libc::SYS_read)
    });
    let other = group.spawn(move || {
        // It keeps its server.
        let _section = umcg::no_preempt();
        pipe.write(0);
        while !stops.load(SeqCst) {
            hint::spin_loop();
        }
    });
    wait_until("it waits for a server", || is_held("worker"));
    assert!(!slot.on_cpu());
    assert_eq!(slot.snapshot().unwrap().state, State::Blocked);
    over.store(true, SeqCst);
    other.unwrap().join().unwrap();
    worker.unwrap().join().unwrap();
    group.shutdown().unwrap();
}

fn threads_have_virtual_cpus() {
    let cpus = thread::available_parallelism().unwrap().get() as u32;
    let threads = [(); 4].map(|()| {
        thread::spawn(move || {
            let slot = Slot::with_vcpu().unwrap();

            for _ in 0..1000 {
                assert!(slot.vcpu().is_some_and(|vcpu| vcpu < cpus));
            }
        })
    });

    threads.map(|thread| thread.join().unwrap());
    assert_eq!(Slot::of_this_thread().unwrap().vcpu(), None);
}

fn slots_of_the_parent_are_on_no_cpu_in_a_child() {
    let slot = Slot::of_this_thread().unwrap();

    let status = in_child(move || {
        assert!(!slot.on_cpu());
        assert_eq!(slot.snapshot(), None);
        assert_eq!(slot.vcpu(), None);
        assert_eq!(Slot::from_number(slot.number()), None);
        let own = Slot::of_this_thread().unwrap();
        assert_ne!(own, slot);
        assert!(own.on_cpu());
        // Its number may be the same.
        assert!(!slot.on_cpu());
    });
    assert!(status.success(), "{status}");
    assert!(slot.on_cpu());
}

fn word_is_written_when_the_thread_has_slept() {
    let blocked = Notification::new(Event::Blocked, 7).unwrap();
    let any = Notification::new(Event::Descheduled, 8).unwrap();

    assert_eq!(blocked.word().load(SeqCst), 7);
    for _ in 0..10 {
        blocked.word().store(0, SeqCst);
        any.word().store(0, SeqCst);
        block_once();
        assert_eq!(blocked.word().load(SeqCst), 7);
        assert_eq!(any.word().load(SeqCst), 8);
    }
    drop(blocked);
    any.word().store(0, SeqCst);
    block_once();
    assert_eq!(any.word().load(SeqCst), 8);
}

/// Nanoseconds of CLOCK_MONOTONIC.
fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };

    // SAFETY: The call writes to the structure.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn time_is_when_the_thread_has_slept() {
    let time = Notification::with_time(Event::Blocked).unwrap();

    for _ in 0..10 {
        let before = now();
        block_once();
        assert!((before..now()).contains(&time.word().load(SeqCst)));
    }
}

fn thread_has_eight_notifications() {
    let mut all: Vec<_> = (0..8)
        .map(|value| Notification::new(Event::Blocked, value).unwrap())
        .collect();
    let one_more = || Notification::new(Event::Blocked, 8);

    assert_eq!(one_more().map(drop), Err(Error::TooManyNotifications));
    all.pop();
    assert_eq!(one_more().map(drop), Ok(()));
}

fn leaked_notification_does_no_harm() {
    for _ in 0..20 {
        thread::spawn(|| {
            mem::forget(Notification::new(Event::Descheduled, 1).unwrap());
            thread::sleep(Duration::from_micros(10));
        })
        .join()
        .unwrap();
    }
}

fn notifications_stay_with_the_parent() {
    let word = Notification::new(Event::Descheduled, 1).unwrap();

    let status = in_child(|| {
        let copy = word;
        copy.word().store(0, SeqCst);
        block_once();
        assert_eq!(copy.word().load(SeqCst), 0);
        drop(copy);
        let own = Notification::new(Event::Descheduled, 2).unwrap();
        assert_eq!(own.word().load(SeqCst), 2);
    });
    assert!(status.success(), "{status}");
}
