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

/// What a word is for.
#[derive(Clone, Copy)]
pub(crate) enum Word {
    /// The record of the thread.
    Record = 0,
    /// Its tag, while it calls `fork()`.
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

#[inline(always)]
fn address(word: Word) -> *mut usize {
    words().wrapping_add(word as usize).cast()
}

/// Zero at first.
#[inline(always)]
pub(crate) fn get(word: Word) -> usize {
    // SAFETY: The word is within the variable, and only this thread uses it.
    unsafe { address(word).read() }
}

pub(crate) fn set(word: Word, value: usize) {
    // SAFETY: The word is within the variable, and only this thread uses it.
    unsafe { address(word).write(value) }
}
