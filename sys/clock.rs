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
