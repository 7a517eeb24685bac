// SPDX-License-Identifier: GPL-2.0

//! The signals of the current task.

use super::{
    bindings as helpers,
    context::TaskContext, //
};
use kernel::bindings;

/// Whether the current task is about to be killed. Any context.
#[inline]
pub(crate) fn is_dying() -> bool {
    // SAFETY: Looks at the current task only.
    unsafe { helpers::umcg_fatal_signal_pending() }
}

/// Kills the process of the current task. It dies when this entry returns to user mode.
pub(crate) fn kill_current(_ctx: &TaskContext) {
    // CAST: A small positive constant.
    // SAFETY: In process context, as `_ctx` proves, where the signal lock may be taken.
    unsafe { bindings::force_sig(bindings::SIGKILL as i32) };
}
