// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What else is queued in a group in direct mode: the kernel knows only whether it is zero.
//!
//! Sequentially consistent, all of it, as the set of servers is; see `direct.rs`.

use super::direct::DirectGroup;
use crate::{atomic::Ordering, sys::abi};

/// The library has idle workers. A server that looks for workers finds only these.
const WORKERS: u32 = 1;
/// So many servers are called.
const CALL: u32 = 1 << 1;
const CALLS: u32 = TAKEN - CALL;
/// So many workers were taken from the library, and not run yet.
const TAKEN: u32 = 1 << 8;

const _: () = assert!(CALL * (abi::SERVERS as u32) < TAKEN);

impl DirectGroup {
    /// Makes the words of a group that has ended zero, but those that `prepare()` writes.
    pub(crate) fn clear(&self) {
        let words = [&self.idle_workers, &self.idle_servers, &self.ready_ends];

        // Relaxed, all of them: nobody uses the group.
        for word in words.into_iter().chain(&self.ready) {
            word.store(0, Ordering::Relaxed);
        }
        for word in self.server_tid.iter().chain(&self.running) {
            // Relaxed: as above.
            word.store(0, Ordering::Relaxed);
        }
        // Relaxed: as above.
        self.queued.store(0, Ordering::Relaxed);
    }

    /// Whether the kernel, and workers, start a server rather than leave it in the set. Looks where
    /// workers are in the order in which they move on, as the kernel does: from its list to that of
    /// the library, and to the ring. So none is missed that moves on meanwhile.
    pub(crate) fn has_queued(&self) -> bool {
        self.has_work() || self.has_ready()
    }

    /// Whether there is a worker for a server that looks; in the same order.
    pub(crate) fn has_workers(&self) -> bool {
        self.has_new_workers() || self.queued() & WORKERS != 0 || self.has_ready()
    }

    pub(crate) fn has_calls(&self) -> bool {
        self.queued() & CALLS != 0
    }

    /// Says whether the list of the library has workers. The caller has the lock.
    pub(crate) fn publish_list(&self, has_workers: bool) {
        // SeqCst, all of them: see above.
        if has_workers {
            self.queued.fetch_or(WORKERS, Ordering::SeqCst);
        } else if self.queued() & WORKERS != 0 {
            // SeqCst: as above.
            self.queued.fetch_and(!WORKERS, Ordering::SeqCst);
        }
    }

    pub(crate) fn add_call(&self) {
        // SeqCst: see above.
        self.queued.fetch_add(CALL, Ordering::SeqCst);
    }

    pub(crate) fn end_call(&self) {
        // SeqCst: see above.
        self.queued.fetch_sub(CALL, Ordering::SeqCst);
    }

    /// A worker was taken, by a server that is to decide about it.
    pub(crate) fn add_taken(&self) {
        // SeqCst: see above.
        self.queued.fetch_add(TAKEN, Ordering::SeqCst);
    }

    /// It was claimed.
    pub(crate) fn end_taken(&self) {
        // SeqCst: see above.
        self.queued.fetch_sub(TAKEN, Ordering::SeqCst);
    }
}
