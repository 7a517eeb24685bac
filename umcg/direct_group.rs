// SPDX-License-Identifier: GPL-2.0

//! A thread in a group in direct mode: the words of the group in pinned user memory, and the
//! thread's index.
//!
//! A group has the size of [`umcg_direct_group`] and lies within one page, so a record keeps only
//! the page, the offset in it and a few flags.

use super::{
    abi::{
        umcg_direct_group,
        UMCG_DIRECT_FIFO,
        UMCG_DIRECT_LEND,
        UMCG_DIRECT_OVERTAKE,
        UMCG_DIRECT_RING,
        UMCG_DIRECT_SERVERS, //
    },
    direct::{
        GroupWords,
        Server, //
    },
    pages::PageRef, //
};
use crate::sys::{
    context::TaskContext,
    inline_atomic::InlineAtomic,
    target, //
};
use core::mem::offset_of;
use kernel::{
    page::{
        PAGE_MASK,
        PAGE_SIZE, //
    },
    prelude::*,
    sync::atomic::Atomic, //
};

/// The words of a group. Concurrent writes by user space harm its own process only: indices and
/// positions are masked, and TIDs are looked up.
pub(crate) struct DirectGroup {
    page: PageRef,
    place: Place,
    /// The TID of the thread in its own PID namespace.
    tid: u32,
}

/// The offset of the words in their page, and the flags at registration.
#[derive(Clone, Copy)]
struct Place {
    offset: u16,
    flags: u8,
    /// The number of a server.
    nr: u8,
}

const FLAGS: u32 = UMCG_DIRECT_FIFO | UMCG_DIRECT_OVERTAKE | UMCG_DIRECT_LEND;

const _: () = assert!(
    PAGE_SIZE <= 1 << 16 && FLAGS <= u8::MAX as u32 && UMCG_DIRECT_SERVERS <= u8::MAX as u32
);

impl DirectGroup {
    /// Pins the group at the user address `address` for the current task, which is server `nr` if
    /// it is a server. May sleep and fault.
    ///
    /// # Errors
    ///
    /// `EINVAL` if the address is misaligned, the group crosses a page, or its words are invalid;
    /// `E2BIG` if the group is larger than known; the errors of [`PageRef::pin`].
    pub(crate) fn pin(ctx: &TaskContext, address: u64, nr: u32) -> Result<Self> {
        // CAST: Addresses have 64 bits wherever this module is built.
        let offset = address as usize & !PAGE_MASK;
        let fits = offset + size_of::<umcg_direct_group>() <= PAGE_SIZE;
        if address == 0
            || offset % align_of::<umcg_direct_group>() != 0
            || !fits
            || nr >= UMCG_DIRECT_SERVERS
        {
            return Err(EINVAL);
        }

        let mut group = Self {
            page: PageRef::pin(ctx, address)?,
            // CAST: Less than the size of a page; less than the number of servers.
            place: Place {
                offset: offset as u16,
                flags: 0,
                nr: nr as u8,
            },
            tid: target::own_tid(),
        };
        group.place.flags = group.checked_flags()?;

        Ok(group)
    }

    fn checked_flags(&self) -> Result<u8> {
        let size = self.word32(offset_of!(umcg_direct_group, size)).read();
        let flags = self.word32(offset_of!(umcg_direct_group, flags)).read();
        let reserved = offset_of!(umcg_direct_group, reserved);
        let reserved = reserved..offset_of!(umcg_direct_group, server_tid);

        // CAST: The size of the structure is small.
        if size > size_of::<umcg_direct_group>() as u32 {
            return Err(E2BIG);
        }
        if size < size_of::<umcg_direct_group>() as u32
            || flags & !FLAGS != 0
            || reserved
                .step_by(4)
                .any(|field| self.word32(field).read() != 0)
        {
            return Err(EINVAL);
        }

        // CAST: The known flags fit.
        Ok(flags as u8)
    }

    /// Whether both are the same group.
    pub(crate) fn is(&self, other: &Self) -> bool {
        core::ptr::eq(self.word32(0), other.word32(0))
    }

    /// Whether the kernel pushes workers that wake to the ring.
    #[inline]
    pub(crate) fn is_fifo(&self) -> bool {
        self.has(UMCG_DIRECT_FIFO)
    }

    /// Whether a worker that wakes may take a server although others are queued.
    #[inline]
    pub(crate) fn overtakes(&self) -> bool {
        self.has(UMCG_DIRECT_OVERTAKE)
    }

    /// Whether a preempted worker lends its server.
    #[inline]
    pub(crate) fn lends(&self) -> bool {
        self.has(UMCG_DIRECT_LEND)
    }

    #[inline]
    fn has(&self, flag: u32) -> bool {
        u32::from(self.place.flags) & flag != 0
    }

    /// Whether this is a server of the group, with this number.
    #[inline]
    pub(crate) fn is_server(&self, server: Server) -> bool {
        self.server_tid(server.nr).read() == server.tid
    }

    /// Publishes the worker that runs under a server, for user space. Called by the owner of the
    /// server.
    #[inline]
    pub(crate) fn set_running(&self, nr: u32, tid: u32) {
        // Relaxed: published by the change of state that lets the worker run.
        self.running(nr).write(tid);
    }

    /// The TID of the thread that this belongs to.
    #[inline]
    pub(crate) fn own_tid(&self) -> u32 {
        self.tid
    }

    /// The server that this belongs to.
    pub(crate) fn own_server(&self) -> Server {
        Server {
            nr: self.place.nr.into(),
            tid: self.tid,
        }
    }

    #[inline]
    fn word32(&self, field: usize) -> &Atomic<u32> {
        self.page.word32(usize::from(self.place.offset) + field)
    }

    #[inline]
    fn word64(&self, field: usize) -> &Atomic<u64> {
        self.page.word64(usize::from(self.place.offset) + field)
    }

    /// The word of a server in the array at `field`.
    #[inline]
    fn of_server(&self, field: usize, nr: u32) -> &Atomic<u32> {
        // CAST: The remainder is small.
        self.word32(field + size_of::<u32>() * (nr % UMCG_DIRECT_SERVERS) as usize)
    }
}

impl GroupWords for DirectGroup {
    type Long = Atomic<u64>;
    type Short = Atomic<u32>;

    #[inline]
    fn idle_workers(&self) -> &Atomic<u64> {
        self.word64(offset_of!(umcg_direct_group, idle_workers))
    }

    #[inline]
    fn idle_servers(&self) -> &Atomic<u64> {
        self.word64(offset_of!(umcg_direct_group, idle_servers))
    }

    #[inline]
    fn ready_ends(&self) -> &Atomic<u64> {
        self.word64(offset_of!(umcg_direct_group, ready_ends))
    }

    #[inline]
    fn queued(&self) -> &Atomic<u32> {
        self.word32(offset_of!(umcg_direct_group, queued))
    }

    #[inline]
    fn refused_servers(&self) -> &Atomic<u64> {
        self.word64(offset_of!(umcg_direct_group, refused_servers))
    }

    #[inline]
    fn watcher_tid(&self) -> &Atomic<u32> {
        self.word32(offset_of!(umcg_direct_group, watcher_tid))
    }

    #[inline]
    fn server_tid(&self, nr: u32) -> &Atomic<u32> {
        self.of_server(offset_of!(umcg_direct_group, server_tid), nr)
    }

    #[inline]
    fn running(&self, nr: u32) -> &Atomic<u32> {
        self.of_server(offset_of!(umcg_direct_group, running), nr)
    }

    #[inline]
    fn ready(&self, position: u32) -> &Atomic<u64> {
        // CAST: The remainder is small.
        let index = (position % UMCG_DIRECT_RING) as usize;

        self.word64(offset_of!(umcg_direct_group, ready) + size_of::<u64>() * index)
    }
}
