// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Words of the calling thread.
//!
//! Each call of the library looks for the record of its thread, so that has to be cheap, also in a
//! library that is loaded later: the words have a place relative to the thread's pointer that is
//! known when the library is loaded (the model "initial exec"). Stable Rust has no such words
//! without std.

use core::arch::{asm, global_asm};

global_asm!(
    ".pushsection .tbss.umcg_words,\"awT\",%nobits",
    ".balign 8",
    ".globl umcg_words",
    ".hidden umcg_words",
    ".type umcg_words,%object",
    ".size umcg_words,24",
    "umcg_words:",
    ".zero 24",
    ".popsection",
);

/// Where the address of the record of the thread is.
const RECORD: usize = 0;

/// What another word is for.
#[derive(Clone, Copy)]
pub(crate) enum Word {
    /// The tag of the thread, while it calls `fork()`.
    TagAtFork = 8,
    /// Where its process has the slots, while it calls `fork()`.
    SlotsAtFork = 16,
}

/// The address of the words.
#[inline(always)]
fn words() -> *mut u8 {
    let words;

    #[cfg(target_arch = "x86_64")]
    // SAFETY: It reads the address of a variable of the thread.
    unsafe {
        asm!(
            "mov {words}, qword ptr [rip + umcg_words@GOTTPOFF]",
            "add {words}, qword ptr fs:[0]",
            words = out(reg) words,
            options(pure, readonly, nostack),
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: It reads the address of a variable of the thread.
    unsafe {
        asm!(
            "mrs {words}, tpidr_el0",
            "adrp {offset}, :gottprel:umcg_words",
            "ldr {offset}, [{offset}, :gottprel_lo12:umcg_words]",
            "add {words}, {words}, {offset}",
            words = out(reg) words,
            offset = out(reg) _,
            options(pure, readonly, nostack, preserves_flags),
        );
    }
    words
}

/// The word in this place, which is one of those above.
#[inline(always)]
fn word(place: usize) -> *mut usize {
    words().wrapping_add(place).cast()
}

/// Zero at first.
pub(crate) fn get(which: Word) -> usize {
    // SAFETY: The word is within the variable, and only this thread uses it.
    unsafe { word(which as usize).read() }
}

pub(crate) fn set(which: Word, value: usize) {
    // SAFETY: The word is within the variable, and only this thread uses it.
    unsafe { word(which as usize).write(value) }
}

/// Zero, or what `set_record()` has stored.
#[inline(always)]
pub(crate) fn record() -> usize {
    // SAFETY: The word is within the variable, and only this thread uses it.
    unsafe { word(RECORD).read() }
}

/// # Safety
///
/// The address is zero, or that of a record, which was exposed and is never unmapped.
pub(crate) unsafe fn set_record(address: usize) {
    // SAFETY: The word is within the variable, and only this thread uses it.
    unsafe { word(RECORD).write(address) }
}
