// SPDX-License-Identifier: GPL-2.0

//! The policy `EarliestDeadline`, by the order in which workers run.

use crate::harness::{fixture, is_held, sleeps_in, wait_until, Pipe};
use std::{
    hint,
    sync::{
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
        Arc, Mutex,
    },
    time::{Duration, Instant},
};
use umcg::{
    policy::{EarliestDeadline, IdleWorker, Policy, Reason, SliceEnd, Worker},
    Error, Group, JoinHandle, Options,
};

fixture!(FIXTURE, "deadlines":
    earliest_deadline_runs_first,
    workers_set_absolute_deadlines,
    deadline_counts_from_the_wake_up,
    slice_ends_for_an_earlier_deadline,
    slice_does_not_end_for_a_later_deadline,
    workers_without_a_deadline_run_last,
    deadlines_are_for_workers,
);

/// Far longer than any delay of a guest.
const STEP: Duration = Duration::from_secs(1000);

fn group(policy: impl Policy + 'static) -> Group {
    group_with_slices(policy, Duration::from_millis(1))
}

fn group_with_slices(policy: impl Policy + 'static, slice: Duration) -> Group {
    Group::builder()
        .servers(1)
        .slice(slice)
        .policy(policy)
        .build()
        .unwrap()
}

/// A worker that keeps the only server until the gate is opened.
struct Gate {
    opens: Arc<AtomicBool>,
    worker: JoinHandle<()>,
}

impl Gate {
    fn new(group: &Group) -> Self {
        let opens = Arc::new(AtomicBool::new(false));
        let opened = Arc::clone(&opens);
        let runs = Arc::new(AtomicBool::new(false));
        let starts = Arc::clone(&runs);
        // It is not preempted in a section, and does not lend its server.
        let body = move || {
            let _section = umcg::no_preempt();
            starts.store(true, SeqCst);
            while !opened.load(SeqCst) {
                hint::spin_loop();
            }
        };

        let worker = group.spawn(body).unwrap();
        wait_until("the gate runs", || runs.load(SeqCst));
        Self { opens, worker }
    }

    fn open(self) {
        self.opens.store(true, SeqCst);
        self.worker.join().unwrap();
    }
}

/// The numbers of workers, in the order in which they have run.
type Order = Arc<Mutex<Vec<u32>>>;

/// Queues workers with these options in the order of the list. Returns the order in which they run.
fn order_of(policy: EarliestDeadline, all: &[Options]) -> Vec<u32> {
    // No slice ends before a worker has recorded that it runs.
    let group = group_with_slices(policy, STEP);
    let order = Order::default();
    let gate = Gate::new(&group);

    let workers: Vec<_> = (0..)
        .zip(all)
        .map(|(number, options)| {
            let order = Arc::clone(&order);
            let name = format!("queued-{number}");
            let options = options.clone().name(name.clone());
            let worker = group.spawn_with(&options, move || order.lock().unwrap().push(number));
            wait_until("the worker is queued", || is_held(&name));
            worker.unwrap()
        })
        .collect();
    gate.open();
    for worker in workers {
        worker.join().unwrap();
    }
    group.shutdown().unwrap();
    Arc::into_inner(order).unwrap().into_inner().unwrap()
}

fn earliest_deadline_runs_first() {
    let due = |steps| Options::new().deadline(STEP * steps);
    let all = [5, 3, 8, 1, 7, 3, 2].map(due);

    assert_eq!(
        order_of(EarliestDeadline::new(), &all),
        [3, 6, 1, 5, 0, 4, 2]
    );
}

fn workers_without_a_deadline_run_last() {
    let all = [
        Options::new(),
        Options::new().deadline(STEP * 4),
        Options::new(),
        Options::new().deadline(STEP * 2),
    ];

    assert_eq!(order_of(EarliestDeadline::new(), &all), [3, 1, 0, 2]);
    let with_default = EarliestDeadline::with_default(STEP * 3);
    assert_eq!(order_of(with_default, &all), [3, 0, 2, 1]);
}

/// Workers that block, and are recorded in the order in which they run again.
struct Sleepers {
    group: Group,
    order: Order,
    workers: Vec<(Arc<Pipe>, JoinHandle<()>)>,
}

impl Sleepers {
    fn new() -> Self {
        Self {
            group: group(EarliestDeadline::new()),
            order: Order::default(),
            workers: Vec::new(),
        }
    }

    /// Adds one that calls `first` before it blocks.
    fn add(&mut self, options: Options, first: impl FnOnce() + Send + 'static) {
        let (order, pipe) = (Arc::clone(&self.order), Arc::new(Pipe::new()));
        let (reads, number) = (Arc::clone(&pipe), self.workers.len() as u32);
        let blocks = Arc::new(AtomicBool::new(false));
        let about_to = Arc::clone(&blocks);
        let body = move || {
            first();
            about_to.store(true, SeqCst);
            reads.read();
            order.lock().unwrap().push(number);
        };

        let options = options.name(format!("sleeper-{number}"));
        let worker = self.group.spawn_with(&options, body).unwrap();
        wait_until("the worker blocks", || {
            blocks.load(SeqCst) && sleeps_in(&format!("sleeper-{number}"), libc::SYS_read)
        });
        self.workers.push((pipe, worker));
    }

    /// Wakes them in this order while none can run. Returns the order in which they run.
    fn wake(self, numbers: &[usize]) -> Vec<u32> {
        let gate = Gate::new(&self.group);

        for &number in numbers {
            self.workers[number].0.write(0);
            wait_until("the worker is queued", || {
                is_held(&format!("sleeper-{number}"))
            });
        }
        gate.open();
        for (_, worker) in self.workers {
            worker.join().unwrap();
        }
        self.group.shutdown().unwrap();
        Arc::into_inner(self.order).unwrap().into_inner().unwrap()
    }
}

fn workers_set_absolute_deadlines() {
    let mut sleepers = Sleepers::new();
    let now = Instant::now();

    for (steps, passed) in [(3, false), (1, false), (1, true), (2, false)] {
        // The clock may not have run for a step.
        let time = if passed {
            now.checked_sub(Duration::from_millis(1)).unwrap()
        } else {
            now + STEP * steps
        };
        // Replaced by the absolute one.
        sleepers.add(Options::new().deadline(STEP * 9), move || {
            umcg::set_deadline(time).unwrap();
        });
    }
    assert_eq!(sleepers.wake(&[0, 1, 2, 3]), [2, 1, 3, 0]);
}

fn deadline_counts_from_the_wake_up() {
    let mut sleepers = Sleepers::new();

    // Equal relative deadlines, so the order of the wake-ups decides.
    for _ in 0..4 {
        sleepers.add(Options::new().deadline(STEP), || {});
    }
    // One that removes its deadline.
    sleepers.add(Options::new().deadline(STEP), || {
        umcg::set_relative_deadline(None).unwrap();
    });
    assert_eq!(sleepers.wake(&[4, 2, 0, 3, 1]), [2, 0, 3, 1, 4]);
}

fn slice_ends_for_an_earlier_deadline() {
    let group = group(EarliestDeadline::new());
    let flag = Arc::new(AtomicBool::new(false));
    let (sets, runs) = (Arc::clone(&flag), Arc::new(AtomicBool::new(false)));
    let starts = Arc::clone(&runs);

    let late = group
        .spawn_with(&Options::new().deadline(STEP * 2), move || {
            starts.store(true, SeqCst);
            while !flag.load(SeqCst) {
                hint::spin_loop();
            }
        })
        .unwrap();
    wait_until("the worker runs", || runs.load(SeqCst));
    let early = group
        .spawn_with(&Options::new().deadline(STEP), move || {
            sets.store(true, SeqCst)
        })
        .unwrap();
    late.join().unwrap();
    early.join().unwrap();
    group.shutdown().unwrap();
}

/// Counts the ends of slices, and those that preempt the worker.
struct Counts {
    policy: EarliestDeadline,
    ends: Arc<AtomicU32>,
    kicks: Arc<AtomicU32>,
}

impl Policy for Counts {
    fn wake(&mut self, worker: IdleWorker, reason: Reason) {
        self.policy.wake(worker, reason);
    }

    fn next(&mut self, server: usize) -> Option<IdleWorker> {
        self.policy.next(server)
    }

    fn slice_end(&mut self, worker: &Worker, ran: Duration) -> SliceEnd {
        let end = self.policy.slice_end(worker, ran);

        self.kicks.fetch_add((end != SliceEnd::Keep).into(), SeqCst);
        self.ends.fetch_add(1, SeqCst);
        end
    }
}

fn slice_does_not_end_for_a_later_deadline() {
    let (ends, kicks) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let group = group(Counts {
        policy: EarliestDeadline::new(),
        ends: Arc::clone(&ends),
        kicks: Arc::clone(&kicks),
    });
    let (pipe, over) = (Arc::new(Pipe::new()), Arc::new(AtomicBool::new(false)));
    let (reads, stops) = (Arc::clone(&pipe), Arc::clone(&over));
    let runs = Arc::new(AtomicBool::new(false));
    let starts = Arc::clone(&runs);

    let early = group
        .spawn_with(&Options::new().deadline(STEP).name("early"), move || {
            reads.read();
            let _section = umcg::no_preempt();
            starts.store(true, SeqCst);
            while !stops.load(SeqCst) {
                hint::spin_loop();
            }
        })
        .unwrap();
    wait_until("the worker blocks", || sleeps_in("early", libc::SYS_read));
    pipe.write(0);
    // The other one would have the server before it does.
    wait_until("the worker runs", || runs.load(SeqCst));
    let late = group.spawn_with(&Options::new().deadline(STEP * 2), || {});
    wait_until("slices have ended", || ends.load(SeqCst) > 5);
    over.store(true, SeqCst);
    early.join().unwrap();
    late.unwrap().join().unwrap();
    assert_eq!(kicks.load(SeqCst), 0);
    group.shutdown().unwrap();
}

fn deadlines_are_for_workers() {
    assert_eq!(umcg::set_deadline(Instant::now()), Err(Error::NotEntered));
    assert_eq!(
        umcg::set_relative_deadline(Some(STEP)),
        Err(Error::NotEntered)
    );
}
