// SPDX-License-Identifier: GPL-2.0

//! Atomic operations as single instructions, for the words that every switch accesses.
//!
//! The kernel's atomics are function calls from Rust. On x86-64 the operations here compile to the
//! same as the kernel's macros: a plain load or store, which is an acquire or a release there, and
//! a locked instruction, which is a full barrier. Elsewhere the strongest ordering of `core` may be
//! weaker than that, so the kernel's functions are called.

use core::sync::atomic::{
    self as language,
    AtomicU32,
    AtomicU64, //
};
use kernel::sync::atomic::{
    Acquire,
    Atomic,
    Full,
    Release, //
};

const INLINE: bool = cfg!(CONFIG_X86_64);

/// The operations on a word that holds a `V`.
pub(crate) trait InlineAtomic<V> {
    /// Reads the word. Relaxed.
    fn read(&self) -> V;

    /// Reads the word. Acquire.
    fn read_acquire(&self) -> V;

    /// Writes the word. Relaxed.
    fn write(&self, value: V);

    /// Writes the word. Release.
    fn write_release(&self, value: V);

    /// Replaces the word and returns the old one. Fully ordered.
    fn exchange_full(&self, new: V) -> V;

    /// Replaces the word if it is `old`, otherwise returns it. Fully ordered if it replaces.
    fn compare_exchange_full(&self, old: V, new: V) -> Result<(), V>;
}

macro_rules! impl_inline_atomic {
    ($number:ty, $language:ty, $of:ident) => {
        /// The same word, for the operations of `core`.
        #[inline(always)]
        fn $of(word: &Atomic<$number>) -> &$language {
            // SAFETY: Valid and aligned for as long as the reference is, and everybody's accesses
            // to it are atomic.
            unsafe { <$language>::from_ptr(word.as_ptr()) }
        }

        impl InlineAtomic<$number> for Atomic<$number> {
            #[inline(always)]
            fn read(&self) -> $number {
                $of(self).load(language::Ordering::Relaxed)
            }

            #[inline(always)]
            fn read_acquire(&self) -> $number {
                if INLINE {
                    $of(self).load(language::Ordering::Acquire)
                } else {
                    self.load(Acquire)
                }
            }

            #[inline(always)]
            fn write(&self, value: $number) {
                $of(self).store(value, language::Ordering::Relaxed);
            }

            #[inline(always)]
            fn write_release(&self, value: $number) {
                if INLINE {
                    $of(self).store(value, language::Ordering::Release);
                } else {
                    self.store(value, Release);
                }
            }

            #[inline(always)]
            fn exchange_full(&self, new: $number) -> $number {
                if INLINE {
                    $of(self).swap(new, language::Ordering::SeqCst)
                } else {
                    self.xchg(new, Full)
                }
            }

            #[inline(always)]
            fn compare_exchange_full(&self, old: $number, new: $number) -> Result<(), $number> {
                if INLINE {
                    let (done, seen) = (language::Ordering::SeqCst, language::Ordering::Relaxed);
                    $of(self).compare_exchange(old, new, done, seen).map(|_| ())
                } else {
                    self.cmpxchg(old, new, Full).map(|_| ())
                }
            }
        }
    };
}

impl_inline_atomic!(u32, AtomicU32, as_u32);
impl_inline_atomic!(u64, AtomicU64, as_u64);
