// SPDX-License-Identifier: GPL-2.0

//! Locks, and other kernel objects, in statics that are initialised on first use.
//!
//! They must be initialised at run time. The first user does that, so no order of initialisation
//! needs to be observed.

use super::bindings as helpers;
use kernel::sync::{
    atomic::{
        Acquire,
        Atomic,
        Relaxed,
        Release, //
    },
    lock::GlobalLockBackend,
    GlobalGuard,
    GlobalLock, //
};

/// Whether an object in a static has been initialised.
pub(super) struct Once(Atomic<bool>);

impl Once {
    /// Not yet.
    pub(super) const fn new() -> Self {
        Self(Atomic::new(false))
    }

    /// Calls `init` if no call has done so before, and returns when it has been called. May sleep.
    ///
    /// `init` must not lock anything.
    #[inline]
    pub(super) fn call(&self, init: impl FnOnce()) {
        // Acquire: pairs with the release in `call_first()`; the effects of `init` are visible.
        if !self.0.load(Acquire) {
            self.call_first(init);
        }
    }

    /// Whether a call has done so. Any context.
    pub(super) fn is_over(&self) -> bool {
        // Acquire: pairs with the release in `call_first()`.
        self.0.load(Acquire)
    }

    #[cold]
    #[inline(never)]
    fn call_first(&self, init: impl FnOnce()) {
        // SAFETY: In a context that may sleep; unlocked below, and a leaf of the lock order.
        unsafe { helpers::umcg_once_lock() };
        // Relaxed: stored with the mutex held.
        if !self.0.load(Relaxed) {
            init();
            self.0.store(true, Release);
        }
        // SAFETY: Locked above, by this task.
        unsafe { helpers::umcg_once_unlock() };
    }
}

/// A lock in a static, made by [`static_lock!`](crate::static_lock).
pub(crate) struct StaticLock<B: GlobalLockBackend> {
    lock: GlobalLock<B>,
    initialised: Once,
}

impl<B: GlobalLockBackend> StaticLock<B> {
    /// A lock, for a static.
    ///
    /// # Safety
    ///
    /// `B` belongs to no other lock.
    pub(crate) const unsafe fn new(value: B::Item) -> Self {
        Self {
            // SAFETY: Only `lock()` uses it, which initialises it first. The caller promises that it
            // has a `B` of its own.
            lock: unsafe { GlobalLock::new(value) },
            initialised: Once::new(),
        }
    }

    /// Locks it. May sleep, whatever the type of the lock.
    #[inline]
    pub(crate) fn lock(&'static self) -> GlobalGuard<B> {
        // SAFETY: Called once, before anything else is done with the lock.
        self.initialised.call(|| unsafe { self.lock.init() });
        self.lock.lock()
    }
}

/// Defines a lock of the kind `Mutex` or `SpinLock` in a static.
#[macro_export]
macro_rules! static_lock {
    ($(#[$meta:meta])* static $name:ident: $kind:ident<$value:ty> = $init:expr;) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum $name {}

        impl ::kernel::sync::lock::GlobalLockBackend for $name {
            const NAME: &'static ::kernel::str::CStr =
                ::kernel::c_str!(::core::stringify!($name));
            type Item = $value;
            type Backend = ::kernel::global_lock_inner!(backend $kind);

            fn get_lock_class() -> ::core::pin::Pin<&'static ::kernel::sync::LockClassKey> {
                ::kernel::static_lock_class!()
            }
        }

        $(#[$meta])*
        static $name: $crate::sys::static_lock::StaticLock<$name> = {
            // Outside of the unsafe block.
            let init: $value = $init;

            #[allow(unsafe_code, reason = "the macro itself keeps the promise")]
            // SAFETY: The type has been made for this static, above.
            unsafe {
                $crate::sys::static_lock::StaticLock::new(init)
            }
        };
    };
}
