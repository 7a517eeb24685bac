// SPDX-License-Identifier: GPL-2.0

//! Replaces `lib/rust/src/sys/thread.rs`.

use crate::kernel;

pub(crate) fn tid() -> u32 {
    kernel::tid()
}

pub(crate) fn yield_cpu() {
    loom::thread::yield_now();
}

pub(crate) fn monotonic_ns() -> u64 {
    kernel::NOW
}

#[allow(dead_code, reason = "not every library calls it")]
pub(crate) fn set_clock_offset(_: i64) {}

pub(crate) fn abort() -> ! {
    panic!("the library has ended the process")
}
