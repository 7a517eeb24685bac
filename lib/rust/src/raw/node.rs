// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A worker in a tree of a policy.

use super::link::Link;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// What of a record a tree uses, beside its link. Calls of a policy are ordered by its lock, so all
/// is relaxed.
#[repr(C)]
pub(crate) struct Node<T: Sync + 'static> {
    key: AtomicU64,
    /// Of those with one key the lowest goes first.
    number: AtomicU64,
    pub(crate) right: Link<T>,
    rank: AtomicU32,
}

impl<T: Sync> Node<T> {
    /// A tree of its own.
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
