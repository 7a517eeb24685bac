// SPDX-License-Identifier: GPL-2.0

//! The words of user memory that the module uses.

use super::{
    abi::{
        umcg_task,
        UMCG_DIRECT_SERVERS, //
    },
    pages::{
        FolioRef,
        PageRef, //
    },
    protocol::SharedWord, //
};
use crate::sys::{
    context::TaskContext,
    inline_atomic::InlineAtomic, //
};
use core::mem::offset_of;
use kernel::{
    mm::Mm,
    prelude::*,
    sync::atomic::{
        Atomic,
        AtomicType, //
    },
};

impl<V> SharedWord<V> for Atomic<V>
where
    Self: InlineAtomic<V>,
    V: AtomicType,
{
    #[inline(always)]
    fn load(&self) -> V {
        self.read_acquire()
    }

    #[inline(always)]
    fn store(&self, value: V) {
        self.write_release(value);
    }

    #[inline(always)]
    fn exchange(&self, new: V) -> V {
        self.exchange_full(new)
    }

    #[inline(always)]
    fn compare_exchange(&self, old: V, new: V) -> Result<(), V> {
        self.compare_exchange_full(old, new)
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

    /// `umcg_task::next_tid`: the server of this task, or the task to run next.
    ///
    /// Relaxed, as all reads of the fields below the state: they are changed before the change of
    /// state that lets the task run, and that is read with acquire.
    #[inline]
    pub(crate) fn next_tid(&self) -> u32 {
        self.word32(offset_of!(umcg_task, next_tid)).read()
    }

    /// `umcg_task::flags`.
    pub(crate) fn flags(&self) -> u32 {
        self.word32(offset_of!(umcg_task, flags)).read()
    }

    /// `umcg_task::server_nr`: in direct mode, the number of the server that `next_tid` names.
    #[inline]
    pub(crate) fn server_nr(&self) -> u32 {
        self.word32(offset_of!(umcg_task, server_nr)).read() % UMCG_DIRECT_SERVERS
    }

    /// Sets the server of a worker that is about to run. For the owner of the worker.
    #[inline]
    pub(crate) fn set_server(&self, tid: u32, nr: u32) {
        // Relaxed: published by the change of state that lets the worker run.
        self.word32(offset_of!(umcg_task, next_tid)).write(tid);
        self.word32(offset_of!(umcg_task, server_nr)).write(nr);
    }

    /// `umcg_task::critical`. For the task itself, its only writer.
    pub(crate) fn is_critical(&self) -> bool {
        self.word32(offset_of!(umcg_task, critical)).read() != 0
    }

    /// `umcg_task::signals`.
    pub(crate) fn signals(&self) -> u64 {
        self.word64(offset_of!(umcg_task, signals)).read()
    }

    /// Whether the fields that were added or reserved after the first version are zero; except the
    /// signals, if the task `names_signals`.
    pub(crate) fn is_clear_behind(&self, names_signals: bool) -> bool {
        let mut fields = (offset_of!(umcg_task, server_nr)..size_of::<umcg_task>()).step_by(8);

        fields.all(|field| {
            names_signals && field == offset_of!(umcg_task, signals)
                || self.word64(field).read() == 0
        })
    }

    /// Whether the words belong to this address space.
    pub(crate) fn is_in(&self, mm: &Mm) -> bool {
        self.page.is_in(mm)
    }

    /// Whether the task names the words of a group.
    pub(crate) fn has_group(&self) -> bool {
        self.idle_head_address() != 0 || self.idle_server_address() != 0
    }

    /// `umcg_task::idle_workers_ptr`, as a node of the idle-worker list.
    pub(crate) fn idle_node(&self) -> &Atomic<u64> {
        self.word64(offset_of!(umcg_task, idle_workers_ptr))
    }

    /// The user address of [`TaskWords::idle_node`].
    pub(crate) fn idle_node_address(&self) -> u64 {
        // CAST: An offset is small.
        self.address + offset_of!(umcg_task, idle_workers_ptr) as u64
    }

    /// `umcg_task::idle_workers_ptr`, as the address of the head of the idle-worker list.
    fn idle_head_address(&self) -> u64 {
        self.idle_node().read()
    }

    /// `umcg_task::idle_server_tid_ptr`.
    fn idle_server_address(&self) -> u64 {
        self.word64(offset_of!(umcg_task, idle_server_tid_ptr))
            .read()
    }
}

/// The words that the workers of a group share: the head of the idle-worker list, and the
/// idle-server slot.
///
/// For each its folio, user address, and offset in the folio. Only workers outside of direct mode
/// have these, so they are not part of the record.
pub(crate) struct Group {
    folios: [FolioRef; 2],
    addresses: [u64; 2],
    offsets: [u32; 2],
}

const HEAD: usize = 0;
const SERVER: usize = 1;

impl Group {
    /// Pins the words of the group named in `words`, the words of the current task. May sleep and
    /// fault.
    ///
    /// # Errors
    ///
    /// `EINVAL` if an address is zero or misaligned; `ENOMEM`; the errors of [`FolioRef::pin`].
    pub(crate) fn pin(ctx: &TaskContext, words: &TaskWords) -> Result<KBox<Self>> {
        let addresses = [words.idle_head_address(), words.idle_server_address()];
        let (head, head_offset) = pin_word(ctx, addresses[HEAD], size_of::<u64>())?;
        let (server, server_offset) = pin_word(ctx, addresses[SERVER], size_of::<u32>())?;

        let group = Self {
            folios: [head, server],
            addresses,
            offsets: [head_offset, server_offset],
        };

        Ok(KBox::new(group, GFP_KERNEL_ACCOUNT)?)
    }

    /// Whether these are still the words named in `words`.
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
    /// Full: a server checks the list after it has published its TID; a worker is on the list
    /// before this check. One of them sees the other.
    pub(crate) fn take_idle_server(&self) -> u32 {
        self.folios[SERVER]
            .word32(self.offsets[SERVER] as usize)
            .exchange_full(0)
    }
}

/// Pins the word of `size` bytes at the user address `address`, and returns its offset in the
/// folio.
fn pin_word(ctx: &TaskContext, address: u64, size: usize) -> Result<(FolioRef, u32)> {
    // CAST: The size of a word is small.
    if address == 0 || address % size as u64 != 0 {
        return Err(EINVAL);
    }
    let (folio, offset) = FolioRef::pin(ctx, address)?;

    // The largest folios have 16 GB, on other architectures.
    Ok((folio, u32::try_from(offset).map_err(|_| EFAULT)?))
}
