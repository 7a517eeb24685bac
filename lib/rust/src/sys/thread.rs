// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The calling thread, and the time.

use core::{
    ptr,
    sync::atomic::{AtomicI64, Ordering},
};

/// Its TID.
pub(crate) fn tid() -> u32 {
    // SAFETY: The call takes nothing.
    let tid = unsafe { libc::gettid() };

    // CAST: TIDs are positive.
    tid as u32
}

/// Yields the CPU. Not by the function of libc: a program may define one of that name which calls
/// this crate.
pub(crate) fn yield_cpu() {
    // SAFETY: The call takes nothing.
    unsafe { libc::syscall(libc::SYS_sched_yield) };
}

/// By how many nanoseconds CLOCK_MONOTONIC is ahead of the kernel's, in a time namespace.
pub(super) static CLOCK_OFFSET: AtomicI64 = AtomicI64::new(0);

/// Only a process of one thread can change its time namespace, so while there are groups this is
/// always the same.
pub(crate) fn set_clock_offset(offset: i64) {
    // Relaxed: the threads of a group are made after it is built, or get the group by what orders
    // this as well.
    CLOCK_OFFSET.store(offset, Ordering::Relaxed);
}

/// Nanoseconds of CLOCK_MONOTONIC, as the kernel has it in its own timestamps.
pub(crate) fn monotonic_ns() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };

    // SAFETY: The call writes to the structure. It does not fail for this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    // CAST: This clock is not negative, and counts from the boot on.
    let here = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;

    // Relaxed: see `set_clock_offset()`.
    here.wrapping_add_signed(CLOCK_OFFSET.load(Ordering::Relaxed).wrapping_neg())
}

/// All signals, blocked in the calling thread until this is dropped: threads that it makes
/// meanwhile inherit that.
pub(crate) struct SignalsBlocked {
    before: libc::sigset_t,
}

impl SignalsBlocked {
    pub(crate) fn new() -> Self {
        // SAFETY: A structure of numbers, for which zero is a value.
        let mut all: libc::sigset_t = unsafe { core::mem::zeroed() };
        let mut before = all;

        // SAFETY: The call writes to the set.
        unsafe { libc::sigfillset(&raw mut all) };
        // SAFETY: The call reads the one set, and writes the other.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before) };
        Self { before }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: The call reads the set.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, ptr::null_mut())
        };
    }
}

/// Ends the process.
pub(crate) fn abort() -> ! {
    // SAFETY: The call takes nothing.
    unsafe { libc::abort() }
}
