// SPDX-License-Identifier: GPL-2.0

//! Destructors that run in process context, a grace period after the object can no longer be found.
//!
//! `call_rcu()` would run them in softirq context, where the last reference to an address space or a
//! page cannot be dropped.

use super::{
    compat,
    deferred::Deferred,
    startup::Startup, //
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    bindings,
    prelude::*,
    sync::atomic::{
        Atomic,
        Full,
        Relaxed, //
    },
};

/// The objects that wait, linked by `next`; `func` destroys one.
static DEAD: Atomic<*mut bindings::callback_head> = Atomic::new(ptr::null_mut());

static REAP: Deferred = Deferred::new(reap);

/// Makes the reaper usable. It frees memory even if none can be allocated.
///
/// # Errors
///
/// `ENOMEM`.
pub(super) fn init(startup: &Startup) -> Result {
    REAP.init_with_rescuer(startup)
}

/// Calls `(*head).func` in process context, after an RCU grace period. Any context.
///
/// # Safety
///
/// `head` is valid, its `func` is set, and it belongs to the reaper until `func` is called with it.
/// What `func` does is allowed to any code of the module in process context.
pub(super) unsafe fn after_grace_period(head: NonNull<bindings::callback_head>) {
    let mut first = DEAD.load(Relaxed);
    loop {
        // SAFETY: `head` belongs to the reaper, and is not on the list yet.
        unsafe { (*head.as_ptr()).next = first };
        // Full, for the release that it contains: pairs with the exchange in `reap()`, which must
        // see `next` and `func`.
        match DEAD.cmpxchg(first, head.as_ptr(), Full) {
            Ok(_) => break,
            Err(now) => first = now,
        }
    }
    REAP.schedule(0);
}

fn reap() {
    // Full, for the acquire that it contains: pairs with the compare-exchange above.
    let mut next = DEAD.xchg(ptr::null_mut(), Full);
    if next.is_null() {
        return;
    }

    compat::synchronize_rcu();
    while let Some(head) = NonNull::new(next) {
        // SAFETY: Everything on the list is valid until its `func` has been called.
        let bindings::callback_head { next: rest, func } = unsafe { ptr::read(head.as_ptr()) };
        next = rest;
        if let Some(func) = func {
            // SAFETY: A grace period has passed, and nobody else calls it.
            unsafe { func(head.as_ptr()) };
        }
    }
}

/// Destroys the pending objects. May sleep. For the exit of the module, when the item was shut down
/// and nothing is attached to a task any more, so nothing can follow.
pub(super) fn shut_down() {
    reap();
}
