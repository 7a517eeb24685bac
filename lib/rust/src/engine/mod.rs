// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Groups as they work: without std, so that a C library can be made of it.
//!
//! # Locks
//!
//! The lock of the scheduler is held while the policy is asked, by servers and the ticker. That of
//! the roster is held by the ticker, and by threads before they are workers and after. Neither is
//! taken while the other is held, and no worker takes either: a server that waits for a lock waits
//! for a thread that runs.
//!
//! # What servers do without
//!
//! Memory, std, and any lock but these: a worker that is queued may hold the lock of malloc or of
//! stdio, and it is the server that would have to run it.

pub(crate) mod basic;
pub(crate) mod end;
pub(crate) mod roster;
pub(crate) mod scheduler;
pub(crate) mod server;
pub(crate) mod shared;
pub(crate) mod ticker;
pub(crate) mod worker;
