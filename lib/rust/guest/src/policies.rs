// SPDX-License-Identifier: GPL-2.0

//! Policies, those of the crate and others.

use crate::harness::{fixture, sleeps, wait_until, Pipe};
use std::{
    panic,
    sync::{
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
        Arc,
    },
    thread,
    time::Duration,
};
use umcg::{
    policy::{
        EarliestDeadline, Feedback, Fifo, IdleWorker, Policy, Priorities, Queue, Reason, Worker,
    },
    Group, JoinHandle, Options, ShutdownError,
};

fixture!(FIXTURE, "policies":
    each_policy_runs_all_workers,
    policy_hears_of_workers_that_give_way,
    policy_hears_of_new_workers,
    policy_hears_of_woken_workers,
    policy_hears_of_blocked_workers,
    dropped_tokens_are_queued_again,
    worker_runs_on_the_server_that_the_policy_wants,
    idle_server_gets_its_worker_from_another_one,
    slice_ends_for_a_worker_of_a_lower_class,
    woken_worker_runs_at_once_beside_computing_workers,
    woken_worker_is_queued_if_the_policy_does_not_let_it_overtake,
    group_goes_on_when_its_policy_has_panicked,
);

fn group(servers: usize, policy: impl Policy + 'static) -> Group {
    Group::builder()
        .servers(servers)
        .slice(Duration::from_millis(1))
        .policy(policy)
        .build()
        .unwrap()
}

/// In the order in which they end: others may wait for one that has failed.
fn join_all(workers: impl IntoIterator<Item = JoinHandle<()>>) {
    let mut workers: Vec<_> = workers.into_iter().collect();

    while !workers.is_empty() {
        let finished = workers.iter().position(JoinHandle::is_finished);
        match finished {
            Some(index) => workers.swap_remove(index).join().unwrap(),
            None => thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Workers of some classes that compute, block and yield.
fn run_some_workers(group: &Group) {
    let pipe = Arc::new(Pipe::new());

    // Six of them read before they write.
    (0..6).for_each(|byte| pipe.write(byte));
    let workers: Vec<_> = (0..24u8)
        .map(|number| {
            let pipe = Arc::clone(&pipe);
            let options = Options::new().class(number % 3);
            let body = move || {
                for round in 0..4 {
                    match (number + round) % 4 {
                        0 => umcg::yield_now(),
                        1 => pipe.write(0),
                        2 => _ = pipe.read(),
                        _ => _ = std::hint::black_box((0..20_000u64).sum::<u64>()),
                    }
                }
            };
            group.spawn_with(&options, body).unwrap()
        })
        .collect();
    join_all(workers);
}

fn each_policy_runs_all_workers() {
    for servers in [1, 2] {
        let policies: [Group; 4] = [
            group(servers, Fifo::new()),
            group(servers, Feedback::new()),
            group(servers, Priorities::new()),
            group(servers, EarliestDeadline::new()),
        ];
        for group in policies {
            run_some_workers(&group);
            group.shutdown().unwrap();
        }
    }
}

/// First come, first served; counts its calls.
#[derive(Default)]
struct Counts {
    new: AtomicU32,
    woken: AtomicU32,
    yielded: AtomicU32,
    preempted: AtomicU32,
    blocked: AtomicU32,
}

struct Counting {
    fifo: Fifo,
    counts: Arc<Counts>,
}

impl Policy for Counting {
    fn wake(&mut self, worker: IdleWorker, reason: Reason) {
        let count = match reason {
            Reason::New => &self.counts.new,
            Reason::Woken => &self.counts.woken,
            Reason::Yielded => &self.counts.yielded,
            Reason::Preempted => &self.counts.preempted,
        };

        count.fetch_add(1, SeqCst);
        self.fifo.wake(worker, reason);
    }

    fn next(&mut self, server: usize) -> Option<IdleWorker> {
        self.fifo.next(server)
    }

    fn block(&mut self, _: &Worker) {
        self.counts.blocked.fetch_add(1, SeqCst);
    }
}

fn counting_group() -> (Group, Arc<Counts>) {
    let counts = Arc::new(Counts::default());
    let policy = Counting {
        fifo: Fifo::new(),
        counts: Arc::clone(&counts),
    };

    (group(1, policy), counts)
}

/// A worker that does something again and again, until something is true.
fn repeats_until(
    group: &Group,
    is_true: impl Fn() -> bool + Send + 'static,
    action: impl Fn() + Send + 'static,
) -> JoinHandle<()> {
    let body = move || {
        while !is_true() {
            action();
        }
    };

    group.spawn(body).unwrap()
}

fn policy_hears_of_workers_that_give_way() {
    let (group, counts) = counting_group();
    let seen = |counts: &Arc<Counts>| {
        let counts = Arc::clone(counts);
        move || counts.preempted.load(SeqCst) > 1 && counts.yielded.load(SeqCst) > 1
    };

    // They give way to each other.
    let spins = repeats_until(&group, seen(&counts), || {});
    let yields = repeats_until(&group, seen(&counts), umcg::yield_now);
    join_all([spins, yields]);
    group.shutdown().unwrap();
}

fn policy_hears_of_new_workers() {
    let (group, counts) = counting_group();
    let inner = group.clone();

    // Each is queued that comes while this one runs.
    let spawns = repeats_until(
        &group,
        move || counts.new.load(SeqCst) > 0,
        move || drop(inner.spawn(|| {}).unwrap()),
    );
    spawns.join().unwrap();
    group.shutdown_timeout(Duration::MAX).unwrap();
}

/// Runs one worker that wakes another one, which blocks again at once, until something is true.
fn wakes_until(group: &Group, is_true: impl Fn() -> bool + Send + 'static) {
    let pipe = Arc::new(Pipe::new());
    let (reading, writing) = (Arc::clone(&pipe), Arc::clone(&pipe));

    let reads = group.spawn(move || while reading.read() != 1 {}).unwrap();
    let writes = repeats_until(group, is_true, move || {
        // In a section it does not lend its server, so the other one is queued.
        let section = umcg::no_preempt();
        writing.write(0);
        (0..1000).for_each(|_| std::hint::spin_loop());
        drop(section);
        umcg::yield_now();
    });
    writes.join().unwrap();
    pipe.write(1);
    reads.join().unwrap();
}

fn policy_hears_of_woken_workers() {
    let (group, counts) = counting_group();

    wakes_until(&group, move || counts.woken.load(SeqCst) > 0);
    group.shutdown().unwrap();
}

fn policy_hears_of_blocked_workers() {
    let (group, counts) = counting_group();

    wakes_until(&group, move || counts.blocked.load(SeqCst) > 0);
    group.shutdown().unwrap();
}

/// It is offered to the policy although all servers are busy when it is queued.
fn slice_ends_for_a_worker_of_a_lower_class() {
    let group = group(1, Priorities::new());
    let (runs, over) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );
    let (starts, is_over) = (Arc::clone(&runs), Arc::clone(&over));

    let high = group.spawn_with(&Options::new().class(5), move || {
        starts.store(true, SeqCst);
        while !is_over.load(SeqCst) {
            std::hint::spin_loop();
        }
    });
    wait_until("the worker runs", || runs.load(SeqCst));
    let low = group.spawn_with(&Options::new().class(1), move || over.store(true, SeqCst));
    high.unwrap().join().unwrap();
    low.unwrap().join().unwrap();
    group.shutdown().unwrap();
}

/// Keeps one token of three.
struct Forgetful {
    fifo: Fifo,
    count: u32,
}

impl Policy for Forgetful {
    fn wake(&mut self, worker: IdleWorker, reason: Reason) {
        self.count += 1;
        if self.count % 3 == 0 {
            self.fifo.wake(worker, reason);
        }
    }

    fn next(&mut self, server: usize) -> Option<IdleWorker> {
        let worker = self.fifo.next(server)?;

        // Once in a while it has second thoughts.
        (self.count % 5 != 0).then_some(worker)
    }
}

fn dropped_tokens_are_queued_again() {
    for servers in [1, 2] {
        let policy = Forgetful {
            fifo: Fifo::new(),
            count: 0,
        };
        let group = group(servers, policy);

        run_some_workers(&group);
        group.shutdown().unwrap();
    }
}

/// Runs workers on the server of their class.
#[derive(Default)]
struct Pinned([Queue; 2]);

impl Policy for Pinned {
    fn wake(&mut self, worker: IdleWorker, _: Reason) {
        self.0[usize::from(worker.class())].push(worker);
    }

    fn next(&mut self, server: usize) -> Option<IdleWorker> {
        self.0[server].pop()
    }
}

fn worker_runs_on_the_server_that_the_policy_wants() {
    let group = group(2, Pinned::default());
    let pipe = Arc::new(Pipe::new());

    // The kernel starts the lowest server that is idle, so that is seldom the one that has to run
    // the worker. While one is queued for either, those that wake are queued, too.
    let workers: Vec<_> = (0..12u8)
        .map(|number| {
            let pipe = Arc::clone(&pipe);
            let options = Options::new().class(number % 2);
            let body = move || {
                for _ in 0..5 {
                    pipe.write(0);
                    umcg::yield_now();
                    pipe.read();
                }
            };
            group.spawn_with(&options, body).unwrap()
        })
        .collect();
    join_all(workers);
    group.shutdown().unwrap();
}

/// Runs workers on the second server only, and none as long as it has to hold them.
struct Second {
    queue: Queue,
    holds: Arc<AtomicBool>,
    held: Arc<AtomicBool>,
}

impl Policy for Second {
    fn wake(&mut self, worker: IdleWorker, _: Reason) {
        self.held.store(true, SeqCst);
        self.queue.push(worker);
    }

    fn next(&mut self, server: usize) -> Option<IdleWorker> {
        if server == 0 || self.holds.load(SeqCst) {
            return None;
        }
        self.queue.pop()
    }
}

fn idle_server_gets_its_worker_from_another_one() {
    let (holds, held) = (
        Arc::new(AtomicBool::new(true)),
        Arc::new(AtomicBool::new(false)),
    );
    let policy = Second {
        queue: Queue::new(),
        holds: Arc::clone(&holds),
        held: Arc::clone(&held),
    };
    let group = Group::builder()
        .servers(2)
        .slice(Duration::ZERO)
        .policy(policy)
        .build()
        .unwrap();
    let (pipe, blocks) = (Arc::new(Pipe::new()), Arc::new(Pipe::new()));
    let (reading, blocking) = (Arc::clone(&pipe), Arc::clone(&blocks));
    let (stop, runs) = (Arc::new(AtomicBool::new(false)), Arc::new(Pipe::new()));
    let (stopped, running) = (Arc::clone(&stop), Arc::clone(&runs));

    let reader = group.spawn(move || {
        blocking.write(0);
        reading.read();
    });
    blocks.read();
    // One server has a worker that keeps it.
    let keeper = group.spawn(move || {
        let _section = umcg::no_preempt();
        running.write(0);
        while !stopped.load(SeqCst) {
            std::hint::spin_loop();
        }
    });
    runs.read();
    // The other one has a worker that gives way to others, with which the policy holds it.
    let inner = group.clone();
    let held_too = Arc::clone(&held);
    let held_worker = group.spawn(move || {
        let _section = umcg::no_preempt();
        while !held.load(SeqCst) {
            drop(inner.spawn(|| {}).unwrap());
            umcg::yield_now();
        }
    });
    wait_until("the policy has it", || held_too.load(SeqCst));
    stop.store(true, SeqCst);
    keeper.unwrap().join().unwrap();
    thread::sleep(Duration::from_millis(20));
    // Now both are idle. The reader wakes, and the first server is started, which may run none.
    holds.store(false, SeqCst);
    pipe.write(0);
    join_all([reader.unwrap(), held_worker.unwrap()]);
    group.shutdown_timeout(Duration::MAX).unwrap();
}

/// Panics at the second worker that it is to hand out, and says so.
struct Fragile {
    fifo: Fifo,
    count: u32,
    panicked: Arc<AtomicBool>,
}

impl Policy for Fragile {
    fn wake(&mut self, worker: IdleWorker, reason: Reason) {
        self.fifo.wake(worker, reason);
    }

    fn next(&mut self, server: usize) -> Option<IdleWorker> {
        let worker = self.fifo.next(server)?;

        self.count += 1;
        if self.count == 2 {
            self.panicked.store(true, SeqCst);
            // Without the message, which takes the lock of stderr.
            panic::resume_unwind(Box::new("on purpose"));
        }
        Some(worker)
    }
}

fn group_goes_on_when_its_policy_has_panicked() {
    let panicked = Arc::new(AtomicBool::new(false));
    let policy = Fragile {
        fifo: Fifo::new(),
        count: 0,
        panicked: Arc::clone(&panicked),
    };
    let group = group(1, policy);

    // Workers that yield to each other are queued.
    let has_panicked = || {
        let panicked = Arc::clone(&panicked);
        move || panicked.load(SeqCst)
    };
    let workers = [(); 3].map(|()| repeats_until(&group, has_panicked(), umcg::yield_now));
    join_all(workers);
    run_some_workers(&group);
    match group.shutdown() {
        Err(ShutdownError::PolicyPanicked(payload)) => {
            assert_eq!(payload.downcast_ref(), Some(&"on purpose"));
        }
        result => panic!("{result:?}"),
    }
}

/// Feedback with one server and a spare one. Records the reasons with which it is called.
struct Spare {
    feedback: Feedback,
    overtakes: bool,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    /// By classes.
    yielded: [AtomicBool; COMPUTING],
    woken: AtomicU32,
}

const COMPUTING: usize = 3;

impl Policy for Spare {
    fn wake(&mut self, worker: IdleWorker, reason: Reason) {
        match reason {
            Reason::Yielded => self.seen.yielded[usize::from(worker.class())].store(true, SeqCst),
            Reason::Woken => _ = self.seen.woken.fetch_add(1, SeqCst),
            Reason::New | Reason::Preempted => {}
        }
        self.feedback.wake(worker, reason);
    }

    fn next(&mut self, server: usize) -> Option<IdleWorker> {
        self.feedback.next(server)
    }

    fn overtakes(&self) -> bool {
        self.overtakes
    }
}

/// Wakes a worker while others compute, which do not give way before it has run. Returns how often
/// the policy was offered a woken worker since then.
fn wake_beside_others(overtakes: bool) -> u32 {
    let seen = Arc::new(Seen::default());
    let group = Group::builder()
        .servers(2)
        .slice(Duration::ZERO)
        .policy(Spare {
            feedback: Feedback::with_spare(1),
            overtakes,
            seen: Arc::clone(&seen),
        })
        .build()
        .unwrap();
    let pipe = Arc::new(Pipe::new());
    let tid = Arc::new(AtomicU32::new(0));
    let (stays, computes, has_run) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicBool::new(false)),
    );

    let (reading, own_tid, runs) = (Arc::clone(&pipe), Arc::clone(&tid), Arc::clone(&has_run));
    let wakes = group
        .spawn(move || {
            own_tid.store(umcg::handle().unwrap().id(), SeqCst);
            reading.read();
            runs.store(true, SeqCst);
        })
        .unwrap();
    wait_until("the reader sleeps", || {
        let tid = tid.load(SeqCst);
        tid != 0 && sleeps(tid)
    });

    let others: Vec<_> = (0..COMPUTING)
        .map(|class| {
            let (stays, computes) = (Arc::clone(&stays), Arc::clone(&computes));
            let has_run = Arc::clone(&has_run);
            let options = Options::new().class(class.try_into().unwrap());
            let body = move || {
                while !stays.load(SeqCst) {
                    umcg::yield_now();
                }
                // In a section it does not lend its server.
                let _section = umcg::no_preempt();
                computes.store(true, SeqCst);
                while !has_run.load(SeqCst) {
                    std::hint::spin_loop();
                }
            };
            group.spawn_with(&options, body).unwrap()
        })
        .collect();
    // After that the spare server runs none of them.
    wait_until("all have yielded", || {
        seen.yielded.iter().all(|yielded| yielded.load(SeqCst))
    });
    stays.store(true, SeqCst);
    wait_until("one computes", || computes.load(SeqCst));

    let before = seen.woken.load(SeqCst);
    pipe.write(0);
    wait_until("the reader runs", || has_run.load(SeqCst));
    let woken = seen.woken.load(SeqCst) - before;
    join_all(others.into_iter().chain([wakes]));
    group.shutdown().unwrap();
    woken
}

fn woken_worker_runs_at_once_beside_computing_workers() {
    assert_eq!(wake_beside_others(true), 0, "it was offered to the policy");
}

fn woken_worker_is_queued_if_the_policy_does_not_let_it_overtake() {
    assert_eq!(wake_beside_others(false), 1);
}
