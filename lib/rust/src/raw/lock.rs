// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A lock that needs neither std nor memory. No worker takes one while it may be preempted, or
//! block: servers would wait for it.

use crate::{
    atomic::{AtomicU32, Ordering},
    sys::futex,
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    ops::{Deref, DerefMut},
};

const FREE: u32 = 0;
const TAKEN: u32 = 1;
/// Taken, and threads may sleep until it is free.
const AWAITED: u32 = 2;

/// A mutex.
pub(crate) struct Lock<T> {
    word: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: One thread at a time has a reference to the value, which may be sent to it.
unsafe impl<T: Send> Sync for Lock<T> {}

/// Exclusive access to the value of a lock.
pub(crate) struct Guard<'a, T> {
    lock: &'a Lock<T>,
    /// So that the guard is Sync, or Send, only if the value is.
    value: PhantomData<&'a mut T>,
}

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self {
            word: AtomicU32::new(FREE),
            value: UnsafeCell::new(value),
        }
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    pub(crate) fn lock(&self) -> Guard<'_, T> {
        // Acquire: pairs with the release by the previous owner.
        let taken = self
            .word
            .compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed);

        if taken.is_err() {
            self.wait();
        }
        Guard {
            lock: self,
            value: PhantomData,
        }
    }

    #[cold]
    fn wait(&self) {
        // Acquire: pairs with the release by the previous owner. The word says from now on that a
        // thread may sleep.
        while self.word.swap(AWAITED, Ordering::Acquire) != FREE {
            futex::wait(&self.word, AWAITED, None);
        }
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: The guard is the only one, and gives out references of its own lifetime.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: The guard is the only one, and is borrowed mutably as long as the reference
        // lives.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        // Release: pairs with the acquire by the next owner.
        if self.lock.word.swap(FREE, Ordering::Release) == AWAITED {
            futex::wake(&self.lock.word, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whose function is ambiguous for types that are Sync.
    trait NotSync<A> {
        fn is_certain() {}
    }

    impl<T> NotSync<()> for T {}
    impl<T: Sync> NotSync<u8> for T {}

    #[test]
    fn guard_is_no_more_sync_than_its_value() {
        fn is_sync<T: Sync>() {}

        is_sync::<Guard<'_, u32>>();
        // Does not compile otherwise: two threads would use the cell.
        <Guard<'_, core::cell::Cell<u32>> as NotSync<_>>::is_certain();
    }

    #[test]
    fn one_thread_at_a_time_has_the_lock() {
        const THREADS: u64 = 4;
        const ROUNDS: u64 = 10_000;
        let lock = Lock::new(0);

        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..ROUNDS {
                        let mut value = lock.lock();
                        let seen = *value;
                        std::hint::black_box(&mut *value);
                        *value = seen + 1;
                    }
                });
            }
        });
        assert_eq!(*lock.lock(), THREADS * ROUNDS);
    }
}
