// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The interface of policies.

use super::token::{IdleWorker, Worker};
use crate::raw::record::Reason;
use core::time::Duration;

/// The decision about a worker whose slice has ended while others are queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SliceEnd {
    /// It continues to run. The policy is called again after another slice.
    Keep,
    /// It gives way; when it has left its critical section, if it is in one
    /// ([`no_preempt()`](crate::no_preempt)).
    Kick,
    /// It gives way at once, even in a critical section.
    Insist,
}

/// Decides which worker runs. See [the module](super) for what it must not do.
///
/// The calls come from the servers and the ticker of the group, one at a time.
pub trait Policy: Send {
    /// A worker is queued. If the token is dropped the worker stays queued: it runs when the policy
    /// has no worker for a server that needs one.
    fn wake(&mut self, worker: IdleWorker, reason: Reason);

    /// The worker that the server with this number, from 0, is to run. After `None` it may not be
    /// called again for this server before further workers are queued.
    fn next(&mut self, server: usize) -> Option<IdleWorker>;

    /// Whether a worker that wakes may take any idle server although others are queued, without a
    /// call of the policy. Called once, before the group begins. Workers whose tokens such a policy
    /// has dropped elsewhere may stay queued until a slice has ended.
    fn overtakes(&self) -> bool {
        false
    }

    /// Whether a worker that the kernel's scheduler preempts lends its server while nobody is queued,
    /// if it is not in a critical section. Called once, before the group begins.
    ///
    /// With no fewer servers than CPUs there is always a server to be had then, and workers that
    /// compute are never queued: the kernel's scheduler decides about them alone, and no slice ends.
    /// In a group that does not lend, a worker that wakes may have to wait for a server although it
    /// has got a CPU.
    fn lends(&self) -> bool {
        true
    }

    /// A worker has blocked while others were queued. A hint: some of these events are not
    /// reported.
    fn block(&mut self, worker: &Worker) {
        let _ = worker;
    }

    /// A worker has run for a slice or longer, while others are queued.
    fn slice_end(&mut self, worker: &Worker, ran: Duration) -> SliceEnd {
        let _ = (worker, ran);
        SliceEnd::Kick
    }
}
