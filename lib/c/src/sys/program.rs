// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What libc calls when threads end, and processes fork.

use super::errno::Errno;
use core::{
    ffi::c_void,
    ptr,
    sync::atomic::{AtomicU64, Ordering},
};

/// Has libc call these before each `fork()`, and in the child.
pub(crate) fn at_fork(before: extern "C" fn(), child: extern "C" fn()) -> Result<(), Errno> {
    // SAFETY: The functions stay as long as the library, with which libc drops them.
    result_of(unsafe { libc::pthread_atfork(Some(before), None, Some(child)) })
}

fn result_of(error: i32) -> Result<(), Errno> {
    match error {
        0 => Ok(()),
        _ => Err(Errno(libc::ENOMEM)),
    }
}

/// A key of thread-specific data, whose destructor is called when a thread ends.
pub(crate) struct Key(AtomicU64);

/// Without a key; else it is in the low bits.
const NO_KEY: u64 = 0;
const MADE: u64 = 1 << 32;

impl Key {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(NO_KEY))
    }

    fn get(&self) -> Option<libc::pthread_key_t> {
        // Acquire: pairs with the exchange in `make()`.
        let word = self.0.load(Ordering::Acquire);

        // CAST: The low half.
        (word != NO_KEY).then_some(word as libc::pthread_key_t)
    }

    pub(crate) fn is_made(&self) -> bool {
        self.get().is_some()
    }

    /// Makes the key, unless another thread has. Without a lock, for a child may be made at any
    /// moment.
    pub(crate) fn make(&self, ends: extern "C" fn(*mut c_void)) -> Result<(), Errno> {
        let mut key = 0;

        // SAFETY: The call writes to the key.
        result_of(unsafe { libc::pthread_key_create(&raw mut key, Some(ends)) })?;
        // Release and acquire: the key is made for all.
        let stored = self.0.compare_exchange(
            NO_KEY,
            MADE | u64::from(key),
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        if stored.is_err() {
            // SAFETY: Nobody else has this key.
            unsafe { libc::pthread_key_delete(key) };
        }
        Ok(())
    }

    /// Has the destructor called when the calling thread ends.
    pub(crate) fn set<T>(&self, value: &'static T) -> Result<(), Errno> {
        let key = self.get().ok_or(Errno(libc::ENOMEM))?;

        // SAFETY: The key is there.
        result_of(unsafe { libc::pthread_setspecific(key, ptr::from_ref(value).cast()) })
    }

    /// The destructor is not called any more.
    pub(crate) fn delete(&self) {
        if let Some(key) = self.get() {
            // SAFETY: The key is there, and its users are not.
            unsafe { libc::pthread_key_delete(key) };
        }
    }
}
