// SPDX-License-Identifier: GPL-2.0

//! Locks: from before a thread has one until after it has given it back it is in a critical
//! section, in which the end of a slice does not preempt it.
//!
//! A section is begun before the lock is taken, as a thread that is preempted in between would
//! have the lock and no section. While it waits for the lock it is in the section already: this
//! makes no difference to one that sleeps. One that spins is in it for a while: see
//! `pthread_spin_lock()`.
//!
//! A wait for a condition is not wrapped: it sleeps, and returns with the mutex, of which the
//! section still is; also when it is cancelled.

use crate::real;
use libc::{
    c_int, c_void, clockid_t, pthread_mutex_t, pthread_rwlock_t, pthread_spinlock_t, timespec,
    EBUSY, EOWNERDEAD,
};
use std::hint;

/// Makes a call that may take a lock.
#[inline(always)]
fn take(lock: impl FnOnce() -> c_int) -> c_int {
    umcg::begin_section();
    let result = lock();
    if result != 0 {
        end_if_in_vain(result);
    }
    result
}

#[cold]
#[inline(never)]
fn end_if_in_vain(result: c_int) {
    if result != EOWNERDEAD {
        umcg::end_section();
    }
}

/// Makes a call that gives a lock back.
#[inline(always)]
fn give_back(unlock: impl FnOnce() -> c_int) -> c_int {
    let result = unlock();
    if result == 0 {
        umcg::end_section();
    }
    result
}

/// Declares functions that libc has as well, each a call of that one in `take` or `give_back`.
macro_rules! locks {
    ($how:ident: $($name:ident($($argument:ident: $type:ty),*);)*) => {$(
        /// As in libc.
        ///
        /// # Safety
        ///
        /// As in libc.
        #[no_mangle]
        pub unsafe extern "C-unwind" fn $name($($argument: $type),*) -> c_int {
            // SAFETY: The caller keeps to what the function of libc wants.
            $how(|| unsafe { real::$name($($argument),*) })
        }
    )*};
}

locks! { take:
    pthread_mutex_lock(mutex: *mut pthread_mutex_t);
    pthread_mutex_trylock(mutex: *mut pthread_mutex_t);
    pthread_mutex_timedlock(mutex: *mut pthread_mutex_t, timeout: *const timespec);
    pthread_mutex_clocklock(
        mutex: *mut pthread_mutex_t, clock: clockid_t, timeout: *const timespec
    );
    pthread_spin_trylock(lock: *mut pthread_spinlock_t);
    pthread_rwlock_rdlock(lock: *mut pthread_rwlock_t);
    pthread_rwlock_tryrdlock(lock: *mut pthread_rwlock_t);
    pthread_rwlock_timedrdlock(lock: *mut pthread_rwlock_t, timeout: *const timespec);
    pthread_rwlock_clockrdlock(
        lock: *mut pthread_rwlock_t, clock: clockid_t, timeout: *const timespec
    );
    pthread_rwlock_wrlock(lock: *mut pthread_rwlock_t);
    pthread_rwlock_trywrlock(lock: *mut pthread_rwlock_t);
    pthread_rwlock_timedwrlock(lock: *mut pthread_rwlock_t, timeout: *const timespec);
    pthread_rwlock_clockwrlock(
        lock: *mut pthread_rwlock_t, clock: clockid_t, timeout: *const timespec
    );
}

locks! { take:
    mtx_lock(mutex: *mut c_void);
    mtx_trylock(mutex: *mut c_void);
    mtx_timedlock(mutex: *mut c_void, timeout: *const timespec);
}

locks! { give_back:
    mtx_unlock(mutex: *mut c_void);
    pthread_mutex_unlock(mutex: *mut pthread_mutex_t);
    pthread_spin_unlock(lock: *mut pthread_spinlock_t);
    pthread_rwlock_unlock(lock: *mut pthread_rwlock_t);
}

/// After so many attempts in vain the lock may be that of a thread which waits for this CPU.
const ATTEMPTS: u32 = 1000;
/// After so many times as many, some milliseconds, it is that of a thread which blocks or is queued.
const ROUNDS: u32 = 50;

/// As in libc, but a worker that spins for long gives way.
///
/// Until then it is in a critical section: if its slice ended, it would not be preempted with the
/// lock, but wait for its next turn without it, while others take it again and again.
///
/// # Safety
///
/// As in libc.
#[no_mangle]
pub unsafe extern "C-unwind" fn pthread_spin_lock(lock: *mut pthread_spinlock_t) -> c_int {
    loop {
        umcg::begin_section();
        for _ in 0..ROUNDS {
            for _ in 0..ATTEMPTS {
                // SAFETY: The caller keeps to what the function of libc wants.
                match unsafe { real::pthread_spin_trylock(lock) } {
                    0 => return 0,
                    EBUSY => hint::spin_loop(),
                    error => {
                        umcg::end_section();
                        return error;
                    }
                }
            }
            // SAFETY: The call takes nothing.
            unsafe { real::sched_yield() };
        }
        umcg::end_section();
        if umcg::is_worker() {
            umcg::yield_now();
        }
    }
}
