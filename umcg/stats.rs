// SPDX-License-Identifier: GPL-2.0

//! What there is and what has happened, for `/sys/kernel/debug/umcg/stats`.

use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// A number of things. Only ever looked at by people and tests, so nothing is ordered by it.
pub(crate) struct Gauge(Atomic<u64>);

impl Gauge {
    /// Zero.
    pub(crate) const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Counts one more thing, for as long as the result lives. Any context.
    pub(crate) fn count(&'static self) -> Count {
        self.0.add(1, Relaxed);
        Count(self)
    }

    /// Counts an event, for good. Any context.
    pub(crate) fn increment(&self) {
        self.0.add(1, Relaxed);
    }

    /// Adds this many events, for good. Any context.
    pub(crate) fn add(&self, events: u64) {
        self.0.add(events, Relaxed);
    }

    /// Counts so many things no more. Any context.
    pub(crate) fn remove(&self, things: u64) {
        let _ = self.0.fetch_sub(things, Relaxed);
    }

    /// The number.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A thing that a [`Gauge`] counts.
pub(crate) struct Count(&'static Gauge);

impl Drop for Count {
    fn drop(&mut self) {
        self.0.remove(1);
    }
}

/// Records whose memory is not free yet; those of tasks that have left among them.
pub(crate) static RECORDS: Gauge = Gauge::new();

/// Pages of user memory that are pinned.
pub(crate) static PINNED_PAGES: Gauge = Gauge::new();

/// Pages of slots that say who is on a CPU.
pub(crate) static SLOT_PAGES: Gauge = Gauge::new();

/// Processes killed because a state word said what cannot be.
pub(crate) static KILLED_STATE: Gauge = Gauge::new();

/// Processes killed because a worker was to run in user mode without a server.
pub(crate) static KILLED_SERVER: Gauge = Gauge::new();

/// Processes killed because a word that a worker shares with its group was not in its memory.
pub(crate) static KILLED_MEMORY: Gauge = Gauge::new();

/// Handlers of immediate signals that workers have executed while they were held.
pub(crate) static HANDLED: Gauge = Gauge::new();

/// Passes of registered tasks through the scheduler that could not be looked at: not zero means that
/// this kernel calls the hook where nothing may be woken.
pub(crate) static MISSED: Gauge = Gauge::new();
