// SPDX-License-Identifier: GPL-2.0

//! The memory that contains the words of registered tasks.
//!
//! It is pinned and charged by folios, which are mostly single pages, but may be huge: each once
//! per address space, however many tasks have words in it.

use super::{
    counted::Counted,
    stats, //
};
use crate::{
    static_lock,
    sys::{
        context::TaskContext,
        pinned_folio::{
            Charge,
            PinnedFolio,
            PinnedPage, //
        },
        user, //
    },
};
use core::ops::Deref;
use kernel::{
    mm::Mm,
    prelude::*,
    sync::{
        Arc,
        UniqueArc, //
    },
};

static_lock! {
    static FOLIOS: SpinLock<Counted<Key, Charge>> = Counted::new();
}

/// Address space and folio. Neither address can be reused while the folio is pinned, which keeps
/// both.
type Key = (usize, usize);

fn key(folio: &PinnedFolio) -> Key {
    (folio.mm().as_raw() as usize, folio.id())
}

/// Charges a folio. Neither sleeps nor allocates.
fn charge(ctx: &TaskContext, folio: &Arc<PinnedFolio>, may_exceed: bool) -> Result<Charge> {
    let charge = Charge::new(ctx, folio.clone(), may_exceed)?;
    stats::PINNED_PAGES.add(folio.pages());

    Ok(charge)
}

/// Uncharges a folio.
fn uncharge(charge: Charge) -> Arc<PinnedFolio> {
    let folio = charge.folio().clone();
    stats::PINNED_PAGES.remove(folio.pages());

    folio
}

/// Gets the folio of the current task that contains the user address `address`, and the offset in
/// it, in bytes. To be passed to [`release`]. May sleep and fault.
fn hold(ctx: &TaskContext, address: u64) -> Result<(Arc<PinnedFolio>, usize)> {
    let (folio, offset) = match pin_and_count(ctx, address, false) {
        Err(e) if e == ENOMEM && user::may_lock_memory(ctx) => pin_and_count(ctx, address, true)?,
        result => result?,
    };
    folio.keep_content(ctx);

    Ok((folio, offset))
}

/// As [`hold`]. Everything that may wait precedes pinning the folio: nothing waits from there until
/// it is charged.
fn pin_and_count(
    ctx: &TaskContext,
    address: u64,
    may_exceed: bool,
) -> Result<(Arc<PinnedFolio>, usize)> {
    let room = UniqueArc::new_uninit(GFP_KERNEL_ACCOUNT)?;
    let mut node = Counted::room()?;

    // CAST: Addresses have 64 bits wherever this module is built.
    let (pinned, offset) = PinnedFolio::pin(ctx, address as usize)?;
    let pinned: Arc<PinnedFolio> = room.write(pinned).into();
    let folio = FOLIOS
        .lock()
        .add_user(key(&pinned), &mut node, || charge(ctx, &pinned, may_exceed))?
        .folio()
        .clone();

    Ok((folio, offset))
}

/// Releases a folio. In process context; waits for nothing.
fn release(folio: &PinnedFolio) {
    // With the lock held: a task that does not find it here any more has room for it.
    let last = FOLIOS.lock().remove_user(&key(folio)).map(uncharge);

    // It is unpinned when this reference or that of the caller is dropped.
    drop(last);
}

/// A reference to a page of user memory. Dropped in process context, which waits for nothing.
pub(crate) struct PageRef(PinnedPage);

impl PageRef {
    /// Pins the page of the current task that contains the user address `address`. May sleep and
    /// fault.
    ///
    /// # Errors
    ///
    /// `EFAULT` and `EINTR` as [`PinnedFolio::pin`]; `ENOMEM` also if `RLIMIT_MEMLOCK` is exceeded.
    pub(crate) fn pin(ctx: &TaskContext, address: u64) -> Result<Self> {
        let (folio, offset) = hold(ctx, address)?;

        Ok(Self(PinnedPage::new(folio, offset)))
    }

    /// Whether the page belongs to this address space.
    pub(crate) fn is_in(&self, mm: &Mm) -> bool {
        self.0.folio().mm().as_raw() == mm.as_raw()
    }
}

impl Deref for PageRef {
    type Target = PinnedPage;

    #[inline]
    fn deref(&self) -> &PinnedPage {
        &self.0
    }
}

impl Drop for PageRef {
    fn drop(&mut self) {
        release(self.0.folio());
    }
}

/// As [`PageRef`], but half as large: the caller keeps the offset in the folio.
pub(crate) struct FolioRef(Arc<PinnedFolio>);

impl FolioRef {
    /// As [`PageRef::pin`]; also returns the offset of `address` in the folio, in bytes.
    pub(crate) fn pin(ctx: &TaskContext, address: u64) -> Result<(Self, usize)> {
        let (folio, offset) = hold(ctx, address)?;

        Ok((Self(folio), offset))
    }
}

impl Deref for FolioRef {
    type Target = PinnedFolio;

    fn deref(&self) -> &PinnedFolio {
        &self.0
    }
}

impl Drop for FolioRef {
    fn drop(&mut self) {
        release(&self.0);
    }
}

/// The number of pages pinned for an address space. May sleep.
pub(crate) fn count(mm: &Mm) -> u64 {
    let mm = mm.as_raw() as usize;
    let mut next = (mm, 0);
    let mut pages = 0;

    loop {
        // The lock is taken for each, because there may be very many.
        let found = FOLIOS.lock().look_at_next(&next, |key, charge| {
            (key.0 == mm).then(|| (key.1, charge.folio().pages()))
        });
        let Some(Some((id, size))) = found else {
            return pages;
        };
        pages += size;
        next = (mm, id + 1);
    }
}
