// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The mutex itself, without what it protects.

use crate::{
    raw::adaptive::{Owner, Word},
    sched::{own_number, Slot},
    sys::futex,
};
use std::{
    fmt, hint,
    time::{Duration, Instant},
};

/// How many pauses a thread makes until it sleeps: sections that take longer are not short, and
/// threads that sleep must get the mutex, too.
const PAUSES: u32 = 3000;
/// The most of them between two looks: each look takes the word away from its owner.
const MOST_PAUSES: u32 = 16;

/// An adaptive mutex that protects nothing by itself: [`Mutex`](super::Mutex) is made of it.
///
/// Its functions are those of the trait `RawMutex` of the crate `lock_api`, on which this crate does
/// not depend; the lock is not `Send`: it is to be unlocked by the thread that has locked it. A type
/// that contains it can have the trait:
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
/// // SAFETY: It has one owner at a time.
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
///         // SAFETY: The caller has locked it.
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
/// The first time that a thread locks one of these it gets a slot by a system call;
/// [`Slot::of_this_thread()`] before has it done by then. There is no order among threads that wait.
pub struct RawMutex {
    word: Word,
}

impl RawMutex {
    /// One that nobody has locked.
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "as in lock_api: each use is a new mutex"
    )]
    pub const INIT: Self = Self { word: Word::new() };

    /// Locks it, as soon as it is free.
    ///
    /// A thread that has it already waits for ever.
    #[inline]
    pub fn lock(&self) {
        let own = Owner::new(own_number());

        if !self.word.take(own) {
            self.wait(own, None);
        }
    }

    /// Locks it if it is free. Returns whether it was.
    #[inline]
    pub fn try_lock(&self) -> bool {
        self.word.take(Owner::new(own_number()))
    }

    /// Locks it if it is free within the timeout. Returns whether it is locked.
    pub fn try_lock_for(&self, timeout: Duration) -> bool {
        match Instant::now().checked_add(timeout) {
            Some(deadline) => self.try_lock_until(deadline),
            None => {
                self.lock();
                true
            }
        }
    }

    /// Locks it if it is free before the deadline. Returns whether it is locked.
    pub fn try_lock_until(&self, deadline: Instant) -> bool {
        let own = Owner::new(own_number());

        self.word.take(own) || self.wait(own, Some(deadline))
    }

    /// Unlocks it.
    ///
    /// # Safety
    ///
    /// The calling thread has locked it.
    #[inline]
    pub unsafe fn unlock(&self) {
        if self.word.release() {
            self.wake();
        }
    }

    /// Whether a thread has it.
    pub fn is_locked(&self) -> bool {
        self.word.owner().is_some()
    }

    #[cold]
    fn wake(&self) {
        futex::wake(self.word.futex(), 1);
    }

    /// Spins and sleeps until it is locked, which is the result; or until the deadline.
    #[cold]
    fn wait(&self, own: Owner, deadline: Option<Instant>) -> bool {
        if self.spin() && self.word.take(own) {
            return true;
        }
        loop {
            // From here on others rely on this thread, so the flag is set before it gives up.
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

    /// Spins until it is free; false if that is not worthwhile, or not any more.
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
