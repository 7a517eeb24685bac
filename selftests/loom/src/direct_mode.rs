// SPDX-License-Identifier: GPL-2.0

//! Direct mode: `umcg/direct_worker.rs` around `umcg/direct.rs`, and servers that follow the
//! protocol.

use crate::{
    bugs::{
        self,
        Bug, //
    },
    direct::{
        self,
        GroupWords,
        Server, //
    },
    direct_words::{
        nr_of,
        Group, //
    },
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

/// The kernel.
impl World {
    pub(crate) fn group(&self) -> &Group {
        self.group.as_ref().expect("not in direct mode")
    }

    fn take_server(&self) -> Option<Server> {
        if self.has(Bug::ServerIsTakenTwice) {
            bugs::take_server_twice(self.group())
        } else {
            direct::take_server(self.group())
        }
    }

    fn pop_ready(&self) -> Option<Tid> {
        let tid = if self.has(Bug::RingIsPoppedTwice) {
            bugs::pop_ready_twice(self.group())
        } else {
            direct::pop_ready(self.group())
        };

        tid.map(Tid::from)
    }

    fn put_back(&self, nr: u32) -> bool {
        if self.has(Bug::NoLookAfterPutBack) {
            bugs::put_back_without_look(self.group(), nr)
        } else {
            direct::put_back(self.group(), nr)
        }
    }

    /// `direct_worker::gives_up_server()`, of a worker that has become BLOCKED.
    pub(crate) fn gives_up_server(&self, _me: Tid, server: Tid) {
        let nr = nr_of(server);

        while let Some(next) = self.pop_ready() {
            self.group().running(nr).0.store_relaxed(next);
            let worker = self.task(next);
            if protocol::may_run_ready(&worker.state_ts) {
                worker.next_tid.store_relaxed(server);
                if protocol::run_ready(&worker.state_ts, NOW) == Some(true) {
                    self.wake(next);
                    return;
                }
            }
        }
        if !self.put_back(nr) {
            self.start_server(server);
        }
    }

    /// `direct_worker::queue()`.
    pub(crate) fn queue_directly(&self, me: Tid, seen: StateWord, preempted: bool) {
        let (task, group) = (self.task(me), self.group());
        let own_server = task.next_tid.load_relaxed();
        let overtakes = group.overtakes || self.has(Bug::WorkerOvertakes);
        let early = self
            .has(Bug::SetIsReadTooEarly)
            .then(|| self.take_server())
            .flatten();

        if !preempted && early.is_none() {
            let may_take = direct::has_server(group) && (overtakes || !direct::has_work(group));
            if let Some(server) = may_take.then(|| self.take_server()).flatten() {
                task.next_tid.store_relaxed(server.tid.into());
                assert_eq!(
                    group.running(server.nr).0.read_latest(),
                    0,
                    "a server has a worker already"
                );
                group.running(server.nr).0.store_relaxed(me);
                assert!(protocol::adopt(&task.state_ts, seen, NOW));
                if direct::leaves_others_queued(group) && !self.has(Bug::WatcherIsPassedOver) {
                    self.starts_idle_server();
                }
                return;
            }
        }

        if !protocol::become_idle(&task.state_ts, seen, NOW) {
            return;
        }
        task.idles.set(true);
        if !(group.fifo && direct::queue_ready(group, me as u32)) {
            protocol::push_idle(&task.idle_workers_ptr, &group.idle_workers, node_of(me));
        }
        if preempted {
            return self.start_server(own_server);
        }
        if let Some(server) = early {
            return self.start_server(server.tid.into());
        }
        if !self.has(Bug::SetIsReadTooEarly) {
            self.starts_idle_server();
        }
    }

    /// `direct_worker::start_idle_server()`.
    pub(crate) fn starts_idle_server(&self) {
        let watcher = || {
            (!self.has(Bug::WatcherIsForgotten))
                .then(|| direct::take_watcher(self.group()))
                .flatten()
        };

        if let Some(tid) = self.take_server().map(|server| server.tid).or_else(watcher) {
            self.start_server(tid.into());
        }
    }

    /// A server dies where it waits.
    pub(crate) fn server_dies(&self, me: Tid) {
        let server = Server {
            nr: nr_of(me),
            tid: me as u32,
        };

        let passes_on = direct::leave(self.group(), server);
        if passes_on && !self.has(Bug::StartDiesWithServer) {
            self.starts_idle_server();
        }
    }
}

/// A program that follows the protocol.
impl World {
    /// Takes a worker off the ring or the list; the other ones are left where the kernel finds them.
    /// For one server at a time: there is no lock.
    fn takes_worker(&self) -> Option<Tid> {
        let group = self.group();
        if let Some(tid) = direct::pop_ready(group) {
            return Some(tid.into());
        }

        // The workers are visible all the time.
        group.queued.exchange(1);
        let mut node = group.idle_workers.exchange(0);
        let mut first = None;
        let mut others = 0;
        while node != 0 {
            let worker = [W1, W2]
                .into_iter()
                .find(|&worker| node_of(worker) == node)
                .expect("a link that leads nowhere");
            let link = &self.task(worker).idle_workers_ptr;
            node = link.wait_until(|next| next != 1);
            link.store_relaxed(HEAD);
            if first.is_none() {
                first = Some(worker);
            } else {
                assert!(direct::push_ready(group, worker as u32));
                others += 1;
            }
        }
        group.queued.exchange(0);
        // The set is checked after the ring was filled.
        if others > 0 {
            self.starts_idle_server();
        }
        first
    }

    /// A server, which waits in the set or has a worker: serves until so many workers have finished
    /// under it.
    pub(crate) fn serves_directly(&self, me: Tid, workers: usize) {
        let mut finished = 0;

        self.server_sleeps(me, 0);
        finished += usize::from(self.looks_at_desk(me));
        while finished < workers {
            match self.takes_worker() {
                Some(worker) => self.runs_directly(me, worker),
                None => self.waits_directly(me),
            }
            finished += usize::from(self.looks_at_desk(me));
        }
    }

    /// Comes into the set while a worker is queued. If it takes itself back it runs that worker, and
    /// the watcher has nothing to wait for.
    pub(crate) fn comes_into_the_set(&self, me: Tid) {
        let group = self.group();

        self.change(me, State::Running, State::Idle, 0);
        assert!(direct::put(group, nr_of(me)));
        if direct::has_work(group) && direct::take_back(group, nr_of(me)) {
            self.starts_idle_server();
        }
    }

    /// Wakes. If it is queued, and not adopted, its server runs it, and the watcher has nothing to
    /// wait for.
    pub(crate) fn wakes_or_ends_the_watch(&self, me: Tid) {
        self.queue_directly(me, self.task(me).state_ts.read(), false);
        if !self.task(me).state_ts.read().runs() {
            self.starts_idle_server();
        }
    }

    /// Queues a worker that no server refuses, where user space has queued others.
    pub(crate) fn offers_to_all(&self) {
        self.group().refused_servers.exchange(0);
        self.starts_idle_server();
    }

    /// Waits in the set until there is a worker, or the server is started.
    fn waits_directly(&self, me: Tid) {
        let group = self.group();

        self.change(me, State::Running, State::Idle, 0);
        group.running(nr_of(me)).0.store_relaxed(0);
        assert!(direct::put(group, nr_of(me)));
        if direct::has_work(group) && direct::take_back(group, nr_of(me)) {
            self.change(me, State::Idle, State::Running, 0);
        } else {
            self.server_sleeps(me, 0);
        }
    }

    fn runs_directly(&self, me: Tid, worker: Tid) {
        let task = self.task(worker);

        self.change(me, State::Running, State::Idle, 0);
        assert!(
            self.claim(worker, task.state_ts.read()),
            "a worker is run by two"
        );
        task.next_tid.store_relaxed(me);
        self.group().running(nr_of(me)).0.store_relaxed(worker);
        self.change(worker, State::Running, State::Running, 0);
        self.server_sleeps(me, worker);
    }

    /// Pops what two others push, and finds each once.
    pub(crate) fn pops_one(&self) {
        let pop = || direct::pop_ready(self.group());
        let mut found: Vec<_> = [pop(), pop()].into_iter().flatten().collect();

        if found.is_empty() {
            assert!(!direct::has_work(self.group()) || pop().is_some());
        }
        found.dedup();
        assert!(found.iter().all(|&tid| [W1, W2].contains(&tid.into())));
        assert!(found.len() != 2 || found[0] != found[1], "popped twice");
    }

    /// Whether a server waits in the set.
    pub(crate) fn is_idle(&self, server: Tid) -> bool {
        self.group().idle_servers().read_latest() & 1 << nr_of(server) != 0
    }

    /// A worker in a critical section, which is kicked there, is preempted when it has left it.
    pub(crate) fn is_kicked_in_a_section(&self, me: Tid) {
        let task = self.task(me);

        task.critical.set(true);
        task.work.wait_until(|work| work != 0);
        self.returns_to_user(me);
        assert!(
            !task.gave_way.get(),
            "a worker gave way in a critical section"
        );
        task.critical.set(false);
        assert!(task.state_ts.read().is_preempted(), "the kick is forgotten");
        self.kick(me);
        self.returns_to_user(me);
        assert!(task.gave_way.get(), "the kick is forgotten");
    }

    /// Is the watcher until it is started, or sees for itself that there is work and no server.
    pub(crate) fn watches(&self, me: Tid) {
        let group = self.group();

        self.change(me, State::Running, State::Idle, 0);
        group.watcher_tid.exchange(me as u32);
        fence(SeqCst);
        let found = !self.has(Bug::WatcherDoesNotLook)
            && !direct::has_server(group)
            && direct::has_work(group);
        if found && group.watcher_tid.0.replace(me, 0) {
            self.change(me, State::Idle, State::Running, 0);
        } else {
            self.server_sleeps(me, 0);
        }
    }
}
