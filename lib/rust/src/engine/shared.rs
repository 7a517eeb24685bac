// SPDX-License-Identifier: GPL-2.0 OR MIT

//! A group: what its threads share.

use super::{roster::Roster, scheduler::Scheduler};
use crate::{
    atomic::{AtomicU32, Ordering},
    policy::interface::Policy,
    raw::{
        direct::DirectGroup,
        lock::Lock,
        members::Members,
        offers::{Offers, Seen},
        record::Record,
    },
    sys::{abi, errno::Errno, memory::Wiped, thread},
};
use alloc::{boxed::Box, vec::Vec};
use core::time::Duration;

/// The most servers that a group has.
pub(crate) const MAX_SERVERS: usize = abi::SERVERS;

/// A group. Each of its threads keeps it.
pub(crate) struct Shared {
    pub(crate) words: Wiped<DirectGroup>,
    pub(crate) members: Members,
    pub(crate) offers: Offers,
    /// Dropped before the roster: tokens that the policy has are gone when others use the records.
    pub(crate) scheduler: Lock<Scheduler>,
    pub(crate) roster: Lock<Roster>,
    servers: Box<[&'static Record]>,
    pub(crate) ticker: &'static Record,
    /// Set to one when the ticker is to end; it sleeps on it while it has slices to end.
    pub(crate) ticker_ends: AtomicU32,
    pub(crate) slice: Option<Duration>,
    number: u32,
}

/// The next group gets this number.
static NUMBER: AtomicU32 = AtomicU32::new(1);

impl Shared {
    /// A group whose servers are not registered yet: 1 to [`MAX_SERVERS`].
    pub(crate) fn new(
        servers: usize,
        slice: Option<Duration>,
        policy: Box<dyn Policy>,
    ) -> Result<Self, Errno> {
        // Relaxed: it need not be but another one.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let overtake = match policy.overtakes() {
            true => abi::DIRECT_OVERTAKE,
            false => 0,
        };
        let lend = match policy.lends() {
            true => abi::DIRECT_LEND,
            false => 0,
        };
        let flags = lend | overtake;
        // Before there are records, which would be lost if that fails.
        let words = Wiped::new(|words: &mut DirectGroup| words.prepare(flags))?;
        let mut roster = Roster::new();
        let ticker = roster.take()?;
        let servers: Result<Vec<_>, _> = (0..servers).map(|_| roster.take()).collect();

        Ok(Self {
            words,
            members: Members::default(),
            offers: Offers::default(),
            scheduler: Lock::new(Scheduler::new(number, policy)),
            roster: Lock::new(roster),
            servers: servers?.into_boxed_slice(),
            ticker,
            ticker_ends: AtomicU32::new(0),
            slice,
            number,
        })
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    pub(crate) fn server(&self, nr: u32) -> &'static Record {
        self.servers[nr as usize]
    }

    pub(crate) fn servers(&self) -> u32 {
        // CAST: There are no more than MAX_SERVERS.
        self.servers.len() as u32
    }

    /// Whether this is the copy of a child of `fork()`, in which none of the threads exists.
    pub(crate) fn is_forked(&self) -> bool {
        self.words.is_wiped()
    }

    /// Takes the worker that a server is to run, and claims it; or says when the policy had none.
    ///
    /// For servers, which are registered.
    pub(crate) fn next_worker(&self, nr: u32) -> Result<&'static Record, Seen> {
        let mut scheduler = self.scheduler.lock();

        self.take_in(&mut scheduler);
        let worker = loop {
            match scheduler.pick(nr) {
                // A thread that has ended without a word is forgotten.
                Some(worker) if !worker.task.claim(thread::monotonic_ns()) => {}
                worker => break worker,
            }
        };
        self.words.set_queued(scheduler.queued());
        if scheduler.is_broken() {
            self.words.refuse_no_server();
        } else if worker.is_none() {
            self.words.refuse_server(nr);
        }
        worker.ok_or_else(|| self.offers.seen())
    }

    /// Offers the workers that the kernel has queued to the policy. Returns whether there were any:
    /// then the caller checks the set of idle servers next.
    fn take_in(&self, scheduler: &mut Scheduler) -> bool {
        let Some(new) = self.words.take_new_workers() else {
            return false;
        };

        for worker in new {
            scheduler.offer(worker, worker.reason());
        }
        self.words.refuse_no_server();
        self.offers.add();
        true
    }

    /// The same, without taking a worker.
    pub(crate) fn offer_new_workers(&self) -> bool {
        let mut scheduler = self.scheduler.lock();
        let were_any = self.take_in(&mut scheduler);

        if were_any {
            self.words.set_queued(scheduler.queued());
        }
        were_any
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let roster = self.roster.get_mut();

        for &server in &self.servers {
            roster.give_back(server);
        }
        roster.give_back(self.ticker);
        // Workers have run whose tokens somebody may still have. In another group such a token could
        // be taken for that of its worker.
        if self.scheduler.get_mut().is_broken() {
            roster.keep_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        policy::token::IdleWorker,
        raw::record::{is_same, Reason},
    };

    struct Panics;

    impl Policy for Panics {
        fn wake(&mut self, _: IdleWorker, _: Reason) {}

        fn next(&mut self, _: usize) -> Option<IdleWorker> {
            panic!("a bug")
        }
    }

    #[test]
    fn group_whose_policy_has_panicked_keeps_its_records() {
        let shared = Shared::new(1, None, Box::new(Panics)).unwrap();
        let server = shared.server(0);

        assert!(shared.scheduler.lock().pick(0).is_none());
        drop(shared);
        let mut roster = Roster::new();
        assert!((0..1000).all(|_| !is_same(roster.take().unwrap(), server)));
    }
}
