// SPDX-License-Identifier: GPL-2.0

//! Counters of what happens to a task.

use super::stats::Gauge;
use crate::sys::{
    owner_cell::OwnerCell,
    trace::Reason, //
};

/// The counted events: the names of the counter and of the reason. In the order of [`Reason`],
/// where registration comes before them, and uncounted ones before [`Reason::Adopt`].
pub(crate) const COUNTED: [(&str, &str); 7] = [
    ("blocked", "block"),
    ("woken", "wake"),
    ("preempted", "preempt"),
    ("timed_out", "timeout"),
    ("adopted", "adopt"),
    ("passed_on", "pass"),
    ("put_back", "put_back"),
];

/// The number of the first reason that is not counted, and of the next one that is.
const NOT_COUNTED: usize = Reason::Wait as usize;
const COUNTED_AGAIN: usize = Reason::Adopt as usize;

/// The index in [`COUNTED`] of the reason with this number.
const fn place(reason: usize) -> usize {
    if reason < NOT_COUNTED {
        reason - 1
    } else {
        reason - COUNTED_AGAIN + NOT_COUNTED - 1
    }
}

const _: () =
    assert!(Reason::Register as usize == 0 && Reason::TimeOut as usize == NOT_COUNTED - 1);
const _: () = assert!(place(Reason::PutBack as usize) == COUNTED.len() - 1);

/// The counters of tasks that have left.
static OF_GONE_TASKS: [Gauge; COUNTED.len()] = [const { Gauge::new() }; COUNTED.len()];

/// The event counters of a task: written by itself, read by others.
pub(crate) struct Counters([OwnerCell<u32>; COUNTED.len()]);

impl Counters {
    /// Nothing has happened yet.
    pub(crate) fn new() -> Self {
        Self(core::array::from_fn(|_| OwnerCell::new(0)))
    }

    /// Counts one of [`COUNTED`]. For the owner.
    #[inline(always)]
    pub(crate) fn increment(&self, reason: Reason) {
        self.0[place(reason as usize)].increment();
    }

    /// The counters, in the order of [`COUNTED`].
    pub(crate) fn get(&self) -> [u32; COUNTED.len()] {
        self.0.each_ref().map(OwnerCell::get)
    }

    /// Adds the counters of a task that leaves to the totals.
    pub(crate) fn keep(&self) {
        for (gauge, count) in OF_GONE_TASKS.iter().zip(self.get()) {
            gauge.add(count.into());
        }
    }
}

/// The last event of a task: written by itself, read by others.
pub(crate) struct Last(OwnerCell<u8>);

impl Last {
    /// It has registered.
    pub(crate) fn new() -> Self {
        Self(OwnerCell::new(Reason::Register as u8))
    }

    /// Notes something. For the owner.
    #[inline(always)]
    pub(crate) fn set(&self, reason: Reason) {
        // CAST: The reasons are few.
        self.0.set(reason as u8);
    }

    /// The reason, by name.
    pub(crate) fn name(&self) -> &'static str {
        match usize::from(self.0.get()) {
            0 => "register",
            NOT_COUNTED..COUNTED_AGAIN => "wait",
            last => COUNTED.get(place(last)).map_or("?", |(_, reason)| reason),
        }
    }
}

/// The counters of the tasks that have left.
pub(crate) fn of_gone_tasks() -> [u64; COUNTED.len()] {
    OF_GONE_TASKS.each_ref().map(Gauge::get)
}
