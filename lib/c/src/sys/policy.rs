// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The policies of ordinary threads.

/// Replaces one of them by the other, for the calling thread. Returns whether it had that one.
pub(crate) fn replace(from: i32, to: i32) -> bool {
    // SAFETY: The call takes a number.
    let policy = unsafe { libc::sched_getscheduler(0) };
    let options = policy & libc::SCHED_RESET_ON_FORK;
    let none = libc::sched_param { sched_priority: 0 };

    policy >= 0
        && policy & !options == from
        // SAFETY: The call reads the parameters.
        && unsafe { libc::sched_setscheduler(0, to | options, &raw const none) } == 0
}
