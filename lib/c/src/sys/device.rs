// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The calls of `/dev/umcg`.
//!
//! The program may have closed the descriptor, as by `closefrom()`, and reused it for another file:
//! then calls fail with `EBADF`. They do not affect another file.

use super::{
    abi::{self, size_u32, CtlArgs, DeschedArgs, KickArgs, SchedState, SchedStateArgs, WaitArgs},
    descriptor,
    errno::{check, Errno},
};
use crate::raw::process::{known_process, process};
use core::{ffi::c_void, mem::size_of, ptr, sync::atomic::Ordering};

fn descriptor() -> Result<i32, Errno> {
    match descriptor::current() {
        Some(descriptor) => Ok(descriptor),
        None => open(),
    }
}

#[cold]
fn open() -> Result<i32, Errno> {
    let (descriptor, is_ours) = descriptor::open_in_place_of(descriptor::NONE)?;

    if is_ours {
        if let Ok(process) = process() {
            process.has_opened.set(true);
        }
    }
    Ok(descriptor)
}

/// Whether the device can be used.
pub(crate) fn enabled() -> Result<(), Errno> {
    checked_descriptor().map(drop)
}

fn checked_descriptor() -> Result<i32, Errno> {
    let descriptor = descriptor()?;

    if descriptor::is_device(descriptor) {
        return Ok(descriptor);
    }
    Err(Errno(libc::EBADF))
}

/// Makes a call. Errors of another file become `EBADF`.
///
/// # Safety
///
/// The arguments are those of the command. The kernel may write to them, and to the memory which
/// they name.
unsafe fn ioctl<T>(command: u32, args: *mut T) -> Result<(), Errno> {
    let descriptor = descriptor()?;

    // SAFETY: The caller promises it.
    match check(unsafe { libc::ioctl(descriptor, command.into(), args) }) {
        Err(_) if !descriptor::is_device(descriptor) => Err(Errno(libc::EBADF)),
        result => result.map(drop),
    }
}

fn version() -> Result<abi::VersionArgs, Errno> {
    let descriptor = checked_descriptor()?;

    descriptor::version(descriptor)
}

/// Fails with `EPROTO` if the module lacks one of them.
pub(crate) fn has_features(features: u64) -> Result<(), Errno> {
    if version()?.features & features == features {
        return Ok(());
    }
    Err(Errno(libc::EPROTO))
}

/// By how many nanoseconds CLOCK_MONOTONIC is ahead here, in a time namespace.
pub(crate) fn clock_offset() -> Result<i64, Errno> {
    version().map(|version| version.clock_offset)
}

/// No thread is in a call. The next one opens the device again. A child may share the descriptors
/// of its parent, so it leaves open what it has not opened; and the number may be another file's.
pub(crate) fn close() {
    // Acquire: pairs with the exchange that has stored it.
    let descriptor = descriptor::DESCRIPTOR.swap(descriptor::NONE, Ordering::Acquire);

    if known_process().is_some_and(|process| process.has_opened.get())
        && descriptor::is_device(descriptor)
    {
        // SAFETY: The library has opened it, and uses it no longer.
        unsafe { libc::close(descriptor) };
    }
}

/// Registers or unregisters the calling thread.
///
/// # Safety
///
/// `task` and `direct` are zero, or exposed addresses of the words of a thread and of a group, for
/// which the kernel may use them until the thread is unregistered or gone.
pub(crate) unsafe fn ctl(flags: u32, task: u64, direct: u64, server_nr: u32) -> Result<(), Errno> {
    let mut args = CtlArgs {
        size: size_u32::<CtlArgs>(),
        flags,
        self_: task,
        direct,
        server_nr,
        reserved: 0,
    };

    // SAFETY: The caller promises it.
    match unsafe { ioctl(abi::IOC_CTL, &raw mut args) } {
        // Perhaps a module that does not know the flag.
        Err(error @ Errno(libc::EINVAL)) if flags & abi::CTL_SIGNALS != 0 => {
            has_features(abi::FEATURE_SIGNALS).and(Err(error))
        }
        result => result,
    }
}

/// For calls that name a thread: a TID reused by another process is as good as none.
fn checked(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno(libc::EPERM)) => Err(Errno(libc::ESRCH)),
        result => result,
    }
}

/// Wakes the thread that the calling one names, and waits, as the flags say.
pub(crate) fn wait(flags: u32, timeout: u64) -> Result<(), Errno> {
    // CAST: The call takes the bits. SAFETY: The call takes numbers. Of a file that is not the
    // device it takes no such advice.
    match unsafe {
        libc::posix_fadvise(
            descriptor()?,
            timeout as i64,
            flags.into(),
            abi::FADVISE_WAIT,
        )
    } {
        0 => Ok(()),
        error @ (libc::ESRCH | libc::ETIMEDOUT | libc::EINTR) => Err(Errno(error)),
        _ => wait_by_ioctl(flags, timeout),
    }
}

/// A kernel or a filter that does not have that call, or an error, which this one says as well.
#[cold]
fn wait_by_ioctl(flags: u32, timeout: u64) -> Result<(), Errno> {
    let mut args = WaitArgs {
        size: size_u32::<WaitArgs>(),
        flags,
        abs_timeout: timeout,
    };

    enabled()?;
    // SAFETY: These arguments are numbers.
    checked(unsafe { ioctl(abi::IOC_WAIT, &raw mut args) })
}

/// Has a worker give way to its server.
pub(crate) fn kick(tid: u32) -> Result<(), Errno> {
    let mut args = KickArgs {
        size: size_u32::<KickArgs>(),
        tid,
        ..Default::default()
    };

    // SAFETY: A thread is named by a number; no memory is.
    checked(unsafe { ioctl(abi::IOC_KICK, &raw mut args) })
}

/// A module without slots and notifications.
fn too_old(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno(libc::ENOTTY)) => Err(Errno(libc::EPROTO)),
        result => result,
    }
}

/// Assigns a slot to the calling thread, or releases it. Also if it has one (`EEXIST`), the
/// arguments say which one.
pub(crate) fn sched_state(args: &mut SchedStateArgs) -> Result<(), Errno> {
    args.size = size_u32::<SchedStateArgs>();
    // SAFETY: The kernel writes the number of the slot to the arguments.
    too_old(unsafe { ioctl(abi::IOC_SCHED_STATE, ptr::from_mut(args)) })
}

/// Adds or removes a notification of the calling thread.
///
/// # Safety
///
/// One that is added names memory to which the kernel may write until it is removed.
pub(crate) unsafe fn desched(command: u32, mut args: DeschedArgs) -> Result<(), Errno> {
    args.size = size_u32::<DeschedArgs>();
    // SAFETY: The caller promises it.
    too_old(unsafe { ioctl(command, &raw mut args) })
}

const SLOTS_SIZE: usize = abi::SCHED_STATE_SLOTS * size_of::<SchedState>();

/// Maps the slots of the process, for ever.
pub(crate) fn map_slots() -> Result<*mut SchedState, Errno> {
    // Another file may well be mapped.
    let descriptor = checked_descriptor()?;

    match map(ptr::null_mut(), libc::MAP_SHARED, descriptor) {
        Err(Errno(libc::ENODEV)) => Err(Errno(libc::EPROTO)),
        result => result.map(<*mut c_void>::cast),
    }
}

fn map(place: *mut c_void, flags: i32, descriptor: i32) -> Result<*mut c_void, Errno> {
    // SAFETY: A new mapping, in the place of no other one.
    let slots = unsafe { libc::mmap(place, SLOTS_SIZE, libc::PROT_READ, flags, descriptor, 0) };

    if slots == libc::MAP_FAILED {
        return Err(Errno::last());
    }
    Ok(slots)
}

/// Maps the slots, or zeros that say that no thread is on a CPU, where they were in the parent.
/// Another library's handler for `fork()` may have mapped something else there meanwhile: then
/// nothing is mapped there.
pub(crate) fn map_slots_again(place: *mut SchedState) -> Result<(), Errno> {
    const FIXED: i32 = libc::MAP_FIXED_NOREPLACE;
    let place = place.cast();

    checked_descriptor()
        .and_then(|descriptor| map(place, libc::MAP_SHARED | FIXED, descriptor))
        .or_else(|_| map(place, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | FIXED, -1))
        .map(drop)
}
