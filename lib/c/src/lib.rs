// SPDX-License-Identifier: GPL-2.0 OR MIT

//! libumcg: user-managed concurrency groups for C programs.
//!
//! `libumcg.h` is the documentation. What the library has in common with the crate `umcg` is one
//! source for both: most of `raw` and `sys`. Unsafe code is there and where C calls.

#![no_std]

#[cfg(test)]
extern crate std;

#[allow(dead_code, reason = "shared with the crate umcg")]
#[path = "../../rust/src/atomic.rs"]
mod atomic;
#[forbid(unsafe_code)]
mod direct;
mod face;
#[cfg(umcg_fake_kernel)]
mod hooks;
#[forbid(unsafe_code)]
mod members;
#[forbid(unsafe_code)]
mod own;
#[forbid(unsafe_code)]
mod polling;
#[allow(dead_code, reason = "shared with the crate umcg")]
mod raw;
#[forbid(unsafe_code)]
mod register;
#[cfg(not(umcg_fake_kernel))]
#[forbid(unsafe_code)]
mod sched;
#[cfg(not(umcg_fake_kernel))]
mod sched_face;
#[forbid(unsafe_code)]
mod server;
#[forbid(unsafe_code)]
mod switch;
#[allow(dead_code, reason = "shared with the crate umcg")]
mod sys;
#[forbid(unsafe_code)]
mod wait;
#[forbid(unsafe_code)]
mod worker;

/// Nothing panics: `make check` finds no call of this.
#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    sys::thread::abort()
}
