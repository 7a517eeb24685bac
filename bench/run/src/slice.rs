// SPDX-License-Identifier: GPL-2.0

//! EEVDF slices, and calibrated loops.

use std::{arch::asm, io, mem};

fn no_attributes() -> libc::sched_attr {
    // SAFETY: A structure of numbers, for which zero is a value.
    unsafe { mem::zeroed() }
}

/// Sets how long the slices of the calling thread, and of those that it starts later, are: for
/// SCHED_OTHER it is sched_runtime, which is kept from 0.1 to 100 ms. Zero: as the kernel likes.
pub fn set(ns: u64) -> io::Result<()> {
    let attributes = libc::sched_attr {
        size: mem::size_of::<libc::sched_attr>() as u32,
        sched_policy: libc::SCHED_OTHER as u32,
        sched_runtime: ns,
        ..no_attributes()
    };

    // SAFETY: The kernel reads as many bytes of `attributes` as its first field says, its size.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The slice of a process, in nanoseconds.
pub fn of(process: u32) -> io::Result<u64> {
    let mut attributes = no_attributes();
    let size = mem::size_of::<libc::sched_attr>();

    // SAFETY: The kernel writes at most `size` bytes to `attributes`, which are its size.
    let result = unsafe {
        libc::syscall(
            libc::SYS_sched_getattr,
            process,
            &raw mut attributes,
            size,
            0,
        )
    };
    if result == 0 {
        Ok(attributes.sched_runtime)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Loops so often, as the workloads do.
pub fn compute(loops: u64) {
    if loops == 0 {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: It changes the flags, and its own operand down to zero.
    unsafe {
        asm!("2: dec {0}", "jnz 2b", inout(reg) loops => _, options(nomem, nostack));
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: As it has no other effects than on the flags and its operand, which ends at zero.
    unsafe {
        asm!("2: subs {0}, {0}, #1", "b.ne 2b", inout(reg) loops => _, options(nomem, nostack));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_end() {
        compute(0);
        compute(1);
        compute(1_000_000);
    }
}
