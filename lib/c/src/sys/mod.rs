// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What the library needs of the kernel and of libc. Most of it is that of the crate `umcg`.

pub(crate) mod abi;
pub(crate) mod clock;
#[path = "../../../rust/src/sys/descriptor.rs"]
pub(crate) mod descriptor;
#[cfg_attr(umcg_fake_kernel, path = "fake.rs")]
pub(crate) mod device;
#[path = "../../../rust/src/sys/errno.rs"]
pub(crate) mod errno;
#[path = "../../../rust/src/sys/futex.rs"]
pub(crate) mod futex;
#[cfg(all(test, umcg_header))]
mod header_tests;
#[path = "../../../rust/src/sys/memory.rs"]
pub(crate) mod memory;
pub(crate) mod pages;
pub(crate) mod policy;
pub(crate) mod program;
#[path = "../../../rust/src/sys/thread.rs"]
pub(crate) mod thread;
pub(crate) mod tls;
