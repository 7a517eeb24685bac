// SPDX-License-Identifier: GPL-2.0 OR MIT

//! An adaptive mutex.
//!
//! A waiter spins while the owner of the mutex is on a CPU, as the mutex is likely to be unlocked
//! soon, and sleeps otherwise. The word of the mutex holds the number of the owner's
//! [slot](crate::sched). Without the module, or if the owner has no slot, waiters sleep at once.

mod mutex;
mod raw_mutex;

pub use mutex::{Mutex, MutexGuard};
pub use raw_mutex::RawMutex;
