// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Workers, as policies see them.

use crate::{raw::record::Record, sys::thread};
use core::{fmt, mem, ops::Deref, sync::atomic::Ordering, time::Duration};

/// A worker of a group.
pub struct Worker {
    record: &'static Record,
}

impl Worker {
    pub(crate) fn of(record: &'static Record) -> Self {
        Self { record }
    }

    pub(super) fn record(&self) -> &'static Record {
        self.record
    }

    /// Its TID. It does not change while the worker is in the group.
    pub fn id(&self) -> u32 {
        self.record.tid()
    }

    /// Its class, from 0 to 255, as [`Options::class()`](crate::Options::class) or
    /// [`set_class()`](crate::set_class) has set it.
    pub fn class(&self) -> u8 {
        self.record.class()
    }

    /// Whether it has been kicked, and has not given way: it is in a critical section.
    pub fn defers(&self) -> bool {
        self.record.task.state().is_preempted()
    }

    /// For how long it has been queued, if it is idle; else for how long it has run or been
    /// blocked.
    pub fn age(&self) -> Duration {
        Duration::from_nanos(self.record.task.age_ns(thread::monotonic_ns()))
    }

    /// A number that the policy has stored with the worker, or zero.
    pub fn data(&self) -> u64 {
        // Relaxed: calls of a policy are ordered by its lock.
        self.record.data.load(Ordering::Relaxed)
    }

    /// Stores a number with the worker.
    pub fn set_data(&self, data: u64) {
        // Relaxed: calls of a policy are ordered by its lock.
        self.record.data.store(data, Ordering::Relaxed);
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("id", &self.id())
            .field("class", &self.class())
            .finish_non_exhaustive()
    }
}

/// The right to run an idle worker. There is one for each, and it cannot be copied: so no worker
/// runs twice, and none is lost.
///
/// A leaked token, as by [`mem::forget()`], leaves a worker that never runs. A dropped one leaves
/// the worker queued; if another thread than the one that calls the policy drops it, that wakes no
/// server: the worker runs when a server is awake.
#[derive(Debug)]
pub struct IdleWorker(Worker);

impl IdleWorker {
    /// The token of a worker. The caller has marked it as given.
    pub(crate) fn new(record: &'static Record) -> Self {
        Self(Worker::of(record))
    }

    pub(crate) fn record(&self) -> &'static Record {
        self.0.record
    }

    /// The worker, without the right.
    pub(crate) fn into_record(self) -> &'static Record {
        let record = self.0.record;

        mem::forget(self);
        record
    }
}

impl Deref for IdleWorker {
    type Target = Worker;

    fn deref(&self) -> &Worker {
        &self.0
    }
}

impl Drop for IdleWorker {
    fn drop(&mut self) {
        self.0.record.return_token();
    }
}
