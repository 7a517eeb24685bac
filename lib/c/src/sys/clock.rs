// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Clocks of programs.

use super::thread::CLOCK_OFFSET;
use core::sync::atomic::Ordering;

/// Nanoseconds of CLOCK_MONOTONIC here, of those that the kernel has in its own timestamps.
pub(crate) fn monotonic_here(kernel_ns: u64) -> u64 {
    // Relaxed: see `set_clock_offset()`.
    kernel_ns.wrapping_add_signed(CLOCK_OFFSET.load(Ordering::Relaxed))
}

/// Nanoseconds of CLOCK_REALTIME.
pub(crate) fn realtime_ns() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };

    // SAFETY: The call writes to the structure. It does not fail for this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    // CAST: As `umcg_get_time_ns()` has it in C.
    (now.tv_sec as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(now.tv_nsec as u64)
}
