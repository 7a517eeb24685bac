// SPDX-License-Identifier: GPL-2.0

//! The words that a library shares with the module, with the orderings of `umcg/words.rs`.

use crate::{
    module::{direct::GroupWords, protocol::SharedWord},
    raw::direct::DirectGroup,
    sys::abi,
};
use loom::sync::atomic::{
    fence, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst},
};

/// A word of a library.
pub(crate) struct Word<'a, T>(pub(crate) &'a T);

macro_rules! shared_word {
    ($atomic:ty, $value:ty) => {
        /// A fully ordered operation is one between two full barriers: loom implements sequential
        /// consistency for barriers only.
        impl SharedWord<$value> for Word<'_, $atomic> {
            fn load(&self) -> $value {
                self.0.load(Acquire)
            }

            fn store(&self, value: $value) {
                self.0.store(value, Release);
            }

            fn exchange(&self, new: $value) -> $value {
                fence(SeqCst);
                let old = self.0.swap(new, AcqRel);
                fence(SeqCst);
                old
            }

            fn compare_exchange(&self, old: $value, new: $value) -> Result<(), $value> {
                fence(SeqCst);
                self.0.compare_exchange(old, new, AcqRel, Relaxed)?;
                fence(SeqCst);
                Ok(())
            }
        }
    };
}

shared_word!(AtomicU32, u32);
shared_word!(AtomicU64, u64);

/// `umcg/direct_group.rs`.
pub(crate) struct GroupView {
    idle_workers: Word<'static, AtomicU64>,
    idle_servers: Word<'static, AtomicU64>,
    ready_ends: Word<'static, AtomicU64>,
    queued: Word<'static, AtomicU32>,
    watcher_tid: Word<'static, AtomicU32>,
    refused_servers: Word<'static, AtomicU64>,
    server_tid: [Word<'static, AtomicU32>; abi::SERVERS],
    running: [Word<'static, AtomicU32>; abi::SERVERS],
    ready: [Word<'static, AtomicU64>; abi::SERVERS],
}

impl GroupView {
    pub(crate) fn of(group: &'static DirectGroup) -> Self {
        let words = group.words();

        Self {
            idle_workers: Word(words.idle_workers),
            idle_servers: Word(words.idle_servers),
            ready_ends: Word(words.ready_ends),
            queued: Word(words.queued),
            watcher_tid: Word(words.watcher_tid),
            refused_servers: Word(words.refused_servers),
            server_tid: words.server_tid.each_ref().map(Word),
            running: words.running.each_ref().map(Word),
            ready: words.ready.each_ref().map(Word),
        }
    }

    pub(crate) fn set_running(&self, nr: u32, tid: u32) {
        self.running(nr).0.store(tid, Relaxed);
    }
}

impl GroupWords for GroupView {
    type Long = Word<'static, AtomicU64>;
    type Short = Word<'static, AtomicU32>;

    fn idle_workers(&self) -> &Self::Long {
        &self.idle_workers
    }
    fn idle_servers(&self) -> &Self::Long {
        &self.idle_servers
    }
    fn ready_ends(&self) -> &Self::Long {
        &self.ready_ends
    }
    fn queued(&self) -> &Self::Short {
        &self.queued
    }
    fn watcher_tid(&self) -> &Self::Short {
        &self.watcher_tid
    }
    fn refused_servers(&self) -> &Self::Long {
        &self.refused_servers
    }
    fn server_tid(&self, nr: u32) -> &Self::Short {
        &self.server_tid[nr as usize]
    }
    fn running(&self, nr: u32) -> &Self::Short {
        &self.running[nr as usize]
    }
    fn ready(&self, position: u32) -> &Self::Long {
        &self.ready[position as usize % abi::SERVERS]
    }
}
