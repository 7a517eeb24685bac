// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Groups.

use super::{
    current::{Entered, Reservation},
    join::{Done, JoinHandle, SaysDone},
    threads,
};
use crate::{
    engine::{
        end::{Close, NotClosed},
        shared::Shared,
    },
    error::Error,
    raw::deadline::Deadline,
    sys::{futex, spawn::Thread},
};
use std::{
    any::Any,
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// A handle of a group: workers, and the servers that run them. See [the crate](crate).
///
/// When the last handle is dropped the group takes no more workers. Its workers continue, and its
/// servers end when all of them have left.
#[derive(Clone)]
pub struct Group {
    owner: Arc<Owner>,
}

/// Shared by all handles.
struct Owner {
    shared: Arc<Shared>,
    threads: Mutex<Vec<Thread>>,
}

/// Options of a new worker: see [`Group::spawn_with()`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Options {
    class: u8,
    deadline: Deadline,
    name: Option<String>,
    stack_size: Option<usize>,
}

/// Why a group was not shut down, or how it has ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum ShutdownError {
    /// It has so many workers, and continues.
    WorkersRemain(usize),
    /// It is shut down. Its policy has panicked before, with this payload.
    PolicyPanicked(Box<dyn Any + Send + 'static>),
    /// Shutting it down failed, and it continues. With [`Error::ShutDown`] it was shut down before.
    Failed(Error),
}

impl Options {
    /// A worker of class zero, in a thread like those of [`std::thread::spawn()`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Its class, whose meaning depends on the policy: with
    /// [`Priorities`](crate::policy::Priorities) the lower class goes first.
    pub fn class(mut self, class: u8) -> Self {
        self.class = class;
        self
    }

    /// Its relative deadline, for [`EarliestDeadline`](crate::policy::EarliestDeadline): how long
    /// after each wake-up it has to be done. Default: none.
    pub fn deadline(mut self, relative: Duration) -> Self {
        self.deadline = Deadline::after(relative);
        self
    }

    /// The name of its thread. A zero byte in it is an error of [`Group::spawn_with()`].
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The size of its stack, in bytes.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    fn thread(&self) -> Result<thread::Builder, Error> {
        let mut builder = thread::Builder::new();

        if let Some(name) = &self.name {
            if name.contains('\0') {
                return Err(Error::Os(libc::EINVAL));
            }
            builder = builder.name(name.clone());
        }
        if let Some(bytes) = self.stack_size {
            builder = builder.stack_size(bytes);
        }
        Ok(builder)
    }
}

impl Group {
    pub(super) fn of(shared: Arc<Shared>, threads: Vec<Thread>) -> Self {
        let threads = Mutex::new(threads);

        Self {
            owner: Arc::new(Owner { shared, threads }),
        }
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.owner.shared
    }

    /// Starts a thread that runs a function as a worker.
    ///
    /// # Errors
    ///
    /// [`Error::ShutDown`], [`Error::Forked`]; [`Error::TooManyThreads`] or [`Error::OutOfMemory`]
    /// if no thread can be created. Errors in the thread are returned by [`JoinHandle::join()`].
    pub fn spawn<T, F>(&self, body: F) -> Result<JoinHandle<T>, Error>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_with(&Options::new(), body)
    }

    /// The same, with options.
    ///
    /// # Errors
    ///
    /// As of [`Group::spawn()`].
    pub fn spawn_with<T, F>(&self, options: &Options, body: F) -> Result<JoinHandle<T>, Error>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let reservation = Reservation::new(self.shared())?;
        let (class, deadline) = (options.class, options.deadline);
        let done = Arc::new(Done::default());
        let says_done = SaysDone(Arc::clone(&done));

        let thread = options.thread()?.spawn(move || {
            // Dropped last, after what the function has captured.
            let _says_done = says_done;
            let _entered = reservation.enter(class, deadline)?;
            Ok(body())
        });
        let thread = thread.map_err(|error| threads::error_of(&error))?;
        Ok(JoinHandle { thread, done })
    }

    /// Makes the calling thread a worker, of class zero. Returns when a server runs it.
    ///
    /// # Errors
    ///
    /// - [`Error::AlreadyEntered`]: it is a worker of this or another group, or a task.
    /// - [`Error::ShutDown`], [`Error::Forked`].
    /// - [`Error::TooManyThreads`]: the module allows no more.
    /// - [`Error::OutOfMemory`].
    pub fn enter(&self) -> Result<Entered, Error> {
        self.enter_with_class(0)
    }

    /// The same, with a class.
    ///
    /// # Errors
    ///
    /// As of [`Group::enter()`].
    pub fn enter_with_class(&self, class: u8) -> Result<Entered, Error> {
        Reservation::new(self.shared())?.enter(class, Deadline::None)
    }

    /// How many workers it has, including those about to enter.
    pub fn workers(&self) -> usize {
        self.shared().members.count() as usize
    }

    /// Ends the group, from which all workers have left. Its threads have ended when this returns.
    ///
    /// # Errors
    ///
    /// See [`ShutdownError`].
    pub fn shutdown(&self) -> Result<(), ShutdownError> {
        if self.shared().is_forked() {
            return Err(ShutdownError::Failed(Error::Forked));
        }
        // Of several threads that shut it down one does.
        let mut threads = self.owner.lock_threads();
        if self.shared().members.is_closed() {
            return Err(ShutdownError::Failed(Error::ShutDown));
        }
        // The exact check takes a thread, which is not worth it here.
        let workers = self.workers();
        if workers > 0 {
            return Err(ShutdownError::WorkersRemain(workers));
        }
        threads::close(self.shared(), Close::IfEmpty).map_err(|error| match error {
            NotClosed::Workers(workers) => ShutdownError::WorkersRemain(workers as usize),
            NotClosed::Failed(error) => ShutdownError::Failed(error),
        })?;
        for thread in threads.drain(..) {
            thread.join();
        }
        match self.shared().scheduler.lock().take_panic() {
            Some(panic) => Err(ShutdownError::PolicyPanicked(panic)),
            None => Ok(()),
        }
    }

    /// Waits until the workers have left, and then ends the group.
    ///
    /// # Errors
    ///
    /// As of [`Group::shutdown()`]: [`ShutdownError::WorkersRemain`] if the timeout has expired.
    pub fn shutdown_timeout(&self, timeout: Duration) -> Result<(), ShutdownError> {
        self.shutdown_until(Instant::now().checked_add(timeout))
    }

    /// The same, with a deadline.
    ///
    /// # Errors
    ///
    /// As of [`Group::shutdown()`]: [`ShutdownError::WorkersRemain`] if the deadline has passed.
    pub fn shutdown_deadline(&self, deadline: Instant) -> Result<(), ShutdownError> {
        self.shutdown_until(Some(deadline))
    }

    fn shutdown_until(&self, deadline: Option<Instant>) -> Result<(), ShutdownError> {
        loop {
            let in_time = self.shared().is_forked() || self.wait_for_workers(deadline);
            match self.shutdown() {
                // Others have entered.
                Err(ShutdownError::WorkersRemain(_)) if in_time => {}
                result => return result,
            }
        }
    }

    /// Returns whether all have left by that time.
    fn wait_for_workers(&self, deadline: Option<Instant>) -> bool {
        while let Some((word, value)) = self.shared().members.await_none() {
            let rest = deadline.map(|end| end.saturating_duration_since(Instant::now()));
            if rest.is_some_and(|rest| rest.is_zero()) {
                return false;
            }
            futex::wait(word, value, rest);
        }
        true
    }
}

impl Owner {
    fn lock_threads(&self) -> MutexGuard<'_, Vec<Thread>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if self.shared.is_forked() {
            // The threads are those of the parent.
            mem::forget(mem::take(&mut self.threads));
        } else if !self.shared.members.is_closed() {
            // If that fails there is no thread to be had, and the servers sleep on.
            let _ = threads::close(&self.shared, Close::Always);
        }
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("servers", &self.shared().servers())
            .field("workers", &self.workers())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WorkersRemain(workers) => write!(f, "the group has {workers} workers"),
            Self::PolicyPanicked(_) => f.write_str("the policy of the group has panicked"),
            Self::Failed(error) => write!(f, "the group cannot be shut down: {error}"),
        }
    }
}

impl std::error::Error for ShutdownError {}
