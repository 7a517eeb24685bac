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

/// Those that an instruction raises. If one of them is blocked then, it kills.
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

    /// The signals of a word that has bit `n - 1` for signal `n`.
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// This one, too. `signal` is from 1 to 64.
    pub(crate) const fn with(self, signal: u32) -> Self {
        Self(self.0 | 1 << (signal - 1))
    }

    /// All that are in either set.
    pub(crate) const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Those that are in this set only.
    pub(crate) const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether this one, from 1 to 64, is among them.
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

    /// Changes the set of signals that the current task blocks. Returns the set of before. May sleep
    /// on PREEMPT_RT.
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

/// Has the current task block the signals that have a handler, except for these and for those that
/// its own instructions raise, until it changes its set itself: a handler that runs has done so when
/// it returns.
pub(crate) fn block_handled(ctx: &TaskContext, except: Signals) {
    Signals::handled(ctx)
        .without(except)
        .without(SYNCHRONOUS)
        .mask(ctx, bindings::SIG_BLOCK);
}

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

/// While it exists, the current task is interrupted by few signals that have a handler: the others
/// that are for its process go to other threads, those for itself wait. Signals without a handler kill
/// or stop, and do it at once.
pub(crate) struct HandledBlocked<'a> {
    before: Signals,
    ctx: &'a TaskContext,
}

impl<'a> HandledBlocked<'a> {
    /// Blocks the signals that have a handler, except for these. May sleep.
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
