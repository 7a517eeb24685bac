// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The mutex itself, without a value.

use crate::{
    raw::adaptive::{Owner, Word},
    sched::{own_number, Slot},
    sys::futex,
};
use std::{
    fmt, hint,
    time::{Duration, Instant},
};

/// How many pauses a waiter spins before it sleeps. Longer sections are not worth spinning for, and
/// sleeping waiters must get the mutex, too.
const PAUSES: u32 = 3000;
/// The most of them between two loads: each load takes the cache line from the owner.
const MOST_PAUSES: u32 = 16;

/// An adaptive mutex without a value, on which [`Mutex`](super::Mutex) is built.
///
/// Its functions are those of the trait `RawMutex` of the crate `lock_api`, on which this crate
/// does not depend. The thread that locked it has to unlock it, so guards are not `Send`. A wrapper
/// can implement the trait:
///
/// ```
/// # mod lock_api {
/// #     pub struct GuardNoSend;
/// #     pub unsafe trait RawMutex {
/// #         const INIT: Self;
/// #         type GuardMarker;
/// #         fn lock(&self);
/// #         fn try_lock(&self) -> bool;
/// #         unsafe fn unlock(&self);
/// #         fn is_locked(&self) -> bool;
/// #     }
/// # }
/// struct Adaptive(umcg::sync::RawMutex);
///
/// // SAFETY: One thread at a time holds it.
/// unsafe impl lock_api::RawMutex for Adaptive {
///     const INIT: Self = Self(umcg::sync::RawMutex::INIT);
///     type GuardMarker = lock_api::GuardNoSend;
///
///     fn lock(&self) {
///         self.0.lock();
///     }
///
///     fn try_lock(&self) -> bool {
///         self.0.try_lock()
///     }
///
///     unsafe fn unlock(&self) {
///         // SAFETY: The caller holds it.
///         unsafe { self.0.unlock() }
///     }
///
///     fn is_locked(&self) -> bool {
///         self.0.is_locked()
///     }
/// }
/// # use lock_api::RawMutex;
/// # let mutex = Adaptive::INIT;
/// # mutex.lock();
/// # assert!(!mutex.try_lock());
/// # unsafe { mutex.unlock() };
/// # assert!(!mutex.is_locked());
/// ```
///
/// A thread gets its slot, by system calls, when it first locks such a mutex, unless it has called
/// [`Slot::of_this_thread()`] before. Waiters get the mutex in no particular order.
pub struct RawMutex {
    word: Word,
}

impl RawMutex {
    /// An unlocked mutex.
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "as in lock_api: each use is a new mutex"
    )]
    pub const INIT: Self = Self { word: Word::new() };

    /// Locks it, and waits until it can.
    ///
    /// A thread that holds it already deadlocks.
    #[inline]
    pub fn lock(&self) {
        let own = Owner::new(own_number());

        if !self.word.take(own) {
            self.wait(own, None);
        }
    }

    /// Locks it if it is free. Returns whether it has.
    #[inline]
    pub fn try_lock(&self) -> bool {
        self.word.take(Owner::new(own_number()))
    }

    /// Locks it, unless the timeout expires first. Returns whether it has.
    pub fn try_lock_for(&self, timeout: Duration) -> bool {
        match Instant::now().checked_add(timeout) {
            Some(deadline) => self.try_lock_until(deadline),
            None => {
                self.lock();
                true
            }
        }
    }

    /// Locks it, unless the deadline passes first. Returns whether it has.
    pub fn try_lock_until(&self, deadline: Instant) -> bool {
        let own = Owner::new(own_number());

        self.word.take(own) || self.wait(own, Some(deadline))
    }

    /// Unlocks it.
    ///
    /// # Safety
    ///
    /// The calling thread holds it.
    #[inline]
    pub unsafe fn unlock(&self) {
        if self.word.release() {
            self.wake();
        }
    }

    /// Whether it is locked.
    pub fn is_locked(&self) -> bool {
        self.word.owner().is_some()
    }

    #[cold]
    fn wake(&self) {
        futex::wake(self.word.futex(), 1);
    }

    /// Spins and sleeps until it has locked the mutex, or the deadline has passed. Returns whether
    /// it has locked it.
    #[cold]
    fn wait(&self, own: Owner, deadline: Option<Instant>) -> bool {
        if self.spin() && self.word.take(own) {
            return true;
        }
        loop {
            // From the second round on, other sleepers rely on this thread, so it sets the flag
            // before it times out.
            if let Some(value) = self.word.announce_sleeper() {
                let rest = deadline.map(|end| end.saturating_duration_since(Instant::now()));
                if rest.is_some_and(|rest| rest.is_zero()) {
                    return false;
                }
                futex::wait(self.word.futex(), value, rest);
            }
            if self.word.take_after_sleep(own) || (self.spin() && self.word.take_after_sleep(own)) {
                return true;
            }
        }
    }

    /// Spins until it is free. Returns false if the owner is not on a CPU, or that takes too long.
    fn spin(&self) -> bool {
        let mut left = PAUSES;
        let mut pauses = 1;

        while left > pauses {
            let Some(owner) = self.word.owner() else {
                return true;
            };
            if !runs(owner) {
                return false;
            }
            (0..pauses).for_each(|_| hint::spin_loop());
            left -= pauses;
            pauses = (2 * pauses).min(MOST_PAUSES);
        }
        false
    }
}

fn runs(owner: Owner) -> bool {
    owner
        .slot()
        .and_then(Slot::from_number)
        .is_some_and(Slot::on_cpu)
}

impl fmt::Debug for RawMutex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawMutex")
            .field("is_locked", &self.is_locked())
            .finish_non_exhaustive()
    }
}
