// SPDX-License-Identifier: GPL-2.0

//! Reports events of tasks: counts them, and emits trace events.
//!
//! Each function is called where the event happens, and costs a few instructions while no trace
//! event is enabled. Any context without a run-queue lock; the task is the current one unless
//! another is named.

use super::{
    abi::{
        UMCG_TASK_BLOCKED,
        UMCG_TASK_IDLE,
        UMCG_TASK_RUNNING, //
    },
    protocol::OnTimeout,
    task::{
        own_words,
        Task, //
    },
};
pub(crate) use crate::sys::trace::{
    Breach,
    Reason, //
};
use crate::sys::{
    record::Current,
    trace, //
};
use kernel::task::Task as KernelTask;

/// Counts an event of the current task, which is a constant everywhere.
#[inline(always)]
fn count(current: &Current<'_, Task>, reason: Reason) {
    current.counters.increment(reason);
    current.last.set(reason);
}

/// The current task has registered.
pub(crate) fn registers(current: &Current<'_, Task>) {
    if trace::is_on() {
        trace::register(current.kind().role());
    }
}

/// It has unregistered.
pub(crate) fn unregisters(task: &Task) {
    if trace::is_on() {
        trace::unregister(task.kind().role());
    }
}

/// It exits or calls exec while registered.
pub(crate) fn vanishes(current: &Current<'_, Task>, reason: Reason) {
    if trace::is_on() {
        trace::exit(current.kind().role(), own_words(current).bits(), reason);
    }
}

/// A worker, running under this server, has become blocked, and has `started` the server or not.
#[inline(always)]
pub(crate) fn blocks(current: &Current<'_, Task>, server: u32, started: bool) {
    count(current, Reason::Block);
    if trace::is_on() {
        tell_block(server, started);
    }
}

#[cold]
#[inline(never)]
fn tell_block(server: u32, started: bool) {
    trace::block(server);
    starts(server, started, Reason::Block);
}

/// A worker has become blocked, and `worker` runs under this server in its place.
#[inline(always)]
pub(crate) fn blocks_and_passes_on(current: &Current<'_, Task>, server: u32, worker: u32) {
    current.counters.increment(Reason::Pass);
    count(current, Reason::Block);
    if trace::is_on() {
        trace::block(server);
        trace::pass(worker);
    }
}

/// A worker has become blocked, and this server is idle.
#[inline(always)]
pub(crate) fn blocks_and_puts_back(current: &Current<'_, Task>, server: u32) {
    current.counters.increment(Reason::PutBack);
    count(current, Reason::Block);
    if trace::is_on() {
        trace::block(server);
        trace::put_back(server);
    }
}

/// A worker was preempted by the scheduler, and lends this server.
#[inline(always)]
pub(crate) fn lends(current: &Current<'_, Task>, server: u32) {
    count(current, Reason::PutBack);
    if trace::is_on() {
        trace::state(
            current.kind().role(),
            UMCG_TASK_RUNNING,
            UMCG_TASK_BLOCKED,
            Reason::PutBack,
        );
        trace::put_back(server);
    }
}

/// A worker that was blocked continues under this server.
#[inline(always)]
pub(crate) fn adopts(current: &Current<'_, Task>, server: u32) {
    count(current, Reason::Adopt);
    if trace::is_on() {
        trace::adopt(own_words(current).bits(), server);
    }
}

/// A worker has become idle and is on the list.
#[inline(always)]
pub(crate) fn is_queued(current: &Current<'_, Task>, reason: Reason) {
    // Both are constants: nothing is computed to count.
    if reason == Reason::Preempt {
        count(current, Reason::Preempt);
    } else {
        count(current, Reason::Wake);
    }
    if trace::is_on() {
        tell_queued(current, reason);
    }
}

#[cold]
#[inline(never)]
fn tell_queued(current: &Current<'_, Task>, reason: Reason) {
    let old = if reason == Reason::Preempt {
        UMCG_TASK_RUNNING
    } else {
        UMCG_TASK_BLOCKED
    };

    trace::state(current.kind().role(), old, UMCG_TASK_IDLE, reason);
}

/// The timeout of a worker has expired, which makes it BLOCKED.
pub(crate) fn times_out(current: &Current<'_, Task>, then: OnTimeout) {
    count(current, Reason::TimeOut);
    if trace::is_on() {
        trace::state(
            current.kind().role(),
            UMCG_TASK_IDLE,
            match then {
                OnTimeout::Queue => UMCG_TASK_BLOCKED,
                OnTimeout::Lock => UMCG_TASK_IDLE,
            },
            Reason::TimeOut,
        );
    }
}

/// It is about to wait, and has woken `next`, if that is not zero.
///
/// Not counted: the scheduler counts it as a voluntary switch.
#[inline(always)]
pub(crate) fn waits(current: &Current<'_, Task>, next: u32) {
    current.last.set(Reason::Wait);
    if trace::is_on() {
        tell_wait(current, next);
    }
}

#[cold]
#[inline(never)]
fn tell_wait(current: &Current<'_, Task>, next: u32) {
    trace::wait(current.kind().role(), own_words(current).bits(), next);
    if next != 0 {
        trace::wake(next);
    }
}

/// It runs. Reported when its wait or its time on the list has ended; only computed while the event
/// is enabled.
#[inline(always)]
pub(crate) fn runs(current: &Current<'_, Task>, has_waited: impl FnOnce() -> bool) {
    if trace::is_on() && has_waited() {
        tell_run(current);
    }
}

#[cold]
#[inline(never)]
fn tell_run(current: &Current<'_, Task>) {
    trace::run(
        current.kind().role(),
        own_words(current).bits(),
        current.server(own_words(current)),
    );
}

/// A server has become running for this reason, and was woken, if it was `started`.
pub(crate) fn starts(server: u32, started: bool, reason: Reason) {
    if trace::is_on() && started {
        trace::start(server, reason);
    }
}

/// The task with this TID in user space was woken.
pub(crate) fn wakes(tid: u32) {
    if trace::is_on() {
        trace::wake(tid);
    }
}

/// A running worker was kicked.
pub(crate) fn is_kicked(worker: &KernelTask) {
    if trace::is_on() {
        trace::kick(worker);
    }
}

/// The process has violated the protocol, and is about to be killed.
pub(crate) fn breaks(current: &Current<'_, Task>, breach: Breach) {
    if trace::is_on() {
        trace::broken(own_words(current).bits(), breach);
    }
}
