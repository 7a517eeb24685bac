// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The slots of the process, and that of the calling thread.

use super::{
    abi::{self, size_u32, DeschedArgs, SchedStateArgs},
    descriptor,
    device::{call, descriptor as device_descriptor},
    errno::{check, Errno},
    process::{self, Slots},
};
use core::{mem::size_of, ptr};

/// The error of a module without slots and notifications.
fn too_old(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno(libc::ENOTTY)) => Err(Errno(libc::EPROTO)),
        result => result,
    }
}

fn sched_state(args: &mut SchedStateArgs) -> Result<(), Errno> {
    args.size = size_u32::<SchedStateArgs>();
    let mut make = |descriptor: i32| {
        // SAFETY: The kernel writes to the arguments, which are those that the command takes.
        check(unsafe { libc::ioctl(descriptor, abi::IOC_SCHED_STATE.into(), ptr::from_mut(args)) })
            .map(drop)
    };

    too_old(call(&mut make))
}

/// Assigns a slot to the calling thread, or finds the one that it has. Returns its number.
pub(crate) fn register(flags: u32) -> Result<u32, Errno> {
    let mut args = SchedStateArgs {
        flags: abi::SCHED_STATE_REGISTER | flags,
        ..Default::default()
    };

    match sched_state(&mut args) {
        Ok(()) | Err(Errno(libc::EEXIST)) => Ok(args.slot),
        Err(error) => Err(error),
    }
}

/// Releases the slot of the calling thread.
pub(crate) fn unregister() -> Result<(), Errno> {
    sched_state(&mut SchedStateArgs {
        flags: abi::SCHED_STATE_UNREGISTER,
        ..Default::default()
    })
}

/// Maps the slots, unless they are mapped in this process.
pub(crate) fn map() -> Result<(), Errno> {
    if process::slots().is_some() {
        return Ok(());
    }
    let mut slots = ptr::null_mut();
    call(|descriptor| {
        // Another file could be mapped as well.
        if !descriptor::is_device(descriptor) {
            return Err(Errno(libc::EBADF));
        }
        // SAFETY: A new mapping, in the place of no other one.
        slots = unsafe {
            libc::mmap(
                ptr::null_mut(),
                size_of::<Slots>(),
                libc::PROT_READ,
                libc::MAP_SHARED,
                descriptor,
                0,
            )
        };
        if slots == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        Ok(())
    })
    .map_err(|error| match error {
        Errno(libc::ENODEV) => Errno(libc::EPROTO),
        error => error,
    })?;

    // SAFETY: The mapping has the size of all slots, and is unmapped only if it is not used.
    if unsafe { process::publish_slots(slots.cast()) } != Ok(true) {
        // SAFETY: The mapping is that of this function, and is not used.
        unsafe { libc::munmap(slots, size_of::<Slots>()) };
    }
    Ok(())
}

/// Has the kernel write to a word when the calling thread was descheduled.
///
/// # Safety
///
/// The word is atomic, has eight bytes, and stays in place until the notification is removed or the
/// thread has ended.
pub(super) unsafe fn add_notification(flags: u32, word: u64, value: u64) -> Result<(), Errno> {
    let args = DeschedArgs {
        size: size_u32::<DeschedArgs>(),
        flags,
        cookie: word,
        addr: word,
        value,
        width: size_u32::<u64>(),
        reserved: 0,
    };

    too_old(call(|descriptor| {
        // SAFETY: The call reads the arguments; the caller promises that the word stays.
        check(unsafe { libc::ioctl(descriptor, abi::IOC_DESCHED_ADD.into(), &raw const args) })
            .map(drop)
    }))
}

/// Removes a notification of the calling thread. Returns whether it certainly does not exist any
/// more.
pub(super) fn remove_notification(word: u64) -> bool {
    let args = DeschedArgs {
        size: size_u32::<DeschedArgs>(),
        cookie: word,
        ..Default::default()
    };
    let mut is_gone = false;

    let result = call(|descriptor| {
        // SAFETY: The call reads the arguments, which name no memory.
        let result = check(unsafe {
            libc::ioctl(descriptor, abi::IOC_DESCHED_REMOVE.into(), &raw const args)
        });
        // Another file, or a device that cannot be opened, may have this error for other reasons.
        is_gone = result == Err(Errno(libc::ENOENT)) && descriptor::is_device(descriptor);
        result.map(drop)
    });
    result.is_ok() || is_gone
}

/// Opens the device if it is not open.
pub(crate) fn open() -> Result<(), Errno> {
    device_descriptor().map(drop)
}
