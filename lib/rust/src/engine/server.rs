// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What servers do.

use super::{end, shared::Shared};
use crate::{
    raw::{offers::Seen, record::Record, state::State},
    sys::{abi, device, errno::Errno, priority, thread},
};

/// A server, for its own thread.
struct Server<'a> {
    shared: &'a Shared,
    nr: u32,
    record: &'static Record,
}

/// Makes the calling thread the server with this number.
pub(crate) fn register(shared: &Shared, nr: u32) -> Result<(), Errno> {
    let record = shared.server(nr);

    priority::run_when_woken();
    record.prepare(thread::tid(), shared.number(), 0);
    record.task.prepare(State::RUNNING, thread::monotonic_ns());
    device::register(abi::CTL_DIRECT, record, Some((&shared.words, nr)))
}

/// Serves the group until it is over, and unregisters. For the server with this number.
pub(crate) fn serve(shared: &Shared, nr: u32) {
    let record = shared.server(nr);
    let server = Server { shared, nr, record };

    while !shared.members.is_over() {
        let worker = shared.next_worker(nr);

        server.supply_others();
        server.start_ticker();
        match worker {
            Ok(worker) => server.run(worker),
            Err(seen) => server.idle(seen),
        }
    }
    end::dismiss(shared, record);
    end::unregister();
}

impl Server<'_> {
    /// Runs a worker, which is claimed, until there is something to decide. In the end that may be
    /// about another worker: one that has gone on under this server.
    fn run(&self, worker: &'static Record) {
        let task = &self.record.task;

        task.change(State::RUNNING, State::IDLE, thread::monotonic_ns());
        task.set_next_tid(worker.tid());
        if !self.give(self.nr, worker) {
            task.change(State::IDLE, State::RUNNING, thread::monotonic_ns());
            return;
        }
        sleep(self.record);
        // Others may have run it meanwhile, but not if it has blocked here.
        if worker.task.state().without_flags() == State::BLOCKED
            && worker.task.next_tid() == self.record.tid()
        {
            self.shared.scheduler.lock().block(worker);
        }
    }

    /// Lets a worker, which is claimed, run under a server, which is IDLE: all but the wake-up.
    /// Returns false if the worker was killed after it was claimed: then the server has no worker.
    fn give(&self, nr: u32, worker: &Record) -> bool {
        let server_tid = self.shared.server(nr).tid();
        let now = thread::monotonic_ns();

        self.shared.words.set_running(nr, worker.tid());
        worker.begins_turn(now);
        worker.task.run_under(server_tid, nr, now)
    }

    /// Waits until there is something to decide, if nothing is left since the policy had no worker.
    fn idle(&self, seen: Seen) {
        let shared = self.shared;
        let task = &self.record.task;

        task.change(State::RUNNING, State::IDLE, thread::monotonic_ns());
        task.set_next_tid(0);
        // Each look comes after the change of the set: pairs with the change that makes it true,
        // after which the set is looked at.
        let is_needed = || {
            shared.words.has_new_workers()
                || shared.offers.changed_since(seen)
                || shared.members.is_over()
        };
        if shared.words.put_unless(self.nr, is_needed) {
            task.change(State::IDLE, State::RUNNING, thread::monotonic_ns());
        } else {
            sleep(self.record);
        }
    }

    /// Gives workers to the servers that are idle, which sleep on.
    fn supply_others(&self) {
        let shared = self.shared;

        loop {
            let mut refused = 0;
            let mut first_seen = None;

            while shared.words.queued() != 0 {
                let others = refused | shared.words.refused_servers();
                let Some(nr) = shared.words.take_server(others) else {
                    break;
                };
                match shared.next_worker(nr) {
                    Ok(worker) if self.give(nr, worker) => self.wake(worker),
                    Ok(_) => end::start(self.record, shared.server(nr)),
                    Err(seen) => {
                        refused |= 1 << nr;
                        first_seen.get_or_insert(seen);
                    }
                }
            }
            let Some(seen) = first_seen else {
                return;
            };
            // Workers that were queued while these servers were not in the set have woken none of
            // them. A later offer to the policy shows that there were any.
            shared.words.put(refused);
            if shared.words.has_new_workers() {
                shared.offer_new_workers();
            }
            if !shared.offers.changed_since(seen) {
                return;
            }
        }
    }

    /// If workers stay queued, slices count.
    fn start_ticker(&self) {
        let shared = self.shared;

        if shared.words.queued() != 0 && shared.words.take_watcher() {
            end::start(self.record, shared.ticker);
        }
    }

    fn wake(&self, worker: &Record) {
        self.record.task.set_next_tid(worker.tid());
        // This fails if the worker is gone: then the kernel has started its server.
        let _ = device::wake();
    }
}

/// Sleeps until the calling server, which has become IDLE, is started. It wakes the thread
/// that it names first.
pub(crate) fn sleep(record: &Record) {
    loop {
        match device::wait() {
            Ok(()) => return,
            // The worker has run and left already: there is no thread to wake.
            Err(Errno(libc::ESRCH)) => record.task.set_next_tid(0),
            Err(Errno(libc::EINTR)) => {}
            // The device has been closed, and cannot be opened again. Nothing would ever run.
            Err(_) => thread::abort(),
        }
    }
}
