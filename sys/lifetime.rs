// SPDX-License-Identifier: GPL-2.0

//! The beginning and the end of the module.
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

/// How long it takes until those who keep a module that is removed by force are looked at again, in
/// milliseconds.
const LOOK_AGAIN_MS: u32 = 20;

/// The end of the module: once this has been dropped, the kernel calls none of its functions and
/// uses none of its data, and no task is in its code.
///
/// Whatever the rest of the module believes to be in use: what counts is what the kernel has.
pub(crate) struct Unload {
    /// Has those who keep the module go.
    evict: fn(),
}

/// Begins the start-up. When the module has to go while it is in use, `evict` is called again and
/// again until it is not; it may sleep.
///
/// # Safety
///
/// To be called once, at the beginning of the module's init function. The `Startup` goes before
/// anything is registered. The `Unload` is dropped in process context with no lock held: when the
/// init function fails, or at the end of the module's exit function, when the device and all else
/// by which somebody could get into the module anew has been unregistered.
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

        // Nobody has the module's device open, no record is attached to a task, and no task work is
        // queued: each of these has a reference to the module. What is left is what nobody uses.
        deferred::shut_down();
        tracepoint::shut_down();
        reaper::shut_down();

        // A task that has given up its reference may still be on its way out of a task work of this
        // module, or out of a call of `sched_process_exit`, and even be preempted there.
        // SAFETY: In process context with no lock held, as `begin()` demands.
        unsafe { bindings::synchronize_rcu_tasks() };
    }
}

/// Waits until there is no reference to the module. There is one only if the module is removed by
/// force: the kernel does not look at the count then, but what it is told to call is still there.
///
/// Whoever cannot be had to go is waited for, for ever if need be. There is no way back from here,
/// and with the module's code gone the machine would go with the first call of it.
fn wait_for_users(evict: fn()) {
    // SAFETY: No precondition.
    let mut users = unsafe { helpers::umcg_module_users() };
    if users == 0 {
        return;
    }

    pr_warn!("removed while in use: ends registered processes, waits for {users} references\n");
    while users != 0 {
        evict();
        // SAFETY: In process context with no lock held, as `begin()` demands.
        unsafe { helpers::umcg_idle(LOOK_AGAIN_MS) };
        // SAFETY: No precondition.
        users = unsafe { helpers::umcg_module_users() };
    }
}
