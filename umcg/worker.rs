// SPDX-License-Identifier: GPL-2.0

//! What happens to workers between user mode and sleep: block detection and wake detection.

use super::{
    direct::{
        self,
        Server, //
    },
    direct_worker::{
        self,
        Queued, //
    },
    handler,
    protocol::{
        self,
        Block,
        OnTimeout,
        Resume, //
    },
    registry,
    report::{
        self,
        Breach,
        Reason, //
    },
    state::StateWord,
    stats,
    task::{
        is_critical,
        is_in_section,
        own_group,
        own_words,
        Interrupted,
        OnPass,
        Task, //
    },
    words::Group, //
};
use crate::sys::{
    clock,
    context::TaskContext,
    preemption,
    record::{
        Current,
        InHook,
        Notify, //
    },
    signal,
    sleep::{
        sleep_until,
        wait_for_memory,
        Deadline,
        Ended,
        Place, //
    },
};
use kernel::prelude::*;

/// How often in a row the word of a worker may change between its load and the compare-exchange.
/// User space may legally set the preemption flag once.
const RACES: u32 = 64;

/// The first and the longest delay before a worker retries to get the memory that it needs to be
/// queued, in milliseconds.
const MEMORY_WAITS_MS: (u32, u32) = (10, 1000);

/// The current worker passes the scheduler.
///
/// Context of [`crate::sys::tracepoint::Hooks::passes_scheduler`]: preemption off, no sleep, no fault.
#[inline]
pub(crate) fn passes_scheduler(hook: &InHook<'_, Task>) {
    match hook.on_pass.get() {
        OnPass::Nothing => {}
        OnPass::Catch => hook.queue_work(Notify::Resume),
        OnPass::QueueSilently => hook.queue_work(Notify::Never),
    }
}

/// The current worker has called the scheduler to sleep.
///
/// Context of [`crate::sys::tracepoint::Hooks::sleeps`]: the same.
#[inline]
pub(crate) fn sleeps(current: &Current<'_, Task>) {
    if !current.owned().worker.sleeps_on_purpose.get() {
        block(current);
    }
}

/// The current worker is preempted by the scheduler, and lends its server, if its group does so.
/// Not if others are queued, because it keeps its turn, nor in a wait that was ended before it slept,
/// nor in the handler of an immediate signal, where it passes the scheduler for another reason.
///
/// Context of [`crate::sys::tracepoint::Hooks::yields`]: the same.
#[inline]
pub(crate) fn yields(current: &Current<'_, Task>) {
    match own_group(current) {
        Some(group)
            if group.lends()
                && !current.owned().worker.sleeps_on_purpose.get()
                && current.on_pass.get() == OnPass::Nothing
                && !direct::has_work(group)
                && !is_critical(current) =>
        {
            let nr = own_words(current).server_nr();
            block_and(current, |tid, now| {
                direct_worker::lends_server(current, group, Server { nr, tid }, now);
            });
        }
        _ => {}
    }
}

/// Block detection: the current worker is about to sleep in the kernel. Same context.
fn block(current: &Current<'_, Task>) {
    match own_group(current) {
        None => block_and(current, |server, now| {
            // If the server has exited, the worker finds another one when it wakes.
            let started = registry::start_server(current.owned(), server, now);
            report::blocks(current, server, started);
        }),
        Some(group) => {
            let nr = own_words(current).server_nr();
            block_and(current, |tid, now| {
                direct_worker::gives_up_server(current, group, Server { nr, tid }, now);
            });
        }
    }
}

/// Makes the current worker BLOCKED, and then calls `give_up` for its server.
#[inline(always)]
fn block_and(current: &Current<'_, Task>, give_up: impl FnOnce(u32, u64)) {
    let words = own_words(current);
    // Read before the state changes: from then on others may run this worker, and set its server.
    let server = words.next_tid();
    if server == 0 {
        return;
    }

    let now = clock::monotonic_ns();
    match protocol::block(words.state(), now) {
        Block::Unreported => {}
        Block::Reported => {
            current.queue_work(Notify::Resume);
            give_up(server, now);
        }
        Block::Broken => {
            current.owned().worker.condemn();
            current.queue_work(Notify::Interrupt);
        }
    }
}

/// A signal reaches the current worker. It may have been sent to preempt the worker.
///
/// Context of [`crate::sys::tracepoint::Hooks::takes_signal`]: signal lock held.
pub(crate) fn takes_signal(current: &Current<'_, Task>) {
    if protocol::is_preempted(own_words(current).state()) {
        current.queue_work(Notify::Resume);
    }
}

/// Wake detection: the current worker is about to return to user mode. May sleep.
pub(crate) fn returns_to_user(ctx: &TaskContext, current: &Current<'_, Task>) {
    if let Err(breach) = settle(ctx, current) {
        report::breaks(current, breach);
        match breach {
            Breach::State => stats::KILLED_STATE.increment(),
            Breach::Server => stats::KILLED_SERVER.increment(),
            Breach::Memory => stats::KILLED_MEMORY.increment(),
        }
        signal::kill_current(ctx);
    }
}

/// Whether the current worker may be in user mode as it is.
pub(crate) fn is_settled(current: &Current<'_, Task>) -> bool {
    let owned = &current.owned().worker;
    let settled = !owned.condemned.get() && verdict(current) == Resume::Run;

    if settled {
        report::runs(current, || protocol::is_running(own_words(current).state()));
        owned.idles.set(false);
    }
    settled
}

/// Evaluates the word of the current worker.
fn verdict(current: &Current<'_, Task>) -> Resume {
    let words = own_words(current);

    protocol::resume(
        words.state(),
        current.owned().worker.idles.get(),
        || words.next_tid() != 0,
        || is_in_section(current),
    )
}

/// Brings the current worker into a state for user mode: RUNNING with a server, or locked.
///
/// Or releases it to be stopped, traced, frozen or the like, on the return to user mode: it is
/// caught and gets back here before user mode.
fn settle(ctx: &TaskContext, current: &Current<'_, Task>) -> Result<(), Breach> {
    let owned = &current.owned().worker;
    let state = own_words(current).state();
    let mut races = 0;
    let mut memory_wait_ms = MEMORY_WAITS_MS.0;

    current.on_pass.set(OnPass::Nothing);
    handler::look(ctx, current);
    while !signal::is_dying() {
        if owned.condemned.get() {
            return Err(Breach::State);
        }
        match verdict(current) {
            Resume::Run => {
                report::runs(current, || owned.idles.get() && protocol::is_running(state));
                owned.idles.set(false);
                forget_deadline(current);
                handler::runs(current);
                break;
            }
            Resume::Hold if handler::goes_on(ctx, current) => break,
            Resume::Hold => match hold(ctx, current, deadline(current)) {
                Ended::Done => {}
                Ended::TimedOut => give_up(current),
                Ended::Signalled => {
                    let_through(current);
                    break;
                }
            },
            Resume::Queue { seen, preempted } => match queue(ctx, current, seen, preempted)? {
                Queued::Runs => {
                    owned.idles.set(false);
                    forget_deadline(current);
                    handler::runs(current);
                    break;
                }
                Queued::Idles => races = 0,
                Queued::Raced if races < RACES => races += 1,
                Queued::Raced => return Err(Breach::State),
                Queued::OutOfMemory if signal::is_dying() => {}
                Queued::OutOfMemory if handler::goes_on(ctx, current) => break,
                Queued::OutOfMemory => {
                    // Not marked as a wait of the module: a worker that is to be preempted is
                    // reported as blocked.
                    if wait_for_memory(ctx, memory_wait_ms) == Ended::Signalled {
                        let_through(current);
                        break;
                    }
                    memory_wait_ms = MEMORY_WAITS_MS.1.min(2 * memory_wait_ms);
                }
            },
            Resume::Broken if protocol::is_running(state) => return Err(Breach::Server),
            Resume::Broken => return Err(Breach::State),
        }
    }

    Ok(())
}

/// Releases the current worker to be stopped, traced, frozen or the like.
fn let_through(current: &Current<'_, Task>) {
    current.on_pass.set(OnPass::Catch);
    signal::reschedule_on_return();
}

/// Sleeps until a server has run the current worker, or is about to; until the deadline; or until
/// an event that cannot be delayed: a fatal signal, a stop, a tracer, the freezer.
///
/// Handled signals stay pending, or go to other threads, except immediate ones.
pub(crate) fn hold(
    ctx: &TaskContext,
    current: &Current<'_, Task>,
    deadline: Option<Deadline>,
) -> Ended {
    let owned = &current.owned().worker;
    let state = own_words(current).state();
    let sleep = || sleep_until(ctx, Place::Hold, deadline, || !protocol::should_idle(state));

    owned.idles.set(true);
    owned.sleeps_on_purpose.set(true);
    let mut ended = sleep();
    if ended == Ended::Signalled {
        let _blocked = signal::HandledBlocked::new(ctx, handler::immediate_signals(current));
        ended = sleep();
    }
    owned.sleeps_on_purpose.set(false);

    ended
}

/// The deadline of the interrupted wait of the current worker, while it applies.
fn deadline(current: &Current<'_, Task>) -> Option<Deadline> {
    current.owned().interrupted.get()?.deadline
}

/// The deadline of the interrupted wait of the current worker has passed.
fn give_up(current: &Current<'_, Task>) {
    let interrupted = &current.owned().interrupted;

    interrupted.set(interrupted.get().map(|wait| Interrupted {
        timed_out: times_out(current, wait.on_timeout),
        deadline: None,
        state: own_words(current).bits(),
        ..wait
    }));
}

/// The current worker, whose timeout has expired, becomes blocked or locked. Returns false if it is
/// being run.
pub(crate) fn times_out(current: &Current<'_, Task>, then: OnTimeout) -> bool {
    let state = own_words(current).state();
    let timed_out = protocol::time_out(state, then, clock::monotonic_ns());

    if timed_out {
        report::times_out(current, then);
    }
    timed_out
}

/// The current worker waits no more: a server has run it in time, or it is on the list. A signal
/// handler may run before its wait restarts: its waits have no deadline.
#[inline]
fn forget_deadline(current: &Current<'_, Task>) {
    let interrupted = &current.owned().interrupted;

    // There is usually none.
    if let Some(wait) = interrupted.get() {
        interrupted.set(Some(Interrupted {
            deadline: None,
            ..wait
        }));
    }
}

/// Makes the current worker idle, pushes it on the list, and starts a server: its own if it is
/// `preempted`, else an idle one. In direct mode it runs under the idle one instead, if it may.
/// `seen` is its word.
fn queue(
    ctx: &TaskContext,
    current: &Current<'_, Task>,
    seen: StateWord,
    preempted: bool,
) -> Result<Queued, Breach> {
    let owned = &current.owned().worker;
    let words = own_words(current);
    if let Some(group) = own_group(current) {
        let queued = direct_worker::queue(current, group, seen, preempted);
        if queued == Queued::Idles {
            forget_deadline(current);
        }
        return Ok(queued);
    }
    let own_server = words.next_tid();
    let Some(group) = group(ctx, current)? else {
        return Ok(Queued::OutOfMemory);
    };

    let now = clock::monotonic_ns();
    let queued = protocol::become_idle(words.state(), seen, now);
    let mut server = 0;
    let reason = if preempted {
        Reason::Preempt
    } else {
        Reason::Wake
    };
    if queued {
        report::is_queued(current, reason);
        forget_deadline(current);
        owned.idles.set(true);
        // A thread that takes the list meanwhile spins for the link, perhaps on this CPU: so
        // preemption is disabled in between.
        preemption::off(|| {
            protocol::push_idle(words.idle_node(), group.head(), words.idle_node_address());
        });
        server = if preempted {
            current.has_given_way();
            own_server
        } else {
            group.take_idle_server()
        };
    }
    owned.group.set(Some(group));

    if server != 0 {
        // If the server has exited, others find the worker on the list.
        report::starts(
            server,
            registry::start_server(current.owned(), server, now),
            reason,
        );
    }
    Ok(if queued { Queued::Idles } else { Queued::Raced })
}

/// The words of the group that the current worker's words name by now. `None` if they cannot be
/// pinned at the moment.
///
/// The previous ones are released first: at the limit there may be room for one group only. They
/// must not be used any more, because the program may have reused that memory.
fn group(ctx: &TaskContext, current: &Current<'_, Task>) -> Result<Option<KBox<Group>>, Breach> {
    let words = own_words(current);
    let before = current.owned().worker.group.take();

    if before.as_ref().is_some_and(|group| group.belongs_to(words)) {
        return Ok(before);
    }
    drop(before);
    match Group::pin(ctx, words) {
        Ok(group) => Ok(Some(group)),
        Err(e) if e == ENOMEM || signal::is_dying() => Ok(None),
        Err(_) => Err(Breach::Memory),
    }
}
