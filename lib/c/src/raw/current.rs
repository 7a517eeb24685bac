// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The calling thread: its record, and its registration.

use super::record::{Group, Thread};
use crate::sys::{abi, device, errno::Errno, tls};
use core::ptr;

/// Its record, if it has one.
#[inline(always)]
pub(crate) fn record() -> Option<&'static Thread> {
    let address = tls::record();

    // SAFETY: The address is zero, or that of a record: see `tls::set_record()`.
    unsafe { ptr::with_exposed_provenance::<Thread>(address).as_ref() }
}

pub(crate) fn set_record(record: Option<&'static Thread>) {
    let address = record.map_or(0, |record| ptr::from_ref(record).expose_provenance());

    // SAFETY: The record has been exposed, and its lifetime says that it stays.
    unsafe { tls::set_record(address) };
}

/// Registers it. `direct`: its group, if that is in direct mode.
pub(crate) fn register(
    flags: u32,
    me: &'static Thread,
    direct: Option<&'static Group>,
    server_nr: u32,
) -> Result<(), Errno> {
    // CAST: An ID is an address.
    let task = me.utid() as u64;
    let direct = direct.map_or(0, Group::direct_address);

    // SAFETY: What the arguments name are atomic words of a record and a group, which are never
    // unmapped.
    unsafe { device::ctl(flags | abi::CTL_REGISTER, task, direct, server_nr) }
}

/// Unregisters it.
pub(crate) fn unregister() -> Result<(), Errno> {
    // SAFETY: The arguments name no memory.
    unsafe { device::ctl(abi::CTL_UNREGISTER, 0, 0, 0) }
}
