// SPDX-License-Identifier: GPL-2.0

//! The stores to a slot and their order. Pure, except for the words.
//!
//! A slot has one writer at a time: its thread, on the CPU that it is on or leaves. When the thread
//! migrates, the scheduler orders that after its stores here.
//!
//! There are two kinds of readers. To know whether a thread is on a CPU, they read the state alone.
//! To read several fields consistently, they read `seq` (acquire), the fields, and after a read
//! barrier `seq` again: the fields belong together if `seq` was even and is the same.

use super::super::abi::{
    umcg_sched_state,
    UMCG_SCHED_BLOCKED,
    UMCG_SCHED_ON_CPU,
    UMCG_SCHED_PREEMPTED,
    UMCG_SCHED_STATE_VERSION, //
};
use core::mem::offset_of;

/// The words of a slot. Offsets are those of fields of `umcg_sched_state`.
pub(crate) trait SlotWords {
    /// Reads a word; only its writer does.
    fn get32(&self, offset: usize) -> u32;

    /// Writes a word: a release store.
    fn set32(&self, offset: usize, value: u32);

    /// As [`SlotWords::set32`].
    fn set64(&self, offset: usize, value: u64);
}

/// Makes a change between two increments of `seq`. Every store is a release, so that none is
/// visible before the odd value or after the even one: pairs with the two loads of a reader.
#[inline]
fn change<S: SlotWords>(slot: &S, fields: impl FnOnce(&S)) {
    let seq = slot.get32(offset_of!(umcg_sched_state, seq));

    slot.set32(offset_of!(umcg_sched_state, seq), seq.wrapping_add(1));
    fields(slot);
    slot.set32(offset_of!(umcg_sched_state, seq), seq.wrapping_add(2));
}

#[inline]
fn set_state(slot: &impl SlotWords, state: u32) {
    slot.set32(offset_of!(umcg_sched_state, state), state);
}

/// Assigns the slot to the thread `tid`, which appears to have just been switched in.
pub(crate) fn begin(slot: &impl SlotWords, tid: u32, now_ns: u64, cpu: u32, vcpu: u32) {
    change(slot, |slot| {
        slot.set32(
            offset_of!(umcg_sched_state, version),
            UMCG_SCHED_STATE_VERSION,
        );
        slot.set32(offset_of!(umcg_sched_state, tid), tid);
        slot.set64(offset_of!(umcg_sched_state, off_ns), now_ns);
        arrive(slot, now_ns, cpu, vcpu);
    });
}

/// The thread was switched in.
#[inline]
pub(crate) fn switch_in(slot: &impl SlotWords, now_ns: u64, cpu: u32, vcpu: u32) {
    change(slot, |slot| arrive(slot, now_ns, cpu, vcpu));
}

#[inline]
fn arrive(slot: &impl SlotWords, now_ns: u64, cpu: u32, vcpu: u32) {
    slot.set64(offset_of!(umcg_sched_state, on_ns), now_ns);
    slot.set32(offset_of!(umcg_sched_state, cpu), cpu);
    slot.set32(offset_of!(umcg_sched_state, vcpu), vcpu);
    set_state(slot, UMCG_SCHED_ON_CPU);
}

/// The thread is switched out, to sleep if it `blocks`.
#[inline]
pub(crate) fn switch_out(slot: &impl SlotWords, now_ns: u64, blocks: bool) {
    change(slot, |slot| {
        slot.set64(offset_of!(umcg_sched_state, off_ns), now_ns);
        set_state(
            slot,
            if blocks {
                UMCG_SCHED_BLOCKED
            } else {
                UMCG_SCHED_PREEMPTED
            },
        );
    });
}

/// The slot is released: `UMCG_SCHED_EXITED` if the thread exits, else zero.
pub(crate) fn end(slot: &impl SlotWords, now_ns: u64, state: u32) {
    change(slot, |slot| {
        slot.set64(offset_of!(umcg_sched_state, off_ns), now_ns);
        set_state(slot, state);
    });
}
