// SPDX-License-Identifier: GPL-2.0

//! A function that is called later, in process context.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use super::{
    bindings as helpers,
    startup::Startup, //
};
use core::ptr;
use kernel::{
    bindings,
    container_of,
    time::msecs_to_jiffies,
    types::Opaque, //
};

/// A delayed work item that lives as long as the module.
///
/// Usable after [`Deferred::init`]; [`Deferred::cancel`] must be called before the module goes.
pub(crate) struct Deferred {
    work: Opaque<bindings::delayed_work>,
    run: fn(),
}

// SAFETY: The workqueue functions do their own locking, and `run` is a plain function.
unsafe impl Sync for Deferred {}

impl Deferred {
    /// An item that will call `run`, which may sleep, and never runs twice at once.
    pub(crate) const fn new(run: fn()) -> Self {
        Self {
            work: Opaque::uninit(),
            run,
        }
    }

    /// Makes the item usable.
    pub(crate) fn init(&'static self, _: &Startup) {
        // SAFETY: `work` is static memory that nobody uses yet, as the token proves.
        unsafe { helpers::umcg_init_delayed_work(self.work.get(), Some(Self::trampoline)) };
    }

    /// Calls the function once in about `delay_ms` milliseconds. Nothing changes if it is waiting
    /// to be called already. Any context.
    pub(crate) fn schedule(&'static self, delay_ms: u32) {
        // SAFETY: The workqueue is made at boot and never goes.
        let queue = unsafe { ptr::read(&raw const bindings::system_dfl_wq) };

        // SAFETY: `init()` has made the item usable, and it is static.
        unsafe {
            bindings::queue_delayed_work_on(
                bindings::wq_misc_consts_WORK_CPU_UNBOUND as i32,
                queue,
                self.work.get(),
                msecs_to_jiffies(delay_ms),
            )
        };
    }

    /// Forgets a call that has not begun and waits for one that has. May sleep.
    pub(crate) fn cancel(&'static self) {
        // SAFETY: `init()` has made the item usable, and it is static.
        unsafe { bindings::cancel_delayed_work_sync(self.work.get()) };
    }

    /// # Safety
    ///
    /// To be called by the workqueue only, for an item that [`Deferred::init`] has made usable.
    unsafe extern "C" fn trampoline(work: *mut bindings::work_struct) {
        // SAFETY: Every work item with this function is the `work.work` of a static `Deferred`.
        let delayed = unsafe { container_of!(work, bindings::delayed_work, work) };
        // CAST: `Opaque<T>` is a transparent wrapper of `T`.
        let opaque = delayed.cast::<Opaque<bindings::delayed_work>>();
        // SAFETY: As above.
        let this = unsafe { container_of!(opaque, Self, work) };

        // SAFETY: As above; only shared references to it exist.
        let run = unsafe { (*this).run };
        run();
    }
}
