// SPDX-License-Identifier: GPL-2.0

//! Servers of workers that the kernel's scheduler preempts.

use crate::harness::{fixture, own_tid, sleeps, wait_until, Pipe};
use std::{
    mem,
    sync::{
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
        Arc,
    },
    thread,
    time::Duration,
};
use umcg::{
    policy::{Fifo, IdleWorker, Policy, Priorities, Reason, SliceEnd, Worker},
    Group, Options,
};

fixture!(FIXTURE, "lending":
    preempted_worker_lends_its_server,
    preempted_worker_keeps_its_server_if_the_policy_does_not_lend,
    worker_of_a_low_class_waits_while_others_compute,
);

/// First come, first served, without end, and lends or not.
struct MayLend {
    fifo: Fifo,
    lends: bool,
    reader: Arc<AtomicU32>,
    is_queued: Arc<AtomicBool>,
}

impl Policy for MayLend {
    fn wake(&mut self, worker: IdleWorker, reason: Reason) {
        if worker.id() == self.reader.load(SeqCst) {
            self.is_queued.store(true, SeqCst);
        }
        self.fifo.wake(worker, reason);
    }

    fn next(&mut self, server: usize) -> Option<IdleWorker> {
        self.fifo.next(server)
    }

    fn lends(&self) -> bool {
        self.lends
    }

    fn slice_end(&mut self, _: &Worker, _: Duration) -> SliceEnd {
        SliceEnd::Keep
    }
}

/// The calling thread runs on the first CPU that it may use.
fn stay_on_one_cpu() {
    // SAFETY: A structure of numbers, for which zero is a value.
    let mut all: libc::cpu_set_t = unsafe { mem::zeroed() };
    let mut one = all;
    let size = mem::size_of::<libc::cpu_set_t>();

    // SAFETY: The call writes at most as many bytes to the set as it has.
    assert_eq!(unsafe { libc::sched_getaffinity(0, size, &raw mut all) }, 0);
    let first = (0..libc::CPU_SETSIZE as usize)
        // SAFETY: The number is below that of the bits of the set.
        .find(|cpu| unsafe { libc::CPU_ISSET(*cpu, &all) })
        .unwrap();
    // SAFETY: As above.
    unsafe { libc::CPU_SET(first, &mut one) };
    // SAFETY: The call reads as many bytes of the set as it has.
    assert_eq!(
        unsafe { libc::sched_setaffinity(0, size, &raw const one) },
        0
    );
}

/// One worker wakes another one, and computes on the same CPU until that has run or is queued. Whether
/// it has run is returned; the kernel's scheduler has preempted the first one in either case.
fn woken_worker_runs_beside_the_only_server(lends: bool) -> bool {
    let reader_tid = Arc::new(AtomicU32::new(0));
    let is_queued = Arc::new(AtomicBool::new(false));
    let policy = MayLend {
        fifo: Fifo::new(),
        lends,
        reader: Arc::clone(&reader_tid),
        is_queued: Arc::clone(&is_queued),
    };
    let group = Group::builder()
        .servers(1)
        .slice(Duration::from_millis(1))
        .policy(policy)
        .build()
        .unwrap();
    let pipe = Arc::new(Pipe::new());
    let other_end = Arc::clone(&pipe);
    let tid = Arc::clone(&reader_tid);
    let has_run = Arc::new(AtomicBool::new(false));
    let sets = Arc::clone(&has_run);

    let reader = group.spawn(move || {
        stay_on_one_cpu();
        tid.store(own_tid(), SeqCst);
        pipe.read();
        sets.store(true, SeqCst);
    });
    wait_until("the reader blocks", || {
        let tid = reader_tid.load(SeqCst);
        tid != 0 && sleeps(tid)
    });
    let computes = group.spawn(move || {
        stay_on_one_cpu();
        other_end.write(0);
        while !has_run.load(SeqCst) && !is_queued.load(SeqCst) {
            std::hint::spin_loop();
        }
        has_run.load(SeqCst)
    });
    let has_run = computes.unwrap().join().unwrap();
    reader.unwrap().join().unwrap();
    group.shutdown().unwrap();
    has_run
}

fn preempted_worker_lends_its_server() {
    assert!(woken_worker_runs_beside_the_only_server(true));
}

fn preempted_worker_keeps_its_server_if_the_policy_does_not_lend() {
    assert!(!woken_worker_runs_beside_the_only_server(false));
}

/// There are as many servers as CPUs. The kernel's scheduler would share these among all workers.
fn worker_of_a_low_class_waits_while_others_compute() {
    const SLICE: Duration = Duration::from_millis(1);
    let group = Group::builder()
        .servers(2)
        .slice(SLICE)
        .policy(Priorities::new())
        .build()
        .unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let rounds = Arc::new(AtomicU32::new(0));
    let tid = Arc::new(AtomicU32::new(0));
    let compute = |class: u8| {
        let (over, rounds, tid) = (Arc::clone(&over), Arc::clone(&rounds), Arc::clone(&tid));

        group.spawn_with(&Options::new().class(class), move || {
            if class != 0 {
                tid.store(own_tid(), SeqCst);
            }
            while !over.load(SeqCst) {
                rounds.fetch_add(u32::from(class), SeqCst);
            }
        })
    };

    let low = compute(1);
    wait_until("it computes", || rounds.load(SeqCst) != 0);
    let high = [compute(0), compute(0)];
    wait_until("it waits for a server", || sleeps(tid.load(SeqCst)));
    let before = rounds.load(SeqCst);
    thread::sleep(20 * SLICE);
    assert_eq!(rounds.load(SeqCst), before);
    over.store(true, SeqCst);
    for worker in high.into_iter().chain([low]) {
        worker.unwrap().join().unwrap();
    }
    group.shutdown().unwrap();
}
