// SPDX-License-Identifier: GPL-2.0

//! A program that follows the protocol: the steps of a transition, in their order.

use crate::{
    abi::*,
    bugs::Bug,
    kernel::NOW,
    protocol::{
        self,
        SharedWord, //
    },
    state::{
        State,
        StateWord, //
    },
    world::{
        node_of,
        Tid,
        World,
        HEAD,
        W1,
        W2, //
    },
};
use loom::sync::atomic::{
    fence,
    Ordering::SeqCst, //
};

/// The word after `old` with exactly this state and these flags.
fn successor(old: StateWord, state: State, flags: u32) -> StateWord {
    let other = old.bits() & !u64::from(UMCG_TF_LOCKED | UMCG_TF_PREEMPTED);

    StateWord::from_bits(other | u64::from(flags)).moved_to(state, NOW)
}

impl World {
    /// Changes a state that others do not change now, except for setting the preemption flag.
    pub(crate) fn change(&self, task: Tid, from: State, to: State, flags: u32) {
        let word = &self.task(task).state_ts;

        loop {
            let old = word.read();
            assert!(old.is(from), "{task}: {old:?} is not {from:?}");
            if word.replace(old, successor(old, to, flags)) {
                break;
            }
        }
    }

    /// Takes a worker that was IDLE in `seen`. Returns false if it has changed.
    pub(crate) fn claim(&self, worker: Tid, seen: StateWord) -> bool {
        let claimed = successor(seen, State::Running, UMCG_TF_LOCKED);

        self.task(worker).state_ts.replace(seen, claimed)
    }
}

/// Servers.
impl World {
    /// Calls, and sleeps until it was made RUNNING. It has been IDLE before that.
    pub(crate) fn server_sleeps(&self, me: Tid, next: Tid) {
        self.server_waits(me, next);
        assert!(self.task(me).state_ts.read().runs());
    }

    /// Sleeps as long as its worker runs, which has begun before the model. Returns whether that
    /// worker has finished.
    pub(crate) fn waits_for_its_worker(&self, me: Tid) -> bool {
        self.server_sleeps(me, 0);
        self.looks_at_desk(me)
    }

    pub(crate) fn looks_at_desk(&self, me: Tid) -> bool {
        // SAFETY: loom checks for exclusive access.
        self.task(me)
            .desk
            .with_mut(|desk| unsafe { desk.replace(false) })
    }

    /// Makes a worker RUNNING that was IDLE in `seen`, up to the call. Returns false if it has
    /// changed.
    fn lets_run(&self, me: Tid, worker: Tid, seen: StateWord) -> bool {
        self.change(me, State::Running, State::Idle, 0);
        let claimed = self.claim(worker, seen);

        if claimed {
            self.task(worker).next_tid.store_relaxed(me);
            self.change(worker, State::Running, State::Running, 0);
        } else {
            self.change(me, State::Idle, State::Running, 0);
        }
        claimed
    }

    /// Runs a worker as [`World::lets_run`] does, and wakes it. That is all that this server does.
    pub(crate) fn sends(&self, me: Tid, worker: Tid, seen: StateWord) -> bool {
        let runs = self.lets_run(me, worker, seen);

        if runs {
            self.wakes_only(worker);
        }
        runs
    }

    /// The word of a worker that is on its way to sleep, when it has become IDLE.
    pub(crate) fn falls_asleep(&self, worker: Tid) -> StateWord {
        self.task(worker)
            .state_ts
            .wait_until(|word| !word.is_locked())
    }

    /// Sends one idle worker.
    pub(crate) fn sends_next(&self, me: Tid) {
        let worker = self.next_worker(me);

        assert!(self.sends(me, worker, self.task(worker).state_ts.read()));
    }

    /// Runs idle workers until so many have finished under this server.
    pub(crate) fn serves(&self, me: Tid, workers: usize) {
        let mut finished = 0;

        while finished < workers {
            let worker = self.next_worker(me);
            assert!(self.lets_run(me, worker, self.task(worker).state_ts.read()));
            self.server_sleeps(me, worker);
            finished += usize::from(self.looks_at_desk(me));
        }
    }

    /// Takes a worker that is idle, and waits until there is one.
    fn next_worker(&self, me: Tid) -> Tid {
        loop {
            self.change(me, State::Running, State::Idle, 0);
            while !self.idle_server.replace(0, me) {
                // One server at a time can sleep. Another one waits for its place.
                self.idle_server.wait_until(|tid| tid == 0);
            }

            // The kernel pushes a worker and then checks for a server. Here it is the reverse, so
            // one of them sees the other's change.
            fence(SeqCst);
            let found = !self.has(Bug::ServerDoesNotLookAgain) && self.idle_workers.load() != 0;
            if found && self.idle_server.replace(me, 0) {
                self.change(me, State::Idle, State::Running, 0);
            } else {
                self.server_sleeps(me, 0);
            }

            if let Some(worker) = self.take_idle_worker() {
                return worker;
            }
        }
    }

    /// Takes all idle workers, and gives all but one back for other servers.
    fn take_idle_worker(&self) -> Option<Tid> {
        let mut node = self.idle_workers.exchange(0);
        let mut first = None;

        while node != 0 {
            let worker = [W1, W2]
                .into_iter()
                .find(|&worker| node_of(worker) == node)
                .expect("a link that leads nowhere");
            let link = &self.task(worker).idle_workers_ptr;
            node = link.wait_until(|next| next != u64::from(UMCG_IDLE_NODE_PENDING));

            if first.is_none() {
                first = Some(worker);
                link.store_relaxed(HEAD);
            } else {
                protocol::push_idle(link, &self.idle_workers, node_of(worker));
                self.start_idle_server();
            }
        }
        first
    }

    fn start_idle_server(&self) {
        let server = self.idle_server.exchange(0);

        if server != 0 {
            self.change(server, State::Idle, State::Running, 0);
            self.wakes_only(server);
        }
    }
}

/// Workers.
impl World {
    /// The worker is in user mode: it runs under a server, which is not.
    fn works(&self, me: Tid) {
        self.tells_server(me, false);
    }

    /// Tells its server whether it has finished. Returns the server.
    fn tells_server(&self, me: Tid, finished: bool) -> Tid {
        let task = self.task(me);
        let server = task.next_tid.load_relaxed();

        assert!(task.state_ts.read().runs() && server != 0);
        // SAFETY: loom checks for exclusive access.
        self.task(server)
            .desk
            .with_mut(|desk| unsafe { *desk = finished });
        server
    }

    /// A new worker registers; it comes back when a server runs it.
    pub(crate) fn registers(&self, me: Tid) {
        self.settle(me);
        self.works(me);
    }

    /// A call blocks; the worker comes back when a server runs it after that.
    pub(crate) fn calls_what_blocks(&self, me: Tid) {
        self.blocks(me);
        self.works(me);
    }

    /// Spins in user mode until it is preempted by an interrupt.
    pub(crate) fn spins_until_kicked(&self, me: Tid) {
        self.task(me).work.wait_until(|work| work != 0);
        self.returns_to_user(me);
        self.works(me);
    }

    /// Yields to its server, and waits until it is run again.
    pub(crate) fn yields(&self, me: Tid) {
        let server = self.gives_back(me, false);
        self.worker_waits(me, server);

        self.works(me);
    }

    /// Comes back from a wait that began before the model.
    pub(crate) fn is_run_again(&self, me: Tid, has_deadline: bool) {
        self.worker_sleeps(me, has_deadline);
        self.works(me);
    }

    /// Switches to another worker, which was IDLE in `seen`, and waits.
    pub(crate) fn swaps(&self, me: Tid, next: Tid, seen: StateWord) {
        assert!(self.claim(next, seen));
        self.change(me, State::Running, State::Idle, UMCG_TF_LOCKED);
        let server = self.task(me).next_tid.load_relaxed();
        self.task(next).next_tid.store_relaxed(server);
        self.task(me).next_tid.store_relaxed(next);
        self.change(next, State::Running, State::Running, 0);
        self.worker_waits(me, next);

        self.works(me);
    }

    /// Has finished: locks itself, so that the kernel does not touch its state, and starts its
    /// server.
    pub(crate) fn finishes(&self, me: Tid) {
        let server = self.gives_back(me, true);
        self.wakes_only(server);
    }

    fn gives_back(&self, me: Tid, finished: bool) -> Tid {
        let server = self.tells_server(me, finished);

        self.change(me, State::Running, State::Idle, UMCG_TF_LOCKED);
        self.change(server, State::Idle, State::Running, 0);
        server
    }
}

/// Servers without workers.
impl World {
    /// Swaps with another task, which waits.
    pub(crate) fn swaps_to(&self, me: Tid, next: Tid) {
        self.change(me, State::Running, State::Idle, 0);
        self.change(next, State::Idle, State::Running, 0);
        self.server_sleeps(me, next);
    }

    /// Lets a task run, if it waits.
    pub(crate) fn wakes(&self, task: Tid) {
        let word = &self.task(task).state_ts;
        let old = word.read();

        if old.is(State::Idle) && word.replace(old, old.moved_to(State::Running, NOW)) {
            self.wakes_only(task);
        }
    }
}
