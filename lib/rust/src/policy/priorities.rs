// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Strict priorities.

use super::{
    interface::{Policy, SliceEnd},
    queue::Queue,
    token::{IdleWorker, Worker},
};
use crate::raw::record::Reason;
use core::time::Duration;

const LEVELS: usize = 32;

/// Strict priorities: the queued worker with the lowest level runs; among equal levels, the one
/// that was queued first. A worker whose slice has ended continues to run if all queued workers
/// have higher levels.
///
/// The level of a worker is its class by default. Levels of 31 and more are the same. Workers of a
/// higher level can starve.
#[derive(Debug)]
pub struct Priorities {
    queues: [Queue; LEVELS],
    level: fn(u8) -> u8,
}

impl Priorities {
    /// Without workers.
    pub fn new() -> Self {
        Self::of_classes(|class| class)
    }

    /// The same with a function that maps a class to its level. It is called like a policy, and
    /// must follow the same rules.
    pub fn of_classes(level: fn(u8) -> u8) -> Self {
        Self {
            queues: Default::default(),
            level,
        }
    }

    fn level_of(&self, worker: &Worker) -> usize {
        usize::from((self.level)(worker.class())).min(LEVELS - 1)
    }
}

impl Default for Priorities {
    fn default() -> Self {
        Self::new()
    }
}

impl Policy for Priorities {
    fn wake(&mut self, worker: IdleWorker, _: Reason) {
        self.queues[self.level_of(&worker)].push(worker);
    }

    fn next(&mut self, _: usize) -> Option<IdleWorker> {
        self.queues.iter_mut().find_map(Queue::pop)
    }

    /// The kernel's scheduler knows nothing of levels.
    fn lends(&self) -> bool {
        false
    }

    fn slice_end(&mut self, worker: &Worker, _: Duration) -> SliceEnd {
        let rivals = &self.queues[..=self.level_of(worker)];

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
    fn function_maps_classes_to_levels() {
        let mut priorities = Priorities::of_classes(|class| 10 - class);

        for worker in workers([1, 3, 2]) {
            priorities.wake(worker, Reason::Woken);
        }
        assert_eq!(order(&mut priorities), [2, 3, 1]);
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
