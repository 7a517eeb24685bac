// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A custom policy: earliest deadline first.
//!
//! The policy stores the deadline of a worker with the worker. At the end of a slice a worker gives
//! way only to workers with earlier deadlines.

use std::{
    error::Error,
    sync::{
        atomic::{AtomicUsize, Ordering},
        Arc,
    },
    time::Duration,
};
use umcg::{
    policy::{IdleWorker, Policy, Queue, Reason, SliceEnd, Worker},
    Group, Options,
};

/// Earliest deadline first. The class of a worker is its deadline, in milliseconds from when it is
/// queued.
#[derive(Default)]
struct EarliestDeadline {
    queued: Queue,
    /// Of the workers that are queued.
    earliest: Option<u64>,
    /// Counts the decisions: a clock that costs no system call.
    now: u64,
}

impl EarliestDeadline {
    /// Workers keep their deadlines when they are preempted, and get new ones when they wake.
    fn deadline(&self, worker: &Worker, reason: Reason) -> u64 {
        match reason {
            Reason::New | Reason::Woken => self.now + u64::from(worker.class()),
            Reason::Yielded | Reason::Preempted => worker.data(),
        }
    }
}

impl Policy for EarliestDeadline {
    fn wake(&mut self, worker: IdleWorker, reason: Reason) {
        let deadline = self.deadline(&worker, reason);

        worker.set_data(deadline);
        self.earliest = Some(self.earliest.map_or(deadline, |first| first.min(deadline)));
        self.queued.push(worker);
    }

    fn next(&mut self, _server: usize) -> Option<IdleWorker> {
        let worker = self.queued.pop_min_by_key(|worker| worker.data());

        self.now += 1;
        self.earliest = None;
        // The next one is not known yet: any other may be earlier than the one that runs.
        if !self.queued.is_empty() {
            self.earliest = Some(0);
        }
        worker
    }

    fn slice_end(&mut self, worker: &Worker, _ran: Duration) -> SliceEnd {
        match self.earliest {
            Some(first) if first < worker.data() => SliceEnd::Kick,
            _ => SliceEnd::Keep,
        }
    }
}

/// Runs workers with three different deadlines on one server.
pub fn main() -> Result<(), Box<dyn Error>> {
    let group = Group::builder()
        .servers(1)
        .slice(Duration::from_millis(1))
        .policy(EarliestDeadline::default())
        .build()?;
    let finished = Arc::new(AtomicUsize::new(0));

    let workers = [100, 10, 1].map(|deadline| {
        let finished = Arc::clone(&finished);
        group.spawn_with(&Options::new().class(deadline), move || {
            for _ in 0..3 {
                std::hint::black_box((0..100_000u64).fold(0, |sum, n| sum ^ n));
                std::thread::sleep(Duration::from_millis(1));
            }
            finished.fetch_add(1, Ordering::Relaxed)
        })
    });
    for worker in workers {
        let place = worker?.join()?;
        println!("finished as number {}", place + 1);
    }
    group.shutdown()?;
    Ok(())
}
