// SPDX-License-Identifier: GPL-2.0

//! A gate before memory that its owner will release.
//!
//! C header: [`include/linux/spinlock.h`](srctree/include/linux/spinlock.h)

use super::bindings as helpers;
use core::cell::UnsafeCell;
use kernel::{
    bindings,
    prelude::*,
    types::Opaque, //
};

/// A gate that other tasks enter while it is open; closed at first.
///
/// No task is inside once [`Gate::close`] has returned. A raw spinlock, so that it can be entered
/// in `__schedule()` on PREEMPT_RT too; a leaf of the lock order: nothing is locked inside.
#[pin_data]
pub(super) struct Gate {
    #[pin]
    lock: Opaque<bindings::raw_spinlock>,
    open: UnsafeCell<bool>,
}

// SAFETY: A lock and a flag belong to no task.
unsafe impl Send for Gate {}
// SAFETY: `open` is touched with `lock` held only.
unsafe impl Sync for Gate {}

impl Gate {
    /// A closed gate.
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: The slot is valid memory for a lock and will not move.
            lock <- Opaque::ffi_init(|slot| unsafe { helpers::umcg_raw_spin_init(slot) }),
            open: UnsafeCell::new(false),
        })
    }

    /// Calls `inside` if the gate is open, otherwise returns `None`. Any context; `inside` runs
    /// with interrupts disabled, and must not sleep, wake or lock.
    #[inline]
    pub(super) fn pass<R>(&self, inside: impl FnOnce() -> R) -> Option<R> {
        self.locked(|open| if *open { Some(inside()) } else { None })
    }

    /// Opens the gate. Any context.
    pub(super) fn open(&self) {
        self.locked(|open| *open = true);
    }

    /// Closes the gate and waits until no task is inside. Any context.
    pub(super) fn close(&self) {
        self.locked(|open| *open = false);
    }

    #[inline]
    fn locked<R>(&self, inside: impl FnOnce(&mut bool) -> R) -> R {
        // SAFETY: `new()` has initialised the lock.
        let flags = unsafe { helpers::umcg_raw_spin_lock_irqsave(self.lock.get()) };
        // SAFETY: The lock is held, so this is the only reference.
        let result = inside(unsafe { &mut *self.open.get() });
        // SAFETY: Locked above, by this CPU.
        unsafe { helpers::umcg_raw_spin_unlock_irqrestore(self.lock.get(), flags) };

        result
    }
}
