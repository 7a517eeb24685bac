// SPDX-License-Identifier: GPL-2.0

//! Pinned user memory, and the words in it.
//!
//! Memory is pinned by folios, which may be one page or a huge one: no part of a folio can be freed
//! while a page of it is pinned. So the whole folio is charged.
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
    page::{
        PAGE_MASK,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        atomic::Atomic,
        Arc, //
    },
};

/// A folio of user memory, pinned for long and writable.
///
/// # Invariants
///
/// - `page` is a page of the folio, and pinned.
/// - `base` is the address of the folio in the direct map, and `pages` its length in pages, a power
///   of two.
pub(crate) struct PinnedFolio {
    page: NonNull<bindings::page>,
    base: NonNull<u8>,
    pages: usize,
    mm: ARef<Mm>,
}

// SAFETY: A pin belongs to no task, and the words are atomics.
unsafe impl Send for PinnedFolio {}
// SAFETY: All that shared references give access to are atomics.
unsafe impl Sync for PinnedFolio {}

impl PinnedFolio {
    /// Pins the folio of the current task that contains the user address `addr`, and returns the
    /// offset in it, in bytes. May sleep and fault.
    ///
    /// # Errors
    ///
    /// `EFAULT` if this is not writable memory that can be pinned for long: not mapped, read-only,
    /// of a device, or of a file on a disk. `ENOMEM`. `EINTR` if the task is being killed.
    pub(crate) fn pin(_ctx: &TaskContext, addr: usize) -> Result<(Self, usize)> {
        let mm = ARef::from(&**current!().mm().ok_or(EFAULT)?);
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

        // SAFETY: The page is pinned, so its folio is neither split nor merged.
        let folio = unsafe { helpers::umcg_folio_of(page.as_ptr()) };
        // CAST: The direct map does not begin at address zero.
        let base = NonNull::new(folio.address.cast()).ok_or(EFAULT)?;
        let offset = folio.index * PAGE_SIZE + (addr & !PAGE_MASK);

        // INVARIANT: Pinned above; and this is its folio.
        let this = Self {
            page,
            base,
            pages: folio.pages,
            mm,
        };
        Ok((this, offset))
    }

    /// Marks the folio dirty, so that writes through the direct map, which the page tables do not
    /// reflect, are kept after it is unpinned. May sleep.
    ///
    /// Done when it is pinned, so that unpinning need not wait for the folio lock. Pinned memory is
    /// neither reclaimed nor written back, so it stays dirty. Only the program itself can change
    /// that, by discarding the content: with `MADV_FREE`, or by truncating the file.
    pub(crate) fn keep_content(&self, _ctx: &TaskContext) {
        // SAFETY: Pinned, by the type invariant; in process context, as `_ctx` proves.
        unsafe { helpers::umcg_mark_dirty(self.page.as_ptr()) };
    }

    /// The address space that it belongs to.
    #[inline]
    pub(crate) fn mm(&self) -> &Mm {
        &self.mm
    }

    /// A number that is unique among all pinned folios.
    pub(crate) fn id(&self) -> usize {
        self.base.as_ptr() as usize
    }

    /// Its length in pages.
    pub(crate) fn pages(&self) -> u64 {
        // CAST: A size in memory.
        self.pages as u64
    }

    /// The word at `offset`, which is aligned and taken modulo the size of the folio.
    pub(crate) fn word64(&self, offset: usize) -> &Atomic<u64> {
        let offset = offset & (self.size() - size_of::<u64>());
        // SAFETY: Aligned and within the folio, which stays mapped by the type invariants. All bits
        // are valid; the kernel touches it by atomics only, and user space is no thread of Rust.
        unsafe { self.base.add(offset).cast().as_ref() }
    }

    /// As [`PinnedFolio::word64`], for a word of 32 bits.
    pub(crate) fn word32(&self, offset: usize) -> &Atomic<u32> {
        let offset = offset & (self.size() - size_of::<u32>());
        // SAFETY: As in `word64()`: aligned, within the folio, and only ever seen as an atomic.
        unsafe { self.base.add(offset).cast().as_ref() }
    }

    /// In bytes.
    fn size(&self) -> usize {
        self.pages * PAGE_SIZE
    }
}

impl Drop for PinnedFolio {
    /// Process context, because it drops a reference to an address space. Waits for nothing.
    fn drop(&mut self) {
        // SAFETY: Pinned, by the type invariant; this gives the pin back.
        unsafe { bindings::unpin_user_page(self.page.as_ptr()) };
    }
}

/// A page of a folio, which it keeps pinned.
pub(crate) struct PinnedPage {
    words: PageWords,
    folio: Arc<PinnedFolio>,
}

impl PinnedPage {
    /// The page at `offset`, in bytes, taken modulo the size of the folio.
    pub(crate) fn new(folio: Arc<PinnedFolio>, offset: usize) -> Self {
        let offset = offset & (folio.size() - PAGE_SIZE);
        // SAFETY: Within the folio.
        let base = unsafe { folio.base.add(offset) };

        Self {
            // SAFETY: The folio is kept beside its words, and stays mapped as long as it is pinned.
            words: unsafe { PageWords::at(base) },
            folio,
        }
    }

    /// The folio of the page.
    pub(crate) fn folio(&self) -> &PinnedFolio {
        &self.folio
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

/// A folio charged as pinned memory to its address space, within `RLIMIT_MEMLOCK`.
///
/// `mm_struct::pinned_vm` is an atomic: unlike `locked_vm` it needs no mmap lock, which the process
/// could hold for long while it is uncharged.
pub(crate) struct Charge(Arc<PinnedFolio>);

impl Charge {
    /// Charges the pages of a folio, within the limit of the current task. Neither sleeps nor
    /// allocates.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if that exceeds the limit, unless the task `may_exceed` it.
    pub(crate) fn new(
        _ctx: &TaskContext,
        folio: Arc<PinnedFolio>,
        may_exceed: bool,
    ) -> Result<Self> {
        // SAFETY: The folio keeps the address space; the current task has a limit, as `_ctx` proves.
        to_result(unsafe {
            helpers::umcg_charge_pinned_pages(folio.mm.as_raw(), folio.pages, may_exceed)
        })?;

        Ok(Self(folio))
    }

    /// The charged folio.
    pub(crate) fn folio(&self) -> &Arc<PinnedFolio> {
        &self.0
    }
}

impl Drop for Charge {
    /// Process context, because it drops the folio. Waits for nothing.
    fn drop(&mut self) {
        let folio = &self.0;
        // SAFETY: The folio keeps the address space; this gives back what `new()` took.
        unsafe { helpers::umcg_uncharge_pinned_pages(folio.mm.as_raw(), folio.pages) };
    }
}
