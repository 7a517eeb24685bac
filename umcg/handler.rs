// SPDX-License-Identifier: GPL-2.0

//! The handlers of immediate signals, which a worker executes while it would be held.
//!
//! From the time when such a signal is taken until its handler has returned, a [`Sentinel`] tells
//! that the worker is in the handler, whatever else happens: it may be run, block, be queued, or be
//! preempted there. Meanwhile wake detection does not hold it, but lets it continue for a limited
//! time, without a server and with its word unchanged.

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

/// Signals that are always immediate: those by which the C library cancels a thread, and changes
/// the credentials of all threads.
const ALWAYS_IMMEDIATE: Signals = Signals::NONE.with(32).with(33);

/// The CPU time that a worker has for handlers while it would be held, in nanoseconds: much more
/// than a response to a signal takes, but not enough for real work. On an emulated KCSAN kernel the
/// response to `setresuid()` takes more than a tenth of that. Time asleep, or waiting for a CPU,
/// does not count.
const ALLOWED_NS: u64 = 100_000_000;

/// The immediate signals of the current worker. Any context.
pub(crate) fn immediate_signals(current: &Current<'_, Task>) -> Signals {
    if current.owned().worker.says.signals {
        ALWAYS_IMMEDIATE.union(Signals::from_bits(own_words(current).signals()))
    } else {
        ALWAYS_IMMEDIATE
    }
}

/// The current worker takes a handled signal.
///
/// Context of [`crate::sys::tracepoint::Hooks::takes_signal`]: signal lock held.
pub(crate) fn takes_signal(current: &Current<'_, Task>, signal: u32) {
    let owned = &current.owned().worker;

    let sentinel = match owned.handler.get() {
        // The new handler has another signal mask.
        Handler::Begins(sentinel) | Handler::Runs(sentinel) => sentinel,
        Handler::None => {
            let immediate = immediate_signals(current);
            if !immediate.contains(signal) {
                return;
            }
            // Where the hook in the scheduler does nothing, the work would be missing when the sentinel
            // is to be withdrawn: it would be taken, and kill.
            if stats::MISSED.get() != 0 {
                None
            } else {
                Sentinel::choose(signal, immediate)
            }
        }
    };
    owned.handler.set(Handler::Begins(sentinel));
    current.queue_work(Notify::Resume);
}

/// Checks whether the current worker, which is about to return to user mode, is in a handler.
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

/// Whether the current worker, which is to be held, may continue: it is in a handler, and has CPU
/// time left. Then an interrupted wait may restart.
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
            // Without memory the worker is caught when the handler returns, and not earlier.
            Allowance::new(ctx, current, ALLOWED_NS).ok()
        }
    };
    owned.allowance.set(allowance);
    // Other signals stay pending until a server runs the worker.
    signal::block_handled(ctx, immediate_signals(current));
    keep_wait(current);
    catch_on_return(current);

    true
}

/// The current worker has a server, or has locked itself, and returns to user mode.
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

/// The wait of the current worker restarts, or continues in a handler: it wants to be held.
pub(crate) fn waits(current: &Current<'_, Task>) {
    if let Handler::Runs(None) = current.owned().worker.handler.get() {
        forget(current);
    }
}

/// The current worker leaves.
pub(crate) fn leaves(ctx: &TaskContext, current: &Current<'_, Task>) {
    if let Handler::Runs(Some(sentinel)) = current.owned().worker.handler.get() {
        sentinel.give_up(ctx);
        // If the work is queued, no flag makes it run, which would keep the module loaded.
        current.queue_work(Notify::Resume);
    }
    forget(current);
}

fn forget(current: &Current<'_, Task>) {
    let owned = &current.owned().worker;

    owned.handler.set(Handler::None);
    drop(owned.allowance.take());
}

/// Makes the task work of the current worker be queued for the return of the handler, but not
/// before the last task work on this return to user mode. The worker passes the scheduler after
/// that.
fn catch_on_return(current: &Current<'_, Task>) {
    current.on_pass.set(OnPass::QueueSilently);
    signal::reschedule_on_return();
}

/// A wait that restarts after the handler is recognised by the word.
fn keep_wait(current: &Current<'_, Task>) {
    let interrupted = &current.owned().interrupted;

    interrupted.set(interrupted.get().map(|wait| Interrupted {
        state: SharedWord::load(own_words(current).state()),
        ..wait
    }));
}
