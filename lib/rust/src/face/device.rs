// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The descriptor of `/dev/umcg`, for programs that have to know it.

use crate::{error::Error, sys::device};

/// The descriptor of `/dev/umcg` that this crate uses now, if it has opened one. It changes when a
/// program has closed it.
#[inline]
pub fn device_descriptor() -> Option<i32> {
    device::current_descriptor()
}

/// Opens `/dev/umcg`, if that has not been done: else the first group does. For programs that give up
/// the right to open it before they make one.
///
/// # Errors
///
/// [`Error::Unavailable`], and [`Error::Unsupported`] if the module does not fit.
pub fn open_device() -> Result<(), Error> {
    device::open().map_err(Error::of_device)
}

/// Has the crate use another descriptor, for example since the number of this one is wanted for
/// another file. The old one stays open, for threads that use it at this moment.
///
/// # Errors
///
/// [`Error::Unavailable`] if there is none to be had: then it uses the old one.
pub fn move_device_descriptor() -> Result<(), Error> {
    device::move_descriptor().map_err(Error::of_device)
}
