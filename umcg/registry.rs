// SPDX-License-Identifier: GPL-2.0

//! All registered tasks, by TID.
//!
//! The numbers are those of the initial PID namespace; a TID that user space names is looked up in
//! the namespace of the caller first.

use super::{
    protocol,
    task::{
        change_word,
        words_of,
        Kind,
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

/// Calls `f` with the registered task that user space calls `tid`.
///
/// `f` runs within the RCU read-side critical section in which the task was found, which keeps it:
/// it must not sleep. Any context; `last_found` belongs to the current task. Most often that is the
/// task that it has last dealt with, so there is nothing to look up again: as long as a task is
/// registered, its TID is its own, and its address space the same.
///
/// # Errors
///
/// `ESRCH` if there is no such task, or if it is not registered; `EPERM` if it is not of the address
/// space of the current task.
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

/// Calls `f` with the task itself that [`with`] would find, which may wake it but nothing more: it may
/// be about to leave. Same context, same errors.
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

/// Calls `f` with each registered task. Those that come and go meanwhile may be missed.
///
/// `f` runs within an RCU read-side critical section: it must not sleep.
pub(crate) fn for_each(f: impl FnMut(&TaskRef)) {
    records().for_each(f);
}

/// Starts the server `tid` on this CPU, which the current task is about to leave: IDLE becomes
/// RUNNING at `now_ns`. Returns false if it is not idle, for then somebody else has started it; or if
/// the process has no such server.
///
/// Any context without a run-queue lock.
pub(crate) fn start_server(current: &Current<'_, Task>, tid: u32, now_ns: u64) -> bool {
    let start = |record: &TaskRef| {
        let started = change_word(record, |server| {
            if server.kind() != Kind::Server {
                return Some(Ok(false));
            }
            protocol::start_server(words_of(server).state(), now_ns).map(Ok)
        });
        let started = started == Some(Ok(true));
        if started {
            wake(record.task(), Placement::ThisCpu);
        }
        started
    };

    with(&current.owned().last_found, tid, start) == Ok(true)
}

#[cold]
fn find<'g>(last_found: &LastFound<Task>, tid: u32, guard: &'g rcu::Guard) -> Result<&'g TaskRef> {
    let target = Target::find(tid, guard)?;

    // A record is taken out before its task gets another address space or another number, and holds
    // a reference to its task: this one belongs to the target, and to the same address space.
    records().find(last_found, tid, &target).ok_or(ESRCH)
}
