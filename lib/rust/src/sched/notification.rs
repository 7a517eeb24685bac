// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Deschedule notifications.

use crate::{
    error::Error,
    sys::{abi, errno::Errno, notification::Notified, slots},
};
use std::{fmt, sync::atomic::AtomicU64};

/// What a thread is notified of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// It has left its CPU while it could go on.
    Preempted,
    /// It has left its CPU to sleep.
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

/// A word that the kernel writes when the calling thread was descheduled, before it runs on. A
/// thread has up to eight of these.
///
/// It is about the thread that has made it, and is neither `Send` nor `Sync`.
///
/// ```no_run
/// use std::sync::atomic::Ordering::Relaxed;
/// use umcg::sched::{Event, Notification};
///
/// # fn read_counters() -> u64 { 0 }
/// # fn main() -> Result<(), umcg::Error> {
/// let descheduled = Notification::new(Event::Descheduled, 1)?;
///
/// // Until nothing has come in between.
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
    /// Has the kernel write this value to a word. It does so once now.
    ///
    /// # Errors
    ///
    /// - [`Error::Unavailable`], [`Error::Unsupported`]: the module is not loaded, or has no
    ///   notifications.
    /// - [`Error::TooManyNotifications`]: the thread has eight.
    /// - [`Error::TooManyThreads`]: too many threads have some.
    /// - [`Error::OutOfMemory`]: as it says.
    pub fn new(event: Event, value: u64) -> Result<Self, Error> {
        Self::add(event.flags(), value)
    }

    /// Has the kernel write the time at which the thread was descheduled, in nanoseconds of
    /// CLOCK_MONOTONIC outside of time namespaces.
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

    /// The word, which the thread may write, too. To the thread it looks as if it had written it
    /// itself: relaxed accesses do. Other threads may see it later.
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
