// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Tasks that wait, wake each other, and swap, without a group.
//!
//! [`register()`] makes the calling thread a task. It can wait until another task wakes it, or
//! swap: wake another task and wait, in one system call. The other one then runs at once on the
//! same CPU.
//!
//! A wake-up for a task that does not wait is kept for its next wait: each ends one wait, and none
//! is lost. A wake-up synchronizes with the end of the wait: the woken task sees all that the
//! waking thread did before.
//!
//! ```no_run
//! use std::{sync::mpsc, thread};
//! use umcg::task::{self, Task};
//!
//! # fn main() -> Result<(), umcg::Error> {
//! let main = task::register()?;
//! let (to_main, partner) = mpsc::channel::<Task>();
//! let back = main.task();
//!
//! let other = thread::spawn(move || {
//!     let other = task::register()?;
//!
//!     to_main.send(other.task()).unwrap();
//!     other.wait()?;
//!     for _ in 0..999 {
//!         other.swap(&back)?;
//!     }
//!     back.wake()
//! });
//! let partner = partner.recv().unwrap();
//! for _ in 0..1000 {
//!     main.swap(&partner)?;
//! }
//! other.join().unwrap()?;
//! # Ok(())
//! # }
//! ```
//!
//! # What happens when
//!
//! - **A task ends**, or its [`Registered`] is dropped: waking it fails with [`Error::Gone`]. Its
//!   handles never refer to another thread.
//! - **A [`Registered`] is leaked**: the thread stays a task until it ends.
//! - **`fork()`**: tasks stay with the parent. In the child calls about them fail with
//!   [`Error::Forked`]. The child's thread can register itself.
//! - **A signal** does not end a wait.
//! - **Workers of groups** are not tasks, but can wake tasks.

use crate::{
    engine::basic::{Basic, Caller},
    error::Error,
    face::current::current,
    raw::record::Record,
    sys::{abi, device, errno::Errno},
};
use std::{
    cell::Cell,
    fmt,
    marker::PhantomData,
    mem,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

thread_local! {
    /// The task that the thread is, or was in a parent process.
    static OWN: Cell<Option<Own>> = const { Cell::new(None) };
}

#[derive(Clone, Copy)]
struct Own {
    record: &'static Record,
    /// Of the process in which the thread has registered.
    stamp: u32,
}

/// A handle of a task, for all threads of its process.
#[derive(Clone)]
pub struct Task(Arc<Basic>);

/// The registration of the calling thread as a task: see [`register()`]. Dropping it unregisters
/// the thread.
#[must_use = "the thread is a task until this is dropped"]
pub struct Registered {
    basic: Arc<Basic>,
    /// It belongs to the thread.
    not_send: PhantomData<*const ()>,
}

/// Makes the calling thread a task.
///
/// # Errors
///
/// - [`Error::Unavailable`], [`Error::Unsupported`]: the module is not loaded, or is incompatible.
/// - [`Error::AlreadyEntered`]: the thread is a task or a worker.
/// - [`Error::TooManyThreads`]: the module allows no more.
/// - [`Error::OutOfMemory`].
pub fn register() -> Result<Registered, Error> {
    device::open().map_err(Error::of_device)?;
    let basic = Arc::new(Basic::register()?);

    OWN.set(Some(Own {
        record: basic.record(),
        stamp: basic.stamp(),
    }));
    Ok(Registered {
        basic,
        not_send: PhantomData,
    })
}

/// The time of CLOCK_REALTIME that corresponds to a deadline, in nanoseconds; zero if it is too far
/// in the future.
fn realtime_of(deadline: Instant) -> u64 {
    let rest = deadline.saturating_duration_since(Instant::now());
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();

    now.checked_add(rest)
        .and_then(|time| i64::try_from(time.as_nanos()).ok())
        .map_or(0, i64::unsigned_abs)
}

impl Registered {
    /// A handle of this task.
    pub fn task(&self) -> Task {
        Task(Arc::clone(&self.basic))
    }

    /// Waits until another thread wakes this task. Returns at once if a wake-up is pending.
    ///
    /// # Errors
    ///
    /// [`Error::Forked`]; [`Error::Unavailable`] if the device has been closed, and cannot be
    /// opened again.
    pub fn wait(&self) -> Result<(), Error> {
        self.wait_until(None, None)
    }

    /// The same, with a timeout.
    ///
    /// The kernel measures it by CLOCK_REALTIME: if that is set back meanwhile, it takes longer.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] if the timeout has expired, and those of [`Registered::wait()`].
    pub fn wait_timeout(&self, timeout: Duration) -> Result<(), Error> {
        self.wait_until(None, Instant::now().checked_add(timeout))
    }

    /// The same, with a deadline.
    ///
    /// # Errors
    ///
    /// As of [`Registered::wait_timeout()`].
    pub fn wait_deadline(&self, deadline: Instant) -> Result<(), Error> {
        self.wait_until(None, Some(deadline))
    }

    /// Wakes another task, and waits. If the other task waits, it runs at once, on this CPU.
    ///
    /// # Errors
    ///
    /// [`Error::Gone`]: the other task is unregistered, and this one has not waited.
    /// [`Error::SameTask`]: it is this task. And those of [`Registered::wait()`].
    pub fn swap(&self, next: &Task) -> Result<(), Error> {
        self.wait_until(Some(next), None)
    }

    /// The same, with a timeout for the wait.
    ///
    /// # Errors
    ///
    /// As of [`Registered::swap()`]; [`Error::TimedOut`] if the timeout has expired: the other task
    /// was woken.
    pub fn swap_timeout(&self, next: &Task, timeout: Duration) -> Result<(), Error> {
        self.wait_until(Some(next), Instant::now().checked_add(timeout))
    }

    /// The same, with a deadline for the wait.
    ///
    /// # Errors
    ///
    /// As of [`Registered::swap_timeout()`].
    pub fn swap_deadline(&self, next: &Task, deadline: Instant) -> Result<(), Error> {
        self.wait_until(Some(next), Some(deadline))
    }

    fn wait_until(&self, next: Option<&Task>, deadline: Option<Instant>) -> Result<(), Error> {
        if self.basic.is_forked() {
            return Err(Error::Forked);
        }
        if let Some(next) = next {
            if next.0.is_same(&self.basic) {
                return Err(Error::SameTask);
            }
            next.check()?;
        }
        let mut next = next.map(|next| &*next.0);
        loop {
            match self.basic.wait(next, deadline.map_or(0, realtime_of)) {
                Err(Errno(libc::ETIMEDOUT)) if deadline.is_none_or(|end| Instant::now() >= end) => {
                    return Err(Error::TimedOut);
                }
                // The clock has been set forward. The other task was woken.
                Err(Errno(libc::ETIMEDOUT)) => next = None,
                Err(Errno(number)) => return Err(Error::Unavailable(number)),
                Ok(()) => return Ok(()),
            }
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // In a child the thread may have registered anew.
        if OWN.get().is_some_and(|own| own.stamp == self.basic.stamp()) {
            OWN.set(None);
        }
        // The thread of a child is not the one that has registered.
        if !self.basic.is_forked() && self.basic.unregister().is_err() {
            // The kernel may still use the words.
            mem::forget(Arc::clone(&self.basic));
        }
    }
}

impl Task {
    /// Fails if it is unregistered, or belongs to another process.
    fn check(&self) -> Result<(), Error> {
        if self.0.is_forked() {
            return Err(Error::Forked);
        }
        if self.0.is_gone() {
            return Err(Error::Gone);
        }
        Ok(())
    }

    /// Wakes this task: ends its wait, or its next wait if it does not wait. Can be called by tasks
    /// and by workers of groups.
    ///
    /// # Errors
    ///
    /// - [`Error::NotEntered`]: the calling thread is neither a task nor a worker.
    /// - [`Error::Gone`]: this task is unregistered.
    /// - [`Error::Forked`].
    /// - [`Error::Unavailable`]: the device has been closed, and cannot be opened again.
    pub fn wake(&self) -> Result<(), Error> {
        self.wake_with(0)
    }

    /// The same, for a caller that is about to wait: the kernel runs the task on this CPU if it
    /// can. For workers this is [`Task::wake()`].
    ///
    /// # Errors
    ///
    /// As of [`Task::wake()`].
    pub fn wake_on_this_cpu(&self) -> Result<(), Error> {
        self.wake_with(abi::WAIT_WF_CURRENT_CPU)
    }

    fn wake_with(&self, flags: u32) -> Result<(), Error> {
        self.check()?;
        // This task belongs to this process, so the caller's registration has to have its stamp.
        let own = OWN.get().filter(|own| own.stamp == self.0.stamp());
        let (caller, flags) = match (own, current()) {
            (Some(own), _) => (Caller::Basic(own.record), flags),
            (None, Some(worker)) => (Caller::Worker(worker.record), 0),
            (None, None) => return Err(Error::NotEntered),
        };

        self.0
            .wake(caller, flags)
            .map_err(|Errno(number)| Error::Unavailable(number))
    }

    /// The TID of its thread.
    pub fn id(&self) -> u32 {
        self.0.record().tid()
    }
}

impl PartialEq for Task {
    fn eq(&self, other: &Self) -> bool {
        self.0.is_same(&other.0)
    }
}

impl Eq for Task {}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Task").field(&self.id()).finish()
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registered").field(&self.task()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadline_is_a_time_of_the_kernels_clock() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let time = realtime_of(Instant::now() + Duration::from_secs(5));

        assert!((4..=6).contains(&(time / 1_000_000_000 - now.as_secs())));
        // One that has passed is a time, too.
        assert_ne!(realtime_of(Instant::now()), 0);
        let far = Instant::now() + Duration::from_secs(400 * 365 * 86400);
        assert_eq!(realtime_of(far), 0);
    }
}
