// SPDX-License-Identifier: GPL-2.0

//! What there is once in a process, and anew in a child of `fork()`: the group, and what is known
//! about its workers.

use crate::{names::Names, policy::Watched, settings, stats::Stats};
use libc::{c_int, pthread_t};
use std::{
    cell::Cell,
    collections::HashMap,
    num::NonZero,
    process, ptr,
    sync::{
        atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering},
        Mutex, Once, OnceLock, PoisonError,
    },
    thread,
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
    /// How many threads the program has that this library has made for it.
    alive: AtomicUsize,
    /// The first thread has ended.
    is_orphaned: AtomicBool,
    group: OnceLock<Result<Group, Error>>,
    threads: Mutex<Threads>,
}

/// The process, or null, or the parent's in a child that was made without the handlers of `fork()`.
/// A child does not use the parent's: a thread of the parent may have its lock.
static PROCESS: AtomicPtr<Process> = AtomicPtr::new(ptr::null_mut());

thread_local! {
    /// Whether the calling thread makes threads of this library, which are no workers.
    static MAKES_OWN: Cell<bool> = const { Cell::new(false) };
}

/// Whether the threads that the calling one makes are those of this library.
pub(crate) fn makes_own_threads() -> bool {
    MAKES_OWN.get()
}

/// The threads that are made by this are those of this library. A cancellation of the calling
/// thread waits until they are made.
pub(crate) fn make_own_threads<R>(make: impl FnOnce() -> R) -> R {
    let cancel_state = set_cancel_state(PTHREAD_CANCEL_DISABLE);

    MAKES_OWN.set(true);
    let result = make();
    MAKES_OWN.set(false);
    set_cancel_state(cancel_state);
    result
}

const PTHREAD_CANCEL_DISABLE: c_int = 1;

extern "C" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

fn set_cancel_state(state: c_int) -> c_int {
    let mut before = 0;

    // SAFETY: The call writes the former state, and fails for no valid state.
    unsafe { pthread_setcancelstate(state, &raw mut before) };
    before
}

/// The process, or that of which this is a copy.
fn stored() -> Option<&'static Process> {
    // Acquire: pairs with the release in `get()`.
    let process = PROCESS.load(Ordering::Acquire);

    // SAFETY: It was leaked by `get()`, or it is null.
    unsafe { process.as_ref() }
}

/// The process, if it has made threads.
pub(crate) fn existing() -> Option<&'static Process> {
    stored().filter(|process| process.is_current())
}

/// The process.
pub(crate) fn get() -> &'static Process {
    let stale = match stored() {
        Some(process) if process.is_current() => return process,
        Some(parent) => ptr::from_ref(parent).cast_mut(),
        None => ptr::null_mut(),
    };
    let new = Box::into_raw(Box::new(Process::new()));
    // Release: pairs with the acquire in `stored()`; acquire: as there.
    let found = PROCESS.compare_exchange(stale, new, Ordering::AcqRel, Ordering::Acquire);

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

impl Process {
    fn new() -> Self {
        Self {
            pid: process::id(),
            begin: Instant::now(),
            stats: Stats::new(),
            has_reporter: Once::new(),
            alive: AtomicUsize::new(0),
            is_orphaned: AtomicBool::new(false),
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
        let cpus = thread::available_parallelism().map_or(1, NonZero::get);
        let servers = options.servers(cpus);
        self.stats.set_spare_from(servers.any);
        let policy = Watched::new(options, servers, &self.stats);
        let builder = Group::builder().policy(policy).servers(servers.all());

        match options.slice {
            Some(slice) => builder.slice(slice),
            None => builder,
        }
        .build()
    }

    /// Whether this is the process, and not a child of it.
    fn is_current(&self) -> bool {
        self.pid == process::id()
    }

    /// The program makes a thread.
    pub(crate) fn thread_begins(&self) {
        // SeqCst: see `thread_ends()`.
        self.alive.fetch_add(1, Ordering::SeqCst);
    }

    /// A thread of the program ends, and has left the group, or was not made. Returns whether the
    /// threads of this library are to end: libc ends the process with its last thread.
    pub(crate) fn thread_ends(&self) -> bool {
        // SeqCst, both: pair with those in `first_thread_ends()`, so that one of the two threads
        // sees what the other one has done.
        self.alive.fetch_sub(1, Ordering::SeqCst) == 1 && self.is_orphaned.load(Ordering::SeqCst)
    }

    /// The same for the first thread of the process.
    pub(crate) fn first_thread_ends(&self) -> bool {
        // SeqCst, both: see `thread_ends()`.
        self.is_orphaned.store(true, Ordering::SeqCst);
        self.alive.load(Ordering::SeqCst) == 0
    }

    /// Ends the threads of this library, as the program has none any more.
    pub(crate) fn end_own_threads(&self) {
        if let Some(Ok(group)) = self.group.get() {
            // Another thread may have done it.
            let _ = make_own_threads(|| group.shutdown());
        }
    }

    /// Why there is no group, if there is none.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.group.get()?.as_ref().err().copied()
    }

    /// Does something with what is known about threads. A worker is not preempted in between, as
    /// others may wait for it.
    pub(crate) fn with_threads<R>(&self, body: impl FnOnce(&mut Threads) -> R) -> R {
        umcg::begin_section();
        let result = body(&mut self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        umcg::end_section();
        result
    }
}
