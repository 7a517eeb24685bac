// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Two levels: workers that block go ahead of workers that compute.

use super::{interface::Policy, queue::Queue, token::IdleWorker};
use crate::raw::record::Reason;

/// How many workers in a row go ahead of one that has used up its slice.
const PATIENCE: u32 = 16;

/// Two-level feedback, the default: a worker that is new or was blocked goes ahead of those that
/// have used up their slices, or yielded. Of each seventeen workers that run one comes from the
/// latter all the same, if there are any.
#[derive(Debug, Default)]
pub struct Feedback {
    ahead: Queue,
    behind: Queue,
    /// How many have gone ahead since one of the others ran.
    in_a_row: u32,
}

impl Feedback {
    /// Without workers.
    pub const fn new() -> Self {
        Self {
            ahead: Queue::new(),
            behind: Queue::new(),
            in_a_row: 0,
        }
    }
}

impl Policy for Feedback {
    fn wake(&mut self, worker: IdleWorker, reason: Reason) {
        match reason {
            Reason::New | Reason::Woken => self.ahead.push(worker),
            Reason::Yielded | Reason::Preempted => self.behind.push(worker),
        }
    }

    fn next(&mut self, _: usize) -> Option<IdleWorker> {
        if self.in_a_row < PATIENCE || self.behind.is_empty() {
            if let Some(worker) = self.ahead.pop() {
                self.in_a_row = (self.in_a_row + 1).min(PATIENCE);
                return Some(worker);
            }
        }
        self.in_a_row = 0;
        self.behind.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{order, workers},
        *,
    };

    #[test]
    fn who_was_blocked_goes_ahead() {
        let mut feedback = Feedback::new();
        let [one, two, three, four] = workers([0; 4]);

        feedback.wake(one, Reason::Preempted);
        feedback.wake(two, Reason::Yielded);
        feedback.wake(three, Reason::Woken);
        feedback.wake(four, Reason::New);
        assert_eq!(order(&mut feedback), [3, 4, 1, 2]);
    }

    #[test]
    fn who_computes_does_not_starve() {
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
    fn patience_is_over_when_many_have_gone_ahead() {
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
}
