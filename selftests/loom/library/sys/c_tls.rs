// SPDX-License-Identifier: GPL-2.0

//! Replaces `lib/c/src/sys/tls.rs`: scenarios name the record of the calling thread.

pub(crate) fn record() -> usize {
    0
}

/// # Safety
///
/// None is needed.
pub(crate) unsafe fn set_record(_: usize) {}
