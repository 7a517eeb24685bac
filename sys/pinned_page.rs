// SPDX-License-Identifier: GPL-2.0

//! User pages that stay in memory, and the words in them.
//!
//! The kernel reaches a pinned page through its own direct map: no access faults, so that any
//! context and any task may touch the words. User space changes them at the same time, so they are
//! only ever seen as atomics.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use super::{
    bindings as helpers,
    context::TaskContext, //
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
        atomic::Atomic, //
    },
};

/// A page of user memory, pinned for long and writable.
///
/// # Invariants
///
/// `page` is pinned, and `base` is where the direct map has it.
pub(crate) struct PinnedPage {
    page: NonNull<bindings::page>,
    base: NonNull<u8>,
}

// SAFETY: A pin belongs to no task, and the words are atomics.
unsafe impl Send for PinnedPage {}
// SAFETY: As above.
unsafe impl Sync for PinnedPage {}

impl PinnedPage {
    /// Pins the page of the current task that holds the user address `addr`. May sleep and fault.
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
        // SAFETY: A valid page. On the 64-bit kernels that this is built for, all are mapped.
        let base = unsafe { helpers::umcg_page_address(page.as_ptr()) };
        // INVARIANT: Pinned above, and this is its address.
        Ok(Self {
            page,
            // SAFETY: The direct map does not begin at address zero.
            base: unsafe { NonNull::new_unchecked(base.cast()) },
        })
    }

    /// A number that tells this page from all others, as long as it is pinned.
    pub(crate) fn id(&self) -> usize {
        self.page.as_ptr() as usize
    }

    /// The word at `offset`, which is aligned; whatever lies beyond the page is taken modulo its
    /// size.
    #[inline]
    pub(crate) fn word64(&self, offset: usize) -> &Atomic<u64> {
        let offset = offset & (PAGE_SIZE - size_of::<u64>());
        // SAFETY: Aligned and within the page, which stays mapped by the type invariant. All bits
        // are valid; the kernel touches it by atomics only, and user space is no thread of Rust.
        unsafe { self.base.add(offset).cast().as_ref() }
    }

    /// As [`PinnedPage::word64`], for a word of 32 bits.
    #[inline]
    pub(crate) fn word32(&self, offset: usize) -> &Atomic<u32> {
        let offset = offset & (PAGE_SIZE - size_of::<u32>());
        // SAFETY: As in `word64()`.
        unsafe { self.base.add(offset).cast().as_ref() }
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

/// A page that counts as pinned memory of an address space, within `RLIMIT_MEMLOCK`.
///
/// `mm_struct::pinned_vm` is an atomic: unlike `locked_vm` it needs no mmap lock, which the owner of
/// the address space could hold against whoever gives the page back.
pub(crate) struct ChargedPage {
    mm: ARef<Mm>,
}

impl ChargedPage {
    /// Counts a page of the current task, whose address space is `mm`.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if the limit is reached and the task has no `CAP_IPC_LOCK`.
    pub(crate) fn charge(_ctx: &TaskContext, mm: ARef<Mm>) -> Result<Self> {
        // SAFETY: The reference keeps the address space.
        to_result(unsafe { helpers::umcg_charge_pinned_page(mm.as_raw()) })?;

        Ok(Self { mm })
    }
}

impl ChargedPage {
    /// The address space that it counts for.
    pub(crate) fn mm(&self) -> &Mm {
        &self.mm
    }
}

impl Drop for ChargedPage {
    /// Process context, as all that drops a reference to an address space.
    fn drop(&mut self) {
        // SAFETY: As above; this gives back what `charge()` took.
        unsafe { helpers::umcg_uncharge_pinned_page(self.mm.as_raw()) };
    }
}
