// SPDX-License-Identifier: GPL-2.0

//! Scheduling state of threads: slots that the kernel writes and user space reads, and words of
//! user space that the kernel writes when their thread was descheduled.
//!
//! Any thread can have either, whether it is registered as a server or worker or not. Each has its
//! own record and preempt notifier, so a thread pays only for what it uses.

pub(crate) mod area;
pub(super) mod desched;
mod numbers;
mod slot;
pub(super) mod state;

use crate::sys::context::TaskContext;

/// Kills the processes that have threads with either.
pub(super) fn evict() {
    desched::evict();
    state::evict();
}

/// The current task exits, or calls exec.
pub(super) fn vanish(ctx: &mut TaskContext) {
    desched::vanish(ctx);
    state::vanish(ctx);
}
