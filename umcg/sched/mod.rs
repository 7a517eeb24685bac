// SPDX-License-Identifier: GPL-2.0

//! Who is on a CPU: slots that the kernel writes and user space reads, and words of user space that
//! the kernel writes when a thread has left its CPU.
//!
//! Any thread can have either, be it registered as a server or worker or not. Each has a record of
//! its own, with a preempt notifier of its own: nobody pays for what he does not have.

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

/// The current task exits, or its address space is about to be replaced.
pub(super) fn vanish(ctx: &mut TaskContext) {
    desched::vanish(ctx);
    state::vanish(ctx);
}
