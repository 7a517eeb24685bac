// SPDX-License-Identifier: GPL-2.0

//! How the end of a signal handler is noticed.
//!
//! The kernel tells nobody that a handler returns. But the return puts back the set of blocked
//! signals that was in force when the handler began, and so does `siglongjmp()`. A *sentinel* is a
//! signal that is not in that set. It is blocked and pending while the handler runs, without ever
//! having been sent. When the set is put back, it could be taken: so the task looks for signals on its
//! way to user mode, and runs its task works before it takes one. The work of the owner of the
//! sentinel has to be queued by then, and withdraws it. Nobody ever takes it.
//!
//! C header: [`include/linux/sched/signal.h`](srctree/include/linux/sched/signal.h)

use super::{
    bindings as helpers,
    context::TaskContext,
    signal::Signals, //
};
use core::num::NonZeroU8;
use kernel::bindings;

/// Signals that queue up: if one is sent while it is the sentinel, it is not taken for that.
const FIRST_REALTIME: u32 = 32;

/// The three below are those that the C libraries send to their threads.
const FIRST_FOR_PROGRAMS: u32 = 35;

/// A signal that has not been sent. For the task that has chosen it.
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
    /// It is best to take what is sent least: the highest one that is not among those that the task
    /// answers at once; then the one that is handled, which is blocked meanwhile most often.
    pub(crate) fn choose(handled: u32, answered: Signals) -> Option<Self> {
        // There the task need not pass the scheduler when it is told to, and the work of the owner
        // may be missing when the sentinel is to be withdrawn: so it would be taken, and might kill.
        if cfg!(CONFIG_RSEQ_SLICE_EXTENSION) {
            return None;
        }

        // SAFETY: Looks at the current task only. What becomes pending meanwhile is kept apart when
        // the sentinel is withdrawn.
        let pending = Signals::from_bits(unsafe { helpers::umcg_pending_signals() });
        let taken = lastingly_blocked().and(pending);

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

    /// Puts the sentinel in its place, when the frame of a handler has been set up: on top of it,
    /// perhaps, if others are below.
    pub(crate) fn post(self, ctx: &TaskContext) {
        Signals::NONE
            .with(self.signal())
            .mask(ctx, bindings::SIG_BLOCK);
        // SAFETY: In process context, as `ctx` proves. The signal is blocked.
        unsafe { helpers::umcg_post_sentinel(self.signal()) };
    }

    /// Whether the handler has not returned: only that, or the program itself, unblocks the sentinel.
    ///
    /// A handler may be in a system call that blocks other signals as long as it lasts, such as
    /// `sigsuspend()`. If the sentinel is none of them, the call would be over at once. So it is
    /// withdrawn until a signal has been handled; that is how such a call ends most often.
    pub(crate) fn is_in_force(self, ctx: &TaskContext) -> bool {
        let in_force = lastingly_blocked().contains(self.signal());

        if !in_force || !Signals::blocked_now(ctx).contains(self.signal()) {
            self.withdraw(ctx);
        }
        in_force
    }

    /// Takes the sentinel away.
    pub(crate) fn withdraw(self, _ctx: &TaskContext) {
        // SAFETY: In process context, as `_ctx` proves.
        unsafe { helpers::umcg_withdraw_sentinel(self.signal()) };
    }

    /// Takes the sentinel away from a handler that goes on.
    pub(crate) fn give_up(self, ctx: &TaskContext) {
        self.withdraw(ctx);
        Signals::NONE
            .with(self.signal())
            .mask(ctx, bindings::SIG_UNBLOCK);
    }
}

/// The signals that the current task blocks, whatever a system call blocks for as long as it lasts.
fn lastingly_blocked() -> Signals {
    // SAFETY: Looks at the current task only.
    Signals::from_bits(unsafe { helpers::umcg_lastingly_blocked_signals() })
}
