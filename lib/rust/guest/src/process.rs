// SPDX-License-Identifier: GPL-2.0

//! What becomes of groups when the process forks or executes a program, gets signals, or closes
//! what it has not opened.

use crate::harness::{fixture, in_child, sleeps, threads_called, wait_until, Pipe};
use std::{
    fs,
    os::unix::{process::CommandExt, thread::JoinHandleExt},
    process::{self, Command},
    sync::{
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst},
        Arc, Barrier,
    },
    thread,
    time::{Duration, Instant},
};
use umcg::{
    policy::{Fifo, IdleWorker, Policy, Reason, SliceEnd, Worker},
    task, Error, Group, ShutdownError,
};

fixture!(FIXTURE, "process":
    group_stays_with_the_parent,
    worker_that_forks_is_not_a_worker_in_the_child,
    child_makes_a_group_of_its_own,
    worker_starts_a_program,
    worker_executes_a_program,
    worker_handles_a_signal,
    servers_block_all_signals,
    servers_and_the_ticker_have_short_slices,
    closed_descriptor_is_opened_again,
    descriptor_is_closed_while_others_use_it,
    slices_are_of_one_clock_in_a_time_namespace,
);

fn group() -> Group {
    Group::builder().servers(2).build().unwrap()
}

fn belongs_to_the_parent(group: &Group) {
    assert_eq!(group.enter().unwrap_err(), Error::Forked);
    assert_eq!(group.spawn(|| {}).unwrap_err(), Error::Forked);
    for result in [
        group.shutdown(),
        group.shutdown_timeout(std::time::Duration::MAX),
    ] {
        assert!(
            matches!(result, Err(ShutdownError::Failed(Error::Forked))),
            "{result:?}"
        );
    }
}

fn group_stays_with_the_parent() {
    let group = group();
    let copy = group.clone();

    let status = in_child(move || {
        belongs_to_the_parent(&copy);
        umcg::yield_now();
        drop(copy);
    });
    assert!(status.success(), "{status}");
    group.spawn(|| {}).unwrap().join().unwrap();
    group.shutdown().unwrap();
}

fn worker_that_forks_is_not_a_worker_in_the_child() {
    let group = group();
    let own = group.enter().unwrap();
    let section = umcg::no_preempt();
    let copy = group.clone();

    let status = in_child(move || {
        assert!(!umcg::is_worker());
        assert!(umcg::handle().is_none());
        assert_eq!(umcg::set_class(1), Err(Error::NotEntered));
        assert_eq!(umcg::set_relative_deadline(None), Err(Error::NotEntered));
        belongs_to_the_parent(&copy);
        umcg::yield_now();
        drop(section);
        drop(umcg::no_preempt());
        assert_eq!(umcg::leave(), Err(Error::Forked));
        assert_eq!(umcg::leave(), Err(Error::NotEntered));
        assert!(!umcg::is_worker());
    });
    assert!(status.success(), "{status}");
    assert!(umcg::is_worker());
    drop(own);
    group.shutdown().unwrap();
}

fn child_makes_a_group_of_its_own() {
    let parent = group();
    let own = parent.enter().unwrap();

    let status = in_child(|| {
        let group = group();
        let own = group.enter().unwrap();
        assert_eq!(group.spawn(|| 5).unwrap().join().unwrap(), 5);
        drop(own);
        group.shutdown().unwrap();
    });
    assert!(status.success(), "{status}");
    drop(own);
    parent.shutdown().unwrap();
}

/// This program, to end with a code.
fn exits_with(code: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");

    command.args(["--exit", code]);
    command
}

fn worker_starts_a_program() {
    let group = group();
    let worker = group.spawn(|| exits_with("3").status()).unwrap();

    assert_eq!(worker.join().unwrap().unwrap().code(), Some(3));
    group.shutdown().unwrap();
}

fn worker_executes_a_program() {
    let status = in_child(|| {
        let group = group();
        // Beside one that is blocked, and servers.
        let pipe = Pipe::new();
        group.spawn(move || pipe.read()).unwrap();
        let worker = group.spawn(|| exits_with("5").exec());
        panic!("{:?}", worker.unwrap().join());
    });

    assert_eq!(status.code(), Some(5));
}

static HANDLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn counts(_: libc::c_int) {
    HANDLED.fetch_add(1, SeqCst);
}

fn worker_handles_a_signal() {
    let group = group();
    let pipe = Arc::new(Pipe::new());
    let other_end = Arc::clone(&pipe);
    let own_thread = std::sync::mpsc::channel();

    // SAFETY: A structure of numbers and a pointer, for which zero is a value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = counts as extern "C" fn(libc::c_int) as usize;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: The handler does what a handler may do.
    unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()) };

    let entering = group.clone();
    let thread = std::thread::spawn(move || {
        let _own = entering.enter().unwrap();
        own_thread.0.send(()).unwrap();
        pipe.read()
    });
    own_thread.1.recv().unwrap();
    for signals in 1..=20 {
        // SAFETY: The thread has not been joined.
        unsafe { libc::pthread_kill(thread.as_pthread_t(), libc::SIGUSR1) };
        wait_until("it has been handled", || HANDLED.load(SeqCst) == signals);
    }
    other_end.write(8);
    assert_eq!(thread.join().unwrap(), 8);
    group.shutdown().unwrap();
}

fn servers_block_all_signals() {
    let group = group();

    // Two servers and the ticker.
    let threads = threads_called("umcg-");
    assert_eq!(threads.len(), 3);
    for tid in threads {
        let status = fs::read_to_string(format!("/proc/self/task/{tid}/status")).unwrap();
        let blocked = status
            .lines()
            .find_map(|line| line.strip_prefix("SigBlk:\t"))
            .and_then(|mask| u64::from_str_radix(mask, 16).ok())
            .unwrap();
        let needed = [libc::SIGINT, libc::SIGTERM, libc::SIGUSR1, libc::SIGALRM];
        assert!(needed
            .iter()
            .all(|signal| blocked & (1 << (signal - 1)) != 0));
    }
    group.shutdown().unwrap();
}

/// The slice of a thread, in nanoseconds; zero on kernels that do not report it.
fn slice_of(tid: u32) -> u64 {
    // SAFETY: A structure of numbers, for which zero is a value.
    let mut attributes: libc::sched_attr = unsafe { std::mem::zeroed() };
    let size = size_of_val(&attributes);

    // SAFETY: The call writes at most `size` bytes to the structure.
    let result =
        unsafe { libc::syscall(libc::SYS_sched_getattr, tid, &raw mut attributes, size, 0) };
    assert_eq!(result, 0);
    attributes.sched_runtime
}

fn servers_and_the_ticker_have_short_slices() {
    const SHORTEST: u64 = 100_000;
    let own = slice_of(0);
    if own == 0 {
        return;
    }
    let group = group();

    assert!(own > SHORTEST);
    // Two servers and the ticker.
    let slices: Vec<_> = threads_called("umcg-").into_iter().map(slice_of).collect();
    assert_eq!(slices, [SHORTEST; 3]);
    assert_eq!(group.spawn(|| slice_of(0)).unwrap().join().unwrap(), own);
    group.shutdown().unwrap();
}

fn closed_descriptor_is_opened_again() {
    let group = group();
    let worker = group.enter().unwrap();

    // SAFETY: Nobody uses a descriptor of these but the crate.
    unsafe { libc::close_range(3, libc::c_uint::MAX, 0) };
    umcg::yield_now();
    drop(worker);
    for _ in 0..10 {
        group.spawn(|| ()).unwrap().join().unwrap();
    }
    group.shutdown().unwrap();
}

/// Several threads find it closed at the same time, and open it again under the same number.
fn descriptor_is_closed_while_others_use_it() {
    const THREADS: usize = 6;
    const TIMES: u32 = 500;
    let over = Arc::new(AtomicBool::new(false));
    let begin = Arc::new(Barrier::new(THREADS + 1));
    let wait = {
        let (over, begin) = (Arc::clone(&over), Arc::clone(&begin));
        move || {
            let own = task::register().unwrap();

            begin.wait();
            while !over.load(SeqCst) {
                let result = own.wait_timeout(Duration::from_micros(1));
                assert_eq!(result, Err(Error::TimedOut));
            }
        }
    };
    let threads: Vec<_> = (0..THREADS).map(|_| thread::spawn(wait.clone())).collect();
    begin.wait();

    for _ in 0..TIMES {
        // SAFETY: Only the crate uses descriptors in this range.
        unsafe { libc::close_range(3, libc::c_uint::MAX, 0) };
        thread::yield_now();
    }
    over.store(true, SeqCst);
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Stores for how many nanoseconds the first worker has run whose slice ends.
#[derive(Default)]
struct FirstSlice {
    fifo: Fifo,
    ran: Arc<AtomicU64>,
}

impl Policy for FirstSlice {
    fn wake(&mut self, worker: IdleWorker, reason: Reason) {
        self.fifo.wake(worker, reason);
    }

    fn next(&mut self, server: usize) -> Option<IdleWorker> {
        self.fifo.next(server)
    }

    fn slice_end(&mut self, _: &Worker, ran: Duration) -> SliceEnd {
        let nanoseconds = u64::try_from(ran.as_nanos()).unwrap_or(u64::MAX);

        _ = self.ran.compare_exchange(0, nanoseconds, SeqCst, SeqCst);
        SliceEnd::Kick
    }
}

/// A slice that the kernel has begun, when a worker woke, ends by the clock of the crate.
fn slice_begins_when_the_worker_wakes() {
    let policy = FirstSlice::default();
    let ran = Arc::clone(&policy.ran);
    let slice_has_ended = {
        let ran = Arc::clone(&ran);
        move || ran.load(SeqCst) != 0
    };
    let group = Group::builder().servers(1).policy(policy).build().unwrap();
    let pipe = Arc::new(Pipe::new());
    let tid = Arc::new(AtomicU32::new(0));

    let worker = {
        let (pipe, tid, slice_has_ended) =
            (Arc::clone(&pipe), Arc::clone(&tid), slice_has_ended.clone());
        group.spawn(move || {
            // SAFETY: The call takes nothing.
            tid.store(unsafe { libc::gettid() } as u32, SeqCst);
            pipe.read();
            // It does not lend its server, so the other one stays queued.
            let _section = umcg::no_preempt();
            tid.store(0, SeqCst);
            while !slice_has_ended() {}
        })
    };
    wait_until("it waits for a byte", || {
        let tid = tid.load(SeqCst);
        tid != 0 && sleeps(tid)
    });
    // Long enough to be told from a slice that has begun before.
    thread::sleep(Duration::from_millis(100));
    let begin = Instant::now();
    pipe.write(1);
    wait_until("it runs", || tid.load(SeqCst) == 0);
    let queued = group.spawn(|| {});
    wait_until("its slice has ended", slice_has_ended);
    let limit = begin.elapsed();
    worker.unwrap().join().unwrap();
    queued.unwrap().join().unwrap();
    group.shutdown().unwrap();
    // Timestamps are in steps of 16, and ahead by as many as there were changes within one.
    let ran = Duration::from_nanos(ran.load(SeqCst));
    assert!(
        ran <= limit + Duration::from_micros(1),
        "{ran:?} of {limit:?}"
    );
}

fn slices_are_of_one_clock_in_a_time_namespace() {
    const NO_TIME_NAMESPACES: i32 = 77;

    let status = in_child(|| {
        // The crate knows the clock of this process.
        slice_begins_when_the_worker_wakes();
        // SAFETY: The call takes a number.
        if unsafe { libc::unshare(libc::CLONE_NEWTIME) } != 0 {
            process::exit(NO_TIME_NAMESPACES);
        }
        fs::write("/proc/self/timens_offsets", "monotonic 10000 5\n").unwrap();
        let status = in_child(slice_begins_when_the_worker_wakes);
        assert!(status.success(), "{status}");
    });
    assert!(
        status.success() || status.code() == Some(NO_TIME_NAMESPACES),
        "{status}"
    );
}
