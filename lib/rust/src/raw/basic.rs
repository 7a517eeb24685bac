// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Waits and wake-ups of basic tasks: threads that belong to no group. A waiting task is IDLE.
//!
//! A wake-up for a task that does not wait is counted. A task first changes its state, and then
//! checks for wake-ups; the waking thread first counts a wake-up, and then checks the state.
//! Sequentially consistent fences are in between, so at least one of them sees the change of the
//! other, and no wake-up is lost.

use super::{state::State, task::Task};
use crate::atomic::{fence, AtomicU32, Ordering};

/// Pending wake-ups. Each ends one wait.
pub(crate) struct Wakeups(AtomicU32);

impl Wakeups {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    fn give(&self) {
        // Release: pairs with the acquire in `take()`: the woken task sees what was done before.
        self.0.fetch_add(1, Ordering::Release);
    }

    /// Consumes one, if there is one.
    fn take(&self) -> bool {
        // Relaxed: the exchange checks it again.
        let mut count = self.0.load(Ordering::Relaxed);

        while count != 0 {
            // Acquire: pairs with the release in `give()`.
            match self
                .0
                .compare_exchange(count, count - 1, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(now) => count = now,
            }
        }
        false
    }
}

/// The calling task waits from here on: others may wake it. It calls `is_woken()` next.
pub(crate) fn begin(task: &Task, now_ns: u64) {
    task.change(State::RUNNING, State::IDLE, now_ns);
}

/// Consumes a pending wake-up, if there is one: then the calling task, which has begun to wait, is
/// RUNNING again. Otherwise it sleeps until it is.
pub(crate) fn is_woken(task: &Task, wakeups: &Wakeups, now_ns: u64) -> bool {
    // SeqCst: the load of the wake-ups comes after the change of the state; pairs with the fence in
    // `let_run()`.
    fence(Ordering::SeqCst);
    if !wakeups.take() {
        return false;
    }
    // If another thread has made it RUNNING as well, it was woken twice, and only one wait ends.
    if !task.change(State::IDLE, State::RUNNING, now_ns) {
        wakeups.give();
    }
    true
}

/// Wakes a task: makes it RUNNING if it waits, or counts the wake-up. Returns whether it waited:
/// the caller has the kernel wake it then.
pub(crate) fn let_run(task: &Task, wakeups: &Wakeups, now_ns: u64) -> bool {
    loop {
        if task.change(State::IDLE, State::RUNNING, now_ns) {
            return true;
        }
        wakeups.give();
        // SeqCst: the load of the state comes after the wake-up; pairs with the fence in
        // `is_woken()`.
        fence(Ordering::SeqCst);
        // It may have begun to wait without seeing the wake-up.
        if task.state() != State::IDLE || !wakeups.take() {
            return false;
        }
    }
}

/// The wait of the calling task has ended. Returns false if it was not woken: then the wait failed.
pub(crate) fn end(task: &Task, now_ns: u64) -> bool {
    // Acquire: pairs with the release by which `let_run()` has changed the state.
    let is_woken = || task.state() == State::RUNNING;

    is_woken() || (!task.change(State::IDLE, State::RUNNING, now_ns) && is_woken())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        // SAFETY: All fields are atomic integers.
        let task: Task = unsafe { core::mem::zeroed() };

        task.prepare(State::RUNNING, 1600);
        task
    }

    #[test]
    fn each_wakeup_ends_one_wait() {
        let (task, wakeups) = (task(), Wakeups::new());

        assert!(!let_run(&task, &wakeups, 3200));
        assert!(!let_run(&task, &wakeups, 3200));
        for _ in 0..2 {
            begin(&task, 3200);
            assert!(is_woken(&task, &wakeups, 3200));
            assert_eq!(task.state(), State::RUNNING);
        }
        begin(&task, 3200);
        assert!(!is_woken(&task, &wakeups, 3200));
        assert!(let_run(&task, &wakeups, 3200));
        assert_eq!(task.state(), State::RUNNING);
    }

    #[test]
    fn wakeup_counts_when_the_timeout_expires() {
        let (task, wakeups) = (task(), Wakeups::new());

        begin(&task, 3200);
        assert!(!end(&task, 3200), "it was not woken");
        begin(&task, 3200);
        assert!(let_run(&task, &wakeups, 3200));
        assert!(end(&task, 3200));
    }
}
