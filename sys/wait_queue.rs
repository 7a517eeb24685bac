// SPDX-License-Identifier: GPL-2.0

//! Waiting for a condition.
//!
//! C header: [`include/linux/wait.h`](srctree/include/linux/wait.h)

use super::{
    bindings as helpers,
    context::TaskContext,
    static_lock::Once, //
};
use kernel::{
    bindings,
    prelude::*,
    types::Opaque, //
};

/// A queue of waiting tasks, for a static.
///
/// # Invariants
///
/// `queue` has been initialised once `initialised` says so.
pub(crate) struct WaitQueue {
    queue: Opaque<bindings::wait_queue_head>,
    initialised: Once,
}

// SAFETY: The functions of a wait queue take the lock in it.
unsafe impl Sync for WaitQueue {}

impl WaitQueue {
    /// An empty queue.
    pub(crate) const fn new() -> Self {
        Self {
            queue: Opaque::uninit(),
            initialised: Once::new(),
        }
    }

    /// Waits until `condition` is true, which is evaluated at once and after each
    /// [`WaitQueue::wake_all`], for at most `timeout_ms` milliseconds. Returns whether it is true.
    ///
    /// The condition must not sleep, except for a lock that does on PREEMPT_RT.
    ///
    /// # Errors
    ///
    /// `EINTR` if the task is being killed.
    pub(crate) fn wait<F: FnMut() -> bool>(
        &'static self,
        _ctx: &TaskContext,
        timeout_ms: u32,
        mut condition: F,
    ) -> Result<bool> {
        self.initialised.call(|| {
            // SAFETY: Static memory that nobody uses yet.
            unsafe { helpers::umcg_init_waitqueue(self.queue.get()) }
        });

        // SAFETY: The queue has been initialised; in process context, as `_ctx` proves. The function
        // gets the pointer that it expects, and only until this call returns.
        let left = unsafe {
            helpers::umcg_wait_killable(
                self.queue.get(),
                Some(Self::evaluate::<F>),
                (&raw mut condition).cast(),
                timeout_ms,
            )
        };

        match left {
            ..0 => Err(EINTR),
            left => Ok(left > 0),
        }
    }

    /// Makes all waiting tasks evaluate their condition, which depends on data that the caller has
    /// changed under a lock that the condition takes. Any context in which a `spinlock_t` may be
    /// taken.
    pub(crate) fn wake_all(&'static self) {
        // If not, no task waited before that change, and a task that waits now sees it, because of
        // the lock.
        if !self.initialised.is_over() {
            return;
        }
        // SAFETY: The queue has been initialised.
        unsafe { helpers::umcg_wake_all(self.queue.get()) };
    }

    /// # Safety
    ///
    /// `condition` is an `F` in exclusive use.
    unsafe extern "C" fn evaluate<F: FnMut() -> bool>(condition: *mut c_void) -> bool {
        // SAFETY: Promised by the caller.
        unsafe { (*condition.cast::<F>())() }
    }
}
