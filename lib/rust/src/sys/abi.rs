// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The part of the ABI of `/dev/umcg`, `linux/umcg.h`, that this crate uses.
//!
//! The words that a thread shares with the kernel are in [`crate::raw`].

use core::mem::size_of;

pub(crate) const TASK_NONE: u64 = 0;
pub(crate) const TASK_RUNNING: u64 = 1;
pub(crate) const TASK_IDLE: u64 = 2;
pub(crate) const TASK_BLOCKED: u64 = 3;
pub(crate) const TASK_STATE_MASK: u64 = 0x3f;
pub(crate) const TF_LOCKED: u64 = 1 << 6;
pub(crate) const TF_PREEMPTED: u64 = 1 << 7;

pub(crate) const TIMESTAMP_SHIFT: u32 = 18;
pub(crate) const TIMESTAMP_BITS: u32 = 46;
pub(crate) const TIMESTAMP_GRANULARITY: u32 = 4;

/// A node of the idle-worker list whose link is not written yet.
pub(crate) const IDLE_NODE_PENDING: u64 = 1;

/// The most servers of a group, and the number of places in its ring.
pub(crate) const SERVERS: usize = 64;

/// A worker that wakes may take an idle server although others are queued.
pub(crate) const DIRECT_OVERTAKE: u32 = 2;
/// A worker that the kernel preempts lends its server.
pub(crate) const DIRECT_LEND: u32 = 4;

pub(crate) const CTL_REGISTER: u32 = 0x00001;
pub(crate) const CTL_UNREGISTER: u32 = 0x00002;
pub(crate) const CTL_WORKER: u32 = 0x10000;
pub(crate) const CTL_DIRECT: u32 = 0x20000;
pub(crate) const CTL_CRITICAL: u32 = 0x40000;

pub(crate) const WAIT_WAKE_ONLY: u32 = 1;
pub(crate) const WAIT_WF_CURRENT_CPU: u32 = 2;
pub(crate) const KICK_INSIST: u32 = 1;

pub(crate) const ABI_VERSION: u32 = 2;
pub(crate) const FEATURE_DIRECT: u64 = 1 << 3;
pub(crate) const FEATURE_CRITICAL: u64 = 1 << 4;
pub(crate) const FEATURE_REFUSE: u64 = 1 << 6;

/// How many slots a process has.
pub(crate) const SCHED_STATE_SLOTS: usize = 32768;

pub(crate) const SCHED_STATE_REGISTER: u32 = 1;
pub(crate) const SCHED_STATE_UNREGISTER: u32 = 2;
pub(crate) const SCHED_STATE_VCPU: u32 = 0x10000;

pub(crate) const SCHED_ON_CPU: u32 = 1;
pub(crate) const SCHED_PREEMPTED: u32 = 2;
pub(crate) const SCHED_BLOCKED: u32 = 4;
pub(crate) const SCHED_EXITED: u32 = 8;
/// No virtual CPU.
pub(crate) const SCHED_NO_VCPU: u32 = u32::MAX;

pub(crate) const DESCHED_ON_PREEMPT: u32 = 1;
pub(crate) const DESCHED_ON_BLOCK: u32 = 2;
pub(crate) const DESCHED_WRITE_TIME: u32 = 4;

/// The advice by which `posix_fadvise()` of the device is a wait.
pub(crate) const FADVISE_WAIT: i32 = 0x756d6367;

/// The size of an argument structure, for its first field.
pub(crate) const fn size_u32<T>() -> u32 {
    // CAST: They have less than a hundred bytes.
    size_of::<T>() as u32
}

#[repr(C)]
#[derive(Default)]
pub(crate) struct VersionArgs {
    pub(crate) size: u32,
    pub(crate) abi: u32,
    pub(crate) features: u64,
    pub(crate) clock_offset: i64,
}

#[repr(C)]
#[derive(Default)]
pub(crate) struct CtlArgs {
    pub(crate) size: u32,
    pub(crate) flags: u32,
    pub(crate) self_: u64,
    pub(crate) direct: u64,
    pub(crate) server_nr: u32,
    pub(crate) reserved: u32,
}

#[repr(C)]
#[derive(Default)]
pub(crate) struct WaitArgs {
    pub(crate) size: u32,
    pub(crate) flags: u32,
    pub(crate) abs_timeout: u64,
}

#[repr(C)]
#[derive(Default)]
pub(crate) struct KickArgs {
    pub(crate) size: u32,
    pub(crate) flags: u32,
    pub(crate) tid: u32,
    pub(crate) reserved: u32,
}

#[repr(C)]
#[derive(Default)]
pub(crate) struct SchedStateArgs {
    pub(crate) size: u32,
    pub(crate) flags: u32,
    pub(crate) slot: u32,
    pub(crate) reserved: u32,
}

#[repr(C)]
#[derive(Default)]
pub(crate) struct DeschedArgs {
    pub(crate) size: u32,
    pub(crate) flags: u32,
    pub(crate) cookie: u64,
    pub(crate) addr: u64,
    pub(crate) value: u64,
    pub(crate) width: u32,
    pub(crate) reserved: u32,
}

pub(crate) const IOC_WRITE: u32 = 1;
pub(crate) const IOC_READ: u32 = 2;

/// The number of a call. The size is that of the first version of its arguments, and stays so.
pub(crate) const fn command(direction: u32, number: u32, size: u32) -> u32 {
    (direction << 30) | (size << 16) | (0xbb << 8) | number
}

pub(crate) const IOC_VERSION: u32 = command(IOC_READ | IOC_WRITE, 0x80, 16);
pub(crate) const IOC_CTL: u32 = command(IOC_WRITE, 0x81, 16);
pub(crate) const IOC_WAIT: u32 = command(IOC_WRITE, 0x82, 16);
pub(crate) const IOC_KICK: u32 = command(IOC_WRITE, 0x83, 16);
pub(crate) const IOC_SCHED_STATE: u32 = command(IOC_READ | IOC_WRITE, 0x84, 16);
pub(crate) const IOC_DESCHED_ADD: u32 = command(IOC_WRITE, 0x85, 40);
pub(crate) const IOC_DESCHED_REMOVE: u32 = command(IOC_WRITE, 0x86, 40);

const _: () = assert!(size_of::<VersionArgs>() == 24);
const _: () = assert!(size_of::<CtlArgs>() == 32);
const _: () = assert!(size_of::<WaitArgs>() == 16);
const _: () = assert!(size_of::<KickArgs>() == 16);
const _: () = assert!(size_of::<SchedStateArgs>() == 16);
const _: () = assert!(size_of::<DeschedArgs>() == 40);
