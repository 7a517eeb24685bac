// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The descriptor of `/dev/umcg`, for programs that need to know it.

use crate::{error::Error, sys::device};

/// The descriptor of `/dev/umcg` that this crate uses, if it has opened one. It changes after the
/// program has closed it.
#[inline]
pub fn device_descriptor() -> Option<i32> {
    device::current_descriptor()
}

/// Opens `/dev/umcg` if it is not open, which the first group does otherwise. For programs that
/// drop the permission to open it before they make a group.
///
/// # Errors
///
/// [`Error::Unavailable`], and [`Error::Unsupported`] if the module is incompatible.
pub fn open_device() -> Result<(), Error> {
    device::open().map_err(Error::of_device)
}

/// Makes the crate use a descriptor with another number, for example because the program needs the
/// present one for another file. The old one stays open, for threads that are using it.
///
/// # Errors
///
/// [`Error::Unavailable`] if no descriptor is available: then the crate keeps the old one.
pub fn move_device_descriptor() -> Result<(), Error> {
    device::move_descriptor().map_err(Error::of_device)
}
