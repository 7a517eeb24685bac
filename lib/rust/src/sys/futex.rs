// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Futexes, on which threads sleep that are not servers, and those that wait for a lock.

use crate::atomic::AtomicU32;
use core::time::Duration;

/// Sleeps if the word has this value, until a wake-up, a signal or the timeout. Spurious returns
/// are possible.
pub(crate) fn wait(word: &AtomicU32, value: u32, timeout: Option<Duration>) {
    let timeout = timeout.map(|timeout| libc::timespec {
        // A timeout whose seconds do not fit is saturated.
        tv_sec: timeout.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    let timeout = timeout
        .as_ref()
        .map_or(core::ptr::null(), core::ptr::from_ref);

    // SAFETY: The call reads the word and the timeout, which both outlive it.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            value,
            timeout,
        )
    };
}

/// Wakes up to so many threads that sleep on the word.
pub(crate) fn wake(word: &AtomicU32, threads: i32) {
    // SAFETY: The call does not touch the word, of which it takes the address alone.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            threads,
        )
    };
}
