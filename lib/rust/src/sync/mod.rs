// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A mutex that knows whether its owner runs.
//!
//! A thread that waits for it spins while the owner is on a CPU, for then it is soon free, and sleeps
//! otherwise. What a mutex has to know for that is the [slot](crate::sched) of its owner. Without the
//! module, or if the owner has got no slot, threads that wait sleep at once.

mod mutex;
mod raw_mutex;

pub use mutex::{Mutex, MutexGuard};
pub use raw_mutex::RawMutex;
