// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The descriptor of `/dev/umcg`: it is opened once for the process, when it is first needed. It has a
//! high number, which programs seldom meet.

use super::{
    abi::{self, size_u32, VersionArgs},
    errno::{check, Errno},
};
use core::{
    mem,
    sync::atomic::{AtomicI32, AtomicU64, Ordering},
};

const PATH: &core::ffi::CStr = c"/dev/umcg";

/// In the place of a descriptor.
pub(crate) const NONE: i32 = -1;

/// The descriptor, or `NONE`.
pub(super) static DESCRIPTOR: AtomicI32 = AtomicI32::new(NONE);
/// The number of the device, by which its descriptors are known.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// The descriptor, if it has been opened.
pub(crate) fn current() -> Option<i32> {
    // Acquire: pairs with the exchange that has published it; the number of the device is known.
    let descriptor = DESCRIPTOR.load(Ordering::Acquire);

    (descriptor != NONE).then_some(descriptor)
}

/// Opens the device, unless another thread replaces the stale descriptor, or `NONE`, meanwhile.
/// Returns the new descriptor, and whether it is that of the caller. Fails with `EPROTO` if the
/// module speaks another ABI, and with `EBADF` if the program closes the descriptor meanwhile.
pub(crate) fn open_in_place_of(stale: i32) -> Result<(i32, bool), Errno> {
    let new = New::open()?;

    match version(new.0) {
        Ok(version) if version.abi == abi::ABI_VERSION => {}
        Err(error @ Errno(libc::EBADF)) => return Err(error),
        _ => return Err(Errno(libc::EPROTO)),
    }
    // Relaxed: the number is always the same, and is published by the descriptor.
    NUMBER.store(status_of(new.0)?.st_rdev, Ordering::Relaxed);
    // Release publishes the number; acquire: what another thread has stored is used instead.
    match DESCRIPTOR.compare_exchange(stale, new.0, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Ok((new.keep(), true)),
        Err(other) => Ok((other, false)),
    }
}

/// Replaces the descriptor by one with another number, unless another thread does. It stays open.
#[allow(
    dead_code,
    reason = "not every library that has this file moves its descriptor"
)]
pub(crate) fn replace(old: i32) -> Result<(), Errno> {
    let new = New(duplicate(old)?);

    // Release, acquire: as in `open_in_place_of()`.
    if DESCRIPTOR
        .compare_exchange(old, new.0, Ordering::AcqRel, Ordering::Acquire)
        .is_ok()
    {
        new.keep();
    }
    Ok(())
}

/// The numbers of descriptors from here on are seldom used, and those up to 1023 may be in sets of
/// `select()`.
const HIGH: i32 = 1000;

/// The same file with a high number, or with any.
fn duplicate(descriptor: i32) -> Result<i32, Errno> {
    let duplicate_from = |first: i32| {
        // SAFETY: The call takes numbers.
        check(unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, first) })
    };

    // So many may not be allowed.
    duplicate_from(HIGH).or_else(|_| duplicate_from(0))
}

/// A descriptor of the device that is not used yet: it is closed when this is dropped.
struct New(i32);

impl New {
    fn open() -> Result<Self, Errno> {
        // SAFETY: The path is a string with a zero at its end.
        let low = unsafe { libc::open(PATH.as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) };
        let low = check(low).map(Self)?;

        Ok(duplicate(low.0).map_or(low, Self))
    }

    fn keep(self) -> i32 {
        let descriptor = self.0;

        mem::forget(self);
        descriptor
    }
}

impl Drop for New {
    fn drop(&mut self) {
        // SAFETY: It was opened for this value, which has not passed it on.
        unsafe { libc::close(self.0) };
    }
}

/// What the module says of itself.
pub(crate) fn version(descriptor: i32) -> Result<VersionArgs, Errno> {
    let mut args = VersionArgs {
        size: size_u32::<VersionArgs>(),
        ..Default::default()
    };

    // SAFETY: The call writes to the arguments, which are those that it takes.
    check(unsafe { libc::ioctl(descriptor, abi::IOC_VERSION.into(), &raw mut args) })?;
    Ok(args)
}

fn status_of(descriptor: i32) -> Result<libc::stat, Errno> {
    // SAFETY: A structure of numbers, for which zero is a value.
    let mut status: libc::stat = unsafe { core::mem::zeroed() };

    // SAFETY: The call writes to the structure, which is the one that it takes.
    check(unsafe { libc::fstat(descriptor, &raw mut status) })?;
    Ok(status)
}

/// Whether a descriptor is still one of the device.
pub(crate) fn is_device(descriptor: i32) -> bool {
    status_of(descriptor).is_ok_and(|status| {
        status.st_mode & libc::S_IFMT == libc::S_IFCHR
            // Relaxed: published by the descriptor.
            && status.st_rdev == NUMBER.load(Ordering::Relaxed)
    })
}
