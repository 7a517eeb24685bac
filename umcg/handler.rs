// SPDX-License-Identifier: GPL-2.0

//! The handlers of immediate signals, which a worker executes though it is held.
//!
//! From when such a signal is taken until its handler has returned, a [`Sentinel`] tells that the
//! worker is within the handler, whatever else becomes of it: it may be run, block, be queued, or be
//! asked to give way there. As long as it is, wake detection does not hold it, but lets it go on for a
//! while, without a server and with its word as it is.

use super::{
    protocol::SharedWord,
    stats,
    task::{
        own_words,
        Handler,
        Interrupted,
        OnPass,
        Task, //
    },
};
use crate::sys::{
    context::TaskContext,
    record::{
        Allowance,
        Current,
        Notify, //
    },
    sentinel::Sentinel,
    signal::{
        self,
        Signals, //
    },
};

/// Signals that are immediate without being asked for: those by which the C library has a thread
/// cancelled, and has all threads change their credentials.
const ALWAYS_IMMEDIATE: Signals = Signals::NONE.with(32).with(33);

/// How much CPU time a worker has for handlers while it is held, in nanoseconds: much more than it
/// takes to answer a signal, and not enough to get any work done. On a kernel with KCSAN in an
/// emulator the answer to `setresuid()` takes more than a tenth of that. Time in which the worker
/// sleeps, or waits for a CPU, does not count.
const ALLOWED_NS: u64 = 100_000_000;

/// The immediate signals of the current worker. Any context.
pub(crate) fn immediate_signals(current: &Current<'_, Task>) -> Signals {
    if current.owned().worker.says.signals {
        ALWAYS_IMMEDIATE.and(Signals::from_bits(own_words(current).signals()))
    } else {
        ALWAYS_IMMEDIATE
    }
}

/// The current worker takes a signal that has a handler.
///
/// Context of [`crate::sys::tracepoint::Hooks::takes_signal`]: signal lock held.
pub(crate) fn takes_signal(current: &Current<'_, Task>, signal: u32) {
    let owned = &current.owned().worker;

    let sentinel = match owned.handler.get() {
        // The new handler has another set of blocked signals.
        Handler::Begins(sentinel) | Handler::Runs(sentinel) => sentinel,
        Handler::None => {
            let immediate = immediate_signals(current);
            if !immediate.contains(signal) {
                return;
            }
            Sentinel::choose(signal, immediate)
        }
    };
    owned.handler.set(Handler::Begins(sentinel));
    current.queue_work(Notify::Resume);
}

/// Looks whether the current worker, which is about to return to user mode, is within a handler.
#[inline]
pub(crate) fn look(ctx: &TaskContext, current: &Current<'_, Task>) {
    if !matches!(current.owned().worker.handler.get(), Handler::None) {
        look_at_handler(ctx, current);
    }
}

#[cold]
fn look_at_handler(ctx: &TaskContext, current: &Current<'_, Task>) {
    let owned = &current.owned().worker;

    match owned.handler.get() {
        Handler::None | Handler::Runs(None) => {}
        Handler::Begins(sentinel) => {
            owned.handler.set(Handler::Runs(sentinel));
            if let Some(sentinel) = sentinel {
                sentinel.post(ctx);
            }
        }
        Handler::Runs(Some(sentinel)) => {
            if !sentinel.is_in_force(ctx) {
                forget(current);
            }
        }
    }
}

/// Whether the current worker, which is to be held, goes on for now: it is within a handler, and may
/// use CPU time. Then the call after which it sleeps no more may start again.
#[inline]
pub(crate) fn goes_on(ctx: &TaskContext, current: &Current<'_, Task>) -> bool {
    match current.owned().worker.handler.get() {
        Handler::Runs(sentinel) => goes_on_in_handler(ctx, current, sentinel),
        Handler::Begins(_) | Handler::None => false,
    }
}

#[cold]
fn goes_on_in_handler(
    ctx: &TaskContext,
    current: &Current<'_, Task>,
    sentinel: Option<Sentinel>,
) -> bool {
    let owned = &current.owned().worker;

    let allowance = match owned.allowance.take() {
        Some(allowance) if allowance.is_used_up(ctx) => {
            forget(current);
            if let Some(sentinel) = sentinel {
                sentinel.give_up(ctx);
            }
            return false;
        }
        Some(allowance) => Some(allowance),
        None => {
            stats::HANDLED.increment();
            // Without memory the worker is caught when the handler returns, and not before.
            Allowance::new(ctx, current, ALLOWED_NS).ok()
        }
    };
    owned.allowance.set(allowance);
    // Handlers of other signals wait for a server.
    signal::block_handled(ctx, immediate_signals(current));
    keep_wait(current);
    catch_on_return(current);

    true
}

/// The current worker has a server, or has locked itself, and goes to user mode.
#[inline]
pub(crate) fn runs(current: &Current<'_, Task>) {
    if !matches!(current.owned().worker.handler.get(), Handler::None) {
        runs_handler(current);
    }
}

#[cold]
fn runs_handler(current: &Current<'_, Task>) {
    let owned = &current.owned().worker;

    if matches!(owned.handler.get(), Handler::Runs(None)) {
        forget(current);
    } else {
        drop(owned.allowance.take());
        catch_on_return(current);
    }
}

/// The wait of the current worker starts again, or goes on within a handler: it asks to be held.
pub(crate) fn waits(current: &Current<'_, Task>) {
    if let Handler::Runs(None) = current.owned().worker.handler.get() {
        forget(current);
    }
}

/// The current worker leaves.
pub(crate) fn leaves(ctx: &TaskContext, current: &Current<'_, Task>) {
    if let Handler::Runs(Some(sentinel)) = current.owned().worker.handler.get() {
        sentinel.give_up(ctx);
        // If the work is queued, it has not been announced: that would keep the module.
        current.queue_work(Notify::Resume);
    }
    forget(current);
}

fn forget(current: &Current<'_, Task>) {
    let owned = &current.owned().worker;

    owned.handler.set(Handler::None);
    drop(owned.allowance.take());
}

/// Has the task work of the current worker queued for when the handler returns: not before it is past
/// its last task work on this way to user mode. It passes the scheduler after that.
fn catch_on_return(current: &Current<'_, Task>) {
    current.on_pass.set(OnPass::QueueSilently);
    signal::reschedule_on_return();
}

/// A wait that starts again after the handler is known by the word.
fn keep_wait(current: &Current<'_, Task>) {
    let interrupted = &current.owned().interrupted;

    interrupted.set(interrupted.get().map(|wait| Interrupted {
        state: SharedWord::load(own_words(current).state()),
        ..wait
    }));
}
