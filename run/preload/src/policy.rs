// SPDX-License-Identifier: GPL-2.0

//! The policy that the user wants, and around it what all of them need: counters, and an end to
//! critical sections that last too long.

use crate::{names, stats::Stats};
use std::time::Duration;
use umcg::policy::{Feedback, Fifo, IdleWorker, Policy, Priorities, Reason, SliceEnd, Worker};
use umcg_run_options::{self as options, Options, Servers};

/// A worker in a critical section runs on for so many slices.
pub(crate) const PATIENCE: u64 = 8;

/// A policy that counts what it is asked and answers.
pub(crate) struct Watched {
    inner: Box<dyn Policy>,
    stats: &'static Stats,
    /// Whether times are measured.
    measures: bool,
    lends: bool,
}

impl Watched {
    pub(crate) fn new(options: &Options, servers: Servers, stats: &'static Stats) -> Self {
        Self {
            inner: match options.policy {
                options::Policy::Feedback => Box::new(Feedback::with_spare(servers.any)),
                options::Policy::Fifo => Box::new(Fifo::new()),
                options::Policy::Priority => Box::new(Priorities::of_classes(names::priority_of)),
            },
            stats,
            measures: options.stats,
            lends: options.lends,
        }
    }

    /// The worker stays kicked. Its number is that of its slices since then.
    fn runs_on(&self, worker: &Worker) -> SliceEnd {
        let slices = worker.data() + 1;

        self.stats.class(worker.class()).deferred.add(1);
        if slices < PATIENCE {
            worker.set_data(slices);
            return SliceEnd::Kick;
        }
        self.stats.class(worker.class()).insisted.add(1);
        worker.set_data(0);
        SliceEnd::Insist
    }
}

impl Policy for Watched {
    fn wake(&mut self, worker: IdleWorker, reason: Reason) {
        worker.set_data(0);
        self.stats.class(worker.class()).wake(reason);
        self.inner.wake(worker, reason);
    }

    fn next(&mut self, server: usize) -> Option<IdleWorker> {
        let worker = self.inner.next(server);

        if self.measures {
            let queued = worker.as_ref().map(|it| (it.class(), it.age()));
            self.stats.next(server, queued);
        }
        worker
    }

    fn overtakes(&self) -> bool {
        self.inner.overtakes()
    }

    fn lends(&self) -> bool {
        self.lends && self.inner.lends()
    }

    fn block(&mut self, worker: &Worker) {
        self.inner.block(worker);
    }

    fn slice_end(&mut self, worker: &Worker, ran: Duration) -> SliceEnd {
        match self.inner.slice_end(worker, ran) {
            SliceEnd::Kick if worker.defers() => self.runs_on(worker),
            end => {
                worker.set_data(0);
                end
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_lent_as_the_user_wants() {
        let servers = Servers { any: 2, spare: 2 };

        for lends in [true, false] {
            let options = Options {
                lends,
                ..Options::default()
            };
            let stats = Box::leak(Box::new(Stats::new()));
            assert_eq!(Watched::new(&options, servers, stats).lends(), lends);
            let options = Options {
                policy: options::Policy::Priority,
                ..options
            };
            assert!(!Watched::new(&options, servers, stats).lends());
        }
    }
}
