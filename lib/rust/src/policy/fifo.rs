// SPDX-License-Identifier: GPL-2.0 OR MIT

//! First come, first served.

use super::{interface::Policy, queue::Queue, token::IdleWorker};
use crate::raw::record::Reason;

/// First come, first served.
#[derive(Debug, Default)]
pub struct Fifo(Queue);

impl Fifo {
    /// Without workers.
    pub const fn new() -> Self {
        Self(Queue::new())
    }
}

impl Policy for Fifo {
    fn wake(&mut self, worker: IdleWorker, _: Reason) {
        self.0.push(worker);
    }

    fn next(&mut self, _: usize) -> Option<IdleWorker> {
        self.0.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{order, workers},
        *,
    };

    #[test]
    fn workers_run_in_the_order_in_which_they_are_queued() {
        let mut fifo = Fifo::new();
        let [one, two, three] = workers([2, 0, 1]);

        fifo.wake(one, Reason::Preempted);
        fifo.wake(two, Reason::New);
        fifo.wake(three, Reason::Woken);
        assert_eq!(order(&mut fifo), [1, 2, 3]);
    }
}
