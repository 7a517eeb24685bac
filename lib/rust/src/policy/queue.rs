// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Queues of idle workers.

use super::token::IdleWorker;
use crate::raw::record::Record;

/// A queue of idle workers, of any length. It links the workers, and allocates nothing. Workers in
/// it stay queued when it is dropped.
#[derive(Default)]
pub struct Queue {
    first: Option<&'static Record>,
    last: Option<&'static Record>,
    len: usize,
}

impl Queue {
    /// An empty one.
    pub const fn new() -> Self {
        Self {
            first: None,
            last: None,
            len: 0,
        }
    }

    /// How many workers are in it.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a worker.
    pub fn push(&mut self, worker: IdleWorker) {
        let record = worker.into_record();

        record.link.set(None);
        match self.last.replace(record) {
            None => self.first = Some(record),
            Some(last) => last.link.set(Some(record)),
        }
        self.len += 1;
    }

    /// Puts a worker ahead of all others.
    pub fn push_front(&mut self, worker: IdleWorker) {
        let record = worker.into_record();

        record.link.set(self.first.replace(record));
        self.last.get_or_insert(record);
        self.len += 1;
    }

    /// Takes the first worker.
    pub fn pop(&mut self) -> Option<IdleWorker> {
        let record = self.first?;

        self.first = record.link.take();
        if self.first.is_none() {
            self.last = None;
        }
        self.len -= 1;
        Some(IdleWorker::new(record))
    }

    /// Takes the worker for which `key` is least; of several, the first one. Visits all of them.
    pub fn pop_min_by_key<K: Ord>(
        &mut self,
        mut key: impl FnMut(&IdleWorker) -> K,
    ) -> Option<IdleWorker> {
        let mut least: Option<(K, IdleWorker)> = None;

        for _ in 0..self.len {
            let worker = self.pop()?;
            let new = key(&worker);
            match &least {
                Some((old, _)) if *old <= new => self.push(worker),
                _ => {
                    if let Some((_, before)) = least.replace((new, worker)) {
                        self.push(before);
                    }
                }
            }
        }
        least.map(|(_, worker)| worker)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}

impl core::fmt::Debug for Queue {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Queue")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::workers, *};
    use std::vec::Vec;

    fn ids(queue: &mut Queue) -> Vec<u32> {
        core::iter::from_fn(|| queue.pop())
            .map(|worker| worker.id())
            .collect()
    }

    #[test]
    fn both_ends_can_be_filled() {
        let mut queue = Queue::new();
        let [one, two, three] = workers([0; 3]);

        queue.push_front(two);
        queue.push(three);
        queue.push_front(one);
        assert_eq!(queue.len(), 3);
        assert_eq!(ids(&mut queue), [1, 2, 3]);
        assert!(queue.is_empty());
        let [again] = workers([0]);
        queue.push(again);
        assert_eq!(ids(&mut queue), [1]);
    }

    #[test]
    fn least_worker_is_taken_and_the_others_stay() {
        let mut queue = Queue::new();

        for worker in workers([3, 1, 2, 1]) {
            queue.push(worker);
        }
        let least: Vec<_> = core::iter::from_fn(|| queue.pop_min_by_key(|worker| worker.class()))
            .map(|worker| worker.class())
            .collect();
        assert_eq!(least, [1, 1, 2, 3]);
    }

    #[test]
    fn dropped_queue_returns_its_workers() {
        let mut queue = Queue::new();
        let [worker] = workers([0]);
        let record = worker.record();

        queue.push(worker);
        assert!(!record.is_returned());
        drop(queue);
        assert!(record.is_returned());
    }
}
