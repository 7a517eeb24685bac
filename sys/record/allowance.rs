// SPDX-License-Identifier: GPL-2.0

//! CPU time that the owner of a record may use before it is caught on its return to user mode.
//!
//! C header: [`include/linux/hrtimer.h`](srctree/include/linux/hrtimer.h)

use super::{
    Current,
    RecordRef,
    TaskRecord, //
};
use crate::sys::{
    bindings as helpers,
    compat,
    context::TaskContext,
    module_ref::ModuleRef, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    container_of,
    prelude::*,
    types::Opaque, //
};

/// The timer is not restarted for less.
const SHORTEST_NS: u64 = 1_000_000;

/// An amount of CPU time for the owner of a record. While it exists, a timer makes the owner run
/// its task work some time after it may have been used up.
///
/// The timer measures wall-clock time, and is restarted only by the owner: an owner that sleeps, or
/// waits for a CPU, is not disturbed repeatedly.
///
/// To be dropped before the record is detached, or neither is freed. In process context, which may
/// sleep on PREEMPT_RT: a running callback is waited for.
///
/// The order of the fields is the order in which they are dropped, after the timer was cancelled.
#[pin_data(PinnedDrop)]
pub(crate) struct Allowance<T: TaskRecord> {
    #[pin]
    timer: Opaque<bindings::hrtimer>,
    record: RecordRef<T>,
    /// The CPU time of the owner at which it is used up, in nanoseconds.
    end: u64,
    /// The kernel calls code of the module until the timer has been cancelled.
    _module: ModuleRef,
}

// SAFETY: The timer does its own locking, and its callback only reads.
unsafe impl<T: TaskRecord> Send for Allowance<T> {}
// SAFETY: The timer does its own locking, and its callback only reads.
unsafe impl<T: TaskRecord> Sync for Allowance<T> {}

impl<T: TaskRecord> Allowance<T> {
    /// Gives the current task this many nanoseconds of CPU time. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `ENODEV` if the module is being unloaded.
    pub(crate) fn new(
        _ctx: &TaskContext,
        current: &Current<'_, T>,
        ns: u64,
    ) -> Result<Pin<KBox<Self>>> {
        let module = ModuleRef::new()?;
        // An attached record owns a reference to itself.
        current.record.refs.inc();
        // SAFETY: The reference that has just been counted.
        let record = unsafe { RecordRef::from_raw(NonNull::from(current.record)) };
        let init = pin_init!(Self {
            timer <- Opaque::ffi_init(|slot| {
                // SAFETY: The slot is valid memory for a timer, and does not move. The callback
                // gets timers within an allowance only.
                unsafe {
                    bindings::hrtimer_setup(
                        slot,
                        Some(Self::expires),
                        bindings::CLOCK_MONOTONIC as bindings::clockid_t,
                        bindings::hrtimer_mode_HRTIMER_MODE_REL,
                    )
                }
            }),
            record,
            // SAFETY: In process context, as `_ctx` proves.
            end: unsafe { helpers::umcg_own_runtime() } + ns,
            _module: module,
        });
        let allowance = KBox::pin_init(init, GFP_KERNEL_ACCOUNT)?;
        allowance.start(ns);

        Ok(allowance)
    }

    /// Whether the current task, which owns it, has used it up. If not, the timer is restarted for
    /// the rest. May sleep.
    pub(crate) fn is_used_up(&self, _ctx: &TaskContext) -> bool {
        // SAFETY: In process context, as `_ctx` proves.
        let used = unsafe { helpers::umcg_own_runtime() };
        let is_used_up = used >= self.end;

        if !is_used_up {
            self.start(self.end - used);
        }
        is_used_up
    }

    fn start(&self, ns: u64) {
        // CAST: An allowance is a few seconds at most.
        let delay = ns.max(SHORTEST_NS) as bindings::ktime_t;

        // SAFETY: `new()` has set the timer up, and it is cancelled before it goes. It may be started
        // while it runs.
        unsafe {
            bindings::hrtimer_start_range_ns(
                self.timer.get(),
                delay,
                0,
                bindings::hrtimer_mode_HRTIMER_MODE_REL,
            )
        };
    }

    /// Called in interrupt context; on PREEMPT_RT in softirq context, in a thread. The lock of the gate
    /// is a raw one, and a nudge takes none.
    ///
    /// # Safety
    ///
    /// To be called as the callback of the timer of an allowance only.
    unsafe extern "C" fn expires(timer: *mut bindings::hrtimer) -> bindings::hrtimer_restart {
        // CAST: `Opaque<T>` is a transparent wrapper of `T`.
        let timer = timer.cast::<Opaque<bindings::hrtimer>>();
        // SAFETY: Promised by the caller. It is there until the timer has been cancelled.
        let allowance = unsafe { &*container_of!(timer, Self, timer) };

        // The record may be detached by now.
        let _ = allowance.record.visit(|owner| owner.nudge());
        compat::timer_is_over()
    }
}

#[pinned_drop]
impl<T: TaskRecord> PinnedDrop for Allowance<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: The timer is set up. Its callback takes no lock that may be held here.
        unsafe { bindings::hrtimer_cancel(self.timer.get()) };
    }
}
