// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Memory that belongs to one process, and not to its children: the kernel hands it to them as
//! zeros, by whatever call a child is made. Handlers for `fork()` do not run where `clone()` is
//! called past libc, and the PID does not tell: PID 1 of a PID namespace may have a child that is
//! PID 1 of another one.
//!
//! What is here is never unmapped.

use super::{
    errno::Errno,
    memory::{page_size, Mapping, Wiped, Zeroed},
};
use core::{
    arch::{asm, global_asm},
    ffi::c_void,
    mem, ptr,
};

/// Whatever the reason, there is no memory.
fn no_memory(_: Errno) -> Errno {
    Errno(libc::ENOMEM)
}

/// Maps a page of values.
pub(crate) fn map_page<T: Zeroed>() -> Result<&'static [T], Errno> {
    Mapping::new_wiped(page_size())
        .map(Mapping::leak)
        .map_err(no_memory)
}

/// Maps a value in pages of its own, which is not for ever yet.
pub(crate) fn new<T: Zeroed>() -> Result<Wiped<T>, Errno> {
    Wiped::new(|_| ()).map_err(no_memory)
}

global_asm!(".weak __lsan_register_root_region");

/// Tells LeakSanitizer, if it is present, that the page of this value has pointers.
pub(crate) fn has_pointers<T>(value: &'static T) {
    let address: usize;

    #[cfg(target_arch = "x86_64")]
    // SAFETY: It reads an entry of the global offset table.
    unsafe {
        asm!(
            "mov {}, qword ptr [rip + __lsan_register_root_region@GOTPCREL]",
            out(reg) address,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: It reads an entry of the global offset table.
    unsafe {
        asm!(
            "adrp {0}, :got:__lsan_register_root_region",
            "ldr {0}, [{0}, :got_lo12:__lsan_register_root_region]",
            out(reg) address,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    if address == 0 {
        return;
    }
    // SAFETY: It is the address of that function, which has this type.
    let register: extern "C" fn(*const c_void, usize) = unsafe { mem::transmute(address) };
    register(ptr::from_ref(value).cast(), page_size());
}
