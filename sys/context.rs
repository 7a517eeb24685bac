// SPDX-License-Identifier: GPL-2.0

//! The proof that code runs in process context, on behalf of the current task.

use kernel::types::NotThreadSafe;

/// One entry of the current task into the module: an ioctl, a task work, or a probe that fires in
/// process context.
///
/// Records of the current task are borrowed from it (see [`super::record`]), so that none of these
/// borrows outlives the call in which the record can be detached.
///
/// # Invariants
///
/// While an instance exists, the current task has entered the module through the call that made it,
/// and may sleep. It may hold mutexes of the kernel, whose other users then wait as well: exec holds
/// one, and a virtual CPU whose thread is about to enter its guest. The current task has no other
/// instance whose borrows are still in use.
pub(crate) struct TaskContext(NotThreadSafe);

impl TaskContext {
    /// Starts an entry.
    ///
    /// # Safety
    ///
    /// The caller is a function that the kernel calls in process context for the current task,
    /// where it may sleep, and not from within another entry that continues afterwards.
    #[inline]
    pub(crate) unsafe fn enter() -> Self {
        // INVARIANT: Promised by the caller.
        Self(NotThreadSafe)
    }
}
