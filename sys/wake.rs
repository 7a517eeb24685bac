// SPDX-License-Identifier: GPL-2.0

//! Waking a task on the CPU of the waker.
//!
//! C header: [`include/linux/wait.h`](srctree/include/linux/wait.h)

use core::ptr;
use kernel::{
    bindings,
    task::Task, //
};

/// `WF_CURRENT_CPU` of `kernel/sched/sched.h`, where it is private. Defined only here.
///
/// The selftest `wake_on_current_cpu_places_the_target_there` fails if its value has changed.
const WF_CURRENT_CPU: i32 = 0x40;

/// Where a woken task should run.
#[derive(Clone, Copy)]
pub(crate) enum Placement {
    /// Where the scheduler likes.
    Anywhere,
    /// On the CPU of the waker, which is about to sleep. Honoured by the fair class.
    ThisCpu,
}

/// Wakes `task` if it is in an interruptible sleep, as in [`super::sleep::sleep_until`]. Other
/// sleeps may not tolerate a spurious wake-up.
///
/// A full barrier precedes the check of the target's state (`try_to_wake_up()`): it pairs with the
/// one in [`super::sleep::sleep_until`], so that either the target sees the earlier writes of the
/// waker, or the waker sees the target asleep.
///
/// Any context without a run-queue lock. Harmless for a task that has exited: its `task_struct` is
/// counted, and its stack is not accessed.
#[inline]
pub(crate) fn wake(task: &Task, placement: Placement) {
    let flags = match placement {
        Placement::Anywhere => 0,
        Placement::ThisCpu => WF_CURRENT_CPU,
    };
    let mut entry = bindings::wait_queue_entry {
        private: task.as_ptr().cast(),
        ..pin_init::zeroed()
    };

    // SAFETY: Of the entry, `default_wake_function()` uses `private` only: a task, which the
    // reference keeps. It goes by the address of `try_to_wake_up()`, which is not exported.
    unsafe {
        bindings::default_wake_function(
            &raw mut entry,
            bindings::TASK_INTERRUPTIBLE,
            flags,
            ptr::null_mut(),
        )
    };
}
