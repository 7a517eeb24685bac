// SPDX-License-Identifier: GPL-2.0

//! The memory that registered tasks have words in.
//!
//! It is pinned and counted by folios, which are single pages most often, but may be huge ones: each
//! once for an address space, however many tasks have words in it.

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

/// Address space and folio. Neither can be another one as long as the folio is pinned, which keeps
/// both.
type Key = (usize, usize);

fn key(folio: &PinnedFolio) -> Key {
    (folio.mm().as_raw() as usize, folio.id())
}

/// Counts a folio. Neither sleeps nor allocates.
fn charge(ctx: &TaskContext, folio: &Arc<PinnedFolio>, may_exceed: bool) -> Result<Charge> {
    let charge = Charge::new(ctx, folio.clone(), may_exceed)?;
    stats::PINNED_PAGES.add(folio.pages());

    Ok(charge)
}

/// Counts a folio no more.
fn uncharge(charge: Charge) -> Arc<PinnedFolio> {
    let folio = charge.folio().clone();
    stats::PINNED_PAGES.remove(folio.pages());

    folio
}

/// Uses the folio of the current task that holds the user address `address`, and tells where in it
/// that is, in bytes. To be given to [`release`]. May sleep and fault.
fn hold(ctx: &TaskContext, address: u64) -> Result<(Arc<PinnedFolio>, usize)> {
    let (folio, offset) = match pin_and_count(ctx, address, false) {
        Err(e) if e == ENOMEM && user::may_lock_memory(ctx) => pin_and_count(ctx, address, true)?,
        result => result?,
    };
    folio.keep_content(ctx);

    Ok((folio, offset))
}

/// As [`hold`]. All that may wait comes before the folio is pinned: from there on this waits for
/// nothing until it is counted.
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

/// Ends a use. In process context; waits for nothing.
fn release(folio: &PinnedFolio) {
    // With the lock held: whoever does not find it here any more has room for it.
    let last = FOLIOS.lock().remove_user(&key(folio)).map(uncharge);

    // It is unpinned with this reference, or with that of the caller.
    drop(last);
}

/// A use of a page of user memory. Dropped in process context; waits for nothing then.
pub(crate) struct PageRef(PinnedPage);

impl PageRef {
    /// Pins the page of the current task that holds the user address `address`. May sleep and fault.
    ///
    /// # Errors
    ///
    /// `EFAULT` and `EINTR` as [`PinnedFolio::pin`]; `ENOMEM` also if `RLIMIT_MEMLOCK` is reached.
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

/// As [`PageRef`], but half as large: where a word is in the folio is for the caller to know.
pub(crate) struct FolioRef(Arc<PinnedFolio>);

impl FolioRef {
    /// As [`PageRef::pin`]; also gives where `address` is in the folio, in bytes.
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

/// How many pages are pinned for an address space. May sleep.
pub(crate) fn count(mm: &Mm) -> u64 {
    let mm = mm.as_raw() as usize;
    let mut next = (mm, 0);
    let mut pages = 0;

    loop {
        // The lock is taken for each: there may be very many.
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
