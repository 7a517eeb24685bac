// SPDX-License-Identifier: GPL-2.0

//! A process: its tasks, and the words that they share.

use crate::{
    bugs::Bug,
    direct_words::Group,
    state::StateWord,
    word::{
        StateTs,
        Word, //
    },
};
use loom::{
    cell::UnsafeCell,
    model::Builder,
    sync::atomic::AtomicBool,
    thread::{
        self,
        Thread, //
    },
};
use std::{
    cell::Cell,
    rc::Rc,
    sync::{
        atomic::{
            AtomicU64,
            Ordering::Relaxed, //
        },
        Arc,
        OnceLock, //
    },
    time::Instant,
};

/// Names a task; zero is none.
pub(crate) type Tid = u64;

/// The tasks of the scenarios.
pub(crate) const S1: Tid = 1;
pub(crate) const S2: Tid = 2;
pub(crate) const W1: Tid = 3;
pub(crate) const W2: Tid = 4;

/// The address of the head of the idle list. Nodes have higher ones.
pub(crate) const HEAD: u64 = 0x40;

/// A registered task. The first fields are those of `struct umcg_task`.
pub(crate) struct Task {
    pub(crate) state_ts: StateTs,
    pub(crate) next_tid: Word,
    pub(crate) idle_workers_ptr: Word,

    /// Whether the kernel has it marked as asleep: `task_struct::__state`.
    pub(crate) asleep: AtomicBool,
    /// Where to wake it. Set before it first sleeps.
    pub(crate) thread: OnceLock<Thread>,
    /// Whether task work waits for its return to user mode.
    pub(crate) work: Word,
    /// Whether it is legitimately idle, see `umcg/worker.rs`.
    pub(crate) idles: Cell<bool>,
    /// Whether it was queued; accessed only by itself.
    pub(crate) gave_way: Cell<bool>,
    /// Whether it is a worker in a critical section; accessed only by itself.
    pub(crate) critical: Cell<bool>,

    /// Of a server: whether the worker that ran under it has finished. The server and that worker
    /// use it in user mode. So loom complains if both are there at a time, or if one of them need
    /// not see what the other has done before.
    pub(crate) desk: UnsafeCell<bool>,
}

/// Shared by all tasks of a process.
pub(crate) struct World {
    tasks: [Task; 4],
    /// The list that the kernel pushes idle workers on.
    pub(crate) idle_workers: Word,
    /// The server that the kernel is to start when it has pushed one.
    pub(crate) idle_server: Word,
    /// The seeded bug of this model.
    bug: Option<Bug>,
    /// The words of their group, if they are in direct mode.
    pub(crate) group: Option<Group>,
}

impl World {
    /// A process whose tasks S1, S2, W1 and W2 are in these states, with these `next_tid`s.
    pub(crate) fn new(tasks: [(u32, Tid); 4], bug: Option<Bug>) -> Self {
        Self {
            tasks: tasks.map(Task::new),
            idle_workers: Word::new(0),
            idle_server: Word::new(0),
            bug,
            group: None,
        }
    }

    /// The same in direct mode.
    pub(crate) fn direct(tasks: [(u32, Tid); 4], group: Group, bug: Option<Bug>) -> Self {
        Self {
            group: Some(group),
            ..Self::new(tasks, bug)
        }
    }

    pub(crate) fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    pub(crate) fn task(&self, tid: Tid) -> &Task {
        &self.tasks[tid as usize - 1]
    }

    /// Runs what these tasks do, at the same time, until all of them have done it.
    pub(crate) fn run<const N: usize>(self, tasks: [fn(&World); N]) {
        // loom runs all its threads on one of the system's.
        let world = Rc::new(self);
        let start = |task: fn(&World)| {
            let world = world.clone();
            thread::spawn(move || task(&world))
        };

        // The first one runs here, since this thread counts for loom.
        let others: Vec<_> = tasks[1..].iter().copied().map(start).collect();
        tasks[0](&world);
        for other in others {
            other.join().unwrap();
        }
    }
}

impl Task {
    fn new((state, next_tid): (u32, Tid)) -> Self {
        Self {
            state_ts: StateTs::new(StateWord::from_bits(state.into())),
            next_tid: Word::new(next_tid),
            idle_workers_ptr: Word::new(HEAD),
            asleep: AtomicBool::new(false),
            thread: OnceLock::new(),
            work: Word::new(0),
            idles: Cell::new(false),
            critical: Cell::new(false),
            gave_way: Cell::new(false),
            desk: UnsafeCell::new(false),
        }
    }
}

/// The address of the list node of a worker.
pub(crate) fn node_of(worker: Tid) -> u64 {
    HEAD * (worker + 1)
}

/// Runs a model in every possible order.
pub(crate) fn explore(model: impl Fn() + Send + Sync + 'static) {
    explore_with(Builder::new(), model);
}

/// Runs a model in every order in which at most so many times a task is interrupted by another one
/// although it could go on.
pub(crate) fn explore_preemptions(bound: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();

    builder.preemption_bound.get_or_insert(bound);
    explore_with(builder, model);
}

fn explore_with(builder: Builder, model: impl Fn() + Send + Sync + 'static) {
    let executions = Arc::new(AtomicU64::new(0));
    let count = executions.clone();
    let begin = Instant::now();

    builder.check(move || {
        count.fetch_add(1, Relaxed);
        model();
    });

    println!(
        "{}: {} executions, {:.1} s",
        std::thread::current().name().unwrap_or_default(),
        executions.load(Relaxed),
        begin.elapsed().as_secs_f32(),
    );
}
