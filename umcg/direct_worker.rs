// SPDX-License-Identifier: GPL-2.0

//! What happens to workers in direct mode when they block and when they wake.

use super::{
    direct::{
        self,
        GroupWords,
        Server, //
    },
    direct_group::DirectGroup,
    protocol, registry,
    registry::Started,
    report::{
        self,
        Reason, //
    },
    state::StateWord,
    task::{
        own_words,
        Task, //
    },
};
use crate::sys::{
    clock,
    preemption,
    record::Current, //
};

/// The number of entries of the ring, or bits of the set, that are tried for one worker: invalid
/// ones are dropped, and user space may write them again at any time.
const TRIES: u32 = 64;

/// The current worker, which has become BLOCKED at `now_ns`, gives up its server: to the next
/// worker of the ring; to the set of idle servers, if no worker is queued; otherwise the server is
/// started.
///
/// Context of [`crate::sys::tracepoint::Hooks::passes_scheduler`]: preemption off, no sleep, no
/// fault.
pub(crate) fn gives_up_server(
    current: &Current<'_, Task>,
    group: &DirectGroup,
    server: Server,
    now_ns: u64,
) {
    // A server that has exited, or is not of this group, is treated as outside of direct mode.
    if group.is_server(server) {
        if let Some(worker) = run_next_ready(current, group, server, now_ns) {
            return report::blocks_and_passes_on(current, server.tid, worker);
        }
        if direct::put_back(group, server.nr) {
            return report::blocks_and_puts_back(current, server.tid);
        }
    }
    let started = registry::start_server(current.owned(), server.tid, now_ns);
    report::blocks(current, server.tid, started);
}

/// The current worker, which has become BLOCKED at `now_ns` although it is runnable, lends its
/// server: it takes one again on its return to user mode. Same context.
pub(crate) fn lends_server(
    current: &Current<'_, Task>,
    group: &DirectGroup,
    server: Server,
    now_ns: u64,
) {
    if group.is_server(server) && direct::put_back(group, server.nr) {
        return report::lends(current, server.tid);
    }
    let started = registry::start_server(current.owned(), server.tid, now_ns);
    report::blocks(current, server.tid, started);
}

/// Runs the first runnable worker of the ring in place of the current one, and returns its TID.
fn run_next_ready(
    current: &Current<'_, Task>,
    group: &DirectGroup,
    server: Server,
    now_ns: u64,
) -> Option<u32> {
    for _ in 0..TRIES {
        let tid = direct::pop_ready(group)?;
        // Must be visible before the worker runs: it may block at once, and give up the server.
        group.set_running(server.nr, tid);
        if registry::run_worker(current, tid, group, server, now_ns) {
            return Some(tid);
        }
    }
    None
}

/// The result of queueing a worker.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queued {
    /// It is idle, and queued.
    Idles,
    /// It runs under a server that was idle.
    Runs,
    /// Nothing was done: its word has changed.
    Raced,
    /// Nothing was done: the words of its group cannot be pinned for lack of memory, or because of
    /// the limit. Not in direct mode.
    OutOfMemory,
}

/// Runs the current worker, which is BLOCKED, or RUNNING and `preempted`, under an idle server, if
/// there is one, and queues it otherwise.
pub(crate) fn queue(
    current: &Current<'_, Task>,
    group: &DirectGroup,
    seen: StateWord,
    preempted: bool,
) -> Queued {
    let words = own_words(current);
    let own_server = words.next_tid();

    if !preempted {
        if let Some(server) = direct::take_server_to_run_under(group, group.overtakes()) {
            return adopt(current, group, server, seen);
        }
    }

    let now = clock::monotonic_ns();
    if !protocol::become_idle(words.state(), seen, now) {
        return Queued::Raced;
    }
    let reason = if preempted {
        Reason::Preempt
    } else {
        Reason::Wake
    };
    report::is_queued(current, reason);
    current.owned().worker.idles.set(true);
    if !(group.is_fifo() && direct::queue_ready(group, group.own_tid())) {
        // A thread that takes the list meanwhile must wait for the link.
        preemption::off(|| {
            protocol::push_idle(
                words.idle_node(),
                group.idle_workers(),
                words.idle_node_address(),
            );
        });
    }

    if preempted {
        current.has_given_way();
        let started = registry::start(current.owned(), own_server, now);
        report::starts(own_server, started == Started::Now, reason);
        if started != Started::Gone {
            return Queued::Idles;
        }
    }
    start_idle_server(current, group, now, reason);

    Queued::Idles
}

/// The current worker continues under a server that it has taken.
fn adopt(
    current: &Current<'_, Task>,
    group: &DirectGroup,
    server: Server,
    seen: StateWord,
) -> Queued {
    let words = own_words(current);
    let now = clock::monotonic_ns();

    // Not accessed by others while the worker is BLOCKED; published by the change of state.
    words.set_server(server.tid, server.nr);
    group.set_running(server.nr, group.own_tid());
    if protocol::adopt(words.state(), seen, now) {
        report::adopts(current, server.tid);
        if direct::leaves_others_queued(group) {
            start_idle_server(current, group, now, Reason::Wake);
        }
        return Queued::Runs;
    }
    if !direct::put_back(group, server.nr) {
        let started = registry::start_server(current.owned(), server.tid, now);
        report::starts(server.tid, started, Reason::Wake);
    }
    Queued::Raced
}

/// Starts an idle server, because a worker was queued for this `reason`; if there is none, the
/// watcher.
///
/// Any context without a run-queue lock.
pub(crate) fn start_idle_server(
    current: &Current<'_, Task>,
    group: &DirectGroup,
    now_ns: u64,
    reason: Reason,
) {
    for _ in 0..TRIES {
        let Some(tid) = direct::take_server(group)
            .map(|server| server.tid)
            .or_else(|| direct::take_watcher(group))
        else {
            return;
        };
        let started = registry::start(current.owned(), tid, now_ns);
        report::starts(tid, started == Started::Now, reason);
        // A server that has exited has not started another one in its place.
        if started != Started::Gone {
            return;
        }
    }
}
