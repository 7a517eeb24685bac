// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The ABI of `/dev/umcg`: what the crate `umcg` uses, and the rest.

#[path = "../../../rust/src/sys/abi.rs"]
mod common;

pub(crate) use common::*;
use core::mem::size_of;

/// The bits of a state word that are the program's.
pub(crate) const TASK_USER_MASK: u64 = 0x3e000;

pub(crate) const DIRECT_FIFO: u32 = 1;
pub(crate) const DIRECT_OVERTAKE: u32 = 2;

pub(crate) const CTL_SIGNALS: u32 = 0x80000;

pub(crate) const WAIT_WF_CURRENT_CPU: u32 = 2;
pub(crate) const WAIT_LOCK_ON_TIMEOUT: u32 = 4;

pub(crate) const FEATURE_SIGNALS: u64 = 1 << 5;

/// How many slots a process has.
pub(crate) const SCHED_STATE_SLOTS: usize = 32768;

pub(crate) const SCHED_STATE_REGISTER: u32 = 1;
pub(crate) const SCHED_STATE_UNREGISTER: u32 = 2;

/// A slot, which the kernel writes, and the program reads by the inline functions of its header.
#[repr(C, align(64))]
pub(crate) struct SchedState([u8; 64]);

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

pub(crate) const IOC_SCHED_STATE: u32 = command(IOC_READ | IOC_WRITE, 0x84, 16);
pub(crate) const IOC_DESCHED_ADD: u32 = command(IOC_WRITE, 0x85, 40);
pub(crate) const IOC_DESCHED_REMOVE: u32 = command(IOC_WRITE, 0x86, 40);

const _: () = assert!(size_of::<SchedStateArgs>() == 16);
const _: () = assert!(size_of::<DeschedArgs>() == 40);
