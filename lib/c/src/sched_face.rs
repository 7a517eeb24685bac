// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What `umcg_sched.h` declares, which says what each function does.

use crate::{
    face::{set_errno, status},
    sched,
    sys::{
        abi::{DeschedArgs, SchedState, IOC_DESCHED_ADD, IOC_DESCHED_REMOVE},
        device,
        errno::Errno,
    },
};
use core::{ffi::c_void, mem::size_of, ptr};

/// A pointer, or null and `errno`.
fn pointer(result: Result<*mut SchedState, Errno>) -> *const SchedState {
    result.unwrap_or_else(|error| {
        set_errno(error);
        ptr::null_mut()
    })
}

#[no_mangle]
pub extern "C" fn umcg_sched_slots() -> *const SchedState {
    pointer(sched::slots())
}

#[no_mangle]
pub extern "C" fn umcg_sched_state_register(flags: u32) -> *const SchedState {
    pointer(sched::register(flags))
}

#[no_mangle]
pub extern "C" fn umcg_sched_state_unregister() -> i32 {
    status(sched::unregister())
}

/// # Safety
///
/// The word stays writable until the notification is removed, or the thread has exited.
#[no_mangle]
pub unsafe extern "C" fn umcg_desched_add(
    cookie: *const c_void,
    flags: u32,
    word: *mut c_void,
    width: usize,
    value: u64,
) -> i32 {
    let args = DeschedArgs {
        flags,
        cookie: cookie.addr() as u64,
        addr: word.expose_provenance() as u64,
        value,
        // CAST: It is small.
        width: if width > size_of::<u64>() {
            0
        } else {
            width as u32
        },
        ..Default::default()
    };

    // SAFETY: The caller promises it.
    status(unsafe { device::desched(IOC_DESCHED_ADD, args) })
}

#[no_mangle]
pub extern "C" fn umcg_desched_remove(cookie: *const c_void) -> i32 {
    let args = DeschedArgs {
        cookie: cookie.addr() as u64,
        ..Default::default()
    };

    // SAFETY: Nothing is added.
    status(unsafe { device::desched(IOC_DESCHED_REMOVE, args) })
}
