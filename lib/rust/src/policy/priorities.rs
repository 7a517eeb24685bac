// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Strict priorities.

use super::{
    interface::{Policy, SliceEnd},
    queue::Queue,
    token::{IdleWorker, Worker},
};
use crate::raw::record::Reason;
use core::time::Duration;

const CLASSES: usize = 32;

/// Strict priorities: of the workers that are queued one of the lowest class runs, of several the
/// one that came first. A worker whose slice has ended runs on if all that are queued have higher
/// classes.
///
/// Classes from 31 up are one. Workers of a higher class can starve.
#[derive(Debug, Default)]
pub struct Priorities {
    queues: [Queue; CLASSES],
}

impl Priorities {
    /// Without workers.
    pub fn new() -> Self {
        Self::default()
    }
}

fn class_of(worker: &Worker) -> usize {
    usize::from(worker.class()).min(CLASSES - 1)
}

impl Policy for Priorities {
    fn wake(&mut self, worker: IdleWorker, _: Reason) {
        self.queues[class_of(&worker)].push(worker);
    }

    fn next(&mut self, _: usize) -> Option<IdleWorker> {
        self.queues.iter_mut().find_map(Queue::pop)
    }

    fn slice_end(&mut self, worker: &Worker, _: Duration) -> SliceEnd {
        let rivals = &self.queues[..=class_of(worker)];

        if rivals.iter().all(Queue::is_empty) {
            SliceEnd::Keep
        } else {
            SliceEnd::Kick
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{order, workers},
        *,
    };

    #[test]
    fn lowest_class_runs_first() {
        let mut priorities = Priorities::new();

        for worker in workers([7, 255, 0, 7, 31]) {
            priorities.wake(worker, Reason::Woken);
        }
        assert_eq!(order(&mut priorities), [3, 1, 4, 2, 5]);
    }

    #[test]
    fn slice_ends_for_workers_of_no_higher_class() {
        let mut priorities = Priorities::new();
        let [runs, queued, rival] = workers([4, 5, 4]);
        let slice = Duration::from_millis(1);

        priorities.wake(queued, Reason::Preempted);
        assert_eq!(priorities.slice_end(&runs, slice), SliceEnd::Keep);
        priorities.wake(rival, Reason::Woken);
        assert_eq!(priorities.slice_end(&runs, slice), SliceEnd::Kick);
    }
}
