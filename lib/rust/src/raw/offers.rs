// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Whether a policy that had no worker for a server may have one by now.

use crate::atomic::{before_look, AtomicU32, Ordering};

/// Counts how often workers have been offered to the policy.
#[derive(Default)]
pub(crate) struct Offers(AtomicU32);

/// The count when the policy was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen(u32);

impl Offers {
    /// Workers have been offered. Under the lock of the scheduler; the caller looks at the set of
    /// idle servers after this.
    pub(crate) fn add(&self) {
        // SeqCst: pairs with that of a server that goes to the set, and looks here after that.
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// Under the lock of the scheduler.
    pub(crate) fn seen(&self) -> Seen {
        // Relaxed: the lock orders it.
        Seen(self.0.load(Ordering::Relaxed))
    }

    /// Whether workers have been offered since then. Sequentially consistent.
    pub(crate) fn changed_since(&self, seen: Seen) -> bool {
        before_look();
        // SeqCst: comes after what the caller has done to the set.
        self.0.load(Ordering::SeqCst) != seen.0
    }
}
