// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The interfaces of the kernel that the crate uses: the calls of `/dev/umcg`, shared memory,
//! futexes, clocks and threads.

pub(crate) mod abi;
pub(crate) mod descriptor;
pub(crate) mod device;
pub(crate) mod errno;
pub(crate) mod futex;
pub(crate) mod memory;
pub(crate) mod notification;
pub(crate) mod priority;
pub(crate) mod process;
pub(crate) mod slots;
#[cfg(feature = "std")]
pub(crate) mod spawn;
pub(crate) mod thread;
