// SPDX-License-Identifier: GPL-2.0

//! Values that the code of a task shares with the scheduler hooks that interrupt it.

use core::sync::atomic::{
    AtomicBool,
    AtomicU32,
    AtomicU64,
    Ordering::Relaxed, //
};

/// What is read and written by one instruction.
pub(crate) trait Word: Copy {
    /// The same, shared. An atomic of the language: those of the kernel are calls.
    type Shared: Sync;

    /// Makes it shared.
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

impl_word!(bool: AtomicBool, u32: AtomicU32, u64: AtomicU64);

/// A value of one task. As a `Cell`, but the task's scheduler hooks use it, too, between any two of
/// its instructions: so each access is one instruction, at its place. Nothing is ordered by it but
/// what this task does on its CPU. Any context, run-queue lock held or not, on PREEMPT_RT as well: it
/// takes no lock and cannot sleep.
///
/// If another task writes it, one of the values is lost.
pub(crate) struct HookCell<T: Word>(T::Shared);

impl<T: Word> HookCell<T> {
    /// A value.
    pub(crate) fn new(value: T) -> Self {
        Self(value.share())
    }

    /// Reads the value.
    #[inline(always)]
    pub(crate) fn get(&self) -> T {
        T::load(&self.0)
    }

    /// Writes the value.
    #[inline(always)]
    pub(crate) fn set(&self, value: T) {
        value.store(&self.0);
    }
}
