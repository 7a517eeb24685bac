// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The members of a group.

use crate::{
    raw::{
        bits::{NONE, TAKEN},
        process::known_process,
        record::{is_same, Group, Kind, Lists, Thread},
    },
    sys::errno::Errno,
};

/// Fails if all numbers of servers in direct mode are in use.
pub(crate) fn join(group: &Group, thread: &'static Thread, kind: Kind) -> Result<(), Errno> {
    let mut lists = group.lists.lock();

    if kind == Kind::Server && group.is_direct() && !group.number(thread) {
        return Err(Errno(libc::ENOSPC));
    }
    let next = lists.members.replace(thread);
    thread.previous_member.set(None);
    thread.next_member.set(next);
    if let Some(next) = next {
        next.previous_member.set(Some(thread));
    }
    Ok(())
}

pub(crate) fn leave(group: &Group, thread: &'static Thread) {
    unlink(group, &mut group.lists.lock(), thread);
}

/// A thread has left: if it was a server in direct mode, nobody finds it any more.
fn unlink(group: &Group, lists: &mut Lists, thread: &'static Thread) {
    let place = group.server(thread.server_nr());
    let (previous, next) = (thread.previous_member.get(), thread.next_member.get());

    if place.get().is_some_and(|server| is_same(server, thread)) {
        end_call(group, thread);
        place.publish(None);
    }
    match previous {
        Some(previous) => previous.next_member.set(next),
        None => lists.members = next,
    }
    if let Some(next) = next {
        next.previous_member.set(previous);
    }
}

/// The call of a server in direct mode has been heard. The caller has the lock.
pub(crate) fn end_call(group: &Group, server: &Thread) {
    if server.is_called() {
        server.set_called(false);
        group.direct.end_call();
    }
}

/// A worker that was taken, in direct mode, counts as queued until it is run, or has exited.
pub(crate) fn end_taken(group: &Group, worker: &Thread) {
    if worker.task.turn(NONE | TAKEN, NONE) {
        group.direct.end_taken();
    }
}

/// Whether a thread has exited without unregistering: its kind is that of a task, but the kernel
/// has set its state to NONE.
fn has_ended(thread: &Thread) -> bool {
    thread.is_registered() && thread.bits() == NONE
}

/// Forgets members that have ended, and frees their records.
#[cold]
pub(crate) fn bury(group: &Group) {
    let mut lists = group.lists.lock();
    let mut next = lists.members;

    while let Some(member) = next {
        next = member.next_member.get();
        if !has_ended(member) {
            continue;
        }
        unlink(group, &mut lists, member);
        // A thread that finds another one in this record sees that this one has left.
        if let Some(server) = member.server.get() {
            server.running.remove(member);
        }
        forget(member);
        if let Some(process) = known_process() {
            process.give_thread(member);
            process.end_registered();
        }
    }
}

/// A thread is in no group any more, or never was in one, and no longer known to the kernel.
pub(crate) fn forget(thread: &'static Thread) {
    leave_tids(thread);
    thread.task.retire();
    thread.set_kind(Kind::Unregistered);
}

pub(crate) fn leave_tids(thread: &'static Thread) {
    if let Some(process) = known_process().filter(|_| thread.is_direct()) {
        process.remove_tid(thread);
    }
}

/// Whether a group has no members any more.
pub(crate) fn is_empty(group: &Group) -> bool {
    bury(group);
    group.lists.lock().members.is_none()
}
