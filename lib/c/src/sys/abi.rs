// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The ABI of `/dev/umcg`: what the crate `umcg` uses, and the rest.

#[path = "../../../rust/src/sys/abi.rs"]
mod common;

pub(crate) use common::*;

/// The bits of a state word that are the program's.
pub(crate) const TASK_USER_MASK: u64 = 0x3e000;

pub(crate) const DIRECT_FIFO: u32 = 1;

pub(crate) const CTL_SIGNALS: u32 = 0x80000;

pub(crate) const WAIT_LOCK_ON_TIMEOUT: u32 = 4;

pub(crate) const FEATURE_SIGNALS: u64 = 1 << 5;

/// A slot, which the kernel writes, and the program reads by the inline functions of its header.
#[repr(C, align(64))]
pub(crate) struct SchedState([u8; 64]);
