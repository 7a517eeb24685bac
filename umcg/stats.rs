// SPDX-License-Identifier: GPL-2.0

//! Counters for `/sys/kernel/debug/umcg/stats`.

use kernel::sync::atomic::{
    Atomic,
    Relaxed, //
};

/// A counter. Read only by people and tests, so it orders nothing.
pub(crate) struct Gauge(Atomic<u64>);

impl Gauge {
    /// Zero.
    pub(crate) const fn new() -> Self {
        Self(Atomic::new(0))
    }

    /// Counts an object, for as long as the result lives. Any context.
    pub(crate) fn count(&'static self) -> Count {
        self.0.add(1, Relaxed);
        Count(self)
    }

    /// Counts an event. Any context.
    pub(crate) fn increment(&self) {
        self.0.add(1, Relaxed);
    }

    /// Counts this many events. Any context.
    pub(crate) fn add(&self, events: u64) {
        self.0.add(events, Relaxed);
    }

    /// Removes objects from the count. Any context.
    pub(crate) fn remove(&self, things: u64) {
        let _ = self.0.fetch_sub(things, Relaxed);
    }

    /// The number.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// An object counted by a [`Gauge`].
pub(crate) struct Count(&'static Gauge);

impl Drop for Count {
    fn drop(&mut self) {
        self.0.remove(1);
    }
}

/// Records whose memory is not freed yet, including those of tasks that have left.
pub(crate) static RECORDS: Gauge = Gauge::new();

/// Pages of user memory that are pinned.
pub(crate) static PINNED_PAGES: Gauge = Gauge::new();

/// Pages of slots.
pub(crate) static SLOT_PAGES: Gauge = Gauge::new();

/// Processes killed because of an invalid state word.
pub(crate) static KILLED_STATE: Gauge = Gauge::new();

/// Processes killed because a worker was to run in user mode without a server.
pub(crate) static KILLED_SERVER: Gauge = Gauge::new();

/// Processes killed because the words of a worker's group were not in valid memory.
pub(crate) static KILLED_MEMORY: Gauge = Gauge::new();

/// Handlers of immediate signals executed by held workers.
pub(crate) static HANDLED: Gauge = Gauge::new();

/// Passes of registered tasks through the scheduler that could not be handled: if not zero, this
/// kernel calls the hook where nothing may be woken.
pub(crate) static MISSED: Gauge = Gauge::new();
