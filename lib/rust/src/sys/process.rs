// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What belongs to one process, and not to its children: the kernel zeroes it in them, whichever
//! call creates a child.

use super::{abi, errno::Errno, memory::Zeroed};
use crate::raw::{link::Link, slot::SlotWords};
use core::{
    ptr,
    sync::atomic::{AtomicPtr, AtomicU32, Ordering},
};

/// The slots of a process.
pub(super) type Slots = [SlotWords; abi::SCHED_STATE_SLOTS];

/// Zeros are its first state.
pub(crate) struct Process {
    /// Identifies it; zero until it is needed.
    stamp: AtomicU32,
    /// The mapping of its slots, or null.
    slots: AtomicPtr<Slots>,
}

// SAFETY: Both fields are atomic, and zero is a value of either.
unsafe impl Zeroed for Process {}

static PROCESS: Link<Process> = Link::none();

/// The next stamp. A child has a copy of the counter, so its stamp differs from those of its
/// parents.
static STAMPS: AtomicU32 = AtomicU32::new(1);

/// This process. Fails with `ENOMEM`.
pub(crate) fn process() -> Result<&'static Process, Errno> {
    PROCESS.get_or_map()
}

/// The stamp of this process, if it has one: never that of a parent, nor of a child.
#[inline]
pub(crate) fn known_stamp() -> Option<u32> {
    // Relaxed: an independent word.
    let stamp = PROCESS.read()?.stamp.load(Ordering::Relaxed);

    (stamp != 0).then_some(stamp)
}

/// The stamp of this process.
pub(crate) fn stamp() -> Result<u32, Errno> {
    let own = &process()?.stamp;

    if let Some(stamp) = known_stamp() {
        return Ok(stamp);
    }
    // Relaxed: it only has to be unique.
    let new = STAMPS.fetch_add(1, Ordering::Relaxed);
    // Relaxed, both: an independent word.
    match own.compare_exchange(0, new, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => Ok(new),
        Err(other) => Ok(other),
    }
}

/// The slots of this process, if they are mapped. The reference is valid in this process.
#[inline]
pub(crate) fn slots() -> Option<&'static Slots> {
    // Acquire: pairs with the release in `publish_slots()`.
    let slots = PROCESS.read()?.slots.load(Ordering::Acquire);

    // SAFETY: It is null, or that of a mapping of this process that stays: see `publish_slots()`.
    // In a child, which does not inherit the mapping, it is null.
    unsafe { slots.as_ref() }
}

/// Publishes a mapping of the slots, unless another thread has. Returns whether it is used now.
///
/// # Safety
///
/// It maps all slots, and is not unmapped if it is used.
pub(super) unsafe fn publish_slots(slots: *mut Slots) -> Result<bool, Errno> {
    // Release: pairs with the acquire in `slots()`. If it fails nothing is read.
    let published = process()?.slots.compare_exchange(
        ptr::null_mut(),
        slots,
        Ordering::Release,
        Ordering::Relaxed,
    );

    Ok(published.is_ok())
}
