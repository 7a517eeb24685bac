// SPDX-License-Identifier: GPL-2.0

//! When the probes are attached: the kernel pays for them only while somebody is registered.

use crate::sys::{
    deferred::Deferred,
    startup::Startup,
    tracepoint::Probes, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        global_lock, //
    },
};

/// How long the probes stay after the last task that needed them has left, in milliseconds.
/// Programs come and go; every change stops all CPUs for a moment.
const LINGER_MS: u32 = 1000;

global_lock! {
    // SAFETY: Initialised by `Hooks::new()`, before the device is there.
    unsafe(uninit) static HOOKS: Mutex<Option<State>> = None;
}

/// How many tasks are registered. Raised with [`HOOKS`](static@HOOKS) locked; lowered in any context.
static SERVERS: Atomic<usize> = Atomic::new(0);
static WORKERS: Atomic<usize> = Atomic::new(0);

/// How many records there are of tasks that are told of their switches.
static WATCHED: Atomic<usize> = Atomic::new(0);

static DETACH: Deferred = Deferred::new(detach_unused);

struct State {
    probes: Probes,
    attached: Attached,
}

/// Which probes are attached.
#[derive(Clone, Copy, Default)]
pub(crate) struct Attached {
    /// Those that watch for exit and exec.
    pub(crate) lifetime: bool,
    /// Those that watch tasks pass the scheduler and take signals.
    pub(crate) activity: bool,
    /// The preempt notifiers.
    pub(crate) switches: bool,
}

/// How many tasks are registered.
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

/// How many tasks are registered now.
pub(crate) fn registered() -> Registered {
    // Relaxed: `Use::new()` raises the numbers with the lock held, and `detach_unused()` reads them
    // with it; one that is lowered meanwhile schedules `detach_unused()` again.
    Registered {
        servers: SERVERS.load(Relaxed),
        workers: WORKERS.load(Relaxed),
        watched: WATCHED.load(Relaxed),
    }
}

/// Which probes are attached now. May sleep.
pub(crate) fn attached() -> Attached {
    HOOKS
        .lock()
        .as_ref()
        .map_or(Attached::default(), |state| state.attached)
}

impl State {
    /// Attaches what the registered tasks need.
    fn attach_needed(&mut self) -> Result {
        let tasks = registered();

        if !self.attached.lifetime && !tasks.is_nobody() {
            self.probes.attach_lifetime()?;
            self.attached.lifetime = true;
        }
        if !self.attached.activity && tasks.workers > 0 {
            self.probes.attach_activity()?;
            self.attached.activity = true;
        }
        if !self.attached.switches && tasks.watched > 0 {
            self.probes.attach_switches();
            self.attached.switches = true;
        }

        Ok(())
    }

    /// Detaches what no registered task needs.
    fn detach_unneeded(&mut self) {
        let tasks = registered();

        if self.attached.switches && tasks.watched == 0 {
            self.probes.detach_switches();
            self.attached.switches = false;
        }
        if self.attached.activity && tasks.workers == 0 {
            self.probes.detach_activity();
            self.attached.activity = false;
        }
        if self.attached.lifetime && tasks.is_nobody() {
            self.probes.detach_lifetime();
            self.attached.lifetime = false;
        }
    }
}

fn detach_unused() {
    if let Some(state) = HOOKS.lock().as_mut() {
        state.detach_unneeded();
    }
}

/// A registered task: the probes that it needs are attached.
///
/// Dropped when its record is detached, in any context where a work item may be scheduled.
pub(crate) struct Use(&'static Atomic<usize>);

impl Use {
    /// Attaches what a server needs. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn server() -> Result<Self> {
        Self::counted(&SERVERS)
    }

    /// Attaches what a worker needs. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn worker() -> Result<Self> {
        Self::counted(&WORKERS)
    }

    /// Attaches what a task needs that is told of its switches. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn watched() -> Result<Self> {
        Self::counted(&WATCHED)
    }

    fn counted(counter: &'static Atomic<usize>) -> Result<Self> {
        let mut hooks = HOOKS.lock();
        // The device, which is the way here, goes before the probes do.
        let state = hooks.as_mut().ok_or(ENODEV)?;

        counter.add(1, Relaxed);
        let hook_use = Self(counter);
        state.attach_needed()?;

        Ok(hook_use)
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        // Relaxed: see `registered()`.
        if self.0.fetch_sub(1, Relaxed) == 1 {
            DETACH.schedule(LINGER_MS);
        }
    }
}

/// The ability to attach probes; dropped when the module goes and no task is registered.
pub(crate) struct Hooks(());

impl Hooks {
    /// These probes can be attached from now on.
    pub(crate) fn new(startup: &Startup, probes: Probes) -> Self {
        startup.init_lock(&HOOKS);
        DETACH.init(startup);
        *HOOKS.lock() = Some(State {
            probes,
            attached: Attached::default(),
        });

        Self(())
    }
}

impl Drop for Hooks {
    fn drop(&mut self) {
        DETACH.cancel();
        if let Some(mut state) = HOOKS.lock().take() {
            state.detach_unneeded();
            state.probes.synchronize();
        }
    }
}
