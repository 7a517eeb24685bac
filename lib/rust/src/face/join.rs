// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Handles of spawned workers.

use crate::{error::Error, sys::futex};
use std::{
    any::Any,
    fmt,
    sync::{
        atomic::{AtomicU32, Ordering},
        Arc,
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

/// Whether a thread has ended.
#[derive(Default)]
pub(super) struct Done(AtomicU32);

/// Marks the thread as ended when it is dropped, in that thread.
pub(super) struct SaysDone(pub(super) Arc<Done>);

impl Drop for SaysDone {
    fn drop(&mut self) {
        // Release: pairs with the acquire in `wait_until()`.
        self.0 .0.store(1, Ordering::Release);
        futex::wake(&self.0 .0, i32::MAX);
    }
}

impl Done {
    /// Returns whether it has ended by that time.
    fn wait_until(&self, deadline: Instant) -> bool {
        // Acquire: pairs with the release of the thread.
        while self.0.load(Ordering::Acquire) == 0 {
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return false;
            }
            futex::wait(&self.0, 0, Some(rest));
        }
        true
    }
}

/// The handle of a worker: see [`Group::spawn()`](crate::Group::spawn). If it is dropped the worker
/// is detached.
pub struct JoinHandle<T> {
    pub(super) thread: thread::JoinHandle<Result<T, Error>>,
    pub(super) done: Arc<Done>,
}

/// Why a worker has no result.
pub enum JoinError {
    /// It has panicked, with this payload.
    Panicked(Box<dyn Any + Send + 'static>),
    /// Its thread could not become a worker, and has run nothing.
    NotRun(Error),
}

impl<T> JoinHandle<T> {
    /// Waits for the worker to end, and returns its result.
    ///
    /// # Errors
    ///
    /// The worker has panicked, or could not enter the group.
    pub fn join(self) -> Result<T, JoinError> {
        match self.thread.join() {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(JoinError::NotRun(error)),
            Err(payload) => Err(JoinError::Panicked(payload)),
        }
    }

    /// The same, with a timeout for its function to return. The destructors of thread-local storage
    /// run after that, without a timeout.
    ///
    /// # Errors
    ///
    /// The outer error is the handle: the timeout has expired.
    pub fn join_timeout(self, timeout: Duration) -> Result<Result<T, JoinError>, Self> {
        match Instant::now().checked_add(timeout) {
            Some(deadline) => self.join_deadline(deadline),
            None => Ok(self.join()),
        }
    }

    /// The same, with a deadline.
    ///
    /// # Errors
    ///
    /// The outer error is the handle: the deadline has passed.
    pub fn join_deadline(self, deadline: Instant) -> Result<Result<T, JoinError>, Self> {
        if self.done.wait_until(deadline) {
            return Ok(self.join());
        }
        Err(self)
    }

    /// Whether the worker has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Its thread.
    pub fn thread(&self) -> &Thread {
        self.thread.thread()
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JoinHandle").field(self.thread()).finish()
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(_) => f.write_str("Panicked(..)"),
            Self::NotRun(error) => f.debug_tuple("NotRun").field(error).finish(),
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(_) => f.write_str("the worker has panicked"),
            Self::NotRun(error) => write!(f, "the thread could not become a worker: {error}"),
        }
    }
}

impl std::error::Error for JoinError {}
