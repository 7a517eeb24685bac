// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A batch on rayon whose items block and compute.
//!
//! A thread that blocks is lost to the pool: [`How::Group`] has more threads than CPUs, which are
//! workers of a group.

use crate::load::{print_delays, print_work, Load, Result};
use rayon::{
    iter::{IntoParallelIterator, ParallelIterator},
    ThreadPool, ThreadPoolBuilder,
};
use std::{
    num::NonZero,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};
use umcg::Group;

const ITEMS: u64 = 64;
/// One item in this number blocks.
const BLOCKING: u64 = 2;
const NAP: Duration = Duration::from_millis(4);
const COMPUTING_US: u32 = 1000;

/// The time between two small jobs.
const JOB: Duration = Duration::from_millis(5);
const JOB_US: u32 = 50;

/// The number of threads per CPU, if there is more than one.
const MANY: usize = 8;

/// The threads of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// 8 per CPU, which are workers of a group with as many servers as CPUs.
    Group,
    /// So many per CPU, without a group.
    Plain(usize),
}

impl How {
    /// The ways by their names.
    pub const ALL: [(&'static str, Self); 3] = [
        ("umcg", Self::Group),
        ("threads", Self::Plain(1)),
        ("threads_x8", Self::Plain(MANY)),
    ];

    fn pool(self, group: Option<&Group>) -> Result<ThreadPool> {
        let cpus = thread::available_parallelism().map_or(1, NonZero::get);
        let per_cpu = match self {
            Self::Group => MANY,
            Self::Plain(per_cpu) => per_cpu,
        };
        let mut builder = ThreadPoolBuilder::new().num_threads(per_cpu * cpus);

        if let Some(group) = group.cloned() {
            builder = builder
                .start_handler(move |_| group.enter().unwrap().keep())
                .exit_handler(|_| umcg::leave().unwrap());
        }
        Ok(builder.build()?)
    }
}

/// One batch. Returns the sum of its items.
fn batch(how: How, load: Load) -> u64 {
    (0..ITEMS)
        .into_par_iter()
        .map(|item| {
            assert_eq!(umcg::is_worker(), how == How::Group);
            if item % BLOCKING == 0 {
                thread::sleep(NAP);
            }
            load.compute(COMPUTING_US, item);
            item
        })
        .sum()
}

/// Starts small jobs beside the batches, until the other end of the channel is dropped. Returns the
/// delay until each began.
fn start_jobs(pool: &ThreadPool, load: Load, stopped: &Receiver<()>) -> Vec<Duration> {
    let (delays, received) = mpsc::channel();

    loop {
        let (delays, due) = (delays.clone(), Instant::now());
        pool.spawn(move || {
            // It is received at the end.
            let _ = delays.send(due.elapsed());
            load.compute(JOB_US, 0);
        });
        if stopped.recv_timeout(JOB) != Err(RecvTimeoutError::Timeout) {
            break;
        }
    }
    drop(delays);
    received.iter().collect()
}

/// Runs batches, and prints the figures.
pub fn run(how: How, load: Load) -> Result<()> {
    let group = match how {
        How::Group => Some(Group::new()?),
        How::Plain(_) => None,
    };
    let pool = how.pool(group.as_ref())?;
    let begin = Instant::now();

    let (batches, delays) = thread::scope(|scope| {
        let (stop, stopped) = mpsc::channel();
        let pool = &pool;
        let jobs = scope.spawn(move || start_jobs(pool, load, &stopped));
        let mut batches = 0;

        while batches == 0 || begin.elapsed() < load.time {
            let sum = pool.install(|| batch(how, load));
            assert_eq!(sum, ITEMS * (ITEMS - 1) / 2);
            batches += 1;
        }
        drop(stop);
        (batches, jobs.join())
    });
    let delays = delays.map_err(|_| "the thread that starts jobs has panicked")?;
    let work = [
        (batches * ITEMS as usize, COMPUTING_US),
        (delays.len(), JOB_US),
    ];
    print_work(&work, begin.elapsed());
    print_delays("job", delays);
    // Its threads leave the group when they end. Only the group waits for that.
    drop(pool);
    if let Some(group) = group {
        group.shutdown_timeout(Duration::from_secs(60))?;
    }
    Ok(())
}
