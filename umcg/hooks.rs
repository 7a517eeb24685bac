// SPDX-License-Identifier: GPL-2.0

//! Attaches the probes, whose cost arises only while a task is registered.

use crate::sys::{
    deferred::Deferred,
    startup::Startup,
    tracepoint::{
        self,
        Attached,
        Hooks,
        Probes, //
    },
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

/// How long the probes stay after the last task that needs them has left, in milliseconds. Programs
/// come and go, and every change stops all CPUs for a moment.
const LINGER_MS: u32 = 1000;

/// The number of registered tasks. Raised within [`tracepoint::with`]; lowered in any context.
static SERVERS: Atomic<usize> = Atomic::new(0);
static WORKERS: Atomic<usize> = Atomic::new(0);

/// The number of records with switch notifiers.
static WATCHED: Atomic<usize> = Atomic::new(0);

static DETACH: Deferred = Deferred::new(detach_unneeded);

/// The number of registered tasks.
#[derive(Clone, Copy)]
pub(crate) struct Registered {
    pub(crate) servers: usize,
    pub(crate) workers: usize,
    pub(crate) watched: usize,
}

impl Registered {
    fn is_nobody(self) -> bool {
        self.servers + self.workers + self.watched == 0
    }
}

/// The current number of registered tasks.
pub(crate) fn registered() -> Registered {
    // Relaxed: `Use::counted()` raises the numbers within `tracepoint::with()`, and
    // `detach_unneeded()` reads them there; one that is lowered meanwhile schedules that again.
    Registered {
        servers: SERVERS.load(Relaxed),
        workers: WORKERS.load(Relaxed),
        watched: WATCHED.load(Relaxed),
    }
}

/// Which probes are attached now. May sleep.
pub(crate) fn attached() -> Attached {
    tracepoint::with(|probes| probes.attached()).unwrap_or_default()
}

/// Attaches what the registered tasks need.
fn attach_needed(probes: &mut Probes) -> Result {
    let tasks = registered();

    if !tasks.is_nobody() {
        probes.attach_lifetime()?;
    }
    if tasks.workers > 0 {
        probes.attach_activity()?;
    }
    if tasks.watched > 0 {
        probes.attach_switches();
    }

    Ok(())
}

/// Detaches what no registered task needs.
fn detach_unneeded() {
    // When the module is unloaded, all are detached, whatever the counts are.
    let _ = tracepoint::with(|probes| {
        let tasks = registered();

        if tasks.watched == 0 {
            probes.detach_switches();
        }
        if tasks.workers == 0 {
            probes.detach_activity();
        }
        if tasks.is_nobody() {
            probes.detach_lifetime();
        }
    });
}

/// A registered task: the probes that it needs are attached.
///
/// Dropped when its record is detached, in any context where a work item may be scheduled.
pub(crate) struct Use(Needs);

/// Why the probes are needed. Small, because each record has one.
#[derive(Clone, Copy)]
enum Needs {
    Server,
    Worker,
    Watched,
}

impl Needs {
    fn counter(self) -> &'static Atomic<usize> {
        match self {
            Self::Server => &SERVERS,
            Self::Worker => &WORKERS,
            Self::Watched => &WATCHED,
        }
    }
}

impl Use {
    /// Attaches what a server needs. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn server() -> Result<Self> {
        Self::counted(Needs::Server)
    }

    /// Attaches what a worker needs. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn worker() -> Result<Self> {
        Self::counted(Needs::Worker)
    }

    /// Attaches what a task with switch notifiers needs. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn watched() -> Result<Self> {
        Self::counted(Needs::Watched)
    }

    fn counted(needs: Needs) -> Result<Self> {
        tracepoint::with(|probes| {
            needs.counter().add(1, Relaxed);
            let hook_use = Self(needs);
            attach_needed(probes)?;

            Ok(hook_use)
        })
        .unwrap_or(Err(ENODEV))
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        // Relaxed: see `registered()`.
        if self.0.counter().fetch_sub(1, Relaxed) == 1 {
            DETACH.schedule(LINGER_MS);
        }
    }
}

/// Prepares the probes for these hooks. This ends the initialisation.
///
/// # Errors
///
/// `ENOENT` if this kernel lacks a tracepoint.
pub(crate) fn init<T: Hooks>(startup: Startup) -> Result {
    DETACH.init(&startup);
    tracepoint::init::<T>(&startup)
}
