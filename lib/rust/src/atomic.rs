// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Atomics: those of the machine, or under loom those that it tries in every order.

#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{fence, AtomicPtr, AtomicU32, AtomicU64};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{fence, AtomicPtr, AtomicU32, AtomicU64};

pub(crate) use core::sync::atomic::Ordering;

/// Before a sequentially consistent look at a word, that comes after such a change of another one.
///
/// Such a pair needs nothing in between. But loom takes all accesses for acquire and release ones,
/// and knows only of fences that they are sequentially consistent.
#[inline(always)]
pub(crate) fn before_look() {
    #[cfg(loom)]
    fence(Ordering::SeqCst);
}
