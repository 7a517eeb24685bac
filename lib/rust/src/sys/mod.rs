// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What the crate needs of the kernel: the calls of `/dev/umcg`, memory to share with it, futexes,
//! clocks and threads.

pub(crate) mod abi;
#[cfg(not(loom))]
pub(crate) mod descriptor;
#[cfg(not(loom))]
pub(crate) mod device;
pub(crate) mod errno;
pub(crate) mod futex;
pub(crate) mod memory;
#[cfg(not(loom))]
pub(crate) mod notification;
#[cfg(not(loom))]
pub(crate) mod priority;
#[cfg(not(loom))]
pub(crate) mod process;
#[cfg(not(loom))]
pub(crate) mod slots;
#[cfg(all(feature = "std", not(loom)))]
pub(crate) mod spawn;
pub(crate) mod thread;
