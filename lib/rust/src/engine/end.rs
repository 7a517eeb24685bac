// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The end of a group: its servers and its ticker are started, and find that it is over.

use super::shared::Shared;
use crate::{
    error::Error,
    raw::{members::StillThere, record::Record, state::State},
    sys::{device, errno::Errno, futex, thread},
};
use core::sync::atomic::Ordering;

/// Starts a thread that is IDLE and that the caller has taken. For servers.
pub(crate) fn start(own: &Record, other: &Record) {
    other
        .task
        .change(State::IDLE, State::RUNNING, thread::monotonic_ns());
    own.task.set_next_tid(other.tid());
    // It cannot fail but for a thread that is gone.
    let _ = device::wake();
}

/// Starts all servers that are idle, and the ticker. For a registered server, `own`, when the group
/// is over.
pub(crate) fn dismiss(shared: &Shared, own: &Record) {
    while let Some(nr) = shared.words.take_server(0) {
        start(own, shared.server(nr));
    }
    if shared.words.take_watcher() {
        start(own, shared.ticker);
    }
    // Release: pairs with nothing but the futex, whose word it is.
    shared.ticker_ends.store(1, Ordering::Release);
    futex::wake(&shared.ticker_ends, 1);
}

/// Unregisters the calling thread.
pub(crate) fn unregister() {
    // It fails only if the device is gone, with which the registration has gone, too.
    let _ = device::unregister();
}

/// Which groups are to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Close {
    /// One without workers.
    IfEmpty,
    /// Any: its workers run on, and it is over when they have left.
    Always,
}

/// Why a group was not closed.
#[derive(Debug)]
pub(crate) enum NotClosed {
    /// It has so many workers.
    Workers(u32),
    /// The thread cannot register.
    Failed(Error),
}

impl From<Errno> for NotClosed {
    fn from(error: Errno) -> Self {
        Self::Failed(error.into())
    }
}

/// Closes a group to further workers, and dismisses its threads if it has none. For a thread that
/// is not registered.
pub(crate) fn close(shared: &Shared, how: Close) -> Result<(), NotClosed> {
    let own = take_record(shared)?;

    own.prepare(thread::tid(), shared.number(), 0);
    own.task.prepare(State::RUNNING, thread::monotonic_ns());
    let result = register_and_close(shared, own, how);
    shared.roster.lock().give_back(own);
    result
}

fn take_record(shared: &Shared) -> Result<&'static Record, Errno> {
    shared.roster.lock().take()
}

fn register_and_close(shared: &Shared, own: &'static Record, how: Close) -> Result<(), NotClosed> {
    device::register(0, own, None)?;
    let closed = match how {
        Close::IfEmpty => shared
            .members
            .close_if_empty()
            .map_err(|StillThere(workers)| NotClosed::Workers(workers)),
        Close::Always => {
            shared.members.close();
            Ok(())
        }
    };
    if shared.members.is_over() {
        dismiss(shared, own);
    }
    unregister();
    closed
}
