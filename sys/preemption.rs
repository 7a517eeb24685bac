// SPDX-License-Identifier: GPL-2.0

//! Sections with preemption disabled.
//!
//! C header: [`include/linux/preempt.h`](srctree/include/linux/preempt.h)

use super::bindings as helpers;

/// Calls `inside`, which must not sleep: until it returns, no scheduler hook of the current task
/// runs. Any context.
pub(crate) fn off<R>(inside: impl FnOnce() -> R) -> R {
    // SAFETY: Enabled again below, by this task.
    unsafe { helpers::umcg_preempt_disable() };
    let result = inside();
    // SAFETY: Preemption was disabled above, by this task.
    unsafe { helpers::umcg_preempt_enable() };

    result
}
