// SPDX-License-Identifier: GPL-2.0

//! What workers have done: counted by the policy, without a lock, and by threads that leave.

use crate::{histogram::Histogram, names::CLASSES};
use std::{
    sync::{
        atomic::{AtomicU64, Ordering},
        OnceLock,
    },
    time::Duration,
};
use umcg::policy::Reason;
use umcg_run_options::MAX_SERVERS;

/// A counter. It is for people to read, so it orders nothing.
#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, events: u64) {
        // Relaxed: see the type.
        self.0.fetch_add(events, Ordering::Relaxed);
    }

    pub(crate) fn take(&self, events: u64) {
        // Relaxed: see the type.
        self.0.fetch_sub(events, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        // Relaxed: see the type.
        self.0.load(Ordering::Relaxed)
    }
}

/// What the workers of a class have done.
#[derive(Default)]
pub(crate) struct Class {
    /// How many there have been.
    pub(crate) threads: Count,
    /// How often they were queued since they were new.
    pub(crate) new: Count,
    /// Since they had been blocked.
    pub(crate) woken: Count,
    /// Since they had called `sched_yield()`.
    pub(crate) yielded: Count,
    /// Since their slice had ended.
    pub(crate) preempted: Count,
    /// How many slices they ran on at the end of one, since they were in a critical section.
    pub(crate) deferred: Count,
    /// How often they were preempted in a critical section, after many slices.
    pub(crate) insisted: Count,
    /// How often those that have left have slept in the kernel, be it queued or blocked.
    pub(crate) slept: Count,
    /// For how long they were queued.
    pub(crate) queued: Histogram,
}

impl Class {
    /// A worker is queued.
    pub(crate) fn wake(&self, reason: Reason) {
        match reason {
            Reason::New => &self.new,
            Reason::Woken => &self.woken,
            Reason::Yielded => &self.yielded,
            Reason::Preempted => &self.preempted,
        }
        .add(1);
    }

    /// How often workers were queued.
    pub(crate) fn times_queued(&self) -> u64 {
        [&self.new, &self.woken, &self.yielded, &self.preempted]
            .map(Count::get)
            .iter()
            .sum()
    }
}

/// What a server has done.
#[derive(Default)]
pub(crate) struct Server {
    /// How many queued workers were given to it.
    pub(crate) workers: Count,
    /// How often there was none for it.
    pub(crate) none: Count,
}

/// What the workers and servers of a process have done.
pub(crate) struct Stats {
    classes: Box<[Class]>,
    servers: Box<[Server]>,
    /// Servers from this number on are spare.
    spare_from: OnceLock<usize>,
    /// Threads that could not enter the group.
    pub(crate) plain: Count,
}

impl Stats {
    pub(crate) fn new() -> Self {
        Self {
            classes: (0..CLASSES).map(|_| Class::default()).collect(),
            servers: (0..MAX_SERVERS).map(|_| Server::default()).collect(),
            spare_from: OnceLock::new(),
            plain: Count::default(),
        }
    }

    /// The group has been made; its servers from this number on are spare.
    pub(crate) fn set_spare_from(&self, nr: usize) {
        // It is made once.
        let _ = self.spare_from.set(nr);
    }

    pub(crate) fn is_spare(&self, nr: usize) -> bool {
        self.spare_from.get().is_some_and(|first| nr >= *first)
    }

    pub(crate) fn class(&self, class: u8) -> &Class {
        &self.classes[usize::from(class)]
    }

    /// A server was given a queued worker of this class, or none.
    pub(crate) fn next(&self, server: usize, worker: Option<(u8, Duration)>) {
        let server = self.servers.get(server);

        if let Some((class, queued)) = worker {
            self.class(class).queued.add(queued);
            if let Some(server) = server {
                server.workers.add(1);
            }
        } else if let Some(server) = server {
            server.none.add(1);
        }
    }

    pub(crate) fn servers(&self) -> &[Server] {
        &self.servers
    }
}
