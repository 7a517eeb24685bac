// SPDX-License-Identifier: GPL-2.0 OR MIT

//! In the place of `device.rs`: the calls go to the fake kernel of `lib/tests`.

use super::errno::{check, Errno};

extern "C" {
    fn umcg_sys_has_features(features: u64) -> bool;
    fn umcg_sys_ctl(flags: u32, task: u64, direct: u64, server_nr: u32) -> i32;
    fn umcg_sys_wait(flags: u32, timeout: u64) -> i32;
    fn umcg_sys_kick(tid: u32) -> i32;
}

pub(crate) fn enabled() -> Result<(), Errno> {
    Ok(())
}

pub(crate) fn has_features(features: u64) -> Result<(), Errno> {
    // SAFETY: The call takes a number.
    if unsafe { umcg_sys_has_features(features) } {
        return Ok(());
    }
    Err(Errno::last())
}

pub(crate) fn clock_offset() -> Result<i64, Errno> {
    Ok(0)
}

pub(crate) fn close() {}

/// # Safety
///
/// As in `device.rs`.
pub(crate) unsafe fn ctl(flags: u32, task: u64, direct: u64, server_nr: u32) -> Result<(), Errno> {
    // SAFETY: The caller promises it.
    check(unsafe { umcg_sys_ctl(flags, task, direct, server_nr) }).map(drop)
}

pub(crate) fn wait(flags: u32, timeout: u64) -> Result<(), Errno> {
    // SAFETY: The call takes numbers.
    check(unsafe { umcg_sys_wait(flags, timeout) }).map(drop)
}

pub(crate) fn kick(tid: u32) -> Result<(), Errno> {
    // SAFETY: The call takes a number.
    check(unsafe { umcg_sys_kick(tid) }).map(drop)
}
