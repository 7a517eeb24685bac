// SPDX-License-Identifier: GPL-2.0 OR MIT

//! How soon the kernel's scheduler runs a thread that has woken.

use core::mem::size_of;

/// `struct sched_attr` of the kernel, its first version.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// The shortest slice that the kernel gives, in nanoseconds.
const SHORTEST: u64 = 100_000;

/// The calling thread, which runs for moments only, runs when it wakes: the fair class of the kernel
/// (Linux 6.12) has a thread whose slices are shorter preempt one whose slices are longer. It gets no
/// more of the CPU for that.
///
/// Nothing changes in other classes, nor where a filter of system calls is active, which may kill.
pub(crate) fn run_when_woken() {
    // SAFETY: The call takes numbers.
    if unsafe { libc::prctl(libc::PR_GET_SECCOMP) } > 0 {
        return;
    }
    let mut attributes = Attributes::default();
    // CAST: The size of the structure is small.
    let size = size_of::<Attributes>() as u32;
    // SAFETY: The call writes at most as many bytes to the structure as it has.
    let result = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    let is_fair = [libc::SCHED_OTHER, libc::SCHED_BATCH, libc::SCHED_IDLE]
        .iter()
        // CAST: The numbers of policies are positive.
        .any(|policy| *policy as u32 == attributes.policy);

    if result == 0 && is_fair {
        attributes.size = size;
        attributes.runtime = SHORTEST;
        // It is no worse than before if that fails.
        // SAFETY: The call reads as many bytes of the structure as its first field says, its size.
        unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    }
}
