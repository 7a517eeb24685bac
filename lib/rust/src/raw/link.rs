// SPDX-License-Identifier: GPL-2.0 OR MIT

//! References that are shared, and may change.

use crate::atomic::{AtomicPtr, Ordering};
use core::ptr;

/// A value that is never freed, or none. Zeroed memory is none.
pub(crate) struct Link<T: Sync + 'static>(pub(super) AtomicPtr<T>);

impl<T: Sync> Link<T> {
    /// Loads and stores are relaxed, since what passes the link on orders them as well.
    pub(crate) fn get(&self) -> Option<&'static T> {
        self.load(Ordering::Relaxed)
    }

    pub(super) fn load(&self, ordering: Ordering) -> Option<&'static T> {
        let value = self.0.load(ordering);

        // SAFETY: The pointer comes from a reference of this lifetime, or is null: see `set()`, and
        // memory in which nothing was set is zero.
        unsafe { value.as_ref() }
    }

    pub(crate) fn set(&self, value: Option<&'static T>) {
        // Relaxed: see `get()`.
        self.0.store(pointer(value), Ordering::Relaxed);
    }

    /// Takes what there is.
    pub(crate) fn take(&self) -> Option<&'static T> {
        let value = self.get();

        self.set(None);
        value
    }
}

/// What is stored for a value.
pub(super) fn pointer<T>(value: Option<&'static T>) -> *mut T {
    value.map_or(ptr::null_mut(), |value| ptr::from_ref(value).cast_mut())
}

impl<T: Sync> Default for Link<T> {
    fn default() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }
}
