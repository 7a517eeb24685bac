// SPDX-License-Identifier: GPL-2.0 OR MIT

//! How threads are woken, and workers locked and run.
//!
//! A RUNNING worker may lose its server at any instruction, by blocking, and continue under another
//! one. So its server is read only while it is LOCKED.

use crate::{
    raw::{
        bits::{Bits, IDLE, LOCKED, RUNNING, TAKEN, WAITS},
        process,
        record::{is_same, Group, Kind, Thread},
    },
    sys::{abi, device, errno::Errno, thread},
};

/// Wakes a task whose state is already RUNNING. If it does not exist any more (ESRCH), it was awake
/// and has run. The caller is LOCKED if it is a worker, because otherwise its next TID must be that
/// of its server.
pub(crate) fn wake(me: &Thread, target: &Thread, flags: u32) -> Result<(), Errno> {
    let before = me.task.next_tid();

    me.task.set_next_tid(target.tid());
    let result = device::wait(abi::WAIT_WAKE_ONLY | flags, 0);
    me.task.set_next_tid(before);
    match result {
        Err(Errno(libc::ESRCH)) => Ok(()),
        result => result,
    }
}

/// Wakes a server that was started, unless it is the caller.
pub(crate) fn wake_started(me: &Thread, server: Option<&Thread>) {
    if let Some(server) = server.filter(|server| !is_same(server, me)) {
        // It may fail only if the program has closed the device, which the caller finds, too.
        let _ = wake(me, server, 0);
    }
}

/// Wakes the thread that the server names, and sleeps until the state of the server is set to
/// RUNNING, or fails.
pub(crate) fn sleep_as_server(me: &Thread) -> Result<(), Errno> {
    let result = device::wait(0, 0);

    if result == Err(Errno(libc::EINTR)) {
        me.is_interrupted.set(true);
    }
    result
}

/// Locks the caller if it is a worker: the kernel does not change its state until it is released.
/// Other tasks are not preempted by UMCG, so they need no lock.
pub(crate) fn hold(me: &Thread) {
    if me.is_worker() {
        me.task.turn_fast(RUNNING, IDLE | LOCKED);
    }
}

/// A worker that is LOCKED, in state `from`, continues. Returns false if it is not in that state.
pub(crate) fn go_on(me: &Thread, from: Bits) -> bool {
    if !me.task.turn_fast(from, RUNNING) {
        return false;
    }
    if me.task.is_preempted() {
        kick_again(me);
    }
    true
}

/// The caller was kicked when the kernel could not preempt it; so it must check again.
#[cold]
pub(crate) fn kick_again(me: &Thread) {
    // It fails if there is nothing to be done.
    let _ = device::kick(me.tid());
}

/// The end of `hold()`. The worker may have been kicked meanwhile.
pub(crate) fn release(me: &Thread) {
    if me.is_worker() {
        go_on(me, IDLE | LOCKED);
    }
}

/// Claims a worker that was taken off the list, or waits. One that is about to sleep clears its lock
/// soon. One that is idle for another reason is on the list, or is being put there by the kernel.
///
/// Returns its previous bits TAKEN and WAITS.
#[inline(always)]
pub(crate) fn claim_idle(worker: &Thread) -> Option<Bits> {
    loop {
        let bits = worker.bits();

        if !bits.has_any(TAKEN | WAITS) || bits.is_gone() {
            return None;
        }
        if bits.has_any(LOCKED) {
            thread::yield_cpu();
        } else if worker.task.claim_from(bits) {
            return Some(bits.only(TAKEN | WAITS));
        }
    }
}

/// Runs a claimed worker. The change of its state releases what is written before it. Returns false
/// if the worker is gone, killed since it was claimed: then the kernel does not start the server.
#[inline(always)]
#[must_use]
pub(crate) fn run_under(group: &Group, worker: &'static Thread, server: &'static Thread) -> bool {
    worker.task.set_next_tid(server.tid());
    if group.is_direct() {
        // What the kernel wants to know besides. Only the server itself writes its next TID.
        worker.task.set_server_nr(server.server_nr());
        group.direct.set_running(server.server_nr(), worker.tid());
    } else {
        worker.server.set(Some(server));
        server.task.set_next_tid(worker.tid());
        server.running.set(Some(worker));
    }
    worker.task.turn_fast(RUNNING | LOCKED, RUNNING)
}

/// The server of a worker that is LOCKED, in direct mode: nobody if it is gone. What the worker says
/// is true then; the kernel has written it, if it was that which ran the worker.
pub(crate) fn direct_server_of(group: &Group, worker: &Thread) -> Option<&'static Thread> {
    let server = group.server(worker.task.server_nr()).read()?;

    (server.tid() == worker.task.next_tid()).then_some(server)
}

/// The worker that a TID names, in the ring or as one that runs, if it is one of this group.
pub(crate) fn worker_of_tid(group: &Group, tid: u32) -> Option<&'static Thread> {
    process::find_tid(tid).filter(|worker| worker.kind() == Kind::Worker && worker.is_in(group))
}
