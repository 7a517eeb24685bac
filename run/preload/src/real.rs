// SPDX-License-Identifier: GPL-2.0

//! The functions that this library takes the place of, as libc has them, or whatever other library
//! is preloaded after this one.
//!
//! All are looked up when this library is initialised, when a thread is made before that, or when
//! one is called before that. Not later: `dlopen()` holds the lock of the dynamic linker while
//! constructors run, and `dlsym()` takes it. A constructor may wait for a thread that it makes.

use libc::{
    c_char, c_int, c_uint, c_ulong, c_void, clockid_t, pthread_attr_t, pthread_mutex_t,
    pthread_rwlock_t, pthread_spinlock_t, pthread_t, timespec,
};
use std::{
    ffi::CStr,
    mem,
    sync::atomic::{AtomicBool, AtomicPtr, Ordering},
};

/// What a thread runs.
pub(crate) type Routine = unsafe extern "C-unwind" fn(*mut c_void) -> *mut c_void;

/// What a thread of C11 runs.
pub(crate) type ThrdRoutine = unsafe extern "C-unwind" fn(*mut c_void) -> c_int;

fn find(name: &CStr) -> *mut c_void {
    // SAFETY: The name is a string with a zero at its end.
    unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) }
}

/// Declares functions of libc. `else`: what is returned if there is no such function.
macro_rules! real {
    ($($name:ident($($argument:ident: $type:ty),* $(,)?) -> $result:ty, else $missing:expr;)*) => {
        /// Looks all of them up.
        pub(crate) fn look_up_all() {
            static DONE: AtomicBool = AtomicBool::new(false);

            // Not once: another thread would wait for one that waits for the lock.
            // Relaxed, both: see `look_up()`.
            if !DONE.load(Ordering::Relaxed) {
                $(let _ = $name::look_up();)*
                DONE.store(true, Ordering::Relaxed);
            }
        }

        $(
            mod $name {
                #[allow(unused_imports, reason = "each needs the types of its arguments")]
                use crate::real::*;

                pub(super) type Function = unsafe extern "C-unwind" fn($($type),*) -> $result;

                /// At first it is `call_first`, so that callers need not ask.
                pub(super) static ADDRESS: AtomicPtr<c_void> =
                    AtomicPtr::new(call_first as Function as *mut c_void);

                pub(super) fn look_up() -> Function {
                    const NAME: &CStr = {
                        let name = concat!(stringify!($name), "\0");
                        match CStr::from_bytes_with_nul(name.as_bytes()) {
                            Ok(name) => name,
                            Err(_) => panic!("a name with a zero"),
                        }
                    };
                    unsafe extern "C-unwind" fn missing($(_: $type),*) -> $result {
                        $missing
                    }

                    let mut found = find(NAME);
                    if found.is_null() {
                        found = missing as Function as *mut c_void;
                    }
                    // Relaxed: code that was mapped before; every lookup finds the same.
                    ADDRESS.store(found, Ordering::Relaxed);
                    // SAFETY: The address is that of a function of this name, and of `missing`
                    // otherwise; both are of this type.
                    unsafe { mem::transmute::<*mut c_void, Function>(found) }
                }

                #[cold]
                unsafe extern "C-unwind" fn call_first($($argument: $type),*) -> $result {
                    let function = look_up();

                    // SAFETY: The caller keeps to what the function wants.
                    unsafe { function($($argument),*) }
                }
            }

            /// That of libc.
            ///
            /// # Safety
            ///
            /// As of the function in libc.
            #[inline(always)]
            pub(crate) unsafe fn $name($($argument: $type),*) -> $result {
                // Relaxed: see `look_up()`.
                let address = $name::ADDRESS.load(Ordering::Relaxed);
                // SAFETY: The address is that of a function of this type: `call_first()`, or what
                // `look_up()` has stored.
                let function: $name::Function = unsafe { mem::transmute(address) };
                // SAFETY: The caller keeps to what the function wants.
                unsafe { function($($argument),*) }
            }
        )*
    };
}

real! {
    pthread_create(
        thread: *mut pthread_t,
        attributes: *const pthread_attr_t,
        routine: Routine,
        argument: *mut c_void,
    ) -> c_int, else libc::EAGAIN;
    thrd_create(thread: *mut pthread_t, routine: ThrdRoutine, argument: *mut c_void) -> c_int,
        else THRD_ERROR;
    pthread_setname_np(thread: pthread_t, name: *const c_char) -> c_int, else libc::ENOSYS;
    prctl(option: c_int, second: c_ulong, third: c_ulong, fourth: c_ulong, fifth: c_ulong) -> c_int,
        else -1;
    sched_yield() -> c_int, else 0;

    close(descriptor: c_int) -> c_int, else -1;
    close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int, else -1;
    closefrom(first: c_int) -> (), else ();
    dup2(old: c_int, new: c_int) -> c_int, else -1;
    dup3(old: c_int, new: c_int, flags: c_int) -> c_int, else -1;
    ioctl(descriptor: c_int, request: c_ulong, argument: *mut c_void) -> c_int, else -1;

    pthread_mutex_lock(mutex: *mut pthread_mutex_t) -> c_int, else libc::ENOSYS;
    pthread_mutex_trylock(mutex: *mut pthread_mutex_t) -> c_int, else libc::ENOSYS;
    pthread_mutex_timedlock(mutex: *mut pthread_mutex_t, timeout: *const timespec) -> c_int,
        else libc::ENOSYS;
    pthread_mutex_clocklock(
        mutex: *mut pthread_mutex_t,
        clock: clockid_t,
        timeout: *const timespec,
    ) -> c_int, else libc::ENOSYS;
    pthread_mutex_unlock(mutex: *mut pthread_mutex_t) -> c_int, else libc::ENOSYS;

    pthread_spin_trylock(lock: *mut pthread_spinlock_t) -> c_int, else libc::ENOSYS;
    pthread_spin_unlock(lock: *mut pthread_spinlock_t) -> c_int, else libc::ENOSYS;

    pthread_rwlock_rdlock(lock: *mut pthread_rwlock_t) -> c_int, else libc::ENOSYS;
    pthread_rwlock_tryrdlock(lock: *mut pthread_rwlock_t) -> c_int, else libc::ENOSYS;
    pthread_rwlock_timedrdlock(lock: *mut pthread_rwlock_t, timeout: *const timespec) -> c_int,
        else libc::ENOSYS;
    pthread_rwlock_clockrdlock(
        lock: *mut pthread_rwlock_t,
        clock: clockid_t,
        timeout: *const timespec,
    ) -> c_int, else libc::ENOSYS;
    pthread_rwlock_wrlock(lock: *mut pthread_rwlock_t) -> c_int, else libc::ENOSYS;
    pthread_rwlock_trywrlock(lock: *mut pthread_rwlock_t) -> c_int, else libc::ENOSYS;
    pthread_rwlock_timedwrlock(lock: *mut pthread_rwlock_t, timeout: *const timespec) -> c_int,
        else libc::ENOSYS;
    pthread_rwlock_clockwrlock(
        lock: *mut pthread_rwlock_t,
        clock: clockid_t,
        timeout: *const timespec,
    ) -> c_int, else libc::ENOSYS;
    pthread_rwlock_unlock(lock: *mut pthread_rwlock_t) -> c_int, else libc::ENOSYS;

    mtx_lock(mutex: *mut c_void) -> c_int, else THRD_ERROR;
    mtx_trylock(mutex: *mut c_void) -> c_int, else THRD_ERROR;
    mtx_timedlock(mutex: *mut c_void, timeout: *const timespec) -> c_int, else THRD_ERROR;
    mtx_unlock(mutex: *mut c_void) -> c_int, else THRD_ERROR;
}

/// What functions of C11 threads return if they fail.
pub(crate) const THRD_ERROR: c_int = 2;
/// If they succeed.
pub(crate) const THRD_SUCCESS: c_int = 0;
