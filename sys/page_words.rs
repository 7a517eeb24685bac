// SPDX-License-Identifier: GPL-2.0

//! The words of a page, through the kernel's direct map.
//!
//! No access faults there, so any task may access the words in any context. User space accesses
//! them concurrently, so they are always accessed as atomics.

use super::bindings as helpers;
use core::ptr::NonNull;
use kernel::{
    bindings,
    page::PAGE_SIZE,
    sync::atomic::Atomic, //
};

/// The words of a page that the owner of this keeps.
///
/// # Invariants
///
/// `base` is the address in the direct map of a page that stays as long as this exists.
pub(super) struct PageWords {
    base: NonNull<u8>,
}

// SAFETY: The words are atomics, and the direct map is the same for all tasks.
unsafe impl Send for PageWords {}
// SAFETY: All access by a shared reference is atomic.
unsafe impl Sync for PageWords {}

impl PageWords {
    /// The words of `page`.
    ///
    /// # Safety
    ///
    /// The page is valid, and the caller keeps it as long as the result exists.
    pub(super) unsafe fn of(page: NonNull<bindings::page>) -> Self {
        // SAFETY: A valid page. On the 64-bit kernels that this is built for, all are mapped.
        let base = unsafe { helpers::umcg_page_address(page.as_ptr()) };

        // SAFETY: This is its address, which is not zero, and the caller keeps the page.
        unsafe { Self::at(NonNull::new_unchecked(base.cast())) }
    }

    /// The words of the page at `base` in the direct map.
    ///
    /// # Safety
    ///
    /// As for [`PageWords::of`].
    pub(super) unsafe fn at(base: NonNull<u8>) -> Self {
        // INVARIANT: Promised by the caller.
        Self { base }
    }

    /// The word at `offset`, which is aligned and taken modulo the size of the page.
    #[inline]
    pub(super) fn word64(&self, offset: usize) -> &Atomic<u64> {
        let offset = offset & (PAGE_SIZE - size_of::<u64>());
        // SAFETY: Aligned and within the page, which stays mapped by the type invariant. All bits
        // are valid; the kernel touches it by atomics only, and user space is no thread of Rust.
        unsafe { self.base.add(offset).cast().as_ref() }
    }

    /// As [`PageWords::word64`], for a word of 32 bits.
    #[inline]
    pub(super) fn word32(&self, offset: usize) -> &Atomic<u32> {
        let offset = offset & (PAGE_SIZE - size_of::<u32>());
        // SAFETY: Aligned to 32 bits and within the page, which stays mapped by the type invariant. All
        // bits are valid; the kernel touches it by atomics only, and user space is no thread of Rust.
        unsafe { self.base.add(offset).cast().as_ref() }
    }
}
