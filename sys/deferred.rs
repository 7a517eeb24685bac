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
    prelude::*,
    sync::atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    },
    time::msecs_to_jiffies,
    types::Opaque, //
};

/// The items that have been initialised, linked by `next`.
static ITEMS: Atomic<*mut Deferred> = Atomic::new(ptr::null_mut());

/// A delayed work item in a static.
///
/// Does nothing before [`Deferred::init`], and nothing once the module is being unloaded: none can
/// be left behind.
pub(crate) struct Deferred {
    work: Opaque<bindings::delayed_work>,
    run: fn(),
    /// A queue that is destroyed with the module; null for the kernel's queue.
    queue: Atomic<*mut bindings::workqueue_struct>,
    initialised: Atomic<bool>,
    next: Atomic<*mut Deferred>,
}

// SAFETY: The workqueue functions do their own locking, and `run` is a plain function.
unsafe impl Sync for Deferred {}

impl Deferred {
    /// An item that will call `run`, which may sleep, and never runs concurrently with itself.
    pub(crate) const fn new(run: fn()) -> Self {
        Self {
            work: Opaque::uninit(),
            run,
            queue: Atomic::new(ptr::null_mut()),
            initialised: Atomic::new(false),
            next: Atomic::new(ptr::null_mut()),
        }
    }

    /// Makes the item usable.
    pub(crate) fn init(&'static self, _: &Startup) {
        // Relaxed, here and below: no other task is in the module's code, as the token proves.
        if self.initialised.load(Relaxed) {
            return;
        }

        // SAFETY: `work` is static memory that nobody has used yet.
        unsafe { helpers::umcg_init_delayed_work(self.work.get(), Some(Self::trampoline)) };
        self.next.store(ITEMS.load(Relaxed), Relaxed);
        // CAST: Only ever made a shared reference again.
        ITEMS.store(ptr::from_ref(self).cast_mut(), Relaxed);
        // Release: pairs with the acquire in `schedule()`.
        self.initialised.store(true, Release);
    }

    /// Makes the item usable, on a separate queue with a rescuer thread, which runs it even without
    /// memory: so it must not wait for memory, nor for a task that does.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(super) fn init_with_rescuer(&'static self, startup: &Startup) -> Result {
        if self.queue.load(Relaxed).is_null() {
            // SAFETY: In process context, as the token proves.
            let queue = unsafe { helpers::umcg_alloc_workqueue() };
            if queue.is_null() {
                return Err(ENOMEM);
            }
            self.queue.store(queue, Relaxed);
        }
        self.init(startup);

        Ok(())
    }

    /// Calls the function once in about `delay_ms` milliseconds. Does nothing if a call is pending.
    /// Any context.
    pub(crate) fn schedule(&'static self, delay_ms: u32) {
        // Acquire: pairs with the release in `init()`.
        if !self.initialised.load(Acquire) {
            return;
        }
        let mut queue = self.queue.load(Relaxed);
        if queue.is_null() {
            // SAFETY: The workqueue is made at boot and never goes.
            queue = unsafe { ptr::read(&raw const bindings::system_dfl_wq) };
        }

        // SAFETY: The item has been initialised, and is static. Its queue is there until it is
        // disabled; after that this does nothing, and does not look at the queue.
        unsafe {
            bindings::queue_delayed_work_on(
                bindings::wq_misc_consts_WORK_CPU_UNBOUND as i32,
                queue,
                self.work.get(),
                msecs_to_jiffies(delay_ms),
            )
        };
    }

    /// # Safety
    ///
    /// To be called by the workqueue only, for an item that [`Deferred::init`] has made usable.
    unsafe extern "C" fn trampoline(work: *mut bindings::work_struct) {
        // SAFETY: Every work item with this function is the `work.work` of a static `Deferred`.
        let delayed = unsafe { container_of!(work, bindings::delayed_work, work) };
        // CAST: `Opaque<T>` is a transparent wrapper of `T`.
        let opaque = delayed.cast::<Opaque<bindings::delayed_work>>();
        // SAFETY: The delayed work is the field of a static `Deferred`.
        let this = unsafe { container_of!(opaque, Self, work) };

        // SAFETY: A static, of which only shared references exist.
        let run = unsafe { (*this).run };
        run();
    }
}

/// Cancels pending calls, waits for running ones, and allows no others. May sleep.
pub(super) fn shut_down() {
    let mut next = ITEMS.load(Relaxed);

    // SAFETY: Null, or a static: only `init()` has put it there.
    while let Some(item) = unsafe { next.as_ref() } {
        // SAFETY: `init()` has initialised it. It may be queued again while this waits for it, by
        // itself or by others, and stays disabled all the same.
        unsafe { bindings::disable_delayed_work_sync(item.work.get()) };
        let queue = item.queue.load(Relaxed);
        if !queue.is_null() {
            // SAFETY: Made by `init_with_rescuer()`, for this item alone, which is disabled now.
            unsafe { bindings::destroy_workqueue(queue) };
        }
        next = item.next.load(Relaxed);
    }
}
