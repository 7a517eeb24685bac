// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Errors.

use crate::sys::errno::Errno;
use core::fmt;

/// Why a call has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// `/dev/umcg` cannot be opened, with this error number: `ENOENT` if the module is not loaded,
    /// `EACCES` or `EPERM` if the user has no permission.
    Unavailable(i32),
    /// The module lacks direct mode or critical sections, or has another ABI.
    Unsupported,
    /// The thread is a worker or a task already, or registered by another library.
    AlreadyEntered,
    /// The thread is not a worker; or neither a worker nor a task.
    NotEntered,
    /// The group takes no more workers: it has been shut down, or all its handles are gone.
    ShutDown,
    /// The group or the task belongs to the parent process: this one is a child of `fork()`.
    Forked,
    /// The task has been unregistered, or its thread has ended.
    Gone,
    /// A task cannot swap to itself.
    SameTask,
    /// The timeout has expired.
    TimedOut,
    /// There is no memory, or no more of it may be locked (`RLIMIT_MEMLOCK`).
    OutOfMemory,
    /// The system, or the module, allows no more threads.
    TooManyThreads,
    /// The thread has the most [notifications](crate::sched::Notification) that it can have.
    TooManyNotifications,
    /// Another error, by its number.
    Os(i32),
}

impl Error {
    /// Why the device could not be opened.
    pub(crate) fn of_device(error: Errno) -> Self {
        match error {
            Errno(libc::EPROTO) => Self::Unsupported,
            Errno(number) => Self::Unavailable(number),
        }
    }

    fn number(self) -> Option<i32> {
        match self {
            Self::Unavailable(number) | Self::Os(number) => Some(number),
            _ => None,
        }
    }
}

impl From<Errno> for Error {
    fn from(Errno(number): Errno) -> Self {
        match number {
            libc::EAGAIN => Self::TooManyThreads,
            libc::EINVAL => Self::AlreadyEntered,
            libc::ENOMEM => Self::OutOfMemory,
            libc::ESHUTDOWN => Self::ShutDown,
            libc::EPROTO => Self::Unsupported,
            _ => Self::Os(number),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable(_) => "/dev/umcg cannot be opened",
            Self::Unsupported => "the module umcg is too old, or too new",
            Self::AlreadyEntered => "the thread is registered already",
            Self::NotEntered => "the thread is not a worker",
            Self::ShutDown => "the group takes no more workers",
            Self::Forked => "the group or the task belongs to the parent process",
            Self::Gone => "the task is gone",
            Self::SameTask => "the task is the calling thread",
            Self::TimedOut => "the timeout has expired",
            Self::OutOfMemory => "not enough memory, or memory that may be locked",
            Self::TooManyThreads => "too many threads",
            Self::TooManyNotifications => "too many notifications of this thread",
            Self::Os(_) => "a system call has failed",
        })?;
        match self.number() {
            Some(number) => write!(f, " (error {number})"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for Error {}
