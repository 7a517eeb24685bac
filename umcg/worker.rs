// SPDX-License-Identifier: GPL-2.0

//! What happens to workers between user mode and sleep: block detection and wake detection.

use super::{
    protocol::{
        self,
        Block,
        Resume, //
    },
    state::StateWord,
    stats,
    task::{
        self,
        own_words,
        Task, //
    },
    words::Group, //
};
use crate::sys::{
    clock,
    context::TaskContext,
    record::{
        Current,
        Notify, //
    },
    signal,
    sleep::{
        sleep_until,
        Depth, //
    },
};
use kernel::prelude::*;

/// How often in a row the word of a worker may change between a look at it and the change that
/// follows. User space adds the preemption flag once; more is a fight that nobody has to win.
const RACES: u32 = 64;

/// How a process has broken the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Breach {
    /// A state word says what cannot be.
    State,
    /// A worker is to run in user mode without a server.
    Server,
    /// A word that a worker shares with its group is not in its memory.
    Memory,
}

/// Block detection: the current worker is about to sleep in the kernel.
///
/// Context of [`crate::sys::tracepoint::Hooks::goes_to_sleep`]: preemption off, no sleep, no fault.
pub(crate) fn goes_to_sleep(current: &Current<'_, Task>) {
    let owned = current.owned();
    let words = own_words(current);
    // Read before the state changes: from then on others may run this worker, and name its server.
    let server = words.next_tid();
    if owned.sleeps_on_purpose.get() || server == 0 {
        return;
    }

    match protocol::block(words.state(), clock::monotonic_ns()) {
        Block::Unreported => {}
        Block::Reported => {
            current.queue_work(Notify::Resume);
            // If the server is gone, the worker finds another one when it wakes.
            let _ = task::start_server(server);
        }
        Block::Broken => {
            owned.condemned.set(true);
            current.queue_work(Notify::Interrupt);
        }
    }
}

/// Wake detection: the current worker is about to return to user mode. May sleep.
pub(crate) fn returns_to_user(ctx: &TaskContext, current: &Current<'_, Task>) {
    let owned = current.owned();

    owned.sleeps_on_purpose.set(true);
    let settled = settle(ctx, current);
    owned.sleeps_on_purpose.set(false);

    if let Err(breach) = settled {
        match breach {
            Breach::State => stats::KILLED_STATE.increment(),
            Breach::Server => stats::KILLED_SERVER.increment(),
            Breach::Memory => stats::KILLED_MEMORY.increment(),
        }
        signal::kill_current(ctx);
    }
}

/// Brings the current worker to where it may be in user mode: RUNNING with a server, or locked.
fn settle(ctx: &TaskContext, current: &Current<'_, Task>) -> Result<(), Breach> {
    let words = own_words(current);
    let mut races = 0;

    if current.owned().condemned.get() {
        return Err(Breach::State);
    }
    while !signal::is_dying() {
        let server = words.next_tid();

        match protocol::resume(words.state(), server != 0) {
            Resume::Run => break,
            Resume::Hold => hold(ctx, current),
            Resume::Broken if protocol::is_running(words.state()) => return Err(Breach::Server),
            Resume::Broken => return Err(Breach::State),
            Resume::Queue { seen, preempted } => {
                let own_server = preempted.then_some(server);
                if queue(ctx, current, seen, own_server)? {
                    races = 0;
                    hold(ctx, current);
                } else if races < RACES {
                    races += 1;
                } else {
                    return Err(Breach::State);
                }
            }
        }
    }

    Ok(())
}

/// Sleeps until a server has run the current worker, or is about to, or the process dies.
fn hold(ctx: &TaskContext, current: &Current<'_, Task>) {
    let state = own_words(current).state();

    sleep_until(ctx, Depth::Killable, None, || !protocol::should_idle(state));
}

/// Makes the current worker idle, puts it on the list, and starts a server: its own, if it gives way
/// to it, else an idle one. Returns false if its word is no longer what was `seen`.
fn queue(
    ctx: &TaskContext,
    current: &Current<'_, Task>,
    seen: StateWord,
    own_server: Option<u32>,
) -> Result<bool, Breach> {
    let words = own_words(current);
    let Some(group) = group(ctx, current)? else {
        return Ok(false);
    };

    let queued = protocol::become_idle(words.state(), seen, clock::monotonic_ns());
    let mut server = 0;
    if queued {
        protocol::push_idle(words.idle_node(), group.head(), words.idle_node_address());
        server = own_server.unwrap_or_else(|| group.take_idle_server());
    }
    current.owned().group.set(Some(group));

    if server != 0 {
        // Whoever names a server that is gone finds the worker on the list.
        let _ = task::start_server(server);
    }
    Ok(queued)
}

/// The words of the group of the current worker, wherever its words say that they are by now. `None`
/// if the process dies meanwhile.
fn group(ctx: &TaskContext, current: &Current<'_, Task>) -> Result<Option<Group>, Breach> {
    let words = own_words(current);

    match current.owned().group.take() {
        Some(group) if group.belongs_to(words) => Ok(Some(group)),
        _ => match Group::pin(ctx, words) {
            Ok(group) => Ok(Some(group)),
            Err(_) if signal::is_dying() => Ok(None),
            Err(_) => Err(Breach::Memory),
        },
    }
}
