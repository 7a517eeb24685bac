// SPDX-License-Identifier: GPL-2.0

//! Pinned user pages, and the words in them.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use super::{
    bindings as helpers,
    context::TaskContext,
    page_words::PageWords, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    error::to_result,
    mm::Mm,
    page::PAGE_MASK,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::Atomic, //
    },
};

/// A page of user memory, pinned for long and writable.
///
/// # Invariants
///
/// `page` is pinned, and `words` are its own.
pub(crate) struct PinnedPage {
    page: NonNull<bindings::page>,
    words: PageWords,
}

// SAFETY: A pin belongs to no task, and the words are atomics.
unsafe impl Send for PinnedPage {}
// SAFETY: All access by a shared reference is atomic.
unsafe impl Sync for PinnedPage {}

impl PinnedPage {
    /// Pins the page of the current task that contains the user address `addr`. May sleep and
    /// fault.
    ///
    /// # Errors
    ///
    /// `EFAULT` if this is not writable memory that can be pinned for long: not mapped, read-only,
    /// of a device, or of a file on a disk. `ENOMEM`. `EINTR` if the task is being killed.
    pub(crate) fn pin(_ctx: &TaskContext, addr: usize) -> Result<Self> {
        let mut page = core::ptr::null_mut();
        // SAFETY: In process context, as `_ctx` proves; there is room for one page. The address is
        // checked by the function.
        let pinned = unsafe {
            bindings::pin_user_pages_fast(
                addr & PAGE_MASK,
                1,
                bindings::FOLL_WRITE | bindings::FOLL_LONGTERM,
                &raw mut page,
            )
        };
        if pinned < 0 {
            return match to_result(pinned) {
                Err(e) if e == ENOMEM || e == EINTR => Err(e),
                _ => Err(EFAULT),
            };
        }
        let page = NonNull::new(page).ok_or(EFAULT)?;

        // INVARIANT: Pinned above.
        Ok(Self {
            page,
            // SAFETY: Pinned for as long as this exists.
            words: unsafe { PageWords::of(page) },
        })
    }

    /// A number that is unique among all pinned pages.
    pub(crate) fn id(&self) -> usize {
        self.page.as_ptr() as usize
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
}

impl Drop for PinnedPage {
    /// May sleep.
    fn drop(&mut self) {
        let mut page = self.page.as_ptr();
        // SAFETY: Pinned, by the type invariant. Marked dirty, for it may belong to a shared memory
        // file, and has been written behind the back of its page tables.
        unsafe { bindings::unpin_user_pages_dirty_lock(&raw mut page, 1, true) };
    }
}

/// A page charged as pinned memory to an address space, within `RLIMIT_MEMLOCK`.
///
/// `mm_struct::pinned_vm` is an atomic: unlike `locked_vm` it needs no mmap lock, which the process
/// could hold for long while the page is uncharged.
pub(crate) struct ChargedPage {
    mm: ARef<Mm>,
}

impl ChargedPage {
    /// Charges a page of the current task, whose address space is `mm`.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if the limit is exceeded and the task does not have `CAP_IPC_LOCK`.
    pub(crate) fn charge(_ctx: &TaskContext, mm: ARef<Mm>) -> Result<Self> {
        // SAFETY: The reference keeps the address space.
        to_result(unsafe { helpers::umcg_charge_pinned_page(mm.as_raw()) })?;

        Ok(Self { mm })
    }
}

impl ChargedPage {
    /// The charged address space.
    pub(crate) fn mm(&self) -> &Mm {
        &self.mm
    }
}

impl Drop for ChargedPage {
    /// Process context, because it drops a reference to an address space.
    fn drop(&mut self) {
        // SAFETY: The reference keeps the address space; this gives back what `charge()` took.
        unsafe { helpers::umcg_uncharge_pinned_page(self.mm.as_raw()) };
    }
}
