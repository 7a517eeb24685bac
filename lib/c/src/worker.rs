// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Workers: how they wait, swap, and are woken.

use crate::{
    direct, polling,
    raw::{
        bits::{Bits, IDLE, LOCKED, QUEUED, RUNNING, TAKEN, WAITS},
        record::{Group, Thread},
    },
    switch,
    sys::{abi, device, errno::Errno},
};

/// The server of a worker is RUNNING from now on; it must still be woken. Not in direct mode.
#[inline(always)]
pub(crate) fn start_own_server(me: &Thread) -> Option<&'static Thread> {
    let server = me.server.get()?;

    server.task.turn_fast(IDLE, RUNNING);
    Some(server)
}

/// Queues a worker that was woken, and starts a server for it, for which it may fail. Takes the
/// lock.
fn add_idle(group: &Group, me: &Thread, worker: &'static Thread) -> Result<(), Errno> {
    if group.is_direct() {
        return direct::add_worker(group, me, worker);
    }
    let mut lists = group.lists.lock();
    lists.append_idle(worker);
    let server = polling::server_to_start(group, &mut lists);
    drop(lists);
    server.map_or(Ok(()), |server| switch::wake(me, server, 0))
}

/// Whether a worker waits to be woken. It may be about to sleep, LOCKED.
fn waits(bits: Bits) -> bool {
    bits.without(LOCKED) == IDLE | WAITS
}

/// Ends the wait of a worker, which is to be put on the list then. Returns false if it does not wait
/// any more.
fn end_wait(worker: &Thread, bits: Bits) -> bool {
    worker.task.turn(bits, bits.only(LOCKED) | IDLE | QUEUED)
}

/// Puts the caller on the list, if it waits and is LOCKED. Returns false if it does not wait any
/// more.
fn queue_self(group: &Group, me: &'static Thread) -> bool {
    if !end_wait(me, IDLE | LOCKED | WAITS) {
        return false;
    }
    // The caller is queued, even if no server could be woken.
    let _ = add_idle(group, me, me);
    true
}

/// Wakes a worker. The caller is LOCKED, if it is a worker. Fails if no server can be started for
/// it.
pub(crate) fn wake(group: &Group, me: &Thread, worker: &'static Thread) -> Result<(), Errno> {
    loop {
        let bits = worker.bits();

        if waits(bits) {
            if group.is_direct() {
                if let Some(result) = direct::run_waiting(group, me, worker, bits) {
                    return result;
                }
            }
            if end_wait(worker, bits) {
                return add_idle(group, me, worker);
            }
            continue;
        }
        // The task writes its state, then checks for a wake-up; here it is the reverse.
        worker.give_wakeup();
        if !waits(worker.bits()) || !worker.take_wakeup() {
            return Ok(());
        }
    }
}

/// The timeout of a waiting worker has expired: the kernel has locked it, so that it cannot be run,
/// and lets it continue here. Unless it was woken before, it puts itself on the list. Then it waits
/// until a server runs it.
fn times_out(group: &Group, me: &'static Thread) -> Result<(), Errno> {
    let is_late = queue_self(group, me);

    me.task.set_next_tid(0);
    // It returns when a server runs the worker; an error would be found in its next call.
    let _ = device::wait(0, 0);
    if is_late {
        return Err(Errno(libc::ETIMEDOUT));
    }
    Ok(())
}

/// Wakes the task that continues in place of the worker, whose TID is the next one, and sleeps until
/// a server runs the worker. That task may have run and exited before the call (ESRCH); then there
/// is no task to wake.
#[inline(always)]
fn sleep_until_run(me: &Thread, flags: u32, timeout: u64) -> Result<(), Errno> {
    match device::wait(flags, timeout) {
        Ok(()) => Ok(()),
        Err(error) => sleep_again(me, error, flags, timeout),
    }
}

#[cold]
fn sleep_again(me: &Thread, error: Errno, flags: u32, timeout: u64) -> Result<(), Errno> {
    if error != Errno(libc::ESRCH) || !me.bits().has_any(LOCKED) {
        return Err(error);
    }
    me.task.set_next_tid(0);
    device::wait(flags, timeout)
}

/// The same with a timeout, out of line.
#[cold]
fn give_way_until(group: &Group, me: &'static Thread, timeout: u64) -> Result<(), Errno> {
    // Published by the end of the lock: a thread that sees that the worker is not LOCKED sees this.
    me.has_timeout.set(true);
    let mut result = sleep_until_run(me, abi::WAIT_LOCK_ON_TIMEOUT, timeout);
    if result == Err(Errno(libc::ETIMEDOUT)) {
        result = times_out(group, me);
    }
    me.has_timeout.set(false);
    result
}

#[inline(always)]
fn give_way(group: &Group, me: &'static Thread, timeout: u64) -> Result<(), Errno> {
    match timeout {
        0 => sleep_until_run(me, 0, 0),
        _ => give_way_until(group, me, timeout),
    }
}

/// As `umcg_wait()` of a worker.
#[inline(always)]
pub(crate) fn wait(group: &Group, me: &'static Thread, timeout: u64) -> Result<(), Errno> {
    if me.take_wakeup() {
        return Ok(());
    }
    me.task.turn_fast(RUNNING, IDLE | LOCKED | WAITS);
    // A waker either sees that it waits, or has left the wake-up before this check.
    if me.take_wakeup() {
        if switch::go_on(me, IDLE | LOCKED | WAITS) {
            return Ok(());
        }
        // It was woken twice, once through the list, and this ends one wait.
        me.give_wakeup();
    }
    if group.is_direct() {
        direct::give_server_up(group, me);
    } else {
        start_own_server(me);
    }
    give_way(group, me, timeout)
}

/// Claims a worker that is to run in place of the caller: one that waits, or that was taken off the
/// list and has not been run yet. One that is about to wait gets the wake-up instead.
///
/// One that was taken does not wait: it gets the wake-up as well, unless it has never run and waits
/// in its registration.
fn claim_next(group: &Group, next: &Thread) -> bool {
    if next.task.claim_from(IDLE | WAITS) {
        return true;
    }
    if !next.bits().has_any(TAKEN) {
        return false;
    }
    let Some(bits) = switch::claim_idle(next) else {
        return false;
    };
    if group.is_direct() {
        direct::claimed(group, bits);
    }
    if bits.has_any(TAKEN) && next.has_run.get() {
        next.give_wakeup();
    }
    true
}

/// What a swap is whose target cannot run at once. The caller is LOCKED.
#[cold]
fn wake_and_wait(
    group: &Group,
    me: &'static Thread,
    next: &'static Thread,
    timeout: u64,
) -> Result<(), Errno> {
    // The caller waits, whether or not a server could be woken for the other one.
    let _ = wake(group, me, next);
    switch::release(me);
    wait(group, me, timeout)
}

/// As `umcg_swap()` of a worker.
pub(crate) fn swap(
    group: &Group,
    me: &'static Thread,
    next: &'static Thread,
    timeout: u64,
) -> Result<(), Errno> {
    me.task.turn_fast(RUNNING, IDLE | LOCKED);
    let server = if group.is_direct() {
        switch::direct_server_of(group, me)
    } else {
        me.server.get()
    };
    let Some(server) = server.filter(|_| claim_next(group, next)) else {
        return wake_and_wait(group, me, next, timeout);
    };
    me.task.turn_fast(IDLE | LOCKED, IDLE | LOCKED | WAITS);
    // With a wake-up it still switches, but is queued again at once.
    if me.take_wakeup() && !queue_self(group, me) {
        me.give_wakeup();
    }
    me.task.set_next_tid(next.tid());
    if !switch::run_under(group, next, server) {
        me.task.set_next_tid(server.tid());
        server.task.turn(IDLE, RUNNING);
    }
    give_way(group, me, timeout)
}
