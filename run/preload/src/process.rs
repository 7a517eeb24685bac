// SPDX-License-Identifier: GPL-2.0

//! What there is once in a process, and anew in a child of `fork()`: the group, and what is known
//! about its workers.

use crate::{names::Names, policy::Watched, settings, stats::Stats};
use libc::pthread_t;
use std::{
    cell::Cell,
    collections::HashMap,
    process, ptr,
    sync::{
        atomic::{AtomicPtr, Ordering},
        Mutex, MutexGuard, Once, OnceLock, PoisonError,
    },
    time::Instant,
};
use umcg::{Error, Group, WorkerHandle};

/// A worker, as long as it is in the group.
pub(crate) struct Member {
    pub(crate) worker: WorkerHandle,
    pub(crate) class: u8,
}

/// What is known about the threads of the program.
#[derive(Default)]
pub(crate) struct Threads {
    pub(crate) names: Names,
    pub(crate) members: HashMap<pthread_t, Member>,
}

/// A process. It is leaked, as are its threads.
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) begin: Instant,
    pub(crate) stats: Stats,
    pub(crate) has_reporter: Once,
    group: OnceLock<Result<Group, Error>>,
    threads: Mutex<Threads>,
}

/// The process, or null. A child of `fork()` begins with null, so that it finds no lock that a
/// thread of its parent has.
static PROCESS: AtomicPtr<Process> = AtomicPtr::new(ptr::null_mut());

thread_local! {
    /// Whether the calling thread makes threads of this library, which are no workers.
    static MAKES_OWN: Cell<bool> = const { Cell::new(false) };
}

/// Whether the threads that the calling one makes are those of this library.
pub(crate) fn makes_own_threads() -> bool {
    MAKES_OWN.get()
}

/// The threads that are made by this are those of this library.
pub(crate) fn make_own_threads<R>(make: impl FnOnce() -> R) -> R {
    MAKES_OWN.set(true);
    let result = make();
    MAKES_OWN.set(false);
    result
}

/// The process, if it has made threads.
pub(crate) fn existing() -> Option<&'static Process> {
    // Acquire: pairs with the release in `get()`.
    let process = PROCESS.load(Ordering::Acquire);

    // SAFETY: It was leaked by `get()`, or it is null.
    unsafe { process.as_ref() }
}

/// The process.
pub(crate) fn get() -> &'static Process {
    if let Some(process) = existing() {
        return process;
    }
    let new = Box::into_raw(Box::new(Process::new()));
    // Release: pairs with the acquire in `existing()`; acquire: as there.
    let found = PROCESS.compare_exchange(ptr::null_mut(), new, Ordering::AcqRel, Ordering::Acquire);

    match found {
        // SAFETY: It is leaked.
        Ok(_) => unsafe { &*new },
        Err(other) => {
            // SAFETY: It was made above, and no other thread has seen it.
            drop(unsafe { Box::from_raw(new) });
            // SAFETY: It was leaked by another thread.
            unsafe { &*other }
        }
    }
}

/// The process, for a thread that makes another one. It may be a child that was made without the
/// handlers of `fork()`.
pub(crate) fn of_creator() -> &'static Process {
    if existing().is_some_and(|process| process.pid != process::id()) {
        forget();
    }
    get()
}

/// In a child of `fork()`: all that is the parent's.
pub(crate) fn forget() {
    // Relaxed: there is one thread.
    PROCESS.store(ptr::null_mut(), Ordering::Relaxed);
}

impl Process {
    fn new() -> Self {
        Self {
            pid: process::id(),
            begin: Instant::now(),
            stats: Stats::new(),
            has_reporter: Once::new(),
            group: OnceLock::new(),
            threads: Mutex::default(),
        }
    }

    /// The group, which is made when this is called first.
    pub(crate) fn group(&'static self) -> Result<&'static Group, Error> {
        if MAKES_OWN.get() {
            return Err(Error::NotEntered);
        }
        let group = self
            .group
            .get_or_init(|| make_own_threads(|| self.make_group()));

        group.as_ref().map_err(|error| *error)
    }

    fn make_group(&'static self) -> Result<Group, Error> {
        let options = settings::get().ok_or(Error::Unsupported)?;
        let policy = Watched::new(options.policy, &self.stats, options.stats);
        let builder = Group::builder().policy(policy);
        let builder = match options.servers {
            Some(servers) => builder.servers(servers),
            None => builder,
        };

        match options.slice {
            Some(slice) => builder.slice(slice),
            None => builder,
        }
        .build()
    }

    /// Why there is no group, if there is none.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.group.get()?.as_ref().err().copied()
    }

    pub(crate) fn threads(&self) -> MutexGuard<'_, Threads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
