// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A priority queue of idle workers.

use super::token::IdleWorker;
use crate::raw::record::Record;

/// A priority queue of idle workers: the one with the least key is first; workers with equal keys
/// are in FIFO order. Like a [`Queue`](super::Queue) it links the workers, and allocates nothing.
/// Workers in it stay queued when it is dropped.
///
/// It is a leftist tree: `push()` and `pop()` take O(log n) steps.
///
/// ```
/// use umcg::policy::{Heap, IdleWorker, Policy, Reason};
///
/// /// The worker that has had the fewest turns runs first.
/// #[derive(Default)]
/// struct FewestTurns(Heap);
///
/// impl Policy for FewestTurns {
///     fn wake(&mut self, worker: IdleWorker, _: Reason) {
///         let turns = worker.data() + 1;
///
///         worker.set_data(turns);
///         self.0.push(worker, turns);
///     }
///
///     fn next(&mut self, _server: usize) -> Option<IdleWorker> {
///         self.0.pop()
///     }
/// }
/// ```
#[derive(Default)]
pub struct Heap {
    root: Option<&'static Record>,
    len: usize,
    /// How many have been pushed so far.
    pushed: u64,
}

impl Heap {
    /// An empty one.
    pub const fn new() -> Self {
        Self {
            root: None,
            len: 0,
            pushed: 0,
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

    /// The least key.
    pub fn least_key(&self) -> Option<u64> {
        self.root.map(|record| record.node.key())
    }

    /// Adds a worker.
    pub fn push(&mut self, worker: IdleWorker, key: u64) {
        let record = worker.into_record();

        record.node.prepare(key, self.pushed);
        record.link.set(None);
        self.pushed += 1;
        self.len += 1;
        self.root = merge(self.root, Some(record));
    }

    /// Takes the worker with the least key.
    pub fn pop(&mut self) -> Option<IdleWorker> {
        let record = self.root?;

        self.len -= 1;
        self.root = merge(record.link.take(), record.node.right.take());
        Some(IdleWorker::new(record))
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}

impl core::fmt::Debug for Heap {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Heap")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// The number of nodes on the right branch of a tree.
fn rank(tree: Option<&Record>) -> u32 {
    tree.map_or(0, |record| record.node.rank())
}

/// Merges two trees. The left child of a node is [`Record::link`], and its rank is not less than
/// that of the right one: so right branches are short.
fn merge(
    mut one: Option<&'static Record>,
    mut other: Option<&'static Record>,
) -> Option<&'static Record> {
    // The nodes on the path down both right branches, the last one first, linked by `right`.
    let mut path: Option<&'static Record> = None;
    let mut merged = loop {
        let (first, second) = match (one, other) {
            (Some(one), Some(other)) if one.node.is_before(&other.node) => (one, other),
            (Some(one), Some(other)) => (other, one),
            (rest, None) | (None, rest) => break rest,
        };

        one = first.node.right.get();
        other = Some(second);
        first.node.right.set(path.replace(first));
    };

    while let Some(record) = path {
        path = record.node.right.get();
        let left = record.link.get();
        let right = if rank(left) < rank(merged) {
            record.link.set(merged);
            left
        } else {
            merged
        };
        record.node.right.set(right);
        record.node.set_rank(rank(right) + 1);
        merged = Some(record);
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::{super::testing::workers, *};
    use std::vec::Vec;

    /// Numbers that are always the same.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1);
            (self.0 >> 33) % limit
        }
    }

    /// The number of nodes of a tree. Panics if the tree is not leftist.
    fn check(tree: Option<&'static Record>) -> usize {
        let Some(record) = tree else {
            return 0;
        };
        let (left, right) = (record.link.get(), record.node.right.get());

        for child in [left, right].into_iter().flatten() {
            assert!(record.node.is_before(&child.node));
        }
        assert!(rank(left) >= rank(right));
        assert_eq!(record.node.rank(), rank(right) + 1);
        1 + check(left) + check(right)
    }

    #[test]
    fn least_key_comes_first_and_equal_ones_in_fifo_order() {
        let mut heap = Heap::new();

        for (worker, key) in workers([0; 5]).into_iter().zip([5, 3, 5, 3, 9]) {
            heap.push(worker, key);
        }
        assert_eq!(heap.least_key(), Some(3));
        let ids: Vec<_> = core::iter::from_fn(|| heap.pop())
            .map(|worker| worker.id())
            .collect();
        assert_eq!(ids, [2, 4, 1, 3, 5]);
        assert!(heap.is_empty());
        assert_eq!(heap.least_key(), None);
    }

    #[test]
    fn heap_behaves_like_a_sorted_list() {
        for seed in 0..200 {
            let mut numbers = Numbers(seed);
            let mut idle: Vec<_> = workers::<20>([0; 20]).into();
            let mut heap = Heap::new();
            let mut model: Vec<(u64, u64, u32)> = Vec::new();

            for step in 0..400 {
                if numbers.below(5) < 3 && !idle.is_empty() {
                    let index = numbers.below(idle.len() as u64) as usize;
                    let worker = idle.swap_remove(index);
                    let key = numbers.below(12);
                    model.push((key, step, worker.id()));
                    heap.push(worker, key);
                } else {
                    model.sort_unstable();
                    let wanted = (!model.is_empty()).then(|| model.remove(0).2);
                    let worker = heap.pop();
                    assert_eq!(worker.as_ref().map(|worker| worker.id()), wanted);
                    idle.extend(worker);
                }
                assert_eq!(check(heap.root), model.len());
                assert_eq!(heap.len(), model.len());
            }
        }
    }

    #[test]
    fn right_branches_stay_short() {
        let mut heap = Heap::new();

        // Sorted keys degenerate simpler trees.
        for (number, worker) in workers::<21>([0; 21]).into_iter().enumerate() {
            heap.push(worker, number as u64);
            assert!(1 << rank(heap.root) <= heap.len() + 1);
        }
    }

    #[test]
    fn dropped_heap_returns_its_workers() {
        let mut heap = Heap::new();
        let [one, two] = workers([0; 2]);
        let records = [one.record(), two.record()];

        heap.push(one, 1);
        heap.push(two, 2);
        drop(heap);
        assert!(records.iter().all(|record| record.is_returned()));
    }
}
