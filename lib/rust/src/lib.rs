// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Threads that a program schedules by itself, on the Linux module `umcg`.
//!
//! A [`Group`] has *servers* and *workers*. Workers are threads of the program, with ordinary
//! stacks, locks, system calls and page faults. As many of them run at a time as the group has
//! servers. When a worker blocks, for whatever reason, the kernel has the next one run. When it is
//! woken it waits for its turn, as a [policy] decides.
//!
//! ```no_run
//! use std::time::Duration;
//! use umcg::Group;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let group = Group::builder().servers(2).build()?;
//!
//! let sleeper = group.spawn(|| std::thread::sleep(Duration::from_millis(10)))?;
//! let sum = group.spawn(|| (1..=1000).sum::<u64>())?;
//!
//! assert_eq!(sum.join()?, 500_500);
//! sleeper.join()?;
//! group.shutdown()?;
//! # Ok(())
//! # }
//! ```
//!
//! # Threads of runtimes
//!
//! [`Group::enter()`] makes the calling thread a worker: a thread of a runtime or a pool, for
//! example in the hooks that Tokio and rayon have for the start and the end of their threads.
//!
//! ```no_run
//! # fn start(_: impl Fn()) {}
//! # fn stop(_: impl Fn()) {}
//! # let group = umcg::Group::new().unwrap();
//! start(move || group.enter().unwrap().keep());
//! stop(|| umcg::leave().unwrap());
//! ```
//!
//! # Slices
//!
//! While workers are queued, a worker that has run for a [slice](Builder::slice) is preempted,
//! unless it is in a [critical section](no_preempt). While none is queued there are no slices, and
//! no timer runs.
//!
//! # Without a group
//!
//! Any thread can use the rest of the module: [`sched`] shows whether a thread is on a CPU, and
//! notifies a thread that it was descheduled; waiters for the mutex of [`sync`] spin only while its
//! owner runs; [`task`] switches from one thread to another.
//!
//! # What happens when
//!
//! - **A worker panics**: it leaves the group, and [`JoinHandle::join()`] returns the panic.
//! - **A thread ends that has entered**: it leaves after the destructors of thread-local storage,
//!   which may block as a worker. Those of `pthread_key_create()` may run after it has left.
//! - **A thread ends by the bare system call**, without destructors: its place in the group stays
//!   taken, so that [`Group::shutdown()`] fails. Its server continues.
//! - **`fork()`**: the group stays with the parent. In the child every call about it fails with
//!   [`Error::Forked`], and the only thread is not a worker. The child can make new groups.
//! - **`exec`**: the new program starts without groups.
//! - **Signals**: servers block all of them. A worker that waits for its turn runs a handler when a
//!   server runs it. No function of this crate may be called in a handler.
//! - **A program closes the descriptor of `/dev/umcg`**: the next call opens it again.
//! - **`RLIMIT_MEMLOCK`**: the kernel pins one page for a group, and one for each 21 threads.
//!
//! # Limits
//!
//! Linux on x86_64 and arm64, with the module loaded. A group has at most [64
//! servers](Builder::servers). Real-time priorities of workers do not affect the order in which
//! they run.

#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(
    not(feature = "std"),
    allow(dead_code, reason = "the engine has no face without std")
)]

extern crate alloc;
#[cfg(all(test, not(feature = "std")))]
extern crate std;

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
compile_error!("umcg is for 64-bit Linux");

mod atomic;
#[forbid(unsafe_code)]
mod engine;
mod error;
#[cfg(feature = "std")]
#[forbid(unsafe_code)]
mod face;
#[forbid(unsafe_code)]
pub mod policy;
mod raw;
#[cfg(feature = "std")]
#[forbid(unsafe_code)]
pub mod sched;
#[cfg(feature = "std")]
pub mod sync;
mod sys;
#[cfg(feature = "std")]
#[forbid(unsafe_code)]
pub mod task;

pub use error::Error;
#[cfg(feature = "std")]
pub use face::{
    builder::Builder,
    current::{handle, is_worker, leave, set_class, yield_now, Entered, WorkerHandle},
    deadline::{set_deadline, set_relative_deadline},
    device::{device_descriptor, move_device_descriptor, open_device},
    group::{Group, Options, ShutdownError},
    join::{JoinError, JoinHandle},
    section::{begin_section, end_section, no_preempt, NoPreempt},
};
