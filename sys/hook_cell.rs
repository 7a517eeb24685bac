// SPDX-License-Identifier: GPL-2.0

//! Values that the code of a task shares with the scheduler hooks that interrupt it.

use core::cell::UnsafeCell;

/// What is read and written by one instruction.
pub(crate) trait Word: Copy {}

impl Word for bool {}
impl Word for u32 {}
impl Word for u64 {}

/// A value of one task. As a `Cell`, but the task's scheduler hooks use it, too, between any two of
/// its instructions: so each access is one instruction, at its place (`READ_ONCE()`,
/// `WRITE_ONCE()`). Nothing is ordered by it but what this task does on its CPU. Any context of that
/// task, run-queue lock held or not, on PREEMPT_RT as well: it takes no lock and cannot sleep.
///
/// An atomic of the kernel would be a call.
pub(crate) struct HookCell<T: Word>(UnsafeCell<T>);

impl<T: Word> HookCell<T> {
    /// A value.
    pub(crate) const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Reads the value.
    #[inline(always)]
    pub(crate) fn get(&self) -> T {
        // SAFETY: Not `Sync`, so only this task and its hooks are here; what either of them has
        // written is whole.
        unsafe { self.0.get().read_volatile() }
    }

    /// Writes the value.
    #[inline(always)]
    pub(crate) fn set(&self, value: T) {
        // SAFETY: Not `Sync`, so only this task and its hooks are here, and none of them keeps a
        // reference to the value.
        unsafe { self.0.get().write_volatile(value) };
    }
}
