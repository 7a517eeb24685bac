// SPDX-License-Identifier: GPL-2.0 OR MIT

//! How many workers a group has, and whether it takes further ones.

use crate::{
    atomic::{before_look, AtomicU32, Ordering},
    sys::errno::Errno,
};

/// The group takes no more workers.
const CLOSED: u32 = 1 << 31;
/// A thread sleeps until the group has no workers.
const AWAITED: u32 = 1 << 30;
const COUNT: u32 = AWAITED - 1;

/// The number of workers, those that are about to register included, and two flags.
#[derive(Default)]
pub(crate) struct Members(AtomicU32);

/// Why a group is not closed: it has so many workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StillThere(pub(crate) u32);

/// What a worker that has left finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// It was the last one, and a thread waits for that.
    pub(crate) awaited: bool,
}

impl Members {
    pub(crate) fn count(&self) -> u32 {
        // Acquire: pairs with the release of workers that have left.
        self.0.load(Ordering::Acquire) & COUNT
    }

    /// One more. Fails with `ESHUTDOWN` if the group is closed.
    pub(crate) fn enter(&self) -> Result<(), Errno> {
        // Relaxed: the exchange looks again.
        let mut word = self.0.load(Ordering::Relaxed);

        loop {
            if word & CLOSED != 0 {
                return Err(Errno(libc::ESHUTDOWN));
            }
            if word & COUNT == COUNT {
                return Err(Errno(libc::EAGAIN));
            }
            // Relaxed: nothing is published by a worker that has not run.
            match self
                .0
                .compare_exchange(word, word + 1, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(now) => word = now,
            }
        }
    }

    /// One less. If the group is over then, the caller sees to its servers after this.
    pub(crate) fn leave(&self) -> Left {
        // SeqCst: pairs with that of a server that goes to the set, and looks here after that.
        // Release: pairs with the acquire in `count()`, `await_none()` and `close_if_empty()`.
        let word = self.0.fetch_sub(1, Ordering::SeqCst) - 1;

        Left {
            awaited: word & (AWAITED | COUNT) == AWAITED,
        }
    }

    /// Closes the group, if it has no workers. The caller sees to its servers after this.
    pub(crate) fn close_if_empty(&self) -> Result<(), StillThere> {
        // Relaxed: the exchange looks again.
        let mut word = self.0.load(Ordering::Relaxed);

        while word & COUNT == 0 {
            // SeqCst: as in `leave()`. Acquire: pairs with the release there.
            match self
                .0
                .compare_exchange(word, word | CLOSED, Ordering::SeqCst, Ordering::Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(now) => word = now,
            }
        }
        Err(StillThere(word & COUNT))
    }

    /// Closes the group to further workers. The caller sees to its servers after this, if it is
    /// over.
    pub(crate) fn close(&self) {
        // SeqCst: as in `leave()`.
        self.0.fetch_or(CLOSED, Ordering::SeqCst);
    }

    pub(crate) fn is_closed(&self) -> bool {
        // Relaxed: true at some moment.
        self.0.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// Whether the group is closed, and has no workers. Sequentially consistent.
    pub(crate) fn is_over(&self) -> bool {
        before_look();
        // SeqCst: comes after what a server has done to the set.
        let word = self.0.load(Ordering::SeqCst);

        word & CLOSED != 0 && word & COUNT == 0
    }

    /// The word that a thread may sleep on until it changes; `None` if there are no workers.
    pub(crate) fn await_none(&self) -> Option<(&AtomicU32, u32)> {
        // Acquire: pairs with the release of workers that have left. Before the thread sleeps: a
        // worker that leaves after this sees the flag.
        let word = self.0.fetch_or(AWAITED, Ordering::Acquire) | AWAITED;

        (word & COUNT != 0).then_some((&self.0, word))
    }

    /// The word that threads sleep on.
    pub(crate) fn word(&self) -> &AtomicU32 {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_with_workers_is_not_closed() {
        let members = Members::default();

        members.enter().unwrap();
        assert_eq!(members.close_if_empty(), Err(StillThere(1)));
        assert!(!members.is_closed());
        members.leave();
        members.close_if_empty().unwrap();
        assert!(members.is_over());
        assert_eq!(members.enter(), Err(Errno(libc::ESHUTDOWN)));
    }

    #[test]
    fn last_worker_of_a_closed_group_ends_it() {
        let members = Members::default();

        members.enter().unwrap();
        members.enter().unwrap();
        members.close();
        members.leave();
        assert!(!members.is_over());
        members.leave();
        assert!(members.is_over());
    }

    #[test]
    fn who_waits_is_woken_by_the_last_worker() {
        let members = Members::default();

        assert!(members.await_none().is_none());
        members.enter().unwrap();
        members.enter().unwrap();
        assert!(members.await_none().is_some());
        assert!(!members.leave().awaited);
        assert!(members.leave().awaited);
    }
}
