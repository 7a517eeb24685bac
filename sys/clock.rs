// SPDX-License-Identifier: GPL-2.0

//! The clock that stamps changes of state.

use super::{
    bindings as helpers,
    context::TaskContext, //
};
use kernel::bindings;

/// Returns CLOCK_MONOTONIC in nanoseconds. Any context.
#[inline]
pub(crate) fn monotonic_ns() -> u64 {
    // SAFETY: No precondition once time keeping runs, which it does before any module is loaded.
    let now = unsafe { bindings::ktime_get() };

    // CAST: Monotonic time is never negative.
    now as u64
}

/// As [`monotonic_ns`], but never waits for an update of the clock, so it can be used in scheduler
/// hooks. While the clock is being adjusted, a later call may return a little less than an earlier
/// one.
#[inline]
pub(crate) fn monotonic_fast_ns() -> u64 {
    // SAFETY: No precondition once time keeping runs; any context, NMIs included.
    unsafe { bindings::ktime_get_mono_fast_ns() }
}

/// Returns by how many nanoseconds CLOCK_MONOTONIC of the current task is ahead of [`monotonic_ns`]:
/// the offset of its time namespace.
pub(crate) fn namespace_offset_ns(_ctx: &TaskContext) -> i64 {
    // SAFETY: In process context for the current task, as `_ctx` proves; one that makes a call has
    // its namespaces.
    unsafe { helpers::umcg_monotonic_offset() }
}
