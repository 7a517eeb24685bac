// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Slots.

use crate::{
    error::Error,
    raw::slot::SlotWords,
    sys::{abi, errno::Errno, process, slots},
};
use std::{cell::Cell, time::Duration};

/// The slot of a thread, in which the kernel shows whether the thread is on a CPU. See
/// [the module](crate::sched) for its lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    number: u32,
    /// Of the process to which it belongs.
    stamp: u32,
}

/// The state of the thread that has a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It is on a CPU, in the program or in the kernel.
    OnCpu,
    /// It was switched out while it was runnable.
    Preempted,
    /// It was switched out to sleep. It may have been woken since, but has not run.
    Blocked,
    /// It has ended.
    Exited,
    /// No thread has the slot.
    Unused,
}

/// The contents of a slot at one point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The state of its thread.
    pub state: State,
    /// The TID of its thread, or of its last thread.
    pub tid: u32,
    /// When the thread was last switched out, by CLOCK_MONOTONIC of the initial time namespace.
    pub off: Duration,
    /// When it was last switched in.
    pub on: Duration,
    /// Its last CPU.
    pub cpu: u32,
    /// Its virtual CPU, or its last one: see [`Slot::vcpu()`].
    pub vcpu: Option<u32>,
}

thread_local! {
    /// The stamp of the process in which the thread has requested a slot, and the number of the
    /// slot, or `None` if it got none.
    static OWN: Cell<Option<(u32, Option<u32>)>> = const { Cell::new(None) };
}

/// The error of a call about slots.
fn error_of(error: Errno) -> Error {
    match error {
        // Too many threads have slots.
        Errno(libc::ENOSPC) => Error::TooManyThreads,
        // The module does not know a flag.
        Errno(libc::EINVAL) => Error::Unsupported,
        error => error.into(),
    }
}

fn register(flags: u32) -> Result<Slot, Error> {
    slots::open().map_err(Error::of_device)?;
    slots::map().map_err(error_of)?;
    let stamp = process::stamp()?;
    let number = slots::register(flags).map_err(error_of)?;

    OWN.set(Some((stamp, Some(number))));
    Ok(Slot { number, stamp })
}

/// The number of the calling thread's slot, which is assigned by the first call. `None` if that
/// fails: it is not tried again.
#[inline]
pub(crate) fn own_number() -> Option<u32> {
    match (OWN.get(), process::known_stamp()) {
        (Some((stamp, number)), Some(now)) if stamp == now => number,
        _ => first_own_number(),
    }
}

#[cold]
fn first_own_number() -> Option<u32> {
    match register(0) {
        Ok(slot) => Some(slot.number),
        Err(_) => {
            // It is tried again only if there is no memory for a stamp.
            OWN.set(process::stamp().ok().map(|stamp| (stamp, None)));
            None
        }
    }
}

/// Releases the slot of the calling thread, which otherwise happens when it ends. Returns whether
/// it had one.
///
/// Users of the slot, such as waiters for a [`Mutex`](crate::sync::Mutex) that the thread holds,
/// then see a thread on no CPU, or the next thread with that slot.
///
/// # Errors
///
/// [`Error::Unavailable`], [`Error::Unsupported`].
pub fn release() -> Result<bool, Error> {
    slots::open().map_err(Error::of_device)?;
    match slots::unregister() {
        Ok(()) => {
            OWN.set(None);
            Ok(true)
        }
        Err(Errno(libc::ENOENT)) => Ok(false),
        Err(error) => Err(error_of(error)),
    }
}

impl Slot {
    /// The slot of the calling thread, which is assigned one if it has none. All libraries of the
    /// process get the same one.
    ///
    /// # Errors
    ///
    /// - [`Error::Unavailable`], [`Error::Unsupported`]: the module is not loaded, or has no slots.
    /// - [`Error::TooManyThreads`]: too many threads have slots.
    /// - [`Error::OutOfMemory`].
    pub fn of_this_thread() -> Result<Self, Error> {
        register(0)
    }

    /// The same, with a [virtual CPU](Slot::vcpu) if the thread had no slot before.
    ///
    /// # Errors
    ///
    /// As of [`Slot::of_this_thread()`].
    pub fn with_vcpu() -> Result<Self, Error> {
        register(abi::SCHED_STATE_VCPU)
    }

    /// The slot with this number in this process, for locks that store the number of their owner.
    /// It need not be assigned.
    ///
    /// Returns `None` if there is no such slot, or no thread of this process has requested one yet.
    pub fn from_number(number: u32) -> Option<Self> {
        process::slots()?.get(number as usize)?;
        Some(Self {
            number,
            stamp: process::known_stamp()?,
        })
    }

    /// Its number in the process, less than 32768. The lowest free number is assigned.
    pub fn number(self) -> u32 {
        self.number
    }

    /// Its words, if it belongs to this process.
    #[inline]
    fn words(self) -> Option<&'static SlotWords> {
        let slots = process::slots()?;

        (process::known_stamp() == Some(self.stamp)).then(|| slots.get(self.number as usize))?
    }

    /// Whether its thread is on a CPU. A hint: that may change at any time. Orders no memory
    /// access.
    #[inline]
    pub fn on_cpu(self) -> bool {
        self.words().is_some_and(SlotWords::is_on_cpu)
    }

    /// The virtual CPU of its thread: a number less than that of CPUs, and different for any two
    /// threads of the process that are on a CPU. It may change when the thread is descheduled,
    /// which a [`Notification`](super::Notification) reports. A thread on no CPU has its last one.
    /// `None` if the thread did not register [with one](Slot::with_vcpu).
    #[inline]
    pub fn vcpu(self) -> Option<u32> {
        self.words()
            .map(SlotWords::vcpu)
            .filter(|&vcpu| vcpu != abi::SCHED_NO_VCPU)
    }

    /// A consistent copy of the slot. `None` if the kernel is just changing it, which takes a few
    /// instructions; or if it belongs to a parent process.
    pub fn snapshot(self) -> Option<Snapshot> {
        let copied = self.words()?.copy()?;

        Some(Snapshot {
            state: match copied.state {
                abi::SCHED_ON_CPU => State::OnCpu,
                abi::SCHED_PREEMPTED => State::Preempted,
                abi::SCHED_BLOCKED => State::Blocked,
                abi::SCHED_EXITED => State::Exited,
                _ => State::Unused,
            },
            tid: copied.tid,
            off: Duration::from_nanos(copied.off_ns),
            on: Duration::from_nanos(copied.on_ns),
            cpu: copied.cpu,
            vcpu: Some(copied.vcpu).filter(|&vcpu| vcpu != abi::SCHED_NO_VCPU),
        })
    }
}
