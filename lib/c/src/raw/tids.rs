// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Threads by TID: the ring of a group in direct mode has nothing else. Lookups take no lock. A TID
//! may name another thread when it is read; memory of a record is never unmapped, so that is checked
//! when its state is changed.

use super::{link::Link, record::Thread};
use crate::sys::{errno::Errno, memory::Zeroed};

/// No TID is larger, in any PID namespace.
const MAX_TIDS: usize = 1 << 22;
const PAGE_TIDS: usize = 512;

/// The threads of some TIDs.
struct Page([Link<Thread>; PAGE_TIDS]);

struct Pages([Link<Page>; MAX_TIDS / PAGE_TIDS]);

// SAFETY: Atomic pointers.
unsafe impl Zeroed for Page {}
// SAFETY: Atomic pointers.
unsafe impl Zeroed for Pages {}

/// Those of a process. Pages are never given back.
pub(super) struct Tids(Link<Pages>);

impl Tids {
    fn place(&self, tid: u32) -> Option<&'static Link<Thread>> {
        let tid = tid as usize;
        let page = self.0.read()?.0.get(tid / PAGE_TIDS)?.read()?;

        Some(&page.0[tid % PAGE_TIDS])
    }

    /// Adds a thread that is about to register, in the place of one that has ended.
    pub(super) fn add(&self, thread: &'static Thread) -> Result<(), Errno> {
        let tid = thread.tid();
        let pages = self.0.get_or_map()?;
        let page = pages.0.get(tid as usize / PAGE_TIDS);

        page.ok_or(Errno(libc::ENOMEM))?.get_or_map()?;
        self.place(tid)
            .ok_or(Errno(libc::ENOMEM))?
            .publish(Some(thread));
        Ok(())
    }

    /// Removes a thread. Another one may have got its TID, if it has ended.
    pub(super) fn remove(&self, thread: &'static Thread) {
        if let Some(place) = self.place(thread.tid()) {
            place.remove(thread);
        }
    }

    pub(super) fn find(&self, tid: u32) -> Option<&'static Thread> {
        self.place(tid)?.read()
    }
}
