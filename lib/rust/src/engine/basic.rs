// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Basic tasks: threads that wait, wake and swap, and belong to no group.

use super::roster::Roster;
use crate::{
    raw::{
        basic::{self, Wakeups},
        record::{is_same, Record},
        state::State,
    },
    sys::{abi, device, errno::Errno, process, thread},
};

/// A task. Lives as long as there are handles of it.
pub(crate) struct Basic {
    record: &'static Record,
    wakeups: Wakeups,
    /// Of its process.
    stamp: u32,
}

/// A thread that wakes a task.
#[derive(Clone, Copy)]
pub(crate) enum Caller {
    /// A basic task.
    Basic(&'static Record),
    /// A worker of a group.
    Worker(&'static Record),
}

impl Basic {
    /// Registers the calling thread. Fails with `EINVAL` if it is registered already.
    pub(crate) fn register() -> Result<Self, Errno> {
        let stamp = process::stamp()?;
        // The other records of its page stay free.
        let record = Roster::new().take()?;
        let task = Self {
            record,
            wakeups: Wakeups::new(),
            stamp,
        };

        record.prepare(thread::tid(), 0, 0);
        record.task.prepare(State::RUNNING, thread::monotonic_ns());
        let result = device::register(0, record, None);
        if result.is_err() {
            task.is_gone_now();
        }
        result.map(|()| task)
    }

    /// Unregisters the calling thread, which is this task. Fails if it may still be registered.
    pub(crate) fn unregister(&self) -> Result<(), Errno> {
        device::unregister()?;
        self.is_gone_now();
        Ok(())
    }

    fn is_gone_now(&self) {
        self.record
            .task
            .change(State::RUNNING, State::NONE, thread::monotonic_ns());
    }

    pub(crate) fn record(&self) -> &'static Record {
        self.record
    }

    pub(crate) fn stamp(&self) -> u32 {
        self.stamp
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        is_same(self.record, other.record)
    }

    /// Whether this is a copy, in a child of `fork()`, of a task of its parent.
    pub(crate) fn is_forked(&self) -> bool {
        process::known_stamp() != Some(self.stamp)
    }

    /// Whether its thread is no longer registered.
    pub(crate) fn is_gone(&self) -> bool {
        self.record.task.state() == State::NONE
    }

    fn let_run(&self) -> bool {
        basic::let_run(&self.record.task, &self.wakeups, thread::monotonic_ns())
    }

    /// Wakes this task.
    pub(crate) fn wake(&self, caller: Caller, flags: u32) -> Result<(), Errno> {
        if !self.let_run() {
            return Ok(());
        }
        match caller {
            Caller::Basic(own) => wake(own, self.record, flags),
            Caller::Worker(own) => {
                let before = hold(own);
                let server_tid = own.task.next_tid();
                let result = wake(own, self.record, flags);
                own.task.set_next_tid(server_tid);
                release(own, before);
                result
            }
        }
    }

    /// The calling thread, which is this task, waits until it is woken. Fails with `ETIMEDOUT` at
    /// this time of CLOCK_REALTIME in nanoseconds, unless that is zero. Wakes `next` in the same
    /// call.
    pub(crate) fn wait(&self, next: Option<&Self>, abs_timeout: u64) -> Result<(), Errno> {
        let task = &self.record.task;

        basic::begin(task, thread::monotonic_ns());
        // After the state has changed, as `next` may wake the caller.
        let next = next.filter(|next| next.let_run()).map(Self::record);
        if basic::is_woken(task, &self.wakeups, thread::monotonic_ns()) {
            return next.map_or(Ok(()), |next| wake(self.record, next, 0));
        }
        task.set_next_tid(next.map_or(0, Record::tid));
        let result = self.sleep(abs_timeout);
        // It may have been woken while the call failed.
        if basic::end(task, thread::monotonic_ns()) {
            return Ok(());
        }
        result
    }

    fn sleep(&self, abs_timeout: u64) -> Result<(), Errno> {
        loop {
            match device::wait_until(abs_timeout) {
                // The other task was awake, has run, and has ended.
                Err(Errno(libc::ESRCH)) => self.record.task.set_next_tid(0),
                // The call is repeated unchanged: the kernel does not wake the other task again.
                Err(Errno(libc::EINTR)) => {}
                result => return result,
            }
        }
    }
}

impl Drop for Basic {
    fn drop(&mut self) {
        // This was the last reference to the record, except for the kernel's to one that is
        // registered.
        if self.is_gone() {
            Roster::new().give_back(self.record);
        }
    }
}

/// Wakes a thread that is RUNNING already. If it has ended it was awake, and has run.
fn wake(own: &Record, target: &Record, flags: u32) -> Result<(), Errno> {
    own.task.set_next_tid(target.tid());
    match device::wake_with(abi::WAIT_WAKE_ONLY | flags) {
        Err(Errno(libc::ESRCH)) => Ok(()),
        result => result,
    }
}

/// Locks the calling worker: the kernel does not report that it blocks to the thread that it names,
/// its server, so it may name another thread. The time in its state, and a pending preemption, are
/// kept: its slice continues.
fn hold(own: &Record) -> State {
    const STATES: [State; 2] = [State::RUNNING, State::RUNNING.preempted()];

    loop {
        for state in STATES {
            if own.task.change(state, held(state), since(own)) {
                return state;
            }
        }
    }
}

/// The time in the state of a thread.
fn since(record: &Record) -> u64 {
    let now = thread::monotonic_ns();

    now.saturating_sub(record.task.age_ns(now))
}

/// The same state, locked.
fn held(state: State) -> State {
    if state.is_preempted() {
        State::IDLE.locked().preempted()
    } else {
        State::IDLE.locked()
    }
}

fn release(own: &Record, before: State) {
    own.task.change(held(before), before, since(own));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_worker_keeps_its_time_and_a_pending_preemption() {
        for state in [State::RUNNING, State::RUNNING.preempted()] {
            let record = Roster::new().take().unwrap();

            let begin = thread::monotonic_ns() - 1_000_000;
            record.task.prepare(state, begin);
            let before = hold(record);
            assert_eq!(before, state);
            assert_ne!(record.task.state().without_flags(), State::RUNNING);
            release(record, before);
            assert_eq!(record.task.state(), state);
            // Each change of the word is a step of 16 ns at least.
            assert!(since(record) - begin <= 64);
        }
    }
}
