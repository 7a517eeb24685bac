// SPDX-License-Identifier: GPL-2.0

//! Numbers that one task writes, and that others look at.

use core::sync::atomic::{
    AtomicU32,
    AtomicU8,
    Ordering::Relaxed, //
};

/// The type of such a number.
pub(crate) trait Number: Copy {
    /// The atomic that holds one.
    type Atomic: Sync;
}

impl Number for u8 {
    type Atomic = AtomicU8;
}

impl Number for u32 {
    type Atomic = AtomicU32;
}

/// A number that is written by one task only, and may be read by all. Nothing is ordered by it.
///
/// An atomic of the language, not of the kernel: those are calls, and this one has to be a single
/// instruction where it is written. If two tasks write all the same, one of their values is lost.
pub(crate) struct OwnerWritten<N: Number = u32>(N::Atomic);

macro_rules! impl_owner_written {
    ($number:ty, $atomic:ty) => {
        impl OwnerWritten<$number> {
            /// A number.
            pub(crate) const fn new(value: $number) -> Self {
                Self(<$atomic>::new(value))
            }

            /// Reads the number. Any task.
            #[inline]
            pub(crate) fn get(&self) -> $number {
                self.0.load(Relaxed)
            }

            /// Writes the number. For the owner.
            #[inline(always)]
            pub(crate) fn set(&self, value: $number) {
                self.0.store(value, Relaxed);
            }
        }
    };
}

impl_owner_written!(u8, AtomicU8);
impl_owner_written!(u32, AtomicU32);

impl OwnerWritten<u32> {
    /// Adds one, modulo 2^32. For the owner.
    #[inline(always)]
    pub(crate) fn increment(&self) {
        self.set(self.get().wrapping_add(1));
    }
}
