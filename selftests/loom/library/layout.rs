// SPDX-License-Identifier: GPL-2.0

//! In the module `raw` of a library: its words, for the kernel. Zeroed values are constructed
//! rather than mapped, because the atomics of loom are not words.

use super::{direct::DirectGroup, task::Task};
use crate::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed},
};
use crate::sys::abi;

/// References to the words of a group.
pub(crate) struct GroupLayout<'a> {
    pub(crate) idle_workers: &'a AtomicU64,
    pub(crate) idle_servers: &'a AtomicU64,
    pub(crate) ready_ends: &'a AtomicU64,
    pub(crate) queued: &'a AtomicU32,
    pub(crate) watcher_tid: &'a AtomicU32,
    pub(crate) refused_servers: &'a AtomicU64,
    pub(crate) server_tid: &'a [AtomicU32; abi::SERVERS],
    pub(crate) running: &'a [AtomicU32; abi::SERVERS],
    pub(crate) ready: &'a [AtomicU64; abi::SERVERS],
}

impl DirectGroup {
    pub(crate) fn words(&self) -> GroupLayout<'_> {
        GroupLayout {
            idle_workers: &self.idle_workers,
            idle_servers: &self.idle_servers,
            ready_ends: &self.ready_ends,
            queued: &self.queued,
            watcher_tid: &self.watcher_tid,
            refused_servers: &self.refused_servers,
            server_tid: &self.server_tid,
            running: &self.running,
            ready: &self.ready,
        }
    }

    pub(crate) fn options(&self) -> u32 {
        self.flags.load(Relaxed)
    }
}

impl Default for DirectGroup {
    fn default() -> Self {
        Self {
            size: AtomicU32::new(0),
            flags: AtomicU32::new(0),
            idle_workers: AtomicU64::new(0),
            idle_servers: AtomicU64::new(0),
            ready_ends: AtomicU64::new(0),
            queued: AtomicU32::new(0),
            watcher_tid: AtomicU32::new(0),
            refused_servers: AtomicU64::new(0),
            reserved: [0; 2],
            server_tid: Default::default(),
            running: Default::default(),
            ready: Default::default(),
        }
    }
}

impl Default for Task {
    fn default() -> Self {
        Self {
            state: AtomicU64::new(0),
            next_tid: AtomicU32::new(0),
            flags: AtomicU32::new(0),
            idle_node: AtomicU64::new(0),
            idle_server_tid_ptr: AtomicU64::new(0),
            server_nr: AtomicU32::new(0),
            critical: AtomicU32::new(0),
            signals: AtomicU64::new(0),
            reserved: Default::default(),
        }
    }
}

/// The words as the module accesses them.
impl Task {
    pub(crate) fn state_word(&self) -> &AtomicU64 {
        &self.state
    }

    pub(crate) fn node_word(&self) -> &AtomicU64 {
        &self.idle_node
    }

    pub(crate) fn server_nr_word(&self) -> &AtomicU32 {
        &self.server_nr
    }

    pub(crate) fn named_tid(&self) -> u32 {
        self.next_tid.load(Relaxed)
    }

    pub(crate) fn set_server(&self, tid: u32, nr: u32) {
        self.next_tid.store(tid, Relaxed);
        self.server_nr.store(nr, Relaxed);
    }

    /// The head of the idle-worker list.
    pub(crate) fn list(&self) -> &'static AtomicU64 {
        let address = self.idle_node.load(Acquire) as usize;

        assert!(address > 1, "a worker is on a list already");
        // SAFETY: The library has exposed the head of the list, and keeps it until the execution
        // ends.
        unsafe { &*core::ptr::with_exposed_provenance(address) }
    }

    /// The TID of the server to start for the next worker.
    pub(crate) fn idle_server(&self) -> &'static AtomicU32 {
        let address = self.idle_server_tid_ptr.load(Acquire) as usize;

        // SAFETY: The library has exposed the word of its group, and keeps it until the execution
        // ends.
        unsafe { &*core::ptr::with_exposed_provenance(address) }
    }
}
