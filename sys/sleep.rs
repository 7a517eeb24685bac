// SPDX-License-Identifier: GPL-2.0

//! Sleeping until a condition holds.
//!
//! C header: [`include/linux/sched.h`](srctree/include/linux/sched.h)

use super::{
    bindings as helpers,
    context::TaskContext, //
};
use core::num::NonZero;
use kernel::{
    bindings,
    current, //
};

/// Interruptible, and freezable.
const INTERRUPTIBLE: u32 = bindings::TASK_INTERRUPTIBLE | bindings::TASK_FREEZABLE;

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

/// A deadline in nanoseconds of CLOCK_REALTIME.
pub(crate) type Deadline = NonZero<u64>;

/// What `ps` and `/proc/PID/wchan` show for a sleeping task.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// `umcg_wait`: it waits in a call.
    Wait,
    /// `umcg_hold`: it is held on its return to user mode.
    Hold,
}

/// Sleeps until `done` returns true, a signal comes, or CLOCK_REALTIME reaches `deadline`.
///
/// `done` is called with the task marked as asleep, and must not sleep. The mark is followed by a
/// full barrier, which pairs with the one in [`super::wake::wake`]: either the earlier writes of a
/// waker are seen here, or the waker sees the mark and removes it.
///
/// The condition takes precedence over the deadline, and the deadline over a signal.
#[inline]
pub(crate) fn sleep_until(
    _ctx: &TaskContext,
    place: Place,
    deadline: Option<Deadline>,
    mut done: impl FnMut() -> bool,
) -> Ended {
    loop {
        // SAFETY: In process context, as `_ctx` proves; the state is set back below.
        unsafe { helpers::umcg_set_current_state(INTERRUPTIBLE) };
        if done() {
            // SAFETY: In process context; the task runs again.
            unsafe { helpers::umcg_set_current_state(bindings::TASK_RUNNING) };
            return Ended::Done;
        }

        // If a signal is pending already, the scheduler does not let the task sleep.
        let expired = match deadline {
            None => {
                match place {
                    // SAFETY: The task may sleep, and its state says how.
                    Place::Wait => unsafe { helpers::umcg_wait() },
                    // SAFETY: The task may sleep, and its state says how.
                    Place::Hold => unsafe { helpers::umcg_hold() },
                }
                false
            }
            // SAFETY: The task may sleep, and its state says how; any deadline will do.
            Some(deadline) => unsafe {
                helpers::umcg_sleep_until(deadline.get(), place == Place::Hold)
            },
        };

        // The task runs. It was usually woken for this.
        if done() {
            return Ended::Done;
        }
        if expired {
            return Ended::TimedOut;
        }
        if current!().signal_pending() {
            return Ended::Signalled;
        }
    }
}

/// Sleeps for some milliseconds before the current task retries to get memory, or until a signal is
/// pending.
pub(crate) fn wait_for_memory(_ctx: &TaskContext, ms: u32) -> Ended {
    // SAFETY: In process context, as `_ctx` proves, where the task may sleep.
    if unsafe { helpers::umcg_wait_for_memory(ms) } {
        Ended::Signalled
    } else {
        Ended::TimedOut
    }
}
