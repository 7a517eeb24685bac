// SPDX-License-Identifier: GPL-2.0

//! The module around the protocol, and the kernel below it.
//!
//! Signals and protocol violations are left out: what would kill the process fails the model.

use crate::{
    bugs::{
        self,
        Bug, //
    },
    protocol::{
        self,
        Block,
        OnTimeout,
        Resume,
        SharedWord, //
    },
    state::StateWord,
    world::{
        node_of,
        Task,
        Tid,
        World,
        HEAD, //
    },
};
use loom::{
    sync::atomic::{
        fence,
        Ordering::{
            Relaxed,
            SeqCst, //
        },
    },
    thread,
};

/// The clock stands still: the worst that it can do to the timestamps.
pub(crate) const NOW: u64 = 0;

/// Why a sleep has ended.
#[derive(PartialEq, Eq)]
enum Ended {
    Done,
    TimedOut,
}

/// `sys/wake.rs` and `sys/sleep.rs`.
impl World {
    /// `try_to_wake_up()`: a full barrier, then a look at the state of the target.
    pub(crate) fn wake(&self, target: Tid) {
        let task = self.task(target);

        if !self.has(Bug::WakerHasNoBarrier) {
            fence(SeqCst);
        }
        // The check takes no lock; a waker that finds it asleep takes the lock to wake it, once.
        if task.asleep.load(Relaxed) && task.asleep.swap(false, Relaxed) {
            task.thread
                .get()
                .expect("asleep before it has run")
                .unpark();
        }
    }

    /// `set_current_state()`: the mark, and a full barrier.
    ///
    /// An exchange, since loom does not bring the stores of two threads into one order by itself. It
    /// adds nothing to the barriers on both sides of it.
    fn mark_asleep(&self, task: &Task) {
        task.thread.get_or_init(thread::current);
        task.asleep.swap(true, Relaxed);
        fence(SeqCst);
    }

    /// `schedule()`: sleeps unless the mark was removed.
    fn schedule(&self, task: &Task) {
        while task.asleep.load(Relaxed) {
            thread::park();
        }
    }

    /// A deadline passes as soon as the task sleeps. For the others this is any moment, since they
    /// may be anywhere by then.
    fn sleep_until(&self, me: Tid, has_deadline: bool, done: impl Fn() -> bool) -> Ended {
        let task = self.task(me);
        let mut expired = false;

        let ended = loop {
            if self.has(Bug::SleeperLooksTooEarly) {
                if done() {
                    break Ended::Done;
                }
                self.mark_asleep(task);
            } else {
                self.mark_asleep(task);
                if done() {
                    break Ended::Done;
                }
            }
            if expired {
                break Ended::TimedOut;
            }
            if has_deadline {
                expired = true;
            } else {
                self.schedule(task);
            }
        };
        task.asleep.swap(false, Relaxed);

        ended
    }
}

/// `umcg/wait.rs`, `umcg/ctl.rs` and `umcg/kick.rs`: the calls.
impl World {
    /// `UMCG_IOC_WAIT` of a server with this `next_tid`.
    pub(crate) fn server_waits(&self, me: Tid, next: Tid) {
        let state = &self.task(me).state_ts;

        if next != 0 {
            self.wake(next);
        }
        self.sleep_until(me, false, || !protocol::should_idle(state));
    }

    /// `UMCG_IOC_WAIT` of a worker with this `next_tid`.
    pub(crate) fn worker_waits(&self, me: Tid, next: Tid) {
        assert!(protocol::unlock(&self.task(me).state_ts, NOW));
        if next != 0 {
            self.wake(next);
        }
        self.worker_sleeps(me, false);
    }

    /// The rest of that call: the worker is not locked any more.
    pub(crate) fn worker_sleeps(&self, me: Tid, has_deadline: bool) {
        if self.hold(me, has_deadline) == Ended::TimedOut {
            // If it fails, a server has begun to run the worker.
            protocol::time_out(&self.task(me).state_ts, OnTimeout::Queue, NOW);
        }
        self.settle(me);
    }

    /// `UMCG_WAIT_WAKE_ONLY` of this `next_tid`.
    pub(crate) fn wakes_only(&self, next: Tid) {
        self.wake(next);
    }

    /// `UMCG_IOC_KICK`.
    pub(crate) fn kick(&self, worker: Tid) {
        let task = self.task(worker);
        let preempt = if self.has(Bug::PreemptionIsStampedAnew) {
            bugs::preempt_anew
        } else {
            protocol::preempt
        };

        if preempt(&task.state_ts, NOW) == Some(true) {
            task.work.store(1);
        }
    }

    /// Starts a server.
    pub(crate) fn start_server(&self, server: Tid) {
        if self.has(Bug::WakerWritesTooLate) {
            self.wake(server);
            protocol::start_server(&self.task(server).state_ts, NOW);
        } else if protocol::start_server(&self.task(server).state_ts, NOW) == Some(true) {
            self.wake(server);
        }
    }
}

/// `umcg/worker.rs`: what happens to workers without a call.
impl World {
    /// The worker blocks in the kernel, and what it has waited for happens.
    pub(crate) fn blocks(&self, me: Tid) {
        self.falls_into_block(me);
        self.task(me).work.store(1);
        self.returns_to_user(me);
    }

    /// The worker blocks, and does not come back.
    pub(crate) fn falls_into_block(&self, me: Tid) {
        let task = self.task(me);
        let server = task.next_tid.load_relaxed();

        match protocol::block(&task.state_ts, NOW) {
            Block::Unreported => panic!("a worker that runs blocks unseen"),
            Block::Reported if self.group.is_some() => self.gives_up_server(me, server),
            Block::Reported => self.start_server(server),
            Block::Broken => panic!("killed: its word changed while it blocked"),
        }
    }

    /// The worker dies where it is.
    pub(crate) fn vanishes(&self, me: Tid) {
        let task = self.task(me);

        // CAST: The TIDs of the model are small.
        let server = || task.next_tid.load_relaxed() as u32;
        if let Some(server) = protocol::leave(&task.state_ts, NOW, server) {
            self.start_server(server.into());
        }
    }

    /// The worker is about to return to user mode from a call or an interrupt.
    pub(crate) fn returns_to_user(&self, me: Tid) {
        if self.task(me).work.exchange(0) != 0 {
            self.settle(me);
        }
    }

    fn verdict(&self, me: Tid) -> Resume {
        let task = self.task(me);
        let has_server = || task.next_tid.load_relaxed() != 0;

        if self.has(Bug::ServerIsReadTooEarly) {
            let had_server = has_server();
            return protocol::resume(&task.state_ts, task.idles.get(), || had_server, || false);
        }
        let goes_on = || !self.has(Bug::SectionIsIgnored) && task.critical.get();
        protocol::resume(&task.state_ts, task.idles.get(), has_server, goes_on)
    }

    /// Wake detection. A new worker goes through it as well.
    pub(crate) fn settle(&self, me: Tid) {
        loop {
            match self.verdict(me) {
                Resume::Run => break,
                Resume::Hold => {
                    self.hold(me, false);
                }
                // If the word has changed, it is evaluated again.
                Resume::Queue { seen, preempted } => self.queue(me, seen, preempted),
                Resume::Broken => panic!("killed: its word says what cannot be"),
            }
        }
        self.task(me).idles.set(false);
    }

    fn hold(&self, me: Tid, has_deadline: bool) -> Ended {
        let task = self.task(me);

        task.idles.set(true);
        self.sleep_until(me, has_deadline, || !protocol::should_idle(&task.state_ts))
    }

    fn queue(&self, me: Tid, seen: StateWord, preempted: bool) {
        if self.group.is_some() {
            return self.queue_directly(me, seen, preempted);
        }
        let task = self.task(me);
        let own_server = task.next_tid.load_relaxed();
        let push = if self.has(Bug::PushIsNotPending) {
            bugs::push_without_pending
        } else {
            protocol::push_idle
        };

        // The module would look for another list there.
        assert_eq!(
            task.idle_workers_ptr.load_relaxed(),
            HEAD,
            "on a list already"
        );
        if !protocol::become_idle(&task.state_ts, seen, NOW) {
            return;
        }

        task.gave_way.set(true);
        task.idles.set(true);
        push(&task.idle_workers_ptr, &self.idle_workers, node_of(me));
        let server = if preempted {
            own_server
        } else {
            self.idle_server.exchange(0)
        };
        if server != 0 {
            self.start_server(server);
        }
    }
}
