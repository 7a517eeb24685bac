// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Servers: taking idle workers, and running them.

use crate::{
    direct, members, polling,
    raw::{
        bits::{IDLE, NONE, RUNNING},
        lock::Guard,
        record::{Group, Lists, Thread},
    },
    switch,
    sys::errno::Errno,
};

const AGAIN: Errno = Errno(libc::EAGAIN);

fn sleep_idle(me: &Thread) -> Result<(), Errno> {
    me.task.set_next_tid(0);
    switch::sleep_as_server(me)
}

/// Waits for an event: a worker may be idle, or this server is woken. Has the lock, and returns it.
/// Returns the error of the wait, too: `EINTR` after a signal.
fn wait_for_work<'a>(
    group: &'a Group,
    me: &'static Thread,
    mut lists: Guard<'a, Lists>,
) -> (Guard<'a, Lists>, Result<(), Errno>) {
    let mut result = Ok(());

    polling::begin(&mut lists, me);
    let mut other = polling::server_to_start(group, &mut lists);
    // A waker either sees that it waits, or has left the wake-up before this check.
    let is_started = other.is_some_and(|other| core::ptr::eq(other, me));
    if (is_started || me.has_wakeup()) && polling::is_back(group, &mut lists, me) {
        drop(lists);
        switch::wake_started(me, other);
        return (group.lists.lock(), result);
    }
    loop {
        drop(lists);
        switch::wake_started(me, other.take());
        if let Err(error) = sleep_idle(me) {
            result = Err(error);
        }
        lists = group.lists.lock();
        if polling::is_back(group, &mut lists, me) {
            return (lists, result);
        }
    }
}

/// Takes an idle worker, or returns why there is none: `woken` for a wake-up, if it is to wait.
/// Wake-ups come first, so that they also reach a server that always finds workers.
pub(crate) fn next_worker(
    group: &Group,
    me: &'static Thread,
    wait: bool,
    woken: i32,
) -> Result<&'static Thread, Errno> {
    if group.is_direct() {
        return direct::next_worker(group, me, wait, woken);
    }
    let mut lists = group.lists.lock();
    let mut waited = Ok(());
    let result = loop {
        if wait && me.take_wakeup() {
            break Err(Errno(woken));
        }
        if let Some(worker) = lists.take_idle(group) {
            break Ok(worker);
        }
        if !wait {
            break Err(AGAIN);
        }
        if let Err(error) = waited {
            break Err(error);
        }
        (lists, waited) = wait_for_work(group, me, lists);
    };
    let other = polling::server_to_start(group, &mut lists);

    drop(lists);
    switch::wake_started(me, other);
    result
}

/// The worker that ran under the server until it was started again. Only that worker, or the kernel
/// for it, starts the server; what they wrote before is visible. A worker that has exited is removed
/// by the first server that finds it, and its record may be another thread's at once: so there is a
/// second look, whatever the first one has found.
fn worker_that_stopped(group: &Group, me: &Thread) -> Option<&'static Thread> {
    if me.running.read()?.bits() == NONE {
        members::bury(group);
    }
    me.running.read()
}

/// The kernel has put the worker on its list, but started this server, and not the one that waits
/// for idle workers.
#[cold]
fn pass_on_preempted(group: &Group, me: &Thread) {
    let other = polling::server_to_start(group, &mut group.lists.lock());

    switch::wake_started(me, other);
}

/// Runs a worker of the group until this server is started. Returns the worker that has stopped, or
/// none if it is gone.
pub(crate) fn run_worker(
    group: &Group,
    me: &'static Thread,
    worker: &'static Thread,
) -> Result<Option<&'static Thread>, Errno> {
    if group.is_direct() {
        return run_direct(group, me, worker);
    }
    me.task.turn_fast(RUNNING, IDLE);
    if switch::claim_idle(worker).is_none() {
        me.task.turn(IDLE, RUNNING);
        return Err(AGAIN);
    }
    if switch::run_under(group, worker, me) {
        // The worker need not be woken again after a signal. It may also have run and ended before
        // the call (ESRCH); then it has started the server.
        let mut result = switch::sleep_as_server(me);
        while let Err(Errno(libc::EINTR | libc::ESRCH)) = result {
            result = sleep_idle(me);
        }
        result?;
    } else {
        me.task.turn(IDLE, RUNNING);
    }
    let stopped = worker_that_stopped(group, me);
    if stopped.is_some_and(|worker| worker.task.is_preempted()) {
        pass_on_preempted(group, me);
    }
    Ok(stopped)
}

/// The same in direct mode. Others may have run under the server after that worker.
fn run_direct(
    group: &Group,
    me: &'static Thread,
    worker: &'static Thread,
) -> Result<Option<&'static Thread>, Errno> {
    direct::run(group, me, worker)?;
    direct::pass_on(group, me);
    match group.direct.running(me.server_nr()) {
        0 => Ok(None),
        tid => Ok(switch::worker_of_tid(group, tid)),
    }
}

/// As `umcg_serve()`.
pub(crate) fn serve(group: &Group, me: &'static Thread) -> Result<(), Errno> {
    me.is_interrupted.set(false);
    loop {
        let worker = match next_worker(group, me, true, libc::ECANCELED) {
            Ok(worker) => worker,
            Err(Errno(libc::ECANCELED)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let result = if group.is_direct() {
            direct::run(group, me, worker)
        } else {
            run_worker(group, me, worker).map(drop)
        };
        // Others have swapped to the worker before, perhaps.
        if !matches!(result, Ok(()) | Err(AGAIN)) {
            return result;
        }
        if me.is_interrupted.get() {
            break;
        }
    }
    if group.is_direct() {
        direct::pass_on(group, me);
    }
    Err(Errno(libc::EINTR))
}
