// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A service on Tokio whose `async` functions block and compute for long: they sleep, and read from
//! a socket of `std`.
//!
//! A task that blocks also blocks a thread on which Tokio runs other tasks. With [`How::Group`] the
//! runtime has many more threads than CPUs, which are workers of a group: while one is blocked
//! another one runs, and no more of them compete for the CPUs than there are CPUs. The other ways
//! are the usual ones without a group: see [`How`].

use crate::load::{print_delays, print_rate, print_work, Backend, Load, Result};
use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc,
    },
    thread,
    time::{Duration, Instant},
};
use tokio::{
    runtime::{Builder, Runtime},
    task::{self, JoinError, JoinHandle},
    time,
};
use umcg::Group;

/// The tasks of each kind.
const TICKING: u64 = 8;
const SLEEPING: u64 = 12;
const ASKING: u64 = 4;
const COMPUTING: u64 = 8;

const TICK: Duration = Duration::from_millis(5);
const NAP: Duration = Duration::from_millis(5);
const TICK_US: u32 = 50;
const AFTER_BLOCKING_US: u32 = 100;
const COMPUTING_US: u32 = 2000;

/// The number of threads of a runtime that has more of them than CPUs.
const MANY: usize = 32;

/// How a task that blocks keeps others from running as little as possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// 32 threads, which are workers of a group with as many servers as CPUs.
    Group,
    /// As many threads as CPUs. Functions that block or compute for long run in other threads, by
    /// `spawn_blocking()`, which the tasks have to call.
    SpawnBlocking,
    /// The same, by `block_in_place()`.
    BlockInPlace,
    /// So many threads, without a group.
    Plain(usize),
}

impl How {
    /// The ways by their names.
    pub const ALL: [(&'static str, Self); 5] = [
        ("umcg", Self::Group),
        ("spawn_blocking", Self::SpawnBlocking),
        ("block_in_place", Self::BlockInPlace),
        ("threads_2", Self::Plain(2)),
        ("threads_32", Self::Plain(MANY)),
    ];

    fn runtime(self, group: Option<&Group>) -> Result<Runtime> {
        let mut builder = Builder::new_multi_thread();

        builder.enable_all();
        match self {
            Self::Group | Self::Plain(MANY) => builder.worker_threads(MANY),
            Self::Plain(threads) => builder.worker_threads(threads),
            // As many as there are CPUs.
            Self::SpawnBlocking | Self::BlockInPlace => &mut builder,
        };
        if let Some(group) = group.cloned() {
            builder
                .on_thread_start(move || group.enter().unwrap().keep())
                .on_thread_stop(|| umcg::leave().unwrap());
        }
        Ok(builder.build()?)
    }

    /// Calls a function that blocks, or computes for long.
    async fn call(self, function: impl FnOnce() + Send + 'static) {
        match self {
            Self::SpawnBlocking => task::spawn_blocking(function).await.unwrap(),
            Self::BlockInPlace => task::block_in_place(function),
            Self::Group | Self::Plain(_) => function(),
        }
        // In the place of an `await` that has to wait.
        task::yield_now().await;
    }
}

/// Shared by all tasks.
struct Service {
    how: How,
    load: Load,
    stop: AtomicBool,
}

impl Service {
    /// Whether a task is to continue. Panics if its thread is a worker and should not be, or vice
    /// versa.
    fn goes_on(&self) -> bool {
        assert_eq!(umcg::is_worker(), self.how == How::Group);
        !self.stop.load(Ordering::Relaxed)
    }

    /// A small periodic task. Returns how late it was each time.
    async fn tick(self: Arc<Self>, number: u64) -> Vec<Duration> {
        let mut due = Instant::now() + TICK * number as u32 / TICKING as u32;
        let mut late = Vec::new();

        loop {
            time::sleep_until(due.into()).await;
            let now = Instant::now();
            late.push(now - due);
            self.load.compute(TICK_US, number);
            if !self.goes_on() {
                return late;
            }
            // It does not catch up on ticks that it has missed.
            due = now.max(due + TICK);
        }
    }

    /// Returns how often it has slept.
    async fn sleep(self: Arc<Self>, number: u64) -> usize {
        for times in 1.. {
            let load = self.load;
            let nap = move || {
                thread::sleep(NAP);
                load.compute(AFTER_BLOCKING_US, number);
            };
            self.how.call(nap).await;
            if !self.goes_on() {
                return times;
            }
        }
        unreachable!()
    }

    /// Returns how often it has been answered.
    async fn ask(self: Arc<Self>, number: u64, backend: Arc<Backend>) -> usize {
        for times in 1.. {
            let (load, backend, question) = (self.load, Arc::clone(&backend), times as u8);
            let ask = move || {
                assert_eq!(backend.ask(question).unwrap(), !question);
                load.compute(AFTER_BLOCKING_US, number);
            };
            self.how.call(ask).await;
            if !self.goes_on() {
                return times;
            }
        }
        unreachable!()
    }

    /// Returns how often it has computed.
    async fn compute(self: Arc<Self>, number: u64) -> usize {
        for times in 1.. {
            let load = self.load;
            let compute = move || load.compute(COMPUTING_US, number);
            self.how.call(compute).await;
            if !self.goes_on() {
                return times;
            }
        }
        unreachable!()
    }
}

/// Waits for tasks, and adds up their results.
async fn sum(tasks: Vec<JoinHandle<usize>>) -> std::result::Result<usize, JoinError> {
    let mut sum = 0;

    for task in tasks {
        sum += task.await?;
    }
    Ok(sum)
}

/// Runs the service, and prints its figures.
pub fn run(how: How, load: Load) -> Result<()> {
    let group = match how {
        How::Group => Some(Group::new()?),
        _ => None,
    };
    let runtime = how.runtime(group.as_ref())?;
    let service = Arc::new(Service {
        how,
        load,
        stop: AtomicBool::new(false),
    });
    let new = || Arc::clone(&service);
    let backends: Vec<_> = (0..ASKING)
        .map(|_| Backend::start().map(Arc::new))
        .collect::<std::io::Result<_>>()?;

    let begin = Instant::now();
    let ticking: Vec<_> = (0..TICKING)
        .map(|number| runtime.spawn(new().tick(number)))
        .collect();
    let sleeping = (0..SLEEPING).map(|number| runtime.spawn(new().sleep(number)));
    let asking = (0..)
        .zip(backends)
        .map(|(number, backend)| runtime.spawn(new().ask(number, backend)));
    let blocking = sleeping.chain(asking).collect();
    let computing = (0..COMPUTING)
        .map(|number| runtime.spawn(new().compute(number)))
        .collect();

    thread::sleep(load.time);
    service.stop.store(true, Ordering::Relaxed);
    runtime.block_on(async {
        let mut late = Vec::new();
        for task in ticking {
            late.append(&mut task.await?);
        }
        let (blocked, computed) = (sum(blocking).await?, sum(computing).await?);
        let time = begin.elapsed();
        let work = [
            (late.len(), TICK_US),
            (blocked, AFTER_BLOCKING_US),
            (computed, COMPUTING_US),
        ];
        print_work(&work, time);
        print_rate("blocked", blocked, time);
        print_delays("late", late);
        Ok::<_, JoinError>(())
    })?;
    // Its threads leave the group when they end.
    drop(runtime);
    if let Some(group) = group {
        group.shutdown()?;
    }
    Ok(())
}
