// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Servers that wait for idle workers, in groups that are not in direct mode.
//!
//! The kernel pushes an idle worker on its list, and then starts the one server whose TID it finds
//! in the group. So one of the waiting servers at a time is announced to the kernel. Invariant while
//! the lock is free: while servers wait, no idle worker is missed. Either the list of the library is
//! empty, and a server is announced; or a server has been started and has not returned yet. Every
//! server that returns restores this by `server_to_start()`, so a start is passed on while there is
//! work.
//!
//! An announced server is started only by the kernel, unless its TID was withdrawn before the kernel
//! took it. So a late start by the kernel never hits a server that waits for something else.
//!
//! The caller of each of these functions has the lock, which the lists are.

use crate::raw::{
    bits::{IDLE, POLLS, RUNNING},
    record::{is_same, Group, Lists, Thread},
};

fn is_announced(lists: &Lists, server: &Thread) -> bool {
    lists
        .announced
        .is_some_and(|announced| is_same(announced, server))
}

/// Takes back the TID of a server. Returns false if the kernel is starting this server.
fn unannounce(group: &Group, lists: &mut Lists, server: &Thread) -> bool {
    if !is_announced(lists, server) {
        return true;
    }
    if !group.withdraw(server.tid()) {
        return false;
    }
    lists.announced = None;
    true
}

fn forget_waiting(lists: &mut Lists, server: &'static Thread) {
    let mut before: Option<&Thread> = None;
    let mut at = lists.waiting;

    while let Some(other) = at {
        if is_same(other, server) {
            match before {
                Some(before) => before.next.set(server.next.get()),
                None => lists.waiting = server.next.get(),
            }
            return;
        }
        before = Some(other);
        at = other.next.get();
    }
}

/// Restores what holds while the lock is free; see above. Returns a server that runs from now on,
/// and is to be woken when the lock is free.
pub(crate) fn server_to_start(group: &Group, lists: &mut Lists) -> Option<&'static Thread> {
    loop {
        let server = lists.announced.or(lists.waiting)?;

        // No server waits any more: the kernel is starting the one that was announced.
        lists.waiting?;
        if lists.first_idle(group).is_some() {
            if !unannounce(group, lists, server) {
                return None;
            }
            forget_waiting(lists, server);
            server.task.turn(IDLE | POLLS, RUNNING);
            return Some(server);
        }
        if lists.announced.is_some() {
            return None;
        }
        lists.announced = Some(server);
        group.announce(server.tid());
    }
}

/// A server begins to wait for a worker.
pub(crate) fn begin(lists: &mut Lists, server: &'static Thread) {
    server.task.turn(RUNNING, IDLE | POLLS);
    server.next.set(lists.waiting.replace(server));
}

/// Whether a server that waited runs again: because it was started, or because its TID is withdrawn
/// now. If not, the kernel is about to start it.
pub(crate) fn is_back(group: &Group, lists: &mut Lists, server: &'static Thread) -> bool {
    if server.bits() == RUNNING {
        return true;
    }
    if server.bits() == RUNNING | POLLS {
        lists.announced = None;
    } else if !unannounce(group, lists, server) {
        return false;
    }
    forget_waiting(lists, server);
    if !server.task.turn(RUNNING | POLLS, RUNNING) {
        server.task.turn(IDLE | POLLS, RUNNING);
    }
    true
}
