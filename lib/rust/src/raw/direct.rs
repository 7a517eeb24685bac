// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The words of a group in direct mode: `struct umcg_direct_group`.
//!
//! No worker stays queued while a server sleeps that would run it. After a server is put into the
//! set, its thread looks for workers; after a worker is queued, the set is looked at. Operations
//! marked so are sequentially consistent, as are those of the kernel, so one of the two sides sees
//! the change of the other.
//!
//! The ring stays empty: a server decides which worker runs next.

use crate::{
    atomic::{before_look, AtomicU32, AtomicU64, Ordering},
    sys::{
        abi::{self, size_u32},
        memory::Zeroed,
    },
};

/// The words of a group.
#[repr(C, align(64))]
pub(crate) struct DirectGroup {
    pub(super) size: AtomicU32,
    pub(super) flags: AtomicU32,
    /// The workers that the kernel has queued.
    pub(super) idle_workers: AtomicU64,
    /// The servers that wait for work. The thread that clears a bit owns the server.
    pub(super) idle_servers: AtomicU64,
    pub(super) ready_ends: AtomicU64,
    /// How many workers the engine has queued.
    pub(super) queued: AtomicU32,
    /// The thread to start when a worker is queued and no server is idle.
    pub(super) watcher_tid: AtomicU32,
    /// The servers for which the policy has none of the queued workers.
    pub(super) refused_servers: AtomicU64,
    pub(super) reserved: [u64; 2],
    pub(super) server_tid: [AtomicU32; abi::SERVERS],
    pub(super) running: [AtomicU32; abi::SERVERS],
    pub(super) ready: [AtomicU64; abi::SERVERS],
}

// SAFETY: All fields are integers, and those that change are atomic.
unsafe impl Zeroed for DirectGroup {}

impl DirectGroup {
    /// Makes zeroed memory a group with these flags.
    pub(crate) fn prepare(&self, flags: u32) {
        // Relaxed, both: the kernel reads them when threads register, which get the group by what
        // orders this as well.
        self.size.store(size_u32::<Self>(), Ordering::Relaxed);
        // Relaxed: as above.
        self.flags.store(flags, Ordering::Relaxed);
    }

    /// Whether this is the copy of a child, which the kernel has wiped.
    pub(crate) fn is_wiped(&self) -> bool {
        // Relaxed: a child has one thread when it begins.
        self.size.load(Ordering::Relaxed) == 0
    }

    /// Whether a worker is queued anywhere. Sequentially consistent.
    pub(crate) fn has_work(&self) -> bool {
        self.has_new_workers() || self.queued.load(Ordering::SeqCst) != 0
    }

    /// Whether the kernel has queued a worker. Sequentially consistent.
    pub(crate) fn has_new_workers(&self) -> bool {
        before_look();
        self.idle_workers.load(Ordering::SeqCst) != 0
    }

    /// Takes the list of the kernel: its head, or zero.
    pub(super) fn take_list(&self) -> u64 {
        if !self.has_new_workers() {
            return 0;
        }
        // SeqCst: before the list is emptied, so that `has_work()` finds one of the two.
        self.queued.fetch_max(1, Ordering::SeqCst);
        // SeqCst, and acquire: pairs with the kernel's exchange, which has published the workers.
        self.idle_workers.swap(0, Ordering::SeqCst)
    }

    pub(crate) fn queued(&self) -> u32 {
        before_look();
        // SeqCst: comes after what the caller has done to the set.
        self.queued.load(Ordering::SeqCst)
    }

    pub(crate) fn set_queued(&self, workers: u32) {
        // SeqCst: comes before the look at the set in `take_server()`.
        self.queued.store(workers, Ordering::SeqCst);
    }

    /// The servers for which the policy has no worker among those that are queued. Sequentially
    /// consistent.
    pub(crate) fn refused_servers(&self) -> u64 {
        before_look();
        // SeqCst: comes after what the caller has done to it.
        self.refused_servers.load(Ordering::SeqCst)
    }

    /// The policy has none for this server. Under the lock of the scheduler, as the next one.
    pub(crate) fn refuse_server(&self, nr: u32) {
        // Relaxed: nothing has to come after it. A server that is started in vain sleeps again.
        self.refused_servers.fetch_or(1 << nr, Ordering::Relaxed);
    }

    /// The policy may have a worker for each. The caller checks the set of idle servers next.
    pub(crate) fn refuse_no_server(&self) {
        // SeqCst: comes before the load of the set in `take_server()`; pairs with the kernel's load
        // of this word after it has put a server into the set.
        self.refused_servers.store(0, Ordering::SeqCst);
    }

    /// Puts servers, which are IDLE, into the set. Their former workers are theirs no longer.
    pub(crate) fn put(&self, servers: u64) {
        for nr in Bits(servers) {
            // Relaxed: published by the change of the set.
            of_server(&self.running, nr).store(0, Ordering::Relaxed);
        }
        // SeqCst: comes before the caller's look for workers; pairs with the look at the set after
        // a worker was queued. Release: pairs with the acquire of those that take the server.
        self.idle_servers.fetch_or(servers, Ordering::SeqCst);
    }

    /// Puts a server, which is IDLE, into the set, unless it is `needed` then. Returns whether it
    /// is, and still its own.
    pub(crate) fn put_unless(&self, nr: u32, needed: impl FnOnce() -> bool) -> bool {
        self.put(1 << nr);
        needed() && self.take_back(nr)
    }

    /// Takes this server out of the set. Returns false if another thread has taken it.
    pub(crate) fn take_back(&self, nr: u32) -> bool {
        // SeqCst, and acquire: pairs with the release of `put()`.
        self.idle_servers.fetch_and(!(1 << nr), Ordering::SeqCst) & (1 << nr) != 0
    }

    /// Takes the lowest server out of the set, none of the `others`.
    pub(crate) fn take_server(&self, others: u64) -> Option<u32> {
        before_look();
        // SeqCst: comes after what the caller has queued.
        let mut set = self.idle_servers.load(Ordering::SeqCst);

        loop {
            let wanted = set & !others;
            if wanted == 0 {
                return None;
            }
            let without = set & !(wanted & wanted.wrapping_neg());
            // SeqCst, and acquire: pairs with the release of `put()`.
            match self.idle_servers.compare_exchange(
                set,
                without,
                Ordering::SeqCst,
                Ordering::SeqCst,
            ) {
                Ok(_) => return Some(wanted.trailing_zeros()),
                Err(now) => set = now,
            }
        }
    }

    /// Whether this server waits in the set.
    pub(crate) fn is_idle(&self, nr: u32) -> bool {
        // Relaxed: true at some moment, which is all that a caller can know.
        self.idle_servers.load(Ordering::Relaxed) & (1 << nr) != 0
    }

    /// Whether a server with this number and TID is registered.
    pub(crate) fn is_server(&self, nr: u32, tid: u32) -> bool {
        self.server_tid
            .get(nr as usize)
            // Relaxed: the kernel has written it before a worker could name the server.
            .is_some_and(|word| word.load(Ordering::Relaxed) == tid)
    }

    /// The TID of the worker that runs under a server, or zero.
    pub(crate) fn running(&self, nr: u32) -> u32 {
        // Relaxed: as for `is_idle()`.
        of_server(&self.running, nr).load(Ordering::Relaxed)
    }

    pub(crate) fn set_running(&self, nr: u32, tid: u32) {
        // Relaxed: published by the change of the worker's state.
        of_server(&self.running, nr).store(tid, Ordering::Relaxed);
    }

    /// Has the watcher, which is IDLE, started when a worker is queued and no server is idle. It
    /// looks for workers after this.
    pub(crate) fn arm_watcher(&self, tid: u32) {
        // SeqCst: pairs with the look in `take_watcher()` after a worker was queued.
        self.watcher_tid.store(tid, Ordering::SeqCst);
    }

    /// Takes the watcher, if it is armed. The caller starts it.
    pub(crate) fn take_watcher(&self) -> bool {
        before_look();
        // SeqCst, both: come after what the caller has queued.
        self.watcher_tid.load(Ordering::SeqCst) != 0
            && self.watcher_tid.swap(0, Ordering::SeqCst) != 0
    }
}

/// The word of a server. Numbers are less than `SERVERS`: this only saves a check.
fn of_server(words: &[AtomicU32; abi::SERVERS], nr: u32) -> &AtomicU32 {
    &words[nr as usize % abi::SERVERS]
}

/// The numbers of the bits that are set, from the lowest on.
struct Bits(u64);

impl Iterator for Bits {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let bit = (self.0 != 0).then(|| self.0.trailing_zeros())?;

        self.0 &= self.0 - 1;
        Some(bit)
    }
}
