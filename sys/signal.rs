// SPDX-License-Identifier: GPL-2.0

//! The signals of the current task.
//!
//! C header: [`include/linux/sched/signal.h`](srctree/include/linux/sched/signal.h)

use super::{
    bindings as helpers,
    context::TaskContext, //
};
use core::ptr;
use kernel::{
    bindings,
    current,
    types::NotThreadSafe, //
};

/// Whether the current task will not be in user mode any more. Any context.
#[inline]
pub(crate) fn is_dying() -> bool {
    // SAFETY: Looks at the current task only.
    unsafe { helpers::umcg_is_dying() }
}

/// Kills the process of the current task. It dies when this entry returns to user mode.
pub(crate) fn kill_current(_ctx: &TaskContext) {
    // CAST: A small positive constant.
    // SAFETY: In process context, as `_ctx` proves, where the signal lock may be taken.
    unsafe { bindings::force_sig(bindings::SIGKILL as i32) };
}

/// Has the current task get `SIGSEGV` for a user address when this entry returns to user mode. May
/// sleep.
pub(crate) fn segfault_current(_ctx: &TaskContext, address: u64) {
    // CAST: Addresses have 64 bits wherever this module is built.
    let is_mapped = current!()
        .mm()
        .is_some_and(|mm| mm.mmap_read_lock().vma_lookup(address as usize).is_some());

    // SAFETY: In process context, as `_ctx` proves, where the signal lock may be taken.
    unsafe { helpers::umcg_segfault(address, is_mapped) };
}

/// Has the current task look for signals on its way to user mode, where a system call that has
/// failed with one of the `ERESTART` codes is put right. Any context.
pub(crate) fn look_on_return() {
    // SAFETY: Changes a flag of the current task only. Without a signal it is taken back there.
    unsafe { helpers::umcg_set_signal_pending() };
}

/// Has the current task pass the scheduler once more before it is in user mode. Any context.
pub(crate) fn reschedule_on_return() {
    // SAFETY: Changes a flag of the current task only.
    unsafe { helpers::umcg_set_need_resched_lazy() };
}

/// While it exists, the current task is not interrupted by signals that have a handler: those for
/// its process go to other threads, those for itself wait. Others kill or stop, and do it at once.
pub(crate) struct HandledBlocked {
    before: bindings::sigset_t,
    _of_this_task: NotThreadSafe,
}

impl HandledBlocked {
    /// Blocks the signals. May sleep.
    pub(crate) fn new(_ctx: &TaskContext) -> Self {
        let mut handled = bindings::sigset_t {
            // SAFETY: In process context, as `_ctx` proves: the current task has its handlers.
            sig: [unsafe { helpers::umcg_handled_signals() }],
        };
        let mut before = bindings::sigset_t::default();
        // CAST: A small positive constant.
        // SAFETY: In process context, as `_ctx` proves; both sets are valid.
        unsafe {
            bindings::sigprocmask(
                bindings::SIG_BLOCK as i32,
                &raw mut handled,
                &raw mut before,
            )
        };

        Self {
            before,
            _of_this_task: NotThreadSafe,
        }
    }
}

impl Drop for HandledBlocked {
    fn drop(&mut self) {
        // CAST: A small positive constant.
        // SAFETY: In process context, as when it was made; the set is valid.
        unsafe {
            bindings::sigprocmask(
                bindings::SIG_SETMASK as i32,
                &raw mut self.before,
                ptr::null_mut(),
            )
        };
        // The signal that has interrupted a system call may have gone to another thread meanwhile,
        // and with it the flag; the restart of that call still depends on it.
        look_on_return();
    }
}
