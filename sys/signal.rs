// SPDX-License-Identifier: GPL-2.0

//! The signals of the current task.
//!
//! C header: [`include/linux/sched/signal.h`](srctree/include/linux/sched/signal.h)

use super::{
    bindings as helpers,
    context::TaskContext, //
};
use kernel::{
    bindings,
    current,
    task::Task, //
};

/// A set of signals.
#[derive(Clone, Copy)]
pub(crate) struct Signals(u64);

/// Signals raised by instructions. If such a signal is blocked, it kills.
const SYNCHRONOUS: Signals = Signals::NONE
    .with(bindings::SIGSEGV)
    .with(bindings::SIGBUS)
    .with(bindings::SIGILL)
    .with(bindings::SIGTRAP)
    .with(bindings::SIGFPE)
    .with(bindings::SIGSYS);

impl Signals {
    /// No signal.
    pub(crate) const NONE: Self = Self(0);

    /// The signals of a word with bit `n - 1` for signal `n`.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// With this one added. `signal` is from 1 to 64.
    pub(crate) const fn with(self, signal: u32) -> Self {
        Self(self.0 | 1 << (signal - 1))
    }

    /// The union of both sets.
    pub(crate) const fn union(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Those only in this set.
    pub(crate) const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether it contains this one, from 1 to 64.
    pub(crate) const fn contains(self, signal: u32) -> bool {
        self.0 & 1 << (signal - 1) != 0
    }

    /// Those that have a handler in the process of the current task.
    fn handled(_ctx: &TaskContext) -> Self {
        // SAFETY: In process context, as `_ctx` proves: the current task has its handlers.
        Self(unsafe { helpers::umcg_handled_signals() })
    }

    /// Those that the current task blocks now.
    pub(super) fn blocked_now(_ctx: &TaskContext) -> Self {
        // SAFETY: The task itself changes its set, or a tracer while it is stopped.
        let [set] = unsafe { (*Task::current_raw()).blocked }.sig;

        // CAST: `usize` has 64 bits wherever this module is built.
        Self(set as u64)
    }

    /// Changes the signal mask of the current task. Returns the old one. May sleep on PREEMPT_RT.
    pub(super) fn mask(self, _ctx: &TaskContext, how: u32) -> Self {
        // CAST: `usize` has 64 bits wherever this module is built.
        let mut set = bindings::sigset_t {
            sig: [self.0 as usize],
        };
        let mut before = bindings::sigset_t::default();

        // CAST: A small constant.
        // SAFETY: In process context, as `_ctx` proves; both sets are valid.
        unsafe { bindings::sigprocmask(how as i32, &raw mut set, &raw mut before) };
        // CAST: `usize` has 64 bits wherever this module is built.
        Self(before.sig[0] as u64)
    }
}

/// Makes the current task block the handled signals, except for these and for those raised by its
/// own instructions, until it changes its signal mask itself, which the return of a handler does.
pub(crate) fn block_handled(ctx: &TaskContext, except: Signals) {
    Signals::handled(ctx)
        .without(except)
        .without(SYNCHRONOUS)
        .mask(ctx, bindings::SIG_BLOCK);
}

/// Whether the current task will not return to user mode. Any context.
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

/// Forces `SIGSEGV` for a user address on the current task, when this entry returns to user mode.
/// May sleep.
pub(crate) fn segfault_current(_ctx: &TaskContext, address: u64) {
    // CAST: Addresses have 64 bits wherever this module is built.
    let is_mapped = current!()
        .mm()
        .is_some_and(|mm| mm.mmap_read_lock().vma_lookup(address as usize).is_some());

    // SAFETY: In process context, as `_ctx` proves, where the signal lock may be taken.
    unsafe { helpers::umcg_segfault(address, is_mapped) };
}

/// Makes the current task check for signals on its return to user mode, where a system call that
/// has failed with one of the `ERESTART` codes is restarted. Any context.
pub(crate) fn look_on_return() {
    // SAFETY: Changes a flag of the current task only. Without a signal it is taken back there.
    unsafe { helpers::umcg_set_signal_pending() };
}

/// Makes the current task pass the scheduler once more before it returns to user mode. Any context.
pub(crate) fn reschedule_on_return() {
    // SAFETY: Changes a flag of the current task only.
    unsafe { helpers::umcg_set_need_resched_lazy() };
}

/// While it exists, only selected handled signals interrupt the current task: others for its
/// process go to other threads, others for itself stay pending. Signals without a handler kill or
/// stop at once.
pub(crate) struct HandledBlocked<'a> {
    before: Signals,
    ctx: &'a TaskContext,
}

impl<'a> HandledBlocked<'a> {
    /// Blocks the handled signals, except for these. May sleep.
    pub(crate) fn new(ctx: &'a TaskContext, except: Signals) -> Self {
        let before = Signals::handled(ctx)
            .without(except)
            .mask(ctx, bindings::SIG_BLOCK);

        Self { before, ctx }
    }
}

impl Drop for HandledBlocked<'_> {
    fn drop(&mut self) {
        self.before.mask(self.ctx, bindings::SIG_SETMASK);
        // The signal that has interrupted a system call may have gone to another thread meanwhile,
        // and with it the flag; the restart of that call still depends on it.
        look_on_return();
    }
}
