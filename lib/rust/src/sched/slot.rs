// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Slots.

use crate::{
    error::Error,
    raw::slot::SlotWords,
    sys::{abi, errno::Errno, process, slots},
};
use std::{cell::Cell, time::Duration};

/// The slot of a thread: where the kernel says whether the thread is on a CPU. See
/// [the module](crate::sched) for how long it is that of the thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    number: u32,
    /// Of the process whose slot it is.
    stamp: u32,
}

/// What a thread does that has a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// It is on a CPU, in the program or in the kernel.
    OnCpu,
    /// It has left its CPU for another thread, and could go on.
    Preempted,
    /// It has left its CPU to sleep. It may have been woken since, but has not run.
    Blocked,
    /// It has ended.
    Exited,
    /// No thread has the slot.
    Unused,
}

/// All that a slot says at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// What its thread does.
    pub state: State,
    /// The TID of its thread, or of the last one.
    pub tid: u32,
    /// When the thread was last switched out, by CLOCK_MONOTONIC outside of time namespaces.
    pub off: Duration,
    /// When it was last switched in.
    pub on: Duration,
    /// Its last CPU.
    pub cpu: u32,
    /// Its virtual CPU, or the last one: see [`Slot::vcpu()`].
    pub vcpu: Option<u32>,
}

thread_local! {
    /// The stamp of the process in which the thread has asked for a slot, and the number of that, or
    /// `None` if it could not get one.
    static OWN: Cell<Option<(u32, Option<u32>)>> = const { Cell::new(None) };
}

/// Of a call about slots.
fn error_of(error: Errno) -> Error {
    match error {
        // Too many threads have slots.
        Errno(libc::ENOSPC) => Error::TooManyThreads,
        // A module that does not know a flag.
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

/// The number of the calling thread's slot, which it gets when this is called first. `None` if it
/// cannot get one: then this is not tried again.
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
            // Without memory for a stamp there is none, and it is tried again.
            OWN.set(process::stamp().ok().map(|stamp| (stamp, None)));
            None
        }
    }
}

/// Releases the slot of the calling thread before it ends: that does it anyway. Returns whether
/// there was one.
///
/// Other code of the thread that uses its slot, as [`Mutex`](crate::sync::Mutex) does, gets the hints
/// of a thread that is on no CPU from then on, or of the one that has the slot next.
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
    /// The slot of the calling thread, which gets one if it has none. It is the same one for all
    /// libraries of the process.
    ///
    /// # Errors
    ///
    /// - [`Error::Unavailable`], [`Error::Unsupported`]: the module is not loaded, or has no slots.
    /// - [`Error::TooManyThreads`]: too many threads have one.
    /// - [`Error::OutOfMemory`]: as it says.
    pub fn of_this_thread() -> Result<Self, Error> {
        register(0)
    }

    /// The same, with a [virtual CPU](Slot::vcpu) if the thread has had no slot before.
    ///
    /// # Errors
    ///
    /// As of [`Slot::of_this_thread()`].
    pub fn with_vcpu() -> Result<Self, Error> {
        register(abi::SCHED_STATE_VCPU)
    }

    /// The slot with this number, of this process: for locks that keep the number of their owner.
    /// Whether a thread has it is what it says.
    ///
    /// Returns `None` if there is no such slot, or no thread of this process has asked for one yet.
    pub fn from_number(number: u32) -> Option<Self> {
        process::slots()?.get(number as usize)?;
        Some(Self {
            number,
            stamp: process::known_stamp()?,
        })
    }

    /// Its number in the process, less than 32768. The lowest free one is assigned.
    pub fn number(self) -> u32 {
        self.number
    }

    /// Its words, if it is one of this process.
    #[inline]
    fn words(self) -> Option<&'static SlotWords> {
        let slots = process::slots()?;

        (process::known_stamp() == Some(self.stamp)).then(|| slots.get(self.number as usize))?
    }

    /// Whether its thread is on a CPU. A hint: that may change at any time. Orders nothing.
    #[inline]
    pub fn on_cpu(self) -> bool {
        self.words().is_some_and(SlotWords::is_on_cpu)
    }

    /// Its thread's number among those threads of the process that are on a CPU, and have asked for
    /// one: less than the number of CPUs. While a thread is on a CPU, no other one on a CPU has its
    /// number. It may change whenever the thread was descheduled, which a
    /// [`Notification`](super::Notification) tells it. Of a thread that is on no CPU it is the last one
    /// that it had.
    #[inline]
    pub fn vcpu(self) -> Option<u32> {
        self.words()
            .map(SlotWords::vcpu)
            .filter(|&vcpu| vcpu != abi::SCHED_NO_VCPU)
    }

    /// All that it says, as of one moment. `None` if it is just being changed, which takes the kernel
    /// a few instructions; or if it is one of a parent process.
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
