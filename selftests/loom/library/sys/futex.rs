// SPDX-License-Identifier: GPL-2.0

//! Replaces `lib/rust/src/sys/futex.rs`.

use crate::{atomic::AtomicU32, kernel};
use core::time::Duration;

pub(crate) fn wait(word: &AtomicU32, value: u32, timeout: Option<Duration>) {
    kernel::futex_wait(word, value, timeout.is_some());
}

pub(crate) fn wake(word: &AtomicU32, threads: i32) {
    kernel::futex_wake(word, threads);
}
