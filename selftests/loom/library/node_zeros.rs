// SPDX-License-Identifier: GPL-2.0

//! In the module `node` of the crate: zeroed values.

use super::{AtomicU32, AtomicU64, Link, Node};

impl<T: Sync> Default for Node<T> {
    fn default() -> Self {
        Self {
            key: AtomicU64::new(0),
            number: AtomicU64::new(0),
            right: Link::default(),
            rank: AtomicU32::new(0),
        }
    }
}
