// SPDX-License-Identifier: GPL-2.0

//! Init and exit of the module.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)

use super::{
    bindings as helpers,
    deferred,
    reaper,
    startup::Startup,
    tracepoint, //
};
use kernel::{
    bindings,
    prelude::*, //
};

/// How often the users of a module that is removed by force are killed again, in milliseconds.
const LOOK_AGAIN_MS: u32 = 20;

/// The exit of the module: once this was dropped, the kernel calls none of its functions and uses
/// none of its data, and no task is in its code.
///
/// Independent of the counts of the rest of the module: it goes by what the kernel has.
pub(crate) struct Unload {
    /// Kills the users of the module.
    evict: fn(),
}

/// Starts the initialisation. If the module is removed while in use, `evict` is called repeatedly
/// until it is not; it may sleep.
///
/// # Safety
///
/// To be called once, at the beginning of the module's init function. The `Startup` is dropped
/// before anything is registered. The `Unload` is dropped in process context with no lock held:
/// when the init function fails, or at the end of the module's exit function, when the device and
/// all other entries into the module have been unregistered.
///
/// # Errors
///
/// `ENOMEM`.
pub(crate) unsafe fn begin(evict: fn()) -> Result<(Startup, Unload)> {
    // SAFETY: Nothing of the module has run before, as the caller promises.
    let startup = unsafe { Startup::begin() };

    reaper::init(&startup)?;
    Ok((startup, Unload { evict }))
}

impl Drop for Unload {
    fn drop(&mut self) {
        wait_for_users(self.evict);

        // The device is not open, no record is attached to a task, and no task work is queued: each
        // of these has a reference to the module.
        deferred::shut_down();
        tracepoint::shut_down();
        reaper::shut_down();

        // A task that has dropped its reference may still be returning from task work of this
        // module, or from a probe of `sched_process_exit`, and even be preempted there. SAFETY: In
        // process context with no lock held, as `begin()` demands.
        unsafe { bindings::synchronize_rcu_tasks() };
    }
}

/// Waits until there is no reference to the module. There is one only if the module is removed by
/// force: the kernel ignores the count then, but its callbacks are still registered.
///
/// Waits for tasks that cannot be killed, forever if necessary. The removal cannot be cancelled,
/// and the first call of unloaded code would crash the machine.
fn wait_for_users(evict: fn()) {
    // SAFETY: No precondition.
    let mut users = unsafe { helpers::umcg_module_users() };
    if users == 0 {
        return;
    }

    pr_warn!(
        "removed while in use: killing registered processes, waiting for {users} references\n"
    );
    while users != 0 {
        evict();
        // SAFETY: In process context with no lock held, as `begin()` demands.
        unsafe { helpers::umcg_idle(LOOK_AGAIN_MS) };
        // SAFETY: No precondition.
        users = unsafe { helpers::umcg_module_users() };
    }
}
