// SPDX-License-Identifier: GPL-2.0

//! Replaces `lib/c/src/sys/device.rs`.

use super::errno::Errno;
use crate::{kernel, raw::direct::DirectGroup};

pub(crate) fn enabled() -> Result<(), Errno> {
    Ok(())
}

pub(crate) fn has_features(_: u64) -> Result<(), Errno> {
    Ok(())
}

pub(crate) fn clock_offset() -> Result<i64, Errno> {
    Ok(0)
}

/// # Safety
///
/// As in the original.
pub(crate) unsafe fn ctl(flags: u32, task: u64, direct: u64, server_nr: u32) -> Result<(), Errno> {
    let direct = core::ptr::with_exposed_provenance::<DirectGroup>(direct as usize);

    // SAFETY: The caller promises it.
    kernel::ctl(flags, task, unsafe { direct.as_ref() }, server_nr).map_err(Errno)
}

pub(crate) fn wait(flags: u32, timeout: u64) -> Result<(), Errno> {
    kernel::wait(flags, timeout).map_err(Errno)
}

pub(crate) fn kick(tid: u32) -> Result<(), Errno> {
    kernel::kick(tid, false).map_err(Errno)
}
