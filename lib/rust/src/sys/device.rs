// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The calls of `/dev/umcg`.
//!
//! The device is opened once for the process, when it is first needed. Its descriptor has no
//! state, so another one does as well: if the program closes it, as daemons close all that they
//! find, it is opened again. It has a high number, which programs seldom meet.

use super::{
    abi::{self, CtlArgs, KickArgs, VersionArgs, WaitArgs},
    errno::{check, Errno},
    memory::Wiped,
    thread,
};
use crate::raw::{direct::DirectGroup, record::Record};
use core::{
    mem::{self, size_of},
    ptr,
    sync::atomic::{AtomicI32, AtomicU64, Ordering},
};

const PATH: &core::ffi::CStr = c"/dev/umcg";
const NEEDED: u64 = abi::FEATURE_DIRECT | abi::FEATURE_CRITICAL;

/// The descriptor, or -1.
static DESCRIPTOR: AtomicI32 = AtomicI32::new(-1);
/// The number of the device, by which its descriptors are known.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// What the size of an argument structure is called in it.
const fn size_u32<T>() -> u32 {
    // CAST: They have less than a hundred bytes.
    size_of::<T>() as u32
}

/// Opens the device, if that has not been done, and learns its clock. To be called before the first
/// timestamp is made for a group: the process may be a child in another time namespace. Fails with
/// `EPROTO` if the module speaks another ABI, or lacks direct mode.
pub(crate) fn open() -> Result<(), Errno> {
    call(agrees)
}

/// The descriptor, if there is one.
pub(crate) fn current_descriptor() -> Option<i32> {
    // Relaxed: only its number is looked at.
    Some(DESCRIPTOR.load(Ordering::Relaxed)).filter(|descriptor| *descriptor != -1)
}

/// Uses another number for the descriptor from here on. The old one stays open.
pub(crate) fn move_descriptor() -> Result<(), Errno> {
    let old = descriptor()?;
    let new = Opened(duplicate(old)?);

    // Release, acquire: as in `open_in_place_of()`.
    if DESCRIPTOR
        .compare_exchange(old, new.0, Ordering::AcqRel, Ordering::Acquire)
        .is_ok()
    {
        new.keep();
    }
    Ok(())
}

fn descriptor() -> Result<i32, Errno> {
    // Acquire: pairs with the exchange that has published it; the number of the device is known.
    match DESCRIPTOR.load(Ordering::Acquire) {
        -1 => open_in_place_of(-1),
        descriptor => Ok(descriptor),
    }
}

fn open_in_place_of(stale: i32) -> Result<i32, Errno> {
    let new = Opened::new()?;

    agrees(new.0)?;
    remember_number(new.0)?;
    // Release publishes the number; acquire: what another thread has stored is used instead.
    match DESCRIPTOR.compare_exchange(stale, new.0, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Ok(new.keep()),
        Err(other) => Ok(other),
    }
}

/// A descriptor of the device that is not used yet: it is closed when this is dropped.
struct Opened(i32);

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

impl Opened {
    fn new() -> Result<Self, Errno> {
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

impl Drop for Opened {
    fn drop(&mut self) {
        // SAFETY: It was opened for this value, which has not passed it on.
        unsafe { libc::close(self.0) };
    }
}

fn agrees(descriptor: i32) -> Result<(), Errno> {
    let mut args = VersionArgs {
        size: size_u32::<VersionArgs>(),
        ..Default::default()
    };

    // SAFETY: The call writes to the arguments, which are those that it takes.
    check(unsafe { libc::ioctl(descriptor, abi::IOC_VERSION.into(), &raw mut args) })?;
    if args.abi != abi::ABI_VERSION || args.features & NEEDED != NEEDED {
        return Err(Errno(libc::EPROTO));
    }
    thread::set_clock_offset(args.clock_offset);
    Ok(())
}

fn status_of(descriptor: i32) -> Result<libc::stat, Errno> {
    // SAFETY: A structure of numbers, for which zero is a value.
    let mut status: libc::stat = unsafe { core::mem::zeroed() };

    // SAFETY: The call writes to the structure, which is the one that it takes.
    check(unsafe { libc::fstat(descriptor, &raw mut status) })?;
    Ok(status)
}

fn remember_number(descriptor: i32) -> Result<(), Errno> {
    // Relaxed: the number is always the same, and is published by the descriptor.
    NUMBER.store(status_of(descriptor)?.st_rdev, Ordering::Relaxed);
    Ok(())
}

/// Whether a descriptor is still one of the device.
fn is_device(descriptor: i32) -> bool {
    status_of(descriptor).is_ok_and(|status| {
        status.st_mode & libc::S_IFMT == libc::S_IFCHR
            // Relaxed: published by the descriptor.
            && status.st_rdev == NUMBER.load(Ordering::Relaxed)
    })
}

/// Makes a call, and makes it again if the descriptor turns out to be no longer that of the device.
/// What another file has done with such a call is nothing: it does not know the command.
fn call(mut function: impl FnMut(i32) -> Result<(), Errno>) -> Result<(), Errno> {
    let used = descriptor()?;

    match function(used) {
        Err(_) if !is_device(used) => function(open_in_place_of(used)?),
        result => result,
    }
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
    wait_with(0)
}

/// Wakes the thread that the calling one names.
pub(crate) fn wake() -> Result<(), Errno> {
    wait_with(abi::WAIT_WAKE_ONLY)
}

fn wait_with(flags: u32) -> Result<(), Errno> {
    // SAFETY: The call takes numbers. Of a file that is not the device it takes no such advice.
    match unsafe { libc::posix_fadvise(descriptor()?, 0, flags.into(), abi::FADVISE_WAIT) } {
        0 => Ok(()),
        error @ (libc::ESRCH | libc::EINTR) => Err(Errno(error)),
        // A module or a filter that does not know this form, or another file.
        _ => wait_by_ioctl(flags),
    }
}

#[cold]
fn wait_by_ioctl(flags: u32) -> Result<(), Errno> {
    let args = WaitArgs {
        size: size_u32::<WaitArgs>(),
        flags,
        abs_timeout: 0,
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
