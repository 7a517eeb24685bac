// SPDX-License-Identifier: GPL-2.0

//! Records with notifications when their task is switched in and out.

use super::{
    InHook,
    Record,
    TaskRecord, //
};
use crate::sys::bindings as helpers;
use kernel::{
    bindings,
    container_of,
    prelude::*,
    task::Task,
    types::Opaque, //
};

/// Called when the task of a record is switched in or out. Neither may sleep, fault, wake, lock,
/// allocate or print. They may interrupt the task anywhere, but not each other.
pub(crate) trait Switches: TaskRecord {
    /// The current task was switched in. Preemption is disabled, no run-queue lock is held;
    /// interrupts are enabled in most kernels.
    fn switches_in(hook: &InHook<'_, Self>, cpu: u32);

    /// The current task is switched out, to sleep if `blocks`. The run-queue lock is held,
    /// interrupts are disabled. The address space is still that of the task.
    fn switches_out(hook: &InHook<'_, Self>, blocks: bool);
}

/// Callbacks for the preempt notifier of such a record.
pub(super) const fn ops<T: Switches>() -> bindings::preempt_ops {
    bindings::preempt_ops {
        sched_in: Some(sched_in::<T>),
        sched_out: Some(sched_out::<T>),
    }
}

/// # Safety
///
/// To be called by the scheduler, with the notifier of a record that is attached to the current
/// task.
unsafe extern "C" fn sched_in<T: Switches>(notifier: *mut bindings::preempt_notifier, cpu: c_int) {
    // SAFETY: The caller passes the notifier of an attached record of this type.
    let record = unsafe { record_of::<T>(notifier) };

    // SAFETY: The task does not detach it before this callback returns.
    let hook = unsafe { InHook::new(record) };
    // CAST: The number of a CPU is not negative.
    T::switches_in(&hook, cpu as u32);
}

/// # Safety
///
/// As [`sched_in`].
unsafe extern "C" fn sched_out<T: Switches>(
    notifier: *mut bindings::preempt_notifier,
    _next: *mut bindings::task_struct,
) {
    // SAFETY: The caller passes the notifier of an attached record of this type.
    let record = unsafe { record_of::<T>(notifier) };
    // SAFETY: The scheduler holds the run-queue lock of the current task.
    let runnable = unsafe { helpers::umcg_is_runnable(Task::current_raw()) };

    // SAFETY: The task does not detach it before this callback returns.
    T::switches_out(&unsafe { InHook::new(record) }, !runnable);
}

/// # Safety
///
/// As [`sched_in`]; the result is used until the callback returns.
#[inline]
unsafe fn record_of<'a, T: Switches>(notifier: *mut bindings::preempt_notifier) -> &'a Record<T> {
    // CAST: `Opaque<T>` is a transparent wrapper of `T`.
    let notifier = notifier.cast::<Opaque<bindings::preempt_notifier>>();
    // SAFETY: Only records of this type have these callbacks: `Kind<T>` alone makes them so.
    let record = unsafe { container_of!(notifier, Record<T>, notifier) };

    // SAFETY: Attached, so a reference is owned; the task does not detach it meanwhile.
    unsafe { &*record }
}
