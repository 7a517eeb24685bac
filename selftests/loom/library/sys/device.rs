// SPDX-License-Identifier: GPL-2.0

//! Replaces `lib/rust/src/sys/device.rs`.

use super::{abi, errno::Errno, memory::Wiped};
use crate::{
    kernel,
    raw::{direct::DirectGroup, record::Record},
};

pub(crate) fn register(
    flags: u32,
    record: &'static Record,
    direct: Option<(&Wiped<DirectGroup>, u32)>,
) -> Result<(), Errno> {
    let (group, server_nr) = direct.map_or((None, 0), |(group, nr)| (Some(group.leak()), nr));
    let flags = flags | abi::CTL_REGISTER;

    kernel::ctl(flags, record.expose_task(), group, server_nr).map_err(Errno)
}

pub(crate) fn unregister() -> Result<(), Errno> {
    kernel::ctl(abi::CTL_UNREGISTER, 0, None, 0).map_err(Errno)
}

pub(crate) fn wait() -> Result<(), Errno> {
    kernel::wait(0, 0).map_err(Errno)
}

pub(crate) fn wake() -> Result<(), Errno> {
    kernel::wait(abi::WAIT_WAKE_ONLY, 0).map_err(Errno)
}

pub(crate) fn kick(tid: u32, insists: bool) -> Result<(), Errno> {
    kernel::kick(tid, insists).map_err(Errno)
}
