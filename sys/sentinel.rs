// SPDX-License-Identifier: GPL-2.0

//! Detects the return of a signal handler.
//!
//! The kernel has no hook for the return of a handler. But the return restores the signal mask from
//! when the handler began, and so does `siglongjmp()`. A *sentinel* is a signal that is not in that
//! mask. It is blocked and pending while the handler runs, without having been sent. When the mask
//! is restored, it could be taken: so the task checks for signals on its return to user mode, and
//! runs its task works before it takes one. The work of the sentinel's owner must be queued by
//! then, and withdraws it. It is never taken.
//!
//! C header: [`include/linux/sched/signal.h`](srctree/include/linux/sched/signal.h)

use super::{
    bindings as helpers,
    context::TaskContext,
    signal::Signals, //
};
use core::num::NonZeroU8;
use kernel::bindings;

/// Signals that are queued: if one is sent while it is the sentinel, it can be told apart.
const FIRST_REALTIME: u32 = 32;

/// The three below are used internally by C libraries.
const FIRST_FOR_PROGRAMS: u32 = 35;

/// A pending signal that was not sent. For the task that has chosen it.
///
/// # Invariants
///
/// From [`FIRST_REALTIME`] to 64.
#[derive(Clone, Copy)]
pub(crate) struct Sentinel(NonZeroU8);

impl Sentinel {
    /// Chooses a signal for the handler of `handled` that is about to begin. `None` if there is none
    /// that is neither blocked by the current task nor pending. Any context of the current task.
    ///
    /// Prefers rarely used signals: the highest one that is not immediate; then the handled one,
    /// which is usually blocked meanwhile.
    pub(crate) fn choose(handled: u32, answered: Signals) -> Option<Self> {
        // With that option the task may return to user mode without passing the scheduler, and the
        // owner's work may not be queued when the sentinel is to be withdrawn: it would be taken,
        // and might kill.
        if cfg!(CONFIG_RSEQ_SLICE_EXTENSION) {
            return None;
        }

        // SAFETY: Looks at the current task only. What becomes pending meanwhile is kept apart when
        // the sentinel is withdrawn.
        let pending = Signals::from_bits(unsafe { helpers::umcg_pending_signals() });
        let taken = lastingly_blocked().union(pending);

        (FIRST_FOR_PROGRAMS..=64)
            .rev()
            .filter(|signal| !answered.contains(*signal))
            .chain([handled])
            .chain(FIRST_REALTIME..FIRST_FOR_PROGRAMS)
            .find(|signal| *signal >= FIRST_REALTIME && !taken.contains(*signal))
            // CAST: 64 at most.
            .and_then(|signal| NonZeroU8::new(signal as u8))
            // INVARIANT: In the ranges above.
            .map(Self)
    }

    fn signal(self) -> u32 {
        self.0.get().into()
    }

    /// Posts the sentinel, when the frame of a handler was set up, perhaps on top of others.
    pub(crate) fn post(self, ctx: &TaskContext) {
        Signals::NONE
            .with(self.signal())
            .mask(ctx, bindings::SIG_BLOCK);
        // SAFETY: In process context, as `ctx` proves. The signal is blocked.
        unsafe { helpers::umcg_post_sentinel(self.signal()) };
    }

    /// Whether the handler has not returned: only its return, or the program itself, unblocks the
    /// sentinel.
    ///
    /// A handler may be in a system call that temporarily replaces the signal mask, such as
    /// `sigsuspend()`. If the sentinel is not in the new mask, the call would end at once. So it is
    /// withdrawn until a signal was handled, which usually ends such a call.
    pub(crate) fn is_in_force(self, ctx: &TaskContext) -> bool {
        let in_force = lastingly_blocked().contains(self.signal());

        if !in_force || !Signals::blocked_now(ctx).contains(self.signal()) {
            self.withdraw(ctx);
        }
        in_force
    }

    /// Withdraws the sentinel.
    pub(crate) fn withdraw(self, _ctx: &TaskContext) {
        // SAFETY: In process context, as `_ctx` proves.
        unsafe { helpers::umcg_withdraw_sentinel(self.signal()) };
    }

    /// Withdraws the sentinel of a handler that continues.
    pub(crate) fn give_up(self, ctx: &TaskContext) {
        self.withdraw(ctx);
        Signals::NONE
            .with(self.signal())
            .mask(ctx, bindings::SIG_UNBLOCK);
    }
}

/// The signals that the current task blocks, apart from temporary changes by a system call.
fn lastingly_blocked() -> Signals {
    // SAFETY: Looks at the current task only.
    Signals::from_bits(unsafe { helpers::umcg_lastingly_blocked_signals() })
}
