// SPDX-License-Identifier: GPL-2.0

//! Sleeping until a condition holds.
//!
//! C header: [`include/linux/sched.h`](srctree/include/linux/sched.h)

use super::{
    bindings as helpers,
    context::TaskContext,
    signal, //
};
use kernel::{
    bindings,
    current, //
};

/// What a sleep gives way to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Every signal.
    Interruptible,
    /// Fatal signals only. Not counted as load. The freezer is let through.
    Killable,
}

/// Why a sleep has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The condition holds.
    Done,
    /// The deadline has passed.
    TimedOut,
    /// A signal is pending.
    Signalled,
}

impl Depth {
    fn task_state(self) -> u32 {
        match self {
            Depth::Interruptible => bindings::TASK_INTERRUPTIBLE | bindings::TASK_FREEZABLE,
            Depth::Killable => {
                bindings::TASK_UNINTERRUPTIBLE
                    | bindings::TASK_NOLOAD
                    | bindings::TASK_WAKEKILL
                    | bindings::TASK_FREEZABLE
            }
        }
    }

    fn is_signalled(self) -> bool {
        match self {
            Depth::Interruptible => current!().signal_pending(),
            Depth::Killable => signal::is_dying(),
        }
    }
}

/// Sleeps until `done` returns true, a signal comes, or CLOCK_REALTIME reaches `deadline_ns`.
///
/// `done` is called with the task marked as asleep, and must not sleep itself. The mark is followed
/// by a full barrier, which pairs with the one in [`super::wake::wake`]: what a waker wrote before
/// it woke is seen here, or the waker sees the mark and takes it away.
///
/// A condition that holds wins over a deadline, and a deadline over a signal.
pub(crate) fn sleep_until(
    _ctx: &TaskContext,
    depth: Depth,
    deadline_ns: Option<u64>,
    mut done: impl FnMut() -> bool,
) -> Ended {
    let mut expired = false;

    let ended = loop {
        // SAFETY: In process context, as `_ctx` proves; the state is set back below.
        unsafe { helpers::umcg_set_current_state(depth.task_state()) };
        if done() {
            break Ended::Done;
        }
        if expired {
            break Ended::TimedOut;
        }
        if depth.is_signalled() {
            break Ended::Signalled;
        }

        match deadline_ns {
            // SAFETY: The task may sleep, and its state says how.
            None => unsafe { bindings::schedule() },
            // SAFETY: As above.
            Some(deadline) => expired = unsafe { helpers::umcg_schedule_until(deadline) },
        }
    };

    // SAFETY: As above.
    unsafe { helpers::umcg_set_current_state(bindings::TASK_RUNNING) };

    ended
}
