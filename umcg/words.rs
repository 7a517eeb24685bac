// SPDX-License-Identifier: GPL-2.0

//! The words of user memory that the module uses.

use super::{
    abi::umcg_task,
    pages::{
        FolioRef,
        PageRef, //
    },
    protocol::SharedWord, //
};
use crate::sys::context::TaskContext;
use core::mem::offset_of;
use kernel::{
    mm::Mm,
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Full,
        Relaxed,
        Release, //
    },
};

impl SharedWord for Atomic<u64> {
    fn load(&self) -> u64 {
        Atomic::load(self, Acquire)
    }

    fn store(&self, value: u64) {
        Atomic::store(self, value, Release)
    }

    fn exchange(&self, new: u64) -> u64 {
        self.xchg(new, Full)
    }

    fn compare_exchange(&self, old: u64, new: u64) -> Result<(), u64> {
        self.cmpxchg(old, new, Full).map(|_| ())
    }
}

/// The `struct umcg_task` of a registered task. It lies within one page: it is aligned to its size.
pub(crate) struct TaskWords {
    page: PageRef,
    address: u64,
}

impl TaskWords {
    /// The structure at the user address `address`, which is aligned and in `page`.
    pub(crate) fn new(page: PageRef, address: u64) -> Self {
        Self { page, address }
    }

    #[inline]
    fn word64(&self, field: usize) -> &Atomic<u64> {
        self.page.word64(self.address as usize + field)
    }

    #[inline]
    fn word32(&self, field: usize) -> &Atomic<u32> {
        self.page.word32(self.address as usize + field)
    }

    /// `umcg_task::state_ts`.
    #[inline]
    pub(crate) fn state(&self) -> &Atomic<u64> {
        self.word64(offset_of!(umcg_task, state_ts))
    }

    /// The bits of the state word.
    pub(crate) fn bits(&self) -> u64 {
        SharedWord::load(self.state())
    }

    /// `umcg_task::next_tid`: whom this task names as its server, or as the next to run.
    ///
    /// Relaxed, as all reads of the fields below the state: who changes them does it before the
    /// change of state that lets the task run, and that is read with acquire.
    #[inline]
    pub(crate) fn next_tid(&self) -> u32 {
        self.word32(offset_of!(umcg_task, next_tid)).load(Relaxed)
    }

    /// `umcg_task::flags`.
    pub(crate) fn flags(&self) -> u32 {
        self.word32(offset_of!(umcg_task, flags)).load(Relaxed)
    }

    /// Whether they belong to this address space.
    pub(crate) fn is_in(&self, mm: &Mm) -> bool {
        self.page.is_in(mm)
    }

    /// Whether the task names the words of a group.
    pub(crate) fn has_group(&self) -> bool {
        self.idle_head_address() != 0 || self.idle_server_address() != 0
    }

    /// `umcg_task::idle_workers_ptr`, as a node of the list of idle workers.
    pub(crate) fn idle_node(&self) -> &Atomic<u64> {
        self.word64(offset_of!(umcg_task, idle_workers_ptr))
    }

    /// The user address of [`TaskWords::idle_node`].
    pub(crate) fn idle_node_address(&self) -> u64 {
        // CAST: An offset is small.
        self.address + offset_of!(umcg_task, idle_workers_ptr) as u64
    }

    /// `umcg_task::idle_workers_ptr`, as the address of the head of the list of idle workers.
    fn idle_head_address(&self) -> u64 {
        self.idle_node().load(Relaxed)
    }

    /// `umcg_task::idle_server_tid_ptr`.
    fn idle_server_address(&self) -> u64 {
        self.word64(offset_of!(umcg_task, idle_server_tid_ptr))
            .load(Relaxed)
    }
}

/// The words that the workers of a group share: the head of the list of idle workers, and the TID of
/// the idle server.
///
/// Of each the folio that holds it, its user address, and where it is in the folio. In arrays, for each
/// worker's record has this, and no byte to spare.
pub(crate) struct Group {
    folios: [FolioRef; 2],
    addresses: [u64; 2],
    offsets: [u32; 2],
}

const HEAD: usize = 0;
const SERVER: usize = 1;

impl Group {
    /// Pins the words of the group that the current task, whose words are `words`, says it is in.
    /// May sleep and fault.
    ///
    /// # Errors
    ///
    /// `EINVAL` if an address is zero or not aligned; what [`FolioRef::pin`] fails with.
    pub(crate) fn pin(ctx: &TaskContext, words: &TaskWords) -> Result<Self> {
        let addresses = [words.idle_head_address(), words.idle_server_address()];
        let (head, head_offset) = pin_word(ctx, addresses[HEAD], size_of::<u64>())?;
        let (server, server_offset) = pin_word(ctx, addresses[SERVER], size_of::<u32>())?;

        Ok(Self {
            folios: [head, server],
            addresses,
            offsets: [head_offset, server_offset],
        })
    }

    /// Whether these are still the words that `words` says.
    pub(crate) fn belongs_to(&self, words: &TaskWords) -> bool {
        self.addresses[HEAD] == words.idle_head_address()
            && self.addresses[SERVER] == words.idle_server_address()
    }

    /// The head of the list of idle workers.
    pub(crate) fn head(&self) -> &Atomic<u64> {
        self.folios[HEAD].word64(self.offsets[HEAD] as usize)
    }

    /// Takes the TID of the idle server out; zero if there is none.
    ///
    /// Full: a server that publishes itself looks at the list after that; the worker is on the list
    /// before it looks here. One of them sees the other.
    pub(crate) fn take_idle_server(&self) -> u32 {
        self.folios[SERVER]
            .word32(self.offsets[SERVER] as usize)
            .xchg(0, Full)
    }
}

/// Pins the word of `size` bytes at the user address `address`, and tells where it is in its folio.
fn pin_word(ctx: &TaskContext, address: u64, size: usize) -> Result<(FolioRef, u32)> {
    // CAST: The size of a word is small.
    if address == 0 || address % size as u64 != 0 {
        return Err(EINVAL);
    }
    let (folio, offset) = FolioRef::pin(ctx, address)?;

    // The largest folios that there are have 16 GB, on other processors than these.
    Ok((folio, u32::try_from(offset).map_err(|_| EFAULT)?))
}
