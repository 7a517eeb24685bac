// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The ticker, which ends slices while workers are queued, and sleeps otherwise.

use super::{end, server, shared::Shared};
use crate::{
    policy::interface::SliceEnd,
    raw::{record::Record, state::State},
    sys::{device, errno::Errno, futex, priority, thread},
};
use core::time::Duration;

/// The ticker sleeps no shorter than this.
const SHORTEST_PAUSE: Duration = Duration::from_micros(50);

/// Makes the calling thread the ticker of the group: a server without a number.
pub(crate) fn register(shared: &Shared) -> Result<(), Errno> {
    let record = shared.ticker;

    priority::run_when_woken();
    record.prepare(thread::tid(), shared.number(), 0);
    record.task.prepare(State::RUNNING, thread::monotonic_ns());
    device::register(0, record, None)
}

/// A worker that uses critical sections runs on after its slice for so many parts of one, until it
/// leaves a section.
const GRACE_PARTS: u32 = 4;

/// Ticks until the group is over, and unregisters.
pub(crate) fn tick(shared: &Shared, slice: Duration) {
    while !shared.members.is_over() {
        if shared.words.has_work() {
            offer_to_policy(shared);
            let pause = end_slices(shared, slice);
            futex::wait(&shared.ticker_ends, 0, Some(pause.max(SHORTEST_PAUSE)));
        } else {
            sleep_until_needed(shared);
        }
    }
    end::unregister();
}

/// Offers new workers to the policy before it decides about slices, as the servers, which do that
/// otherwise, may all be busy.
fn offer_to_policy(shared: &Shared) {
    if !shared.offer_new_workers() {
        return;
    }
    // The set is checked after the offer; pairs with a server that puts itself into the set, and
    // then checks for offers.
    if let Some(nr) = shared.words.take_server(0) {
        end::start(shared.ticker, shared.server(nr));
    }
}

fn sleep_until_needed(shared: &Shared) {
    let task = &shared.ticker.task;

    task.change(State::RUNNING, State::IDLE, thread::monotonic_ns());
    task.set_next_tid(0);
    shared.words.arm_watcher(shared.ticker.tid());
    // Both looks come after it is armed: pair with the changes that make them true, after which the
    // watcher is looked for.
    let is_needed = shared.words.has_work() || shared.members.is_over();
    if is_needed && shared.words.take_watcher() {
        task.change(State::IDLE, State::RUNNING, thread::monotonic_ns());
    } else {
        server::sleep(shared.ticker);
    }
}

/// Ends the slices that are over. Returns how long it is until the next one may be.
fn end_slices(shared: &Shared, slice: Duration) -> Duration {
    let grace = slice / GRACE_PARTS;
    let mut pause = slice;

    for nr in 0..shared.servers() {
        let Some(worker) = running(shared, nr) else {
            continue;
        };
        let is_late = gives_way_late(worker);
        let limit = if is_late { grace } else { slice };
        let ran = Duration::from_nanos(worker.task.age_ns(thread::monotonic_ns()));
        match limit.checked_sub(ran) {
            Some(rest) if !rest.is_zero() => pause = pause.min(rest),
            _ if is_late => kick(worker, false),
            _ => {
                end_slice(shared, worker, ran);
                if gives_way_late(worker) {
                    pause = pause.min(grace);
                }
            }
        }
    }
    pause
}

/// Whether a worker has been asked to give way, and has not left a critical section since.
fn gives_way_late(worker: &Record) -> bool {
    worker.task.state().is_preempted() && !worker.task.is_in_section()
}

/// The worker that runs under a server, as far as that is known.
fn running(shared: &Shared, nr: u32) -> Option<&'static Record> {
    let tid = shared.words.running(nr);

    if tid == 0 || shared.words.is_idle(nr) {
        return None;
    }
    let worker = shared.roster.lock().find(tid)?;
    // One that is locked is about to get a new slice.
    let state = worker.task.state();
    (state == State::RUNNING || state == State::RUNNING.preempted()).then_some(worker)
}

fn end_slice(shared: &Shared, worker: &'static Record, ran: Duration) {
    let insists = match shared.scheduler.lock().slice_end(worker, ran) {
        SliceEnd::Keep => return,
        SliceEnd::Kick => false,
        SliceEnd::Insist => true,
    };

    if insists && worker.task.state().is_preempted() {
        worker.set_overrun();
    }

    if insists || !is_asked(worker) {
        kick(worker, insists);
    }
}

/// Asks a worker to give way when it next leaves a critical section: where it does not hold a lock,
/// and is not about to take one, for which it would then wait as long as it is queued. Returns false
/// for one that has not begun a section since it was last asked.
fn is_asked(worker: &Record) -> bool {
    worker.takes_sections()
        && worker.task.change(
            State::RUNNING,
            State::RUNNING.preempted(),
            thread::monotonic_ns(),
        )
}

fn kick(worker: &Record, insists: bool) {
    // This fails if the worker does not run any more.
    let _ = device::kick(worker.tid(), insists);
}
