// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The workers that are queued, and the policy that has a token of each.

use crate::{
    policy::{
        interface::{Policy, SliceEnd},
        token::{IdleWorker, Worker},
    },
    raw::{
        list::Queued,
        record::{Reason, Record},
    },
};
use alloc::boxed::Box;
use core::{any::Any, time::Duration};

/// What a panic was thrown with.
pub(crate) type Payload = Box<dyn Any + Send>;

/// The queue of a group. All is under one lock, which is that of the policy as well.
pub(crate) struct Scheduler {
    /// The number of the group, by which its workers are known.
    group: u32,
    /// All workers that are queued, the one first that has been for longest. If the policy has
    /// panicked this is the order in which they run.
    queued: Queued,
    /// It is kept, but asked no more, once it has panicked: to drop it would free memory.
    policy: Box<dyn Policy>,
    is_broken: bool,
    panic: Option<Payload>,
}

impl Scheduler {
    pub(crate) fn new(group: u32, policy: Box<dyn Policy>) -> Self {
        Self {
            group,
            queued: Queued::default(),
            policy,
            is_broken: false,
            panic: None,
        }
    }

    pub(crate) fn queued(&self) -> u32 {
        self.queued.count()
    }

    /// Whether the policy has panicked. Tokens that it has put elsewhere may outlive the workers.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken
    }

    /// What the policy has panicked with.
    pub(crate) fn take_panic(&mut self) -> Option<Payload> {
        self.panic.take()
    }

    /// Asks the policy. `None` if it panics, or has done so.
    fn ask<R>(&mut self, question: impl FnOnce(&mut dyn Policy) -> R) -> Option<R> {
        if self.is_broken {
            return None;
        }
        match caught(|| question(&mut *self.policy)) {
            Ok(answer) => Some(answer),
            Err(panic) => {
                self.is_broken = true;
                self.panic = Some(panic);
                None
            }
        }
    }

    /// A worker, which is idle, is queued.
    pub(crate) fn offer(&mut self, record: &'static Record, reason: Reason) {
        self.queued.push(record);
        record.give_token();
        self.ask(|policy| policy.wake(IdleWorker::new(record), reason));
    }

    /// Takes the worker that a server is to run.
    pub(crate) fn pick(&mut self, server: u32) -> Option<&'static Record> {
        self.chosen(server).or_else(|| self.left_over())
    }

    /// The one that the policy wants.
    fn chosen(&mut self, server: u32) -> Option<&'static Record> {
        let worker = self.ask(|policy| policy.next(server as usize)).flatten()?;

        if worker.record().group() != self.group {
            // It is dropped, and so queued in its own group.
            return None;
        }
        let record = worker.into_record();
        record.take_token().then(|| self.queued.remove(record))?;
        Some(record)
    }

    /// The first one that the policy does not have.
    fn left_over(&mut self) -> Option<&'static Record> {
        let is_broken = self.is_broken;

        self.queued
            .take_first(|record| is_broken || record.is_returned())
    }

    /// The worker of a server has blocked.
    pub(crate) fn block(&mut self, record: &'static Record) {
        self.ask(|policy| policy.block(&Worker::of(record)));
    }

    /// The slice of a worker has ended.
    pub(crate) fn slice_end(&mut self, record: &'static Record, ran: Duration) -> SliceEnd {
        self.ask(|policy| policy.slice_end(&Worker::of(record), ran))
            .unwrap_or(SliceEnd::Kick)
    }
}

#[cfg(feature = "std")]
fn caught<R>(question: impl FnOnce() -> R) -> Result<R, Payload> {
    // What a policy has left half done is not looked at again.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(question))
}

/// Without std a panic ends the process.
#[cfg(not(feature = "std"))]
fn caught<R>(question: impl FnOnce() -> R) -> Result<R, Payload> {
    Ok(question())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{policy::fifo::Fifo, raw::state::State, sys::memory};
    use std::vec::Vec;

    const GROUP: u32 = 5;

    fn records(count: usize, group: u32) -> Vec<&'static Record> {
        let page = memory::map_forever::<Record>().unwrap();

        (0..count)
            .map(|index| {
                let record = &page[index];
                record.prepare(index as u32 + 1, group, 0);
                record.task.prepare(State::IDLE, 1600);
                record
            })
            .collect()
    }

    fn picks(scheduler: &mut Scheduler) -> Vec<u32> {
        core::iter::from_fn(|| scheduler.pick(0))
            .map(Record::tid)
            .collect()
    }

    fn with_workers(policy: impl Policy + 'static, count: usize) -> Scheduler {
        let mut scheduler = Scheduler::new(GROUP, Box::new(policy));

        for record in records(count, GROUP) {
            scheduler.offer(record, Reason::Woken);
        }
        scheduler
    }

    /// Keeps no token.
    struct Careless;

    impl Policy for Careless {
        fn wake(&mut self, _: IdleWorker, _: Reason) {}

        fn next(&mut self, _: usize) -> Option<IdleWorker> {
            None
        }
    }

    /// Panics when it is asked for the second worker.
    #[derive(Default)]
    struct Fragile {
        fifo: Fifo,
        asked: u32,
    }

    impl Policy for Fragile {
        fn wake(&mut self, worker: IdleWorker, reason: Reason) {
            self.fifo.wake(worker, reason);
        }

        fn next(&mut self, server: usize) -> Option<IdleWorker> {
            self.asked += 1;
            assert!(self.asked < 2, "asked too often");
            self.fifo.next(server)
        }
    }

    #[test]
    fn dropped_tokens_are_queued_in_order() {
        let mut scheduler = with_workers(Careless, 3);

        assert_eq!(scheduler.queued(), 3);
        assert_eq!(picks(&mut scheduler), [1, 2, 3]);
        assert_eq!(scheduler.queued(), 0);
    }

    #[test]
    fn policy_that_panics_leaves_no_worker_behind() {
        let mut scheduler = with_workers(Fragile::default(), 4);

        assert_eq!(picks(&mut scheduler), [1, 2, 3, 4]);
        assert!(scheduler.take_panic().is_some());
        assert!(scheduler.take_panic().is_none());
        let late = records(1, GROUP)[0];
        scheduler.offer(late, Reason::Woken);
        assert_eq!(picks(&mut scheduler), [1]);
    }

    /// Puts tokens where the test gets at them.
    struct Open(std::sync::mpsc::Sender<IdleWorker>);

    impl Policy for Open {
        fn wake(&mut self, worker: IdleWorker, _: Reason) {
            self.0.send(worker).unwrap();
        }

        fn next(&mut self, _: usize) -> Option<IdleWorker> {
            None
        }
    }

    #[test]
    fn token_dropped_elsewhere_is_queued_again() {
        let (sender, tokens) = std::sync::mpsc::channel();
        let mut scheduler = with_workers(Open(sender), 2);

        assert_eq!(picks(&mut scheduler), []);
        drop(tokens.recv().unwrap());
        assert_eq!(picks(&mut scheduler), [1]);
        assert_eq!(scheduler.queued(), 1);
    }

    /// Hands out what it was given.
    struct Stranger(Option<IdleWorker>);

    impl Policy for Stranger {
        fn wake(&mut self, _: IdleWorker, _: Reason) {}

        fn next(&mut self, _: usize) -> Option<IdleWorker> {
            self.0.take()
        }
    }

    #[test]
    fn worker_of_another_group_stays_there() {
        let (sender, tokens) = std::sync::mpsc::channel();
        let mut home = Scheduler::new(GROUP + 1, Box::new(Open(sender)));
        home.offer(records(1, GROUP + 1)[0], Reason::New);
        let mut scheduler = with_workers(Stranger(tokens.recv().ok()), 1);

        assert_eq!(picks(&mut scheduler), [1]);
        assert_eq!(picks(&mut home), [1]);
    }
}
