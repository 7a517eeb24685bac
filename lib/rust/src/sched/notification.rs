// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Deschedule notifications.

use crate::{
    error::Error,
    sys::{abi, errno::Errno, notification::Notified, slots},
};
use std::{fmt, sync::atomic::AtomicU64};

/// The event of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The thread was runnable when it was switched out.
    Preempted,
    /// The thread was switched out to sleep.
    Blocked,
    /// Either.
    Descheduled,
}

impl Event {
    fn flags(self) -> u32 {
        match self {
            Self::Preempted => abi::DESCHED_ON_PREEMPT,
            Self::Blocked => abi::DESCHED_ON_BLOCK,
            Self::Descheduled => abi::DESCHED_ON_PREEMPT | abi::DESCHED_ON_BLOCK,
        }
    }
}

/// A word that the kernel writes after the calling thread was descheduled, before the thread
/// returns to user space. A thread can have eight of these.
///
/// It belongs to the thread that created it, and is neither `Send` nor `Sync`.
///
/// ```no_run
/// use std::sync::atomic::Ordering::Relaxed;
/// use umcg::sched::{Event, Notification};
///
/// # fn read_counters() -> u64 { 0 }
/// # fn main() -> Result<(), umcg::Error> {
/// let descheduled = Notification::new(Event::Descheduled, 1)?;
///
/// // Again if the thread was descheduled in between.
/// let counters = loop {
///     descheduled.word().store(0, Relaxed);
///     let counters = read_counters();
///     if descheduled.word().load(Relaxed) == 0 {
///         break counters;
///     }
/// };
/// # Ok(())
/// # }
/// ```
pub struct Notification(Notified);

impl Notification {
    /// Has the kernel write this value to the word. The first write is immediate.
    ///
    /// # Errors
    ///
    /// - [`Error::Unavailable`], [`Error::Unsupported`]: the module is not loaded, or has no
    ///   notifications.
    /// - [`Error::TooManyNotifications`]: the thread has eight.
    /// - [`Error::TooManyThreads`]: too many threads have notifications.
    /// - [`Error::OutOfMemory`].
    pub fn new(event: Event, value: u64) -> Result<Self, Error> {
        Self::add(event.flags(), value)
    }

    /// Has the kernel write the time at which the thread was descheduled, in nanoseconds of
    /// CLOCK_MONOTONIC of the initial time namespace.
    ///
    /// # Errors
    ///
    /// As of [`Notification::new()`].
    pub fn with_time(event: Event) -> Result<Self, Error> {
        Self::add(event.flags() | abi::DESCHED_WRITE_TIME, 0)
    }

    fn add(flags: u32, value: u64) -> Result<Self, Error> {
        slots::open().map_err(Error::of_device)?;
        Notified::new(flags, value)
            .map(Self)
            .map_err(|error| match error {
                Errno(libc::ENOSPC) => Error::TooManyNotifications,
                Errno(libc::EINVAL) => Error::Unsupported,
                error => error.into(),
            })
    }

    /// The word, which the thread may write, too. The kernel's writes are ordered with the accesses
    /// of the thread as its own writes are, so relaxed loads suffice. Other threads may see them
    /// later.
    #[inline]
    pub fn word(&self) -> &AtomicU64 {
        self.0.word()
    }
}

impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Notification").field(self.word()).finish()
    }
}
