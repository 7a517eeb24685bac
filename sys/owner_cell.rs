// SPDX-License-Identifier: GPL-2.0

//! Values that one task writes, and that its scheduler hooks and other tasks read.

use core::sync::atomic::{
    AtomicBool,
    AtomicU32,
    AtomicU64,
    AtomicU8,
    Ordering::Relaxed, //
};

/// A type that is read and written by a single instruction.
pub(crate) trait Word: Copy {
    /// The atomic of this type. Of `core`: the kernel's atomics are function calls from Rust.
    type Shared: Sync;

    /// Creates the atomic.
    fn share(self) -> Self::Shared;
    /// Reads it.
    fn load(shared: &Self::Shared) -> Self;
    /// Writes it.
    fn store(self, shared: &Self::Shared);
}

macro_rules! impl_word {
    ($($word:ty: $shared:ty),*) => {$(
        impl Word for $word {
            type Shared = $shared;

            #[inline(always)]
            fn share(self) -> $shared {
                <$shared>::new(self)
            }

            #[inline(always)]
            fn load(shared: &$shared) -> Self {
                shared.load(Relaxed)
            }

            #[inline(always)]
            fn store(self, shared: &$shared) {
                shared.store(self, Relaxed);
            }
        }
    )*};
}

impl_word!(bool: AtomicBool, u8: AtomicU8, u32: AtomicU32, u64: AtomicU64);

/// A value of one task, its owner. Like a `Cell`, but the owner's scheduler hooks may access it
/// between any two of its instructions, and other tasks may read it at any time: so each access is a
/// single instruction. Orders nothing except on the owner's CPU. Any context, with or without a
/// run-queue lock, also on PREEMPT_RT: it takes no lock and cannot sleep.
///
/// If another task writes it, one of the values is lost.
pub(crate) struct OwnerCell<T: Word>(T::Shared);

impl<T: Word> OwnerCell<T> {
    /// A value.
    pub(crate) fn new(value: T) -> Self {
        Self(value.share())
    }

    /// Reads the value. Any task.
    #[inline(always)]
    pub(crate) fn get(&self) -> T {
        T::load(&self.0)
    }

    /// Writes the value. For the owner and its hooks.
    #[inline(always)]
    pub(crate) fn set(&self, value: T) {
        value.store(&self.0);
    }
}

impl OwnerCell<u32> {
    /// Adds one, modulo 2^32. For the owner.
    #[inline(always)]
    pub(crate) fn increment(&self) {
        self.set(self.get().wrapping_add(1));
    }
}
