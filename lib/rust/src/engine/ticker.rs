// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The ticker, which ends slices while workers are queued, and sleeps otherwise.

use super::{end, server, shared::Shared};
use crate::{
    policy::interface::SliceEnd,
    raw::{record::Record, state::State},
    sys::{device, errno::Errno, futex, thread},
};
use core::time::Duration;

/// The ticker sleeps no shorter than this.
const SHORTEST_PAUSE: Duration = Duration::from_micros(50);

/// Makes the calling thread the ticker of the group: a server without a number.
pub(crate) fn register(shared: &Shared) -> Result<(), Errno> {
    let record = shared.ticker;

    record.prepare(thread::tid(), shared.number(), 0);
    record.task.prepare(State::RUNNING, thread::monotonic_ns());
    device::register(0, record, None)
}

/// Ticks until the group is over, and unregisters.
pub(crate) fn tick(shared: &Shared, slice: Duration) {
    while !shared.members.is_over() {
        if shared.words.has_work() {
            let pause = end_slices(shared, slice);
            futex::wait(&shared.ticker_ends, 0, Some(pause.max(SHORTEST_PAUSE)));
        } else {
            sleep_until_needed(shared);
        }
    }
    end::unregister();
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
    let mut pause = slice;

    for nr in 0..shared.servers() {
        let Some(worker) = running(shared, nr) else {
            continue;
        };
        let ran = Duration::from_nanos(worker.task.age_ns(thread::monotonic_ns()));
        match slice.checked_sub(ran) {
            Some(rest) if !rest.is_zero() => pause = pause.min(rest),
            _ => end_slice(shared, worker, ran),
        }
    }
    pause
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

    // This fails if the worker does not run any more.
    let _ = device::kick(worker.tid(), insists);
}
