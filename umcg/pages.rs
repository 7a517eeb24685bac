// SPDX-License-Identifier: GPL-2.0

//! The pages that registered tasks have words in.
//!
//! A page is pinned and counted once for each address space, however many tasks have words in it.

use super::stats;
use crate::{
    static_lock,
    sys::{
        context::TaskContext,
        pinned_page::{
            ChargedPage,
            PinnedPage, //
        },
    },
};
use core::ops::Deref;
use kernel::{
    mm::Mm,
    prelude::*,
    rbtree::{
        Entry,
        RBTree,
        RBTreeNodeReservation, //
    },
    sync::{
        aref::ARef,
        Arc,
        UniqueArc, //
    },
};

static_lock! {
    static PAGES: Mutex<Option<RBTree<Key, Pinned>>> = None;
}

/// Address space and page. Neither can be another one as long as the entry is there: it holds both.
type Key = (usize, usize);

/// A page, and how many words of registered tasks it is pinned for.
struct Pinned {
    page: Arc<CountedPage>,
    users: usize,
}

/// A pinned page that counts.
struct CountedPage {
    page: PinnedPage,
    charge: ChargedPage,
    _count: stats::Count,
}

impl CountedPage {
    fn key(&self) -> Key {
        (self.charge.mm().as_raw() as usize, self.page.id())
    }
}

/// A use of a pinned page. Dropped in process context; may sleep then.
pub(crate) struct PageRef(Arc<CountedPage>);

impl PageRef {
    /// Pins the page of the current task that holds the user address `address`. May sleep and fault.
    ///
    /// # Errors
    ///
    /// `EFAULT` and `EINTR` as [`PinnedPage::pin`]; `ENOMEM` also if `RLIMIT_MEMLOCK` is reached.
    pub(crate) fn pin(ctx: &TaskContext, address: u64) -> Result<Self> {
        let mm: ARef<Mm> = ARef::from(&**current!().mm().ok_or(EFAULT)?);
        // CAST: Addresses have 64 bits wherever this module is built.
        let page = PinnedPage::pin(ctx, address as usize)?;
        let key = (mm.as_raw() as usize, page.id());

        // Before the lock is taken: nobody has to wait until this task gets its memory.
        let room = UniqueArc::new_uninit(GFP_KERNEL_ACCOUNT)?;
        let node = RBTreeNodeReservation::new(GFP_KERNEL_ACCOUNT)?;

        let mut pages = PAGES.lock();
        let page = match pages.get_or_insert_with(RBTree::new).entry(key) {
            Entry::Occupied(mut entry) => {
                let pinned = entry.get_mut();
                pinned.users += 1;
                pinned.page.clone()
            }
            Entry::Vacant(entry) => {
                let page: Arc<CountedPage> = room
                    .write(CountedPage {
                        page,
                        charge: ChargedPage::charge(ctx, mm)?,
                        _count: stats::PINNED_PAGES.count(),
                    })
                    .into();
                let pinned = Pinned {
                    page: page.clone(),
                    users: 1,
                };
                entry.insert(pinned, node);
                page
            }
        };

        Ok(Self(page))
    }
}

/// How many pages are pinned for an address space. May sleep.
pub(crate) fn count(mm: &Mm) -> usize {
    let mm = mm.as_raw() as usize;
    let mut pages = PAGES.lock();
    let mut cursor = pages
        .as_mut()
        .and_then(|pages| pages.cursor_lower_bound_mut(&(mm, 0)));
    let mut count = 0;

    while let Some(at) = cursor.filter(|at| at.current().0 .0 == mm) {
        count += 1;
        cursor = at.move_next();
    }
    count
}

impl PageRef {
    /// Whether the page belongs to this address space.
    pub(crate) fn is_in(&self, mm: &Mm) -> bool {
        self.0.charge.mm().as_raw() == mm.as_raw()
    }
}

impl Deref for PageRef {
    type Target = PinnedPage;

    #[inline]
    fn deref(&self) -> &PinnedPage {
        &self.0.page
    }
}

impl Drop for PageRef {
    fn drop(&mut self) {
        let mut pages = PAGES.lock();
        let Some(mut entry) = pages
            .as_mut()
            .and_then(|pages| pages.find_mut(&self.0.key()))
        else {
            return;
        };

        entry.get_mut().users -= 1;
        if entry.get().users == 0 {
            // The page itself goes with this reference, when the lock has been dropped.
            entry.remove();
        }
    }
}
