// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The words of a slot: `struct umcg_sched_state`. The kernel writes them; the mapping is
//! read-only. Loads are relaxed, with fences where order matters.

use crate::sys::abi;
use core::sync::atomic::{fence, AtomicU32, AtomicU64, Ordering};

/// A slot.
#[repr(C, align(64))]
pub(crate) struct SlotWords {
    pub(super) version: AtomicU32,
    pub(super) state: AtomicU32,
    pub(super) tid: AtomicU32,
    pub(super) seq: AtomicU32,
    pub(super) off_ns: AtomicU64,
    pub(super) on_ns: AtomicU64,
    pub(super) cpu: AtomicU32,
    pub(super) vcpu: AtomicU32,
    pub(super) reserved: [AtomicU64; 3],
}

/// The contents of a slot at one point in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Copied {
    pub(crate) state: u32,
    pub(crate) tid: u32,
    pub(crate) off_ns: u64,
    pub(crate) on_ns: u64,
    pub(crate) cpu: u32,
    pub(crate) vcpu: u32,
}

impl SlotWords {
    #[inline]
    pub(crate) fn is_on_cpu(&self) -> bool {
        // Relaxed: a hint, which orders nothing.
        self.state.load(Ordering::Relaxed) == abi::SCHED_ON_CPU
    }

    /// The number of its thread among those on a CPU.
    #[inline]
    pub(crate) fn vcpu(&self) -> u32 {
        // Relaxed: exact for the thread itself, which sees what the kernel has done on its CPU; a
        // hint for others.
        self.vcpu.load(Ordering::Relaxed)
    }

    /// A consistent copy; `None` if the kernel is changing the slot.
    pub(crate) fn copy(&self) -> Option<Copied> {
        // Relaxed, and all others below: see the fences.
        let before = self.seq.load(Ordering::Relaxed);
        // Acquire: pairs with the kernel's release of `seq` after its changes of the fields below.
        fence(Ordering::Acquire);
        let copied = Copied {
            state: self.state.load(Ordering::Relaxed),
            tid: self.tid.load(Ordering::Relaxed),
            off_ns: self.off_ns.load(Ordering::Relaxed),
            on_ns: self.on_ns.load(Ordering::Relaxed),
            cpu: self.cpu.load(Ordering::Relaxed),
            vcpu: self.vcpu.load(Ordering::Relaxed),
        };
        // Acquire: pairs with the kernel's releases of the fields: if one of the loads above has
        // seen a later change, the load below sees that `seq` has changed.
        fence(Ordering::Acquire);
        let is_whole = before % 2 == 0 && self.seq.load(Ordering::Relaxed) == before;

        is_whole.then_some(copied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slot_that_is_being_changed_is_not_copied() {
        // SAFETY: All fields are atomic integers.
        let slot: SlotWords = unsafe { core::mem::zeroed() };

        slot.tid.store(7, Ordering::Relaxed);
        slot.state.store(abi::SCHED_ON_CPU, Ordering::Relaxed);
        slot.seq.store(2, Ordering::Relaxed);
        let copied = slot.copy().unwrap();
        assert_eq!((copied.tid, copied.state), (7, abi::SCHED_ON_CPU));
        assert!(slot.is_on_cpu());
        slot.seq.store(3, Ordering::Relaxed);
        assert_eq!(slot.copy(), None);
    }
}
