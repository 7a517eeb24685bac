// SPDX-License-Identifier: GPL-2.0

//! Numbers that one task writes, and that others look at.

use core::sync::atomic::{
    AtomicU32,
    Ordering::Relaxed, //
};

/// A number that is written by one task only, and may be read by all. Nothing is ordered by it.
///
/// An atomic of the language, not of the kernel: those are calls, and this one has to be a single
/// instruction where it is written. If two tasks write all the same, one of their values is lost.
pub(crate) struct OwnerWritten(AtomicU32);

impl OwnerWritten {
    /// A number.
    pub(crate) const fn new(value: u32) -> Self {
        Self(AtomicU32::new(value))
    }

    /// Reads the number. Any task.
    #[inline]
    pub(crate) fn get(&self) -> u32 {
        self.0.load(Relaxed)
    }

    /// Writes the number. For the owner.
    #[inline(always)]
    pub(crate) fn set(&self, value: u32) {
        self.0.store(value, Relaxed);
    }

    /// Adds one, modulo 2^32. For the owner.
    #[inline(always)]
    pub(crate) fn increment(&self) {
        self.set(self.get().wrapping_add(1));
    }
}
