// SPDX-License-Identifier: GPL-2.0

//! Counters of what happens to a task.

use super::stats::Gauge;
use crate::sys::{
    owner_written::OwnerWritten,
    trace::Reason, //
};

/// What is counted: the name of the counter, and of the reason. In the order of [`Reason`], where
/// registration comes before them.
pub(crate) const COUNTED: [(&str, &str); 4] = [
    ("blocked", "block"),
    ("woken", "wake"),
    ("preempted", "preempt"),
    ("timed_out", "timeout"),
];

const _: () = assert!(Reason::Register as usize == 0 && Reason::TimeOut as usize == COUNTED.len());

/// What has happened to tasks that have left since.
static OF_GONE_TASKS: [Gauge; COUNTED.len()] = [const { Gauge::new() }; COUNTED.len()];

/// What has happened to a task: written by itself, read by whoever looks.
pub(crate) struct Activity {
    counters: [OwnerWritten; COUNTED.len()],
    last: OwnerWritten,
}

impl Activity {
    /// Nothing has happened yet but registration.
    pub(crate) const fn new() -> Self {
        Self {
            counters: [const { OwnerWritten::new(0) }; COUNTED.len()],
            last: OwnerWritten::new(Reason::Register as u32),
        }
    }

    /// Counts something that is [`COUNTED`]. For the owner.
    #[inline(always)]
    pub(crate) fn count(&self, reason: Reason) {
        self.counters[reason as usize - 1].increment();
        self.last.set(reason as u32);
    }

    /// Notes something that is not [`COUNTED`]. For the owner.
    #[inline(always)]
    pub(crate) fn note(&self, reason: Reason) {
        self.last.set(reason as u32);
    }

    /// The reason that was counted last, by name.
    pub(crate) fn last(&self) -> &'static str {
        // CAST: It is small.
        match self.last.get() as usize {
            0 => "register",
            last => COUNTED.get(last - 1).map_or("wait", |(_, reason)| reason),
        }
    }

    /// The counters, in the order of [`COUNTED`].
    pub(crate) fn counts(&self) -> [u32; COUNTED.len()] {
        self.counters.each_ref().map(OwnerWritten::get)
    }

    /// Keeps the counters of a task that leaves.
    pub(crate) fn keep(&self) {
        for (gauge, count) in OF_GONE_TASKS.iter().zip(self.counts()) {
            gauge.add(count.into());
        }
    }
}

/// The counters of the tasks that have left.
pub(crate) fn of_gone_tasks() -> [u64; COUNTED.len()] {
    OF_GONE_TASKS.each_ref().map(Gauge::get)
}
