// SPDX-License-Identifier: GPL-2.0 OR MIT

//! How soon the kernel's scheduler runs a thread that has woken.

use core::mem::{self, size_of};

/// The shortest slice that the kernel grants, in nanoseconds.
const SHORTEST: u64 = 100_000;

/// Lets the calling thread preempt others when it wakes: in the fair class of the kernel (Linux
/// 6.12) a thread with a shorter slice preempts one with a longer slice. It gets no larger share of
/// the CPU. Threads and processes that it creates inherit the slice.
///
/// Nothing changes in other classes, nor under a seccomp filter, which may kill the process.
pub(crate) fn run_when_woken() {
    // SAFETY: The call takes numbers.
    if unsafe { libc::prctl(libc::PR_GET_SECCOMP) } > 0 {
        return;
    }
    // SAFETY: A structure of numbers, for which zero is a value.
    let mut attributes: libc::sched_attr = unsafe { mem::zeroed() };
    // CAST: The size of the structure is small.
    let size = size_of::<libc::sched_attr>() as u32;
    // SAFETY: The call writes at most as many bytes to the structure as it has.
    let result = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    let is_fair = [libc::SCHED_OTHER, libc::SCHED_BATCH, libc::SCHED_IDLE]
        .iter()
        // CAST: The numbers of policies are positive.
        .any(|policy| *policy as u32 == attributes.sched_policy);

    if result == 0 && is_fair {
        attributes.size = size;
        attributes.sched_runtime = SHORTEST;
        // If that fails the thread runs as soon as any other.
        // SAFETY: The call reads as many bytes of the structure as its first field says, its size.
        unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    }
}
