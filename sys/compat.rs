// SPDX-License-Identifier: GPL-2.0

//! Differences between the supported kernels: Linux 7.2 and 7.3.
//!
//! There are no version checks. Each function uses what all of the kernels have, and names its
//! equivalent and the first kernel that has that: it is removed with the support for older kernels.

use super::bindings as helpers;
use core::borrow::Borrow;
use kernel::{
    bindings,
    fs::File,
    mm::virt::VmaNew,
    prelude::*,
    task::Task,
    types::Opaque, //
};

/// This module, as C knows it. For `kernel::module::this_module()`, of Linux 7.3.
pub(super) const fn this_module() -> *mut bindings::module {
    // Some of its fields have no size, depending on the kernel's configuration.
    #[allow(improper_ctypes)]
    extern "C" {
        static __this_module: Opaque<bindings::module>;
    }

    // SAFETY: The kernel's build defines it in each module; only its address is taken.
    unsafe { __this_module.get() }
}

/// Makes a file that is being opened keep the module loaded, until the VFS puts the owner of the
/// file's operations: the caller replaces these by operations of this module.
///
/// For `file_operations::owner`, which the operations of a `MiscDevice` have since Linux 7.3: there
/// the file keeps the module already.
///
/// # Errors
///
/// `ENODEV` if the module is being unloaded.
pub(super) fn hold_module(file: &File) -> Result {
    // SAFETY: A file that is being opened has its operations, and nobody else has the file yet.
    let owner = unsafe { (*(*file.as_ptr()).f_op).owner };

    // SAFETY: This is the module whose code is running.
    if owner.is_null() && !unsafe { bindings::try_module_get(this_module()) } {
        return Err(ENODEV);
    }
    Ok(())
}

/// Whether a mapping that is being made is a shared one. For `VmaNew::flags()` and
/// `flags::MAYSHARE`, which has the value of another flag before Linux 7.3.
pub(super) fn is_shared(vma: &VmaNew) -> bool {
    // SAFETY: A valid mapping, which belongs to its caller.
    unsafe { helpers::umcg_is_shared(vma.as_ptr()) }
}

/// Waits for an RCU grace period. For `rcu::synchronize_rcu()`, of Linux 7.3.
///
/// In process context, outside of RCU read-side critical sections. May sleep.
pub(super) fn synchronize_rcu() {
    // SAFETY: It needs nothing of its caller but the context; in another one it complains.
    unsafe { bindings::synchronize_rcu() };
}

/// The value of a module parameter, from the result of its `value()`: a copy since Linux 7.3, a
/// reference before.
pub(crate) fn parameter(value: impl Borrow<u32>) -> u32 {
    *value.borrow()
}

/// The TGID of a task in the initial PID namespace. For `Task::tgid()`, of Linux 7.3.
pub(crate) fn process_of(task: &Task) -> i32 {
    // SAFETY: The reference keeps the task, which is given its process before others can find it.
    unsafe { (*task.as_ptr()).tgid }
}

/// The result of a timer callback that does not restart it. For `HRTIMER_NORESTART`, which is an
/// integer before Linux 7.3, and an enum since.
pub(super) const fn timer_is_over() -> bindings::hrtimer_restart {
    // SAFETY: An integer of C, whether wrapped or not; the value is zero.
    unsafe { core::mem::zeroed() }
}
