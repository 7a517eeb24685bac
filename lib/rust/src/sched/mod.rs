// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Slots, which show whether a thread is on a CPU, and deschedule notifications. For any thread,
//! not only workers.
//!
//! ```no_run
//! use umcg::sched::Slot;
//!
//! # fn main() -> Result<(), umcg::Error> {
//! let owner = Slot::of_this_thread()?;
//!
//! std::thread::spawn(move || {
//!     // Spin only as long as the owner runs.
//!     while owner.on_cpu() {
//!         std::hint::spin_loop();
//!     }
//! });
//! # Ok(())
//! # }
//! ```
//!
//! # Lifetimes
//!
//! - A **slot** belongs to a thread from [`Slot::of_this_thread()`] until the thread ends, or calls
//!   [`release()`]. After that it shows no thread on a CPU until it is assigned to another thread
//!   of the process.
//! - A **[`Slot`]** is a number, and can be kept for ever. It refers to memory of the kernel that
//!   stays readable after the thread has ended. So a lock may store the slot of its owner.
//! - **`fork()`**: a child has neither slots nor notifications. There, a slot of the parent shows
//!   no thread on a CPU. The child's thread gets its own slot by [`Slot::of_this_thread()`].
//! - **`exec`**: the new program starts with neither.
//! - A **[`Notification`]** ends when it is dropped, or its thread ends. If it is leaked, its word
//!   is never freed.
//!
//! The state in a slot is a hint: the thread may leave its CPU at any time. The word of a
//! notification is a guarantee: it is written before the thread returns to user space.

mod notification;
mod slot;

pub(crate) use slot::own_number;

pub use notification::{Event, Notification};
pub use slot::{release, Slot, Snapshot, State};
