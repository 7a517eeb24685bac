// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The calls of `/dev/umcg`.
//!
//! Its descriptor has no state, so another one does as well: if the program closes it, as daemons
//! close all that they find, it is opened again.

use super::{
    abi::{self, size_u32, CtlArgs, KickArgs, WaitArgs},
    descriptor,
    errno::{check, Errno},
    memory::Wiped,
    thread,
};
use crate::raw::{direct::DirectGroup, record::Record};
use core::ptr;

const NEEDED: u64 = abi::FEATURE_DIRECT | abi::FEATURE_CRITICAL | abi::FEATURE_REFUSE;

/// Opens the device, if that has not been done, and learns its clock. To be called before the first
/// timestamp is made for a group: the process may be a child in another time namespace. Fails with
/// `EPROTO` if the module speaks another ABI, or lacks a feature that groups need.
pub(crate) fn open() -> Result<(), Errno> {
    call(|descriptor| {
        let version = descriptor::version(descriptor)?;

        if version.features & NEEDED != NEEDED {
            return Err(Errno(libc::EPROTO));
        }
        thread::set_clock_offset(version.clock_offset);
        Ok(())
    })
}

/// The descriptor, if there is one.
pub(crate) fn current_descriptor() -> Option<i32> {
    descriptor::current()
}

/// Uses another number for the descriptor from here on. The old one stays open.
pub(crate) fn move_descriptor() -> Result<(), Errno> {
    descriptor::replace(descriptor()?)
}

pub(super) fn descriptor() -> Result<i32, Errno> {
    match descriptor::current() {
        Some(descriptor) => Ok(descriptor),
        None => open_in_place_of(descriptor::NONE),
    }
}

fn open_in_place_of(stale: i32) -> Result<i32, Errno> {
    descriptor::open_in_place_of(stale).map(|(new, _)| new)
}

/// A program that closes all descriptors again and again can have so many calls fail in a row.
const TRIES: u32 = 100;

/// Makes a call, and makes it again if the descriptor was not that of the device. Another file does
/// not know the command, and does nothing.
pub(super) fn call(mut function: impl FnMut(i32) -> Result<(), Errno>) -> Result<(), Errno> {
    const CLOSED: Result<(), Errno> = Err(Errno(libc::EBADF));
    let mut result = CLOSED;

    // The device does not fail with EBADF. If the descriptor is one of it after such an error, another
    // thread has opened it again under the same number.
    for _ in 0..TRIES {
        result = descriptor().and_then(|used| match function(used) {
            Err(_) if !descriptor::is_device(used) => open_in_place_of(used).and(CLOSED),
            result => result,
        });
        if result != CLOSED {
            break;
        }
    }
    result
}

/// Makes a call that reads its arguments.
///
/// # Safety
///
/// They are those of the command. The kernel may write to the memory which they name, and to
/// nothing else.
unsafe fn ioctl<T>(command: u32, args: &T) -> Result<(), Errno> {
    call(|descriptor| {
        // SAFETY: The caller promises it.
        check(unsafe { libc::ioctl(descriptor, command.into(), ptr::from_ref(args)) }).map(drop)
    })
}

/// Registers the calling thread. `direct`: the group, and the number of a server in it.
///
/// The kernel pins both pages, and writes to those alone: also if the group is dropped before the
/// thread is unregistered. Whole records are registered, since that is what the kernel's list of
/// idle workers is taken for.
pub(crate) fn register(
    flags: u32,
    record: &'static Record,
    direct: Option<(&Wiped<DirectGroup>, u32)>,
) -> Result<(), Errno> {
    let (direct, server_nr) = direct.map_or((0, 0), |(group, nr)| (group.expose(), nr));
    let args = CtlArgs {
        size: size_u32::<CtlArgs>(),
        flags: flags | abi::CTL_REGISTER,
        self_: record.expose_task(),
        direct,
        server_nr,
        reserved: 0,
    };

    // SAFETY: What the arguments name are atomic words of a record, which is never unmapped, and a
    // page that has nothing but those of a group.
    unsafe { ioctl(abi::IOC_CTL, &args) }
}

/// Unregisters the calling thread. This does not fail while it is registered.
pub(crate) fn unregister() -> Result<(), Errno> {
    let args = CtlArgs {
        size: size_u32::<CtlArgs>(),
        flags: abi::CTL_UNREGISTER,
        ..Default::default()
    };

    // SAFETY: The arguments name no memory.
    unsafe { ioctl(abi::IOC_CTL, &args) }
}

/// Waits until the state of the calling thread is RUNNING; wakes the thread that it names first.
pub(crate) fn wait() -> Result<(), Errno> {
    wait_with(0, 0)
}

/// The same, but not longer than up to this time of CLOCK_REALTIME, in nanoseconds; zero is for ever.
/// Fails with `ETIMEDOUT` then.
pub(crate) fn wait_until(abs_timeout: u64) -> Result<(), Errno> {
    wait_with(0, abs_timeout)
}

/// Wakes the thread that the calling one names.
pub(crate) fn wake() -> Result<(), Errno> {
    wake_with(abi::WAIT_WAKE_ONLY)
}

/// The same; the flags have `WAIT_WAKE_ONLY`.
pub(crate) fn wake_with(flags: u32) -> Result<(), Errno> {
    wait_with(flags, 0)
}

fn wait_with(flags: u32, abs_timeout: u64) -> Result<(), Errno> {
    // CAST: The call takes the bits.
    let timeout = abs_timeout as i64;

    // SAFETY: The call takes numbers. Of a file that is not the device it takes no such advice.
    match unsafe { libc::posix_fadvise(descriptor()?, timeout, flags.into(), abi::FADVISE_WAIT) } {
        0 => Ok(()),
        error @ (libc::ESRCH | libc::EINTR | libc::ETIMEDOUT) => Err(Errno(error)),
        // A module or a filter that does not know this form, or another file.
        _ => wait_by_ioctl(flags, abs_timeout),
    }
}

#[cold]
fn wait_by_ioctl(flags: u32, abs_timeout: u64) -> Result<(), Errno> {
    let args = WaitArgs {
        size: size_u32::<WaitArgs>(),
        flags,
        abs_timeout,
    };

    // SAFETY: These arguments are numbers.
    unsafe { ioctl(abi::IOC_WAIT, &args) }
}

/// Has a worker give way to its server: also in a critical section, if the caller `insists`.
pub(crate) fn kick(tid: u32, insists: bool) -> Result<(), Errno> {
    let args = KickArgs {
        size: size_u32::<KickArgs>(),
        flags: if insists { abi::KICK_INSIST } else { 0 },
        tid,
        reserved: 0,
    };

    // SAFETY: A thread is named by a number; no memory is.
    unsafe { ioctl(abi::IOC_KICK, &args) }
}
