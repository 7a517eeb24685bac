// SPDX-License-Identifier: GPL-2.0

//! All registered tasks, by TID.
//!
//! The keys are PIDs of the initial PID namespace; a TID from user space is first looked up in the
//! namespace of the caller.

use super::{
    direct::Server,
    direct_group::DirectGroup,
    protocol,
    task::{
        change_word,
        words_of,
        Kind,
        Owned,
        Task,
        TaskRef, //
    },
};
use crate::sys::{
    record::map::{
        records,
        LastFound, //
    },
    record::Current,
    target::Target,
    wake::{
        wake,
        Placement, //
    },
};
use kernel::{
    prelude::*,
    sync::rcu, //
};

/// Calls `f` with the registered task whose TID is `tid` in user space.
///
/// `f` runs within the RCU read-side critical section in which the task was found, which keeps it:
/// it must not sleep. Any context; `last_found` belongs to the current task. It is usually the same
/// task as in the previous call, so no lookup is needed: while a task is registered, its TID and
/// address space do not change.
///
/// # Errors
///
/// `ESRCH` if there is no such task, or if it is not registered; `EPERM` if it does not have the
/// address space of the current task.
#[inline]
pub(crate) fn with<R>(
    last_found: &LastFound<Task>,
    tid: u32,
    f: impl FnOnce(&TaskRef) -> R,
) -> Result<R> {
    let guard = rcu::read_lock();
    let record = match records().found_again(last_found, tid, &guard) {
        Some(record) => record,
        None => find(last_found, tid, &guard)?,
    };

    Ok(f(record))
}

/// Calls `f` with the task that [`with`] would find, which may only wake it: it may be about to
/// leave. Same context, same errors.
#[inline]
pub(crate) fn with_task<R>(
    last_found: &LastFound<Task>,
    tid: u32,
    mut f: impl FnMut(&kernel::task::Task) -> R,
) -> Result<R> {
    match records().with_task_found_again(last_found, tid, &mut f) {
        Some(result) => Ok(result),
        None => Ok(f(find(last_found, tid, &rcu::read_lock())?.task())),
    }
}

/// Kills the processes of all registered tasks.
pub(crate) fn evict() {
    records::<Task>().kill_owners();
}

/// Calls `f` with each registered task. Tasks that register or leave meanwhile may be missed.
///
/// `f` runs within an RCU read-side critical section: it must not sleep.
pub(crate) fn for_each(f: impl FnMut(&TaskRef)) {
    records().for_each(f);
}

/// The result of [`start`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Started {
    /// The server was idle: it was made RUNNING and woken.
    Now,
    /// It was not idle: another thread has started it, or it is about to sleep.
    Before,
    /// The process has no such server.
    Gone,
}

/// Starts the server `tid` on this CPU, as the current task is about to sleep: IDLE becomes RUNNING
/// at `now_ns`. Returns false if it is not idle, because another thread has started it; or if the
/// process has no such server. `own` belongs to the current task, which need not be registered any
/// more.
///
/// Any context without a run-queue lock.
pub(crate) fn start_server(own: &Owned, tid: u32, now_ns: u64) -> bool {
    start(own, tid, now_ns) == Started::Now
}

/// As [`start_server`], with the reason if it was not started.
#[inline]
pub(crate) fn start(own: &Owned, tid: u32, now_ns: u64) -> Started {
    let start = |record: &TaskRef| {
        let started = change_word(record, |server| {
            if server.kind() != Kind::Server {
                return Some(Err(ESRCH));
            }
            protocol::start_server(words_of(server).state(), now_ns).map(Ok)
        });
        match started {
            Some(Ok(true)) => {
                wake(record.task(), Placement::ThisCpu);
                Started::Now
            }
            // If user space keeps changing the word of a server, it must start it.
            Some(Ok(false)) => Started::Before,
            Some(Err(e)) if e == EAGAIN => Started::Before,
            _ => Started::Gone,
        }
    };

    with(&own.last_found, tid, start).unwrap_or(Started::Gone)
}

/// Runs the worker `tid`, which is idle and was popped from the ring of its group, under this
/// server, on this CPU, as the current task is about to sleep. Returns false if the group has no
/// such worker, or if it is not idle.
///
/// Any context without a run-queue lock.
pub(crate) fn run_worker(
    current: &Current<'_, Task>,
    tid: u32,
    group: &DirectGroup,
    server: Server,
    now_ns: u64,
) -> bool {
    let run = |record: &TaskRef| {
        let runs = change_word(record, |worker| {
            let words = words_of(worker);
            let is_ready = worker.kind() == Kind::Worker
                && worker
                    .lent()
                    .direct
                    .as_ref()
                    .is_some_and(|its| its.is(group))
                && protocol::may_run_ready(words.state());
            if !is_ready {
                return Some(Ok(false));
            }
            words.set_server(server.tid, server.nr);
            protocol::run_ready(words.state(), now_ns).map(Ok)
        });
        let runs = runs == Some(Ok(true));
        if runs {
            wake(record.task(), Placement::ThisCpu);
        }
        runs
    };

    with(&current.owned().last_found, tid, run) == Ok(true)
}

#[cold]
fn find<'g>(last_found: &LastFound<Task>, tid: u32, guard: &'g rcu::Guard) -> Result<&'g TaskRef> {
    let target = Target::find(tid, guard)?;

    // A record of the target in the same address space, or of none: `ESRCH` as well if the target has
    // executed another program meanwhile.
    records().find(last_found, tid, &target).ok_or(ESRCH)
}
