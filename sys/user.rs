// SPDX-License-Identifier: GPL-2.0

//! The user to whom the current task is accounted.
//!
//! C header: [`include/linux/cred.h`](srctree/include/linux/cred.h)

use super::context::TaskContext;
use kernel::{
    bindings,
    prelude::*,
    task::Task, //
};

/// The UID of root in the initial user namespace.
const ROOT: u32 = 0;

/// The user, as a UID in the initial user namespace, to whom the current task is accounted.
///
/// This is its real user; but in a user namespace created by a user other than root, the creator of
/// the outermost such namespace. So subordinate UIDs do not raise a user's limit.
pub(crate) fn answerable(_ctx: &TaskContext) -> u32 {
    // SAFETY: The current task alone changes its credentials, and does nothing else meanwhile.
    let credentials = unsafe { (*Task::current_raw()).cred };
    // SAFETY: The task holds its credentials, whose fields do not change while they are in use.
    let mut user = unsafe { (*credentials).uid.val };
    // SAFETY: The task holds its credentials, and they hold their user namespace.
    let mut namespace = unsafe { (*credentials).user_ns };

    loop {
        // SAFETY: A user namespace holds its parent, and the credentials hold the first one.
        let parent = unsafe { (*namespace).parent };
        // The initial namespace has no parent.
        if parent.is_null() {
            return user;
        }
        // SAFETY: The namespace is held, and its owner does not change.
        let owner = unsafe { (*namespace).owner.val };
        if owner != ROOT {
            user = owner;
        }
        namespace = parent;
    }
}

/// Whether the current task may exceed `RLIMIT_MEMLOCK`: `CAP_IPC_LOCK` in the initial user
/// namespace. The use of the capability is recorded, so this is checked only if it matters.
pub(crate) fn may_lock_memory(_ctx: &TaskContext) -> bool {
    // CAST: The number of a capability is small.
    // SAFETY: In process context, with no lock held.
    unsafe { bindings::capable(bindings::CAP_IPC_LOCK as c_int) }
}

/// Whether the current task may exceed the limits of its user: `CAP_SYS_RESOURCE` in the initial
/// user namespace. The use of the capability is recorded, so this is checked only if it matters.
pub(crate) fn may_exceed_limits(_ctx: &TaskContext) -> bool {
    // CAST: The number of a capability is small.
    // SAFETY: In process context, with no lock held.
    unsafe { bindings::capable(bindings::CAP_SYS_RESOURCE as c_int) }
}
