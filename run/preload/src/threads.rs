// SPDX-License-Identifier: GPL-2.0

//! Threads: those that the program makes are workers.
//!
//! A thread enters the group before its routine begins, and leaves it in a destructor of a key:
//! when the routine has returned or called `pthread_exit()`, or the thread was cancelled.
//! Destructors of `thread_local` that the program has are called before that, by the worker; those
//! of keys that it makes after this library was initialised after that, by a plain thread.
//!
//! The first thread may be made by a constructor, while `dlopen()` holds the lock of the dynamic
//! linker, and the constructor may wait for the thread. So nothing that threads do before their
//! routine takes that lock, nor do the servers, for which the creator waits.

use crate::{
    member,
    process::{self, Process},
    real::{self, Routine, ThrdRoutine, THRD_SUCCESS},
    report,
};
use libc::{c_int, c_void, pthread_attr_t, pthread_t};

/// What a thread is to run.
struct Start<R> {
    routine: R,
    argument: *mut c_void,
}

impl<R: Copy> Start<R> {
    fn leak(routine: R, argument: *mut c_void) -> *mut c_void {
        Box::into_raw(Box::new(Self { routine, argument })).cast()
    }

    /// What `leak()` has returned, which is not used again.
    ///
    /// # Safety
    ///
    /// It is that, of the same type.
    unsafe fn take(leaked: *mut c_void) -> Self {
        // SAFETY: The caller promises it.
        *unsafe { Box::from_raw(leaked.cast::<Self>()) }
    }
}

// Frames of these two may be unwound by `pthread_exit()`: they have nothing to drop.

unsafe extern "C-unwind" fn run(start: *mut c_void) -> *mut c_void {
    // SAFETY: `pthread_create()` has made it for this thread.
    let Start { routine, argument } = unsafe { Start::<Routine>::take(start) };

    member::enter();
    // SAFETY: The program wants it to be called in this thread.
    unsafe { routine(argument) }
}

unsafe extern "C-unwind" fn run_thrd(start: *mut c_void) -> c_int {
    // SAFETY: `thrd_create()` has made it for this thread.
    let Start { routine, argument } = unsafe { Start::<ThrdRoutine>::take(start) };

    member::enter();
    // SAFETY: The program wants it to be called in this thread.
    unsafe { routine(argument) }
}

/// Whether the calling thread makes a worker. If it cannot, that is counted.
fn makes_worker() -> Option<&'static Process> {
    if process::makes_own_threads() {
        return None;
    }
    let process = process::get();
    // The caller may hold the lock of the dynamic linker; its threads cannot take it then.
    real::look_up_all();
    let makes = member::prepare() && process.group().is_ok();

    if makes {
        report::serve_signal(process);
    } else {
        process.stats.plain.add(1);
    }
    makes.then_some(process)
}

/// As in libc, but the thread is a worker.
///
/// # Safety
///
/// As in libc.
#[no_mangle]
pub unsafe extern "C-unwind" fn pthread_create(
    thread: *mut pthread_t,
    attributes: *const pthread_attr_t,
    routine: Routine,
    argument: *mut c_void,
) -> c_int {
    let Some(process) = makes_worker() else {
        // SAFETY: The caller keeps to what the function of libc wants.
        return unsafe { real::pthread_create(thread, attributes, routine, argument) };
    };
    let start = Start::leak(routine, argument);
    process.thread_begins();
    // SAFETY: So it does but for the routine, which takes this argument.
    let result = unsafe { real::pthread_create(thread, attributes, run, start) };
    if result != 0 {
        // SAFETY: No thread has got it.
        let _ = unsafe { Start::<Routine>::take(start) };
        process.thread_ends();
    }
    result
}

/// As in libc, but the thread is a worker.
///
/// # Safety
///
/// As in libc.
#[no_mangle]
pub unsafe extern "C-unwind" fn thrd_create(
    thread: *mut pthread_t,
    routine: ThrdRoutine,
    argument: *mut c_void,
) -> c_int {
    let Some(process) = makes_worker() else {
        // SAFETY: The caller keeps to what the function of libc wants.
        return unsafe { real::thrd_create(thread, routine, argument) };
    };
    let start = Start::leak(routine, argument);
    process.thread_begins();
    // SAFETY: So it does but for the routine, which takes this argument.
    let result = unsafe { real::thrd_create(thread, run_thrd, start) };
    if result != THRD_SUCCESS {
        // SAFETY: No thread has got it.
        let _ = unsafe { Start::<ThrdRoutine>::take(start) };
        process.thread_ends();
    }
    result
}

/// As in libc; a worker lets others of its group go first, if any are queued.
#[no_mangle]
pub extern "C-unwind" fn sched_yield() -> c_int {
    if umcg::is_worker() {
        umcg::yield_now();
        return 0;
    }
    // SAFETY: The call takes nothing.
    unsafe { real::sched_yield() }
}

/// As in libc; a worker lets others of its group go first, if any are queued.
#[no_mangle]
pub extern "C-unwind" fn thrd_yield() {
    sched_yield();
}
