// SPDX-License-Identifier: GPL-2.0

//! Kernel pages that user space may map.

use super::page_words::PageWords;
use core::ptr::NonNull;
use kernel::{
    alloc::flags::__GFP_ZERO,
    bindings,
    page::Page,
    prelude::*,
    sync::atomic::Atomic, //
};

/// A page charged to the memory cgroup of the task that created it. While user space has it mapped,
/// the page itself outlives this.
pub(crate) struct SharedPage {
    words: PageWords,
    page: Page,
}

impl SharedPage {
    /// A zeroed page. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        let page = Page::alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO)?;
        // SAFETY: A page is not null.
        let raw = unsafe { NonNull::new_unchecked(page.as_ptr()) };

        Ok(Self {
            // SAFETY: Kept beside its words, and dropped after them.
            words: unsafe { PageWords::of(raw) },
            page,
        })
    }

    /// The word at `offset`; see [`PageWords::word64`].
    #[inline]
    pub(crate) fn word64(&self, offset: usize) -> &Atomic<u64> {
        self.words.word64(offset)
    }

    /// The word at `offset`; see [`PageWords::word32`].
    #[inline]
    pub(crate) fn word32(&self, offset: usize) -> &Atomic<u32> {
        self.words.word32(offset)
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::page {
        self.page.as_ptr()
    }
}
