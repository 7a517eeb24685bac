// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The node of a worker in a heap of a policy.

use super::link::Link;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The part of a record that a heap uses, beside its link. Calls of a policy are ordered by its
/// lock, so all accesses are relaxed.
#[repr(C)]
pub(crate) struct Node<T: Sync + 'static> {
    key: AtomicU64,
    /// Among equal keys, the lowest number goes first.
    number: AtomicU64,
    pub(crate) right: Link<T>,
    rank: AtomicU32,
}

impl<T: Sync> Node<T> {
    /// Makes it a tree of one node.
    pub(crate) fn prepare(&self, key: u64, number: u64) {
        // Relaxed, all of them: see above.
        self.key.store(key, Ordering::Relaxed);
        self.number.store(number, Ordering::Relaxed);
        self.rank.store(1, Ordering::Relaxed);
        self.right.set(None);
    }

    pub(crate) fn key(&self) -> u64 {
        // Relaxed: see above.
        self.key.load(Ordering::Relaxed)
    }

    pub(crate) fn is_before(&self, other: &Self) -> bool {
        // Relaxed: see above.
        let number = |node: &Self| node.number.load(Ordering::Relaxed);

        (self.key(), number(self)) < (other.key(), number(other))
    }

    pub(crate) fn rank(&self) -> u32 {
        // Relaxed: see above.
        self.rank.load(Ordering::Relaxed)
    }

    pub(crate) fn set_rank(&self, rank: u32) {
        // Relaxed: see above.
        self.rank.store(rank, Ordering::Relaxed);
    }
}
