// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Two levels: workers that block go ahead of workers that compute.

use super::{interface::Policy, queue::Queue, token::IdleWorker};
use crate::raw::record::Reason;

/// How many workers in a row go ahead of one that has used up its slice.
const PATIENCE: u32 = 16;

/// Two-level feedback, the default: a worker that is new or was blocked goes ahead of those that
/// have used up their slices, or yielded. Of each seventeen workers that run one comes from the
/// latter all the same, if there are any.
///
/// Some of the servers can be [spare](Self::with_spare): then a worker that wakes need not wait for
/// one that computes.
#[derive(Debug)]
pub struct Feedback {
    ahead: Queue,
    behind: Queue,
    /// How many have gone ahead since one of the others ran.
    in_a_row: u32,
    /// Servers from this number on are spare.
    spare_from: usize,
}

impl Feedback {
    /// Without workers; no server is spare.
    pub const fn new() -> Self {
        Self::with_spare(usize::MAX)
    }

    /// Without workers. Servers with this number or a higher one are spare: they run only workers
    /// that go ahead. So a worker that wakes while all other servers are busy runs at once, beside
    /// the workers there, until it blocks or has used up its slice.
    pub const fn with_spare(spare_from: usize) -> Self {
        Self {
            ahead: Queue::new(),
            behind: Queue::new(),
            in_a_row: 0,
            spare_from,
        }
    }
}

impl Default for Feedback {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for Feedback {
    fn wake(&mut self, worker: IdleWorker, reason: Reason) {
        match reason {
            Reason::New | Reason::Woken => self.ahead.push(worker),
            Reason::Yielded | Reason::Preempted => self.behind.push(worker),
        }
    }

    fn next(&mut self, server: usize) -> Option<IdleWorker> {
        if server >= self.spare_from {
            return self.ahead.pop();
        }

        if self.in_a_row < PATIENCE || self.behind.is_empty() {
            if let Some(worker) = self.ahead.pop() {
                self.in_a_row = (self.in_a_row + 1).min(PATIENCE);
                return Some(worker);
            }
        }
        self.in_a_row = 0;
        self.behind.pop()
    }

    fn overtakes(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{order, workers},
        *,
    };

    #[test]
    fn worker_that_was_blocked_goes_ahead() {
        let mut feedback = Feedback::new();
        let [one, two, three, four] = workers([0; 4]);

        feedback.wake(one, Reason::Preempted);
        feedback.wake(two, Reason::Yielded);
        feedback.wake(three, Reason::Woken);
        feedback.wake(four, Reason::New);
        assert_eq!(order(&mut feedback), [3, 4, 1, 2]);
    }

    #[test]
    fn worker_that_computes_does_not_starve() {
        let mut feedback = Feedback::new();
        let [computes] = workers([1]);

        feedback.wake(computes, Reason::Preempted);
        for _ in 0..PATIENCE {
            let [sleeps] = workers([0]);
            feedback.wake(sleeps, Reason::Woken);
            assert_eq!(feedback.next(0).unwrap().class(), 0);
        }
        let [sleeps] = workers([0]);
        feedback.wake(sleeps, Reason::Woken);
        assert_eq!(feedback.next(0).unwrap().class(), 1);
        assert_eq!(feedback.next(0).unwrap().class(), 0);
    }

    #[test]
    fn patience_ends_when_many_have_gone_ahead() {
        let mut feedback = Feedback::new();

        for _ in 0..2 * PATIENCE {
            let [sleeps] = workers([0]);
            feedback.wake(sleeps, Reason::Woken);
            feedback.next(0).unwrap();
        }
        let [computes] = workers([1]);
        feedback.wake(computes, Reason::Preempted);
        assert_eq!(feedback.next(0).unwrap().class(), 1);
        assert!(feedback.next(0).is_none());
    }

    #[test]
    fn spare_servers_run_only_workers_that_go_ahead() {
        const SPARE: usize = 2;
        let mut feedback = Feedback::with_spare(SPARE);
        let [computes, wakes, last] = workers([1, 0, 2]);

        feedback.wake(computes, Reason::Preempted);
        assert!(feedback.next(SPARE).is_none());
        feedback.wake(wakes, Reason::Woken);
        feedback.wake(last, Reason::New);
        assert_eq!(feedback.next(SPARE + 1).unwrap().class(), 0);
        assert_eq!(feedback.next(SPARE - 1).unwrap().class(), 2);
        assert!(feedback.next(SPARE).is_none());
        assert_eq!(feedback.next(0).unwrap().class(), 1);
    }

    #[test]
    fn patience_is_that_of_the_other_servers() {
        let mut feedback = Feedback::with_spare(1);
        let [computes] = workers([1]);

        feedback.wake(computes, Reason::Preempted);
        for _ in 0..2 * PATIENCE {
            let [wakes] = workers([0]);
            feedback.wake(wakes, Reason::Woken);
            feedback.next(1).unwrap();
        }
        let [wakes] = workers([0]);
        feedback.wake(wakes, Reason::Woken);
        assert_eq!(feedback.next(0).unwrap().class(), 0);
    }
}
