// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Whether threads are on a CPU, and notifications for those that were descheduled. Any thread can
//! use this, not only workers.
//!
//! ```no_run
//! use umcg::sched::Slot;
//!
//! # fn main() -> Result<(), umcg::Error> {
//! let owner = Slot::of_this_thread()?;
//!
//! std::thread::spawn(move || {
//!     // Worth to spin for it, or better to sleep?
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
//! - A **slot** is that of a thread from [`Slot::of_this_thread()`] until the thread ends, or calls
//!   [`release()`]. Then it says that no thread is on a CPU, until another thread of the process gets
//!   it, which it speaks of from then on.
//! - A **[`Slot`]** is a number, and can be kept for ever. What it refers to is memory of the kernel
//!   that stays readable, whatever becomes of the thread. So a lock may keep the slot of its owner.
//! - **`fork()`**: a child has neither slots nor notifications. Slots of its parent say that no
//!   thread is on a CPU there. The child's thread gets a slot of its own when it asks for one.
//! - **`exec`**: the new program starts with neither.
//! - A **[`Notification`]** ends when it is dropped, and with its thread. If it is leaked, its word
//!   stays.
//!
//! What a slot says is a hint: the thread may leave its CPU at any moment. The word of a notification
//! is a guarantee: it is written before the thread runs on.

mod notification;
mod slot;

pub(crate) use slot::own_number;

pub use notification::{Event, Notification};
pub use slot::{release, Slot, Snapshot, State};
