// SPDX-License-Identifier: GPL-2.0

//! The words of a group in direct mode.

use crate::{
    direct::GroupWords,
    word::{
        Word,
        Word32, //
    },
};

/// So many places of the ring are used.
const PLACES: usize = 3;

/// `struct umcg_direct_group`.
pub(crate) struct Group {
    pub(crate) idle_workers: Word,
    idle_servers: Word,
    ready_ends: Word,
    pub(crate) queued: Word32,
    pub(crate) watcher_tid: Word32,
    pub(crate) refused_servers: Word,
    server_tid: [Word32; 2],
    running: [Word32; 2],
    ready: [Word; PLACES],
    pub(crate) fifo: bool,
    pub(crate) overtakes: bool,
}

impl Group {
    /// A group with these servers in the set, and these workers in the ring.
    pub(crate) fn new(idle_servers: &[u64], ready: &[u64], fifo: bool) -> Self {
        let set = idle_servers.iter().map(|&server| 1 << nr_of(server)).sum();

        Self {
            idle_workers: Word::new(0),
            idle_servers: Word::new(set),
            ready_ends: Word::new((ready.len() as u64) << 32),
            queued: Word32::new(0),
            watcher_tid: Word32::new(0),
            refused_servers: Word::new(0),
            server_tid: [1, 2].map(Word32::new),
            running: [0, 0].map(Word32::new),
            ready: std::array::from_fn(|i| Word::new(ready.get(i).copied().unwrap_or(0))),
            fifo,
            overtakes: false,
        }
    }
}

impl GroupWords for Group {
    type Long = Word;
    type Short = Word32;

    fn idle_workers(&self) -> &Word {
        &self.idle_workers
    }
    fn idle_servers(&self) -> &Word {
        &self.idle_servers
    }
    fn ready_ends(&self) -> &Word {
        &self.ready_ends
    }
    fn queued(&self) -> &Word32 {
        &self.queued
    }
    fn watcher_tid(&self) -> &Word32 {
        &self.watcher_tid
    }
    fn refused_servers(&self) -> &Word {
        &self.refused_servers
    }
    fn server_tid(&self, nr: u32) -> &Word32 {
        &self.server_tid[nr as usize]
    }
    fn running(&self, nr: u32) -> &Word32 {
        &self.running[nr as usize]
    }
    fn ready(&self, position: u32) -> &Word {
        &self.ready[position as usize]
    }
}

/// The number of a server.
pub(crate) fn nr_of(server: u64) -> u32 {
    (server - 1) as u32
}
