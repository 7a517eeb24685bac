// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Policies: which of the queued workers runs next, and when a slice ends.
//!
//! A policy is called when there is something to decide. A worker that wakes while a server is idle
//! and no other worker is queued goes on at once, and a worker that blocks while none is queued
//! leaves its server idle. Policies do not see these events: they see workers that are queued.
//!
//! Policies are called by servers. A queued worker may hold the lock of malloc or of stdio, and a
//! server that waits for such a lock may wait for ever, as it would have to run that worker. So a
//! policy **must not allocate or free memory, print, or take a lock that a worker may hold**.
//! [`Queue`] and [`Heap`] need no memory: they link the workers themselves. Other memory is
//! allocated before the group is built.
//!
//! A policy that panics is not called again. The group continues in FIFO order, and
//! [`Group::shutdown()`](crate::Group::shutdown) returns the payload of the panic. This is for bugs
//! only: a panic prints its message and allocates its payload, against the rule above, and so can
//! hang the group. A crate cannot prevent that: the panic hook belongs to the program, and
//! unwinding takes memory. With `panic = "abort"` the process ends instead.
//!
//! A policy must not wait for its own group either, as by `shutdown()` or `join()`. One that has a
//! handle of its group keeps it from ending.
//!
//! ```
//! use umcg::policy::{IdleWorker, Policy, Queue, Reason};
//!
//! /// Last come, first served.
//! #[derive(Default)]
//! struct Lifo(Queue);
//!
//! impl Policy for Lifo {
//!     fn wake(&mut self, worker: IdleWorker, _: Reason) {
//!         self.0.push_front(worker);
//!     }
//!
//!     fn next(&mut self, _server: usize) -> Option<IdleWorker> {
//!         self.0.pop()
//!     }
//! }
//! ```

pub(crate) mod earliest_deadline;
pub(crate) mod feedback;
pub(crate) mod fifo;
pub(crate) mod heap;
pub(crate) mod interface;
pub(crate) mod priorities;
pub(crate) mod queue;
pub(crate) mod token;

pub use crate::raw::record::Reason;
pub use earliest_deadline::EarliestDeadline;
pub use feedback::Feedback;
pub use fifo::Fifo;
pub use heap::Heap;
pub use interface::{Policy, SliceEnd};
pub use priorities::Priorities;
pub use queue::Queue;
pub use token::{IdleWorker, Worker};

#[cfg(test)]
mod testing;
