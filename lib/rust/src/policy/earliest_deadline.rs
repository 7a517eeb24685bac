// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Earliest deadline first.

use super::{
    heap::Heap,
    interface::{Policy, SliceEnd},
    queue::Queue,
    token::{IdleWorker, Worker},
};
use crate::{
    raw::{
        deadline::Deadline,
        record::{Reason, Record},
    },
    sys::thread,
};
use core::time::Duration;

/// Earliest deadline first: the queued worker with the earliest deadline runs; among equal
/// deadlines, the one that was queued first. At the end of its slice a worker gives way only to
/// workers with earlier deadlines.
///
/// A relative deadline ([`Options::deadline()`](crate::Options::deadline),
/// [`set_relative_deadline()`](crate::set_relative_deadline)) counts from each wake-up of the
/// worker, and from when it yields, which ends its job. A preempted worker keeps its deadline. An
/// absolute deadline is set by the worker itself for each job
/// ([`set_deadline()`](crate::set_deadline)).
///
/// Workers without a deadline run in FIFO order when no worker with one is queued, and give way to
/// any other worker at the end of a slice. So they can starve, unless the policy has a
/// [default](EarliestDeadline::with_default), which is then their relative deadline.
///
/// A worker that has missed its deadline has the earliest one, and goes first. If the deadlines on
/// one server can be met at all, this order meets them, up to a slice.
///
/// ```no_run
/// use std::time::Duration;
/// use umcg::{policy::EarliestDeadline, Group, Options};
///
/// # fn main() -> Result<(), umcg::Error> {
/// let group = Group::builder()
///     .policy(EarliestDeadline::new())
///     .slice(Duration::from_millis(1))
///     .build()?;
/// let audio = Options::new().deadline(Duration::from_millis(5));
///
/// group.spawn_with(&audio, || { /* waits for a period, and fills a buffer */ })?;
/// group.spawn(|| { /* whenever there is time */ })?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
pub struct EarliestDeadline {
    /// By absolute deadlines, which are also stored as the data of the workers.
    urgent: Heap,
    /// Workers without a deadline.
    others: Queue,
    default: Deadline,
}

/// The data of workers without a deadline: after all others.
const NEVER: u64 = u64::MAX;

impl EarliestDeadline {
    /// An empty one. Workers without a deadline run when no other one is queued.
    pub const fn new() -> Self {
        Self {
            urgent: Heap::new(),
            others: Queue::new(),
            default: Deadline::None,
        }
    }

    /// The same, but workers without a deadline have this relative one.
    pub fn with_default(relative: Duration) -> Self {
        Self {
            default: Deadline::after(relative),
            ..Self::new()
        }
    }

    /// The deadline of the worker, or the default.
    fn deadline_of(&self, record: &Record) -> Deadline {
        match record.deadline() {
            Deadline::None => self.default,
            deadline => deadline,
        }
    }

    /// The absolute deadline of a worker that runs, as far as it is known.
    fn of_running(&self, record: &Record, data: u64, now_ns: u64) -> u64 {
        match self.deadline_of(record) {
            // The time in its state is that of the kick, when the policy last set its deadline.
            Deadline::After(_) if record.task.state().is_preempted() => data,
            deadline @ Deadline::After(_) => match record.resumed_at(now_ns) {
                Some(woken) => deadline.from(woken).unwrap_or(NEVER),
                None => data,
            },
            deadline => deadline.from(now_ns).unwrap_or(NEVER),
        }
    }

    fn wake_at(&mut self, worker: IdleWorker, reason: Reason, now_ns: u64) {
        let record = worker.record();
        let deadline = self.deadline_of(record);
        let queued_at = now_ns.saturating_sub(record.task.age_ns(now_ns));
        let time = match (reason, deadline) {
            // Set when its slice ended.
            (Reason::Preempted, Deadline::After(_)) => worker.data(),
            _ => deadline.from(queued_at).unwrap_or(NEVER),
        };

        worker.set_data(time);
        if deadline == Deadline::None {
            self.others.push(worker);
        } else {
            self.urgent.push(worker, time);
        }
    }

    fn slice_end_at(&self, worker: &Worker, now_ns: u64) -> SliceEnd {
        let time = self.of_running(worker.record(), worker.data(), now_ns);
        let first = self.urgent.least_key();

        worker.set_data(time);
        if first.is_some_and(|first| first < time) || (time == NEVER && !self.others.is_empty()) {
            SliceEnd::Kick
        } else {
            SliceEnd::Keep
        }
    }
}

impl Policy for EarliestDeadline {
    fn wake(&mut self, worker: IdleWorker, reason: Reason) {
        self.wake_at(worker, reason, thread::monotonic_ns());
    }

    fn next(&mut self, _: usize) -> Option<IdleWorker> {
        self.urgent.pop().or_else(|| self.others.pop())
    }

    /// The kernel's scheduler knows nothing of deadlines.
    fn lends(&self) -> bool {
        false
    }

    fn slice_end(&mut self, worker: &Worker, _: Duration) -> SliceEnd {
        self.slice_end_at(worker, thread::monotonic_ns())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::testing::{order, workers},
        *,
    };
    use crate::raw::state::State;
    use std::vec::Vec;

    /// The time of the tests.
    const NOW: u64 = 1 << 40;

    /// Makes it a worker that was queued, or has run, for so many nanoseconds.
    fn since(record: &Record, state: State, age_ns: u64) {
        record.task.prepare(state, NOW - age_ns);
    }

    /// Queues workers with these deadlines that were woken so long ago.
    fn wake_all<const N: usize>(policy: &mut EarliestDeadline, all: [(Deadline, u64); N]) {
        for (worker, (deadline, age)) in workers([0; N]).into_iter().zip(all) {
            let record = worker.record();
            record.set_deadline(deadline);
            since(record, State::IDLE, age);
            policy.wake_at(worker, Reason::Woken, NOW);
        }
    }

    #[test]
    fn earliest_deadline_runs_first() {
        use Deadline::{After, At};
        let mut policy = EarliestDeadline::new();

        wake_all(
            &mut policy,
            [
                (After(5000), 0),
                (After(5000), 1600),
                (At(NOW + 1000), 0),
                (After(7000), 6400),
            ],
        );
        assert_eq!(order(&mut policy), [4, 3, 2, 1]);
    }

    #[test]
    fn workers_without_a_deadline_run_last_in_fifo_order() {
        use Deadline::{After, None};
        let mut policy = EarliestDeadline::new();

        wake_all(
            &mut policy,
            [(None, 0), (After(9000), 0), (None, 0), (After(8000), 0)],
        );
        assert_eq!(order(&mut policy), [4, 2, 1, 3]);
    }

    #[test]
    fn default_is_the_deadline_of_workers_without_one() {
        use Deadline::{After, None};
        let mut policy = EarliestDeadline::with_default(Duration::from_nanos(8500));

        wake_all(
            &mut policy,
            [(None, 0), (After(9000), 0), (None, 800), (After(8000), 0)],
        );
        assert_eq!(order(&mut policy), [3, 4, 1, 2]);
    }

    #[test]
    fn preempted_worker_keeps_its_deadline_and_others_get_new_ones() {
        for (reason, wanted) in [
            (Reason::Preempted, NOW + 640),
            (Reason::Woken, NOW + 3200),
            (Reason::Yielded, NOW + 3200),
            (Reason::New, NOW + 3200),
        ] {
            let mut policy = EarliestDeadline::new();
            let [worker] = workers([0]);
            worker.record().set_deadline(Deadline::After(3200));
            since(worker.record(), State::IDLE, 0);
            worker.set_data(NOW + 640);
            policy.wake_at(worker, reason, NOW);
            assert_eq!(policy.urgent.least_key(), Some(wanted), "{reason:?}");
        }
    }

    /// The decision at the end of the slice of a worker with this deadline, for which the policy
    /// last stored `data`.
    fn end(policy: &EarliestDeadline, deadline: Deadline, data: u64) -> SliceEnd {
        let [runs] = workers([0]);
        let record = runs.record();

        record.set_deadline(deadline);
        record.begins_turn(NOW - 1600);
        since(record, State::RUNNING, 1600);
        runs.set_data(data);
        policy.slice_end_at(&Worker::of(record), NOW)
    }

    #[test]
    fn slice_ends_for_earlier_deadlines_only() {
        use Deadline::{After, At};
        let mut policy = EarliestDeadline::new();

        wake_all(&mut policy, [(At(NOW + 500), 0)]);
        assert_eq!(end(&policy, After(9000), NOW + 400), SliceEnd::Keep);
        assert_eq!(end(&policy, After(9000), NOW + 500), SliceEnd::Keep);
        assert_eq!(end(&policy, After(9000), NOW + 600), SliceEnd::Kick);
        assert_eq!(end(&policy, At(NOW + 400), 0), SliceEnd::Keep);
        assert_eq!(end(&policy, At(NOW + 600), 0), SliceEnd::Kick);
        assert_eq!(end(&policy, Deadline::None, 0), SliceEnd::Kick);
    }

    #[test]
    fn workers_without_a_deadline_take_turns_and_let_others_run() {
        let mut policy = EarliestDeadline::new();

        assert_eq!(end(&policy, Deadline::None, 0), SliceEnd::Keep);
        wake_all(&mut policy, [(Deadline::None, 0)]);
        assert_eq!(end(&policy, Deadline::None, 0), SliceEnd::Kick);
        assert_eq!(
            end(&policy, Deadline::After(9000), NOW + 400),
            SliceEnd::Keep
        );
    }

    #[test]
    fn worker_that_has_gone_on_by_itself_has_a_new_deadline() {
        let mut policy = EarliestDeadline::new();
        let [runs] = workers([0]);
        let record = runs.record();

        wake_all(&mut policy, [(Deadline::At(NOW + 500), 0)]);
        record.set_deadline(Deadline::After(9000));
        record.begins_turn(NOW - 64_000);
        // Its deadline before it blocked.
        runs.set_data(NOW - 60_000);
        since(record, State::RUNNING, 1600);
        let worker = Worker::of(record);
        assert_eq!(policy.slice_end_at(&worker, NOW), SliceEnd::Kick);
        assert_eq!(worker.data(), NOW - 1600 + 9000);
        // The kick has changed its state, but not its deadline.
        since(record, State::RUNNING.preempted(), 0);
        policy.slice_end_at(&worker, NOW);
        assert_eq!(worker.data(), NOW - 1600 + 9000);
    }

    /// Jobs on one server, in steps of one unit of time: the policy meets all deadlines if any
    /// order does.
    #[test]
    fn feasible_deadlines_are_met() {
        /// Release time, running time, deadline.
        struct Job(u64, u64, u64);
        const UNIT: u64 = 1 << 10;
        let mut seed = 1u64;
        let mut below = |limit: u64| {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1);
            (seed >> 33) % limit
        };

        for _ in 0..300 {
            // Feasible, as it is made from a schedule: each job is woken before its place in it,
            // and due after it.
            let mut end = 0;
            let mut jobs: Vec<_> = (0..8)
                .map(|_| {
                    let (start, length) = (end + below(2), 1 + below(4));
                    end = start + length;
                    Job(start.saturating_sub(below(6)), length, end + below(6))
                })
                .collect();
            let mut policy = EarliestDeadline::new();
            let mut idle: Vec<_> = workers([0; 8]).into_iter().map(Some).collect();
            let mut runs: Option<IdleWorker> = None;

            for now in 0..=end + 12 {
                let time = NOW + now * UNIT;
                for (job, worker) in jobs.iter().zip(&mut idle) {
                    if job.0 == now {
                        let worker = worker.take().unwrap();
                        worker
                            .record()
                            .set_deadline(Deadline::After((job.2 - job.0) * UNIT));
                        worker.record().task.prepare(State::IDLE, time);
                        policy.wake_at(worker, Reason::Woken, time);
                    }
                }
                // A slice is one unit.
                if let Some(worker) = runs.take() {
                    if policy.slice_end_at(&worker, time) == SliceEnd::Kick {
                        policy.wake_at(worker, Reason::Preempted, time);
                    } else {
                        runs = Some(worker);
                    }
                }
                runs = runs.or_else(|| policy.next(0)).inspect(|worker| {
                    worker.record().begins_turn(time);
                    worker.record().task.prepare(State::RUNNING, time);
                });
                if let Some(worker) = &runs {
                    let job = &mut jobs[worker.id() as usize - 1];
                    assert!(now < job.2, "a deadline is missed");
                    job.1 -= 1;
                    if job.1 == 0 {
                        runs = None;
                    }
                }
            }
            assert!(jobs.iter().all(|job| job.1 == 0));
        }
    }
}
