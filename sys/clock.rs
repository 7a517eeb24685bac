// SPDX-License-Identifier: GPL-2.0

//! The clock that stamps changes of state.

use kernel::bindings;

/// Returns CLOCK_MONOTONIC in nanoseconds. Any context.
#[inline]
pub(crate) fn monotonic_ns() -> u64 {
    // SAFETY: No precondition once time keeping runs, which it does before any module is loaded.
    let now = unsafe { bindings::ktime_get() };

    // CAST: Monotonic time is never negative.
    now as u64
}

/// As [`monotonic_ns`], but without a wait for whoever sets the clock, and so for scheduler hooks as
/// well. While the clock is being set, a later call may return a little less than an earlier one.
#[inline]
pub(crate) fn monotonic_fast_ns() -> u64 {
    // SAFETY: No precondition once time keeping runs; any context, NMIs included.
    unsafe { bindings::ktime_get_mono_fast_ns() }
}
