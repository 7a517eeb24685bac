// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Words that the kernel writes when a thread was descheduled.

use super::{errno::Errno, slots};
use alloc::boxed::Box;
use core::{marker::PhantomData, ptr::NonNull, sync::atomic::AtomicU64};

/// A word of the calling thread. It is freed once the kernel has stopped writing to it; never, if
/// this is leaked.
pub(crate) struct Notified {
    word: NonNull<AtomicU64>,
    /// It belongs to the thread.
    not_send: PhantomData<*const ()>,
}

impl Notified {
    pub(crate) fn new(flags: u32, value: u64) -> Result<Self, Errno> {
        let word = NonNull::from(Box::leak(Box::new(AtomicU64::new(0))));
        let notified = Self {
            word,
            not_send: PhantomData,
        };

        // SAFETY: The word is leaked until `drop()` has removed the notification. The thread is the
        // same then, as this is not Send.
        unsafe { slots::add_notification(flags, notified.address(), value) }?;
        Ok(notified)
    }

    fn address(&self) -> u64 {
        self.word.as_ptr().expose_provenance() as u64
    }

    #[inline]
    pub(crate) fn word(&self) -> &AtomicU64 {
        // SAFETY: The word lives as long as `self`. The kernel writes all eight bytes by one atomic
        // store.
        unsafe { self.word.as_ref() }
    }
}

impl Drop for Notified {
    fn drop(&mut self) {
        // Freed also if it was never added, and in a child, which has no notifications.
        if slots::remove_notification(self.address()) {
            // SAFETY: It was leaked by `new()`, and neither the kernel nor a reference is left.
            drop(unsafe { Box::from_raw(self.word.as_ptr()) });
        }
    }
}
