// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Wait, wake and swap: for servers and basic tasks; calls those of workers.

use crate::{
    atomic::{fence, Ordering},
    direct, polling,
    raw::{
        bits::{IDLE, POLLS, RUNNING, WAITS},
        record::{is_same, Group, Kind, Thread},
    },
    switch,
    sys::{abi, device, errno::Errno},
    worker,
};

const INVALID: Errno = Errno(libc::EINVAL);

/// A server that waits for workers is woken with the wake-up that it finds when it is back.
fn end_polling(group: &Group, me: &Thread, server: &'static Thread) {
    let mut lists = group.lists.lock();
    let is_back = server.bits() == IDLE | POLLS && polling::is_back(group, &mut lists, server);
    let other = polling::server_to_start(group, &mut lists);

    drop(lists);
    switch::wake_started(me, other);
    if is_back {
        switch::wake_started(me, Some(server));
    }
}

/// Makes a waiting server or basic task RUNNING, or leaves it a pending wake-up. Returns whether it
/// waited, and must be woken by the kernel now.
#[inline(always)]
fn let_run(task: &Thread) -> bool {
    loop {
        if task.task.turn_fast(IDLE | WAITS, RUNNING) {
            return true;
        }
        // The task writes its state, then checks for a wake-up; here it is the reverse.
        task.give_wakeup();
        if task.bits() != IDLE | WAITS || !task.take_wakeup() {
            return false;
        }
    }
}

/// A wake-up was given to a server: it may have to be told. The others hear of it when they wait.
fn tell_server(me: &Thread, server: &'static Thread) -> Result<(), Errno> {
    let bits = server.bits();
    let Some(group) = server.group() else {
        return Ok(());
    };

    if bits == IDLE | POLLS {
        end_polling(group, me, server);
    } else if bits == IDLE && group.is_direct() {
        // One in direct mode that waits for workers, or has one, comes back for its wake-up.
        if direct::call(group, server) && server.task.turn(IDLE, RUNNING) {
            return switch::wake(me, server, 0);
        }
    }
    Ok(())
}

/// As `umcg_wake()`.
pub(crate) fn wake(me: &Thread, target: &'static Thread, on_this_cpu: bool) -> Result<(), Errno> {
    let kind = target.kind();

    if !me.is_registered() || kind == Kind::Unregistered {
        return Err(INVALID);
    }
    switch::hold(me);
    let result = match (kind, target.group()) {
        (Kind::Worker, Some(group)) => worker::wake(group, me, target),
        _ if !let_run(target) => tell_server(me, target),
        _ if on_this_cpu => switch::wake(me, target, abi::WAIT_WF_CURRENT_CPU),
        _ => switch::wake(me, target, 0),
    };
    switch::release(me);
    result
}

/// The kernel remembers a call that was interrupted by a signal, because it may be restarted, and
/// wakes the same task only once. The next call of a task is a new one.
#[cold]
fn forget_interrupted_call(me: &Thread) {
    me.task.set_next_tid(0);
    // The caller is RUNNING, so this returns at once.
    let _ = device::wait(0, 0);
}

/// Waits, and wakes `next` in the same call, if there is one.
fn task_wait(me: &Thread, next: Option<&'static Thread>, timeout: u64) -> Result<(), Errno> {
    me.task.turn_fast(RUNNING, IDLE | WAITS);
    let to_run = next.filter(|next| {
        let runs = let_run(next);
        if !runs {
            // The caller waits, whatever comes of this.
            let _ = tell_server(me, next);
        }
        runs
    });

    // A waker either sees that it waits, or has left the wake-up before this check.
    if me.take_wakeup() {
        // It was woken twice, and this ends one wait.
        if !me.task.turn(IDLE | WAITS, RUNNING) {
            me.give_wakeup();
        }
        switch::wake_started(me, to_run);
        return Ok(());
    }
    me.task.set_next_tid(to_run.map_or(0, Thread::tid));
    match device::wait(0, timeout) {
        Ok(()) => Ok(()),
        // The other one was awake, has run, and has exited.
        Err(Errno(libc::ESRCH)) => {
            me.task.set_next_tid(0);
            device::wait(0, timeout).or_else(|error| not_woken(me, error))
        }
        Err(error) => not_woken(me, error),
    }
}

/// A wait has failed. The caller may have been woken when its timeout was about to expire.
#[cold]
fn not_woken(me: &Thread, error: Errno) -> Result<(), Errno> {
    let was_woken = !me.task.turn(IDLE | WAITS, RUNNING);

    if was_woken {
        // Acquire, which an exchange that fails is not: pairs with the waker's change of the state,
        // so that the caller sees what the waker has written before.
        fence(Ordering::Acquire);
    }
    if error == Errno(libc::EINTR) {
        forget_interrupted_call(me);
    }
    if was_woken {
        return Ok(());
    }
    Err(error)
}

/// As `umcg_wait()`.
pub(crate) fn wait(me: &'static Thread, timeout: u64) -> Result<(), Errno> {
    match (me.kind(), me.group()) {
        (Kind::Unregistered, _) => Err(INVALID),
        (Kind::Worker, Some(group)) => worker::wait(group, me, timeout),
        _ => task_wait(me, None, timeout),
    }
}

/// As `umcg_swap()`.
pub(crate) fn swap(me: &'static Thread, next: &'static Thread, timeout: u64) -> Result<(), Errno> {
    let (kind, next_kind) = (me.kind(), next.kind());

    if kind == Kind::Unregistered || next_kind == Kind::Unregistered || is_same(next, me) {
        return Err(INVALID);
    }
    match (kind == Kind::Worker, next_kind == Kind::Worker, me.group()) {
        (true, true, Some(group)) if next.is_in(group) => worker::swap(group, me, next, timeout),
        (false, false, _) => task_wait(me, Some(next), timeout),
        _ => Err(INVALID),
    }
}
