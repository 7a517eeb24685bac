// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A mutex and the value that it protects.

use super::raw_mutex::RawMutex;
use crate::face::section::{no_preempt, NoPreempt};
use std::{
    cell::UnsafeCell,
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    time::{Duration, Instant},
};

/// An adaptive mutex: a waiter spins while the owner is on a CPU, and sleeps otherwise. See
/// [the module](crate::sync).
///
/// A worker that holds it is in a [critical section](crate::no_preempt): it is not preempted at the
/// end of its slice.
///
/// ```
/// use std::sync::Arc;
/// use umcg::sync::Mutex;
///
/// let counter = Arc::new(Mutex::new(0));
/// let threads = [(); 4].map(|()| {
///     let counter = Arc::clone(&counter);
///     std::thread::spawn(move || *counter.lock() += 1)
/// });
///
/// threads.map(|thread| thread.join().unwrap());
/// assert_eq!(*counter.lock(), 4);
/// ```
///
/// # What happens when
///
/// - **A thread panics** while it holds the mutex: unwinding drops the guard, which unlocks the
///   mutex. It is not poisoned, so an update of the value may be incomplete.
/// - **A guard is leaked**, as by [`mem::forget()`](std::mem::forget): the mutex stays locked, even
///   after the thread has ended. Waiters then sleep, and do not spin; [`Mutex::try_lock_for()`]
///   times out.
/// - **A thread locks it twice**: it deadlocks.
/// - **`fork()`**: in the child, a mutex that the calling thread held is held by its only thread;
///   one that another thread held stays locked.
/// - **A thread enters or leaves a group** while it holds the mutex: the mutex stays locked. The
///   critical section belongs to the membership in which it was begun.
/// - **A signal handler** must not lock a mutex.
pub struct Mutex<T: ?Sized> {
    raw: RawMutex,
    value: UnsafeCell<T>,
}

// SAFETY: One thread at a time has a reference to the value, which may be sent to it.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// An unlocked mutex.
    pub const fn new(value: T) -> Self {
        Self {
            raw: RawMutex::INIT,
            value: UnsafeCell::new(value),
        }
    }

    /// Consumes the mutex, and returns the value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Locks it by a function that returns whether it has.
    #[inline]
    fn lock_by(&self, lock: impl FnOnce(&RawMutex) -> bool) -> Option<MutexGuard<'_, T>> {
        // Begun first, or the slice might end in between.
        let section = no_preempt();

        lock(&self.raw).then(|| MutexGuard {
            mutex: self,
            _section: section,
            value: PhantomData,
        })
    }

    /// Locks it, and waits until it can.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        let section = no_preempt();

        self.raw.lock();
        MutexGuard {
            mutex: self,
            _section: section,
            value: PhantomData,
        }
    }

    /// Locks it if it is free.
    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.lock_by(RawMutex::try_lock)
    }

    /// Locks it, unless the timeout expires first.
    pub fn try_lock_for(&self, timeout: Duration) -> Option<MutexGuard<'_, T>> {
        self.lock_by(|raw| raw.try_lock_for(timeout))
    }

    /// Locks it, unless the deadline passes first.
    pub fn try_lock_until(&self, deadline: Instant) -> Option<MutexGuard<'_, T>> {
        self.lock_by(|raw| raw.try_lock_until(deadline))
    }

    /// Whether it is locked.
    pub fn is_locked(&self) -> bool {
        self.raw.is_locked()
    }

    /// The value. No lock is needed: the caller has the only reference to the mutex.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Mutex");

        match self.try_lock() {
            Some(guard) => debug.field("value", &&*guard),
            None => debug.field("value", &format_args!("<locked>")),
        };
        debug.finish()
    }
}

/// A locked mutex, which is unlocked when this is dropped.
///
/// ```compile_fail,E0277
/// fn is_send(_: impl Send) {}
///
/// let mutex = umcg::sync::Mutex::new(0);
/// // The thread that locked it has to unlock it.
/// is_send(mutex.lock());
/// ```
///
/// ```compile_fail,E0277
/// fn is_sync(_: impl Sync) {}
///
/// let mutex = umcg::sync::Mutex::new(std::cell::Cell::new(0));
/// is_sync(mutex.lock());
/// ```
#[must_use = "the mutex is unlocked when this is dropped"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    /// Ends after the mutex is unlocked: fields are dropped after `drop()`.
    _section: NoPreempt,
    /// It is Sync only if the value is. It is not Send, as the section is not.
    value: PhantomData<&'a mut T>,
}

// SAFETY: A shared guard hands out only shared references to the value, which is Sync. A shared
// reference to the section does nothing.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: The guard is the only one, and hands out references of its own lifetime.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: The guard is the only one, and is borrowed mutably as long as the reference
        // lives.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: The guard is that of this thread, as it is not Send.
        unsafe { self.mutex.raw.unlock() };
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{mem, panic, sync::Arc, thread, vec::Vec};

    #[test]
    fn one_thread_at_a_time_holds_the_mutex() {
        const THREADS: u64 = 4;
        const ROUNDS: u64 = 20_000;
        let mutex = Mutex::new(0);

        thread::scope(|scope| {
            let add = || {
                for round in 0..ROUNDS {
                    let mut value = mutex.lock();
                    let seen = *value;
                    // Sometimes the owner yields, so that waiters sleep.
                    if round % 1024 == 0 {
                        thread::yield_now();
                    }
                    std::hint::black_box(&mut *value);
                    *value = seen + 1;
                }
            };
            let all: Vec<_> = (0..THREADS).map(|_| scope.spawn(add)).collect();
            // ThreadSanitizer sees a join, but not how the scope waits.
            all.into_iter().for_each(|thread| thread.join().unwrap());
        });
        assert_eq!(mutex.into_inner(), THREADS * ROUNDS);
    }

    /// Waiters that time out must not consume the wake-up of others.
    #[test]
    fn waiters_that_time_out_leave_none_behind() {
        let mutex = Mutex::new(0u64);
        let mut expected = 0;

        thread::scope(|scope| {
            let lasting: Vec<_> = (0..2)
                .map(|_| {
                    scope.spawn(|| {
                        for _ in 0..2000 {
                            *mutex.lock() += 1;
                            thread::yield_now();
                        }
                        2000
                    })
                })
                .collect();
            let hasty = (0..2).map(|number| {
                let mutex = &mutex;
                scope.spawn(move || {
                    let patience = Duration::from_micros(number * 20);
                    let add = |_: &u32| mutex.try_lock_for(patience).map(|mut value| *value += 1);
                    (0..2000).filter_map(|round| add(&round)).count() as u64
                })
            });
            for thread in lasting.into_iter().chain(hasty) {
                expected += thread.join().unwrap();
            }
        });
        assert_eq!(*mutex.lock(), expected);
    }

    #[test]
    fn timeout_of_a_locked_mutex_expires() {
        let mutex = Mutex::new(());
        let guard = mutex.lock();
        let begin = Instant::now();

        assert!(mutex.try_lock().is_none());
        assert!(mutex.try_lock_for(Duration::from_millis(20)).is_none());
        assert!(begin.elapsed() >= Duration::from_millis(20));
        assert!(mutex.try_lock_until(begin).is_none());
        drop(guard);
        assert!(mutex.try_lock_until(begin).is_some());
        assert!(mutex.try_lock_for(Duration::MAX).is_some());
    }

    #[test]
    fn panic_unlocks_and_does_not_poison() {
        let mutex = Mutex::new(1);

        let result = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            let mut value = mutex.lock();
            *value = 2;
            panic!("on purpose");
        }));
        assert!(result.is_err());
        assert_eq!(*mutex.try_lock().unwrap(), 2);
    }

    #[test]
    fn leaked_guard_keeps_the_mutex_locked_when_its_thread_has_ended() {
        let mutex = Arc::new(Mutex::new(()));
        let other = Arc::clone(&mutex);

        thread::spawn(move || mem::forget(other.lock()))
            .join()
            .unwrap();
        assert!(mutex.is_locked());
        assert!(mutex.try_lock_for(Duration::from_millis(5)).is_none());
    }
}
