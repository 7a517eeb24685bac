// SPDX-License-Identifier: GPL-2.0

//! The descriptor of `/dev/umcg`, which the program does not know of: to it, the number is free.

use crate::{member, real};
use libc::{c_int, c_uint, c_ulong, c_void, EBADF};

/// The call of `/dev/umcg` that registers and unregisters threads.
const IOC_CTL: c_ulong = 0x4010_bb81;

fn is_own(descriptor: c_int) -> bool {
    umcg::device_descriptor() == Some(descriptor)
}

/// What a call returns of a descriptor that is not open.
fn not_open() -> c_int {
    // SAFETY: The call takes nothing.
    let errno = unsafe { libc::__errno_location() };

    // SAFETY: The word is that of the calling thread.
    unsafe { errno.write(EBADF) };
    -1
}

/// As in libc.
#[no_mangle]
pub extern "C-unwind" fn close(descriptor: c_int) -> c_int {
    if is_own(descriptor) {
        return not_open();
    }
    // SAFETY: The call takes a number.
    unsafe { real::close(descriptor) }
}

/// As in libc.
#[no_mangle]
pub extern "C-unwind" fn close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int {
    let own = umcg::device_descriptor().and_then(|own| c_uint::try_from(own).ok());
    let close = |first, last| {
        if first > last {
            return 0;
        }
        // SAFETY: The call takes numbers.
        unsafe { real::close_range(first, last, flags) }
    };

    match own {
        Some(own) if (first..=last).contains(&own) => {
            // The first one may be all, and has to be right about the flags.
            let result = match own.checked_sub(1) {
                Some(before) => close(first, before),
                None => 0,
            };
            if result != 0 {
                return result;
            }
            close(own.saturating_add(1), last)
        }
        // SAFETY: The call takes numbers.
        _ => unsafe { real::close_range(first, last, flags) },
    }
}

/// As in libc.
#[no_mangle]
pub extern "C-unwind" fn closefrom(first: c_int) {
    match umcg::device_descriptor() {
        Some(own) if first <= own => {
            // CAST: Descriptors are not negative.
            close_range(first.max(0) as c_uint, c_uint::MAX, 0);
        }
        // SAFETY: The call takes a number.
        _ => unsafe { real::closefrom(first) },
    }
}

/// A file is to have the number of the descriptor: so that gets another one. False if it cannot.
fn makes_way(new: c_int) -> bool {
    !is_own(new) || umcg::move_device_descriptor().is_ok()
}

/// As in libc.
#[no_mangle]
pub extern "C-unwind" fn dup2(old: c_int, new: c_int) -> c_int {
    if is_own(old) || !makes_way(new) {
        return not_open();
    }
    // SAFETY: The call takes numbers.
    unsafe { real::dup2(old, new) }
}

/// As in libc.
#[no_mangle]
pub extern "C-unwind" fn dup3(old: c_int, new: c_int, flags: c_int) -> c_int {
    if is_own(old) || !makes_way(new) {
        return not_open();
    }
    // SAFETY: The call takes numbers.
    unsafe { real::dup3(old, new, flags) }
}

/// As in libc. A worker that the program registers, or unregisters, by itself leaves the group
/// first: it is as the program has made it.
///
/// # Safety
///
/// As in libc.
#[no_mangle]
pub unsafe extern "C-unwind" fn ioctl(
    descriptor: c_int,
    request: c_ulong,
    argument: *mut c_void,
) -> c_int {
    if request == IOC_CTL && umcg::is_worker() {
        member::leave();
    }
    // SAFETY: The caller keeps to what the function of libc wants. It takes one more argument, or
    // none: a register that was not set is not looked at.
    unsafe { real::ioctl(descriptor, request, argument) }
}
