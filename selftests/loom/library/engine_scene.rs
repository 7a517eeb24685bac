// SPDX-License-Identifier: GPL-2.0

//! The groups that the scenarios of the crate `umcg` begin with, and the steps of their threads.

use crate::{
    engine::{server, shared::Shared, ticker, worker},
    kernel::{self, as_thread, Tid},
    policy::{fifo::Fifo, interface::Policy, token::IdleWorker},
    raw::{
        deadline::Deadline,
        record::{Reason, Record},
        state::State,
    },
};
use core::time::Duration;
use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicU32, Ordering::SeqCst},
};
use std::cell::RefCell;

/// The number of a server is its TID less one.
pub(crate) const S1: Tid = 1;
pub(crate) const S2: Tid = 2;
pub(crate) const W1: Tid = 3;
pub(crate) const W2: Tid = 4;
/// A queued worker without a thread.
pub(crate) const NOBODY: Tid = 5;

/// Shared by the threads of a scenario.
pub(crate) struct Scene {
    pub(crate) shared: Shared,
    /// How many servers are awake at the beginning.
    pub(crate) awake: u32,
    /// Workers that have entered before.
    pub(crate) entered: RefCell<Vec<&'static Record>>,
    /// How many workers have begun.
    pub(crate) begun: AtomicU32,
}

/// Calls a policy. loom reports a race if two threads do so at the same time, or if one might not
/// see the writes of the other.
struct Checked<P>(P, UnsafeCell<()>);

// SAFETY: loom runs all its threads on one of the system's.
unsafe impl<P> Send for Checked<P> {}

impl<P: Policy> Policy for Checked<P> {
    fn wake(&mut self, worker: IdleWorker, reason: Reason) {
        let _here = self.1.get_mut();
        self.0.wake(worker, reason);
    }

    fn next(&mut self, server: usize) -> Option<IdleWorker> {
        let _here = self.1.get_mut();
        self.0.next(server)
    }
}

/// A group. The first `awake` servers are awake, the others sleep in the set. It counts this number
/// of workers.
pub(crate) fn scene(
    servers: u32,
    awake: u32,
    workers: u32,
    policy: impl Policy + 'static,
) -> Scene {
    let policy = Checked(policy, UnsafeCell::new(()));
    let shared = Shared::new(servers as usize, None, Box::new(policy)).unwrap();

    for nr in 0..servers {
        as_thread(nr + 1, || server::register(&shared, nr).unwrap());
    }
    for _ in 0..workers {
        shared.members.enter().unwrap();
    }
    let scene = Scene {
        shared,
        awake,
        entered: RefCell::default(),
        begun: AtomicU32::new(0),
    };
    (awake..servers).for_each(|nr| scene.goes_idle(nr));
    scene
}

/// The same; the group ends when these workers have left.
pub(crate) fn closed(servers: u32, awake: u32, workers: u32) -> Scene {
    scene(servers, awake, workers, Fifo::new()).closed()
}

pub(crate) fn first_server(scene: &Scene) {
    scene.serves(0);
}

pub(crate) fn second_server(scene: &Scene) {
    scene.serves(1);
}

pub(crate) fn ticks(scene: &Scene) {
    ticker::tick(&scene.shared, Duration::ZERO);
}

pub(crate) fn works(scene: &Scene) {
    scene.works(|_| ());
}

impl Scene {
    /// The group ends when its workers have left.
    pub(crate) fn closed(self) -> Self {
        self.shared.members.close();
        self
    }

    /// The same, and the second server sleeps in the set, although both were awake.
    pub(crate) fn with_second_idle(self) -> Self {
        self.goes_idle(1);
        Self { awake: 1, ..self }.closed()
    }

    /// The thread `S2` is registered as the ticker.
    pub(crate) fn with_ticker(self) -> Self {
        as_thread(S2, || ticker::register(&self.shared).unwrap());
        kernel::set_ticker(S2);
        self
    }

    /// This server goes to sleep in the set.
    pub(crate) fn goes_idle(&self, nr: u32) {
        let task = &self.shared.server(nr).task;

        assert!(task.change(State::RUNNING, State::IDLE, kernel::NOW));
        self.shared.words.put(1 << nr);
    }

    pub(crate) fn serves(&self, nr: u32) {
        if nr >= self.awake {
            server::sleep(self.shared.server(nr));
        }
        server::serve(&self.shared, nr);
    }

    /// This worker has entered: it runs under a server that was idle, or is queued.
    pub(crate) fn with(self, worker: Tid) -> Self {
        let record = kernel::prepares(worker, || {
            worker::enter(&self.shared, 0, Deadline::None).unwrap()
        });

        self.entered.borrow_mut().push(record);
        self
    }

    /// The calling worker runs.
    pub(crate) fn begins(&self) {
        kernel::runs();
        self.counts_begin();
    }

    pub(crate) fn counts_begin(&self) {
        self.begun.fetch_add(1, SeqCst);
        kernel::kernel().nudge(W1);
        kernel::kernel().nudge(W2);
    }

    /// The calling thread, which is counted, becomes a worker unless it is one.
    pub(crate) fn enters(&self) -> &'static Record {
        let me = kernel::tid();
        let entered = self.entered.borrow();

        let record = match entered.iter().find(|record| record.tid() == me) {
            Some(record) => record,
            None => worker::enter(&self.shared, 0, Deadline::None).unwrap(),
        };
        drop(entered);
        self.begins();
        record
    }

    /// The calling thread is a worker while it executes `body`.
    pub(crate) fn works(&self, body: impl FnOnce(&'static Record)) {
        let record = self.enters();

        body(record);
        kernel::runs();
        worker::leave(&self.shared, record);
    }

    /// The calling worker spins until this number of workers have begun.
    pub(crate) fn spins_until_begun(&self, workers: u32) {
        while self.begun.load(SeqCst) < workers {
            kernel::spins();
        }
    }
}
