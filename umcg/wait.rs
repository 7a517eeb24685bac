// SPDX-License-Identifier: GPL-2.0

//! `UMCG_IOC_WAIT`: wait, wake, swap.

use super::{
    abi::{
        UMCG_WAIT_LOCK_ON_TIMEOUT,
        UMCG_WAIT_WAKE_ONLY,
        UMCG_WAIT_WF_CURRENT_CPU, //
    },
    handler,
    protocol::{
        self,
        OnTimeout,
        SharedWord, //
    },
    registry,
    report,
    task::{
        own_words,
        Interrupted,
        Kind,
        Task, //
    },
    worker, //
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
        Deadline,
        Ended,
        Place, //
    },
    wake::{
        wake,
        Placement, //
    },
};
use kernel::prelude::*;

const WAIT: u64 = 0;
const WAIT_AND_LOCK: u64 = UMCG_WAIT_LOCK_ON_TIMEOUT as u64;
const WAKE: u64 = UMCG_WAIT_WAKE_ONLY as u64;
const WAKE_ON_THIS_CPU: u64 = WAKE | UMCG_WAIT_WF_CURRENT_CPU as u64;

/// Serves `UMCG_IOC_WAIT`, and its short form. Errors as the UAPI header says.
///
/// Not inlined: both callers end with a tail call.
#[inline(never)]
pub(crate) fn wait(ctx: TaskContext, abs_timeout: u64, flags: u64) -> Result {
    let current = ctx.current::<Task>().ok_or(EINVAL)?;
    let next = own_words(&current).next_tid();

    match (flags, abs_timeout) {
        (WAIT, timeout) => {
            let deadline = Deadline::new(timeout);
            match current.kind() {
                Kind::Server => server_waits(&ctx, &current, next, deadline),
                Kind::Worker => worker_waits(&ctx, &current, next, deadline, OnTimeout::Queue),
            }
        }
        (WAIT_AND_LOCK, timeout) if timeout != 0 && current.kind() == Kind::Worker => worker_waits(
            &ctx,
            &current,
            next,
            Deadline::new(timeout),
            OnTimeout::Lock,
        ),
        (flags, 0) if next != 0 => wakes_only(&current, next, flags),
        _ => Err(EINVAL),
    }
}

/// Not part of the hot path.
#[inline(never)]
fn wakes_only(current: &Current<'_, Task>, next: u32, flags: u64) -> Result {
    match flags {
        WAKE => wake_next(current, next, Placement::Anywhere)?,
        WAKE_ON_THIS_CPU => wake_next(current, next, Placement::ThisCpu)?,
        _ => return Err(EINVAL),
    }
    report::wakes(next);

    Ok(())
}

/// Inlined, like [`server_waits`]: this is the hot path.
#[inline(always)]
fn wake_next(current: &Current<'_, Task>, next: u32, placement: Placement) -> Result {
    registry::with_task(&current.owned().last_found, next, |task| {
        wake(task, placement);
    })
}

/// A signal interrupts the wait of a server as usual: the call restarts, or fails with `EINTR`.
#[inline(always)]
fn server_waits(
    ctx: &TaskContext,
    current: &Current<'_, Task>,
    next: u32,
    deadline: Option<Deadline>,
) -> Result {
    let state = own_words(current).state();

    let woken = match current.owned().interrupted.take() {
        Some(wait) => starts_again(current, next, wait)?,
        None => wake_named(current, next)?,
    };
    report::waits(current, woken);
    let mut broken = false;
    let ended = sleep_until(ctx, Place::Wait, deadline, || {
        !protocol::should_idle_or(state, || broken = true)
    });
    match ended {
        Ended::Done if broken => Err(EINVAL),
        Ended::Done => {
            report::runs(current, || true);
            Ok(())
        }
        Ended::TimedOut => Err(ETIMEDOUT),
        Ended::Signalled => {
            interrupt(current, Interrupted::new(next, deadline, OnTimeout::Queue));
            Err(ERESTARTSYS)
        }
    }
}

/// Wakes the task named by a server that waits, if any, and returns its TID.
#[inline(always)]
fn wake_named(current: &Current<'_, Task>, next: u32) -> Result<u32> {
    if next != 0 {
        wake_next(current, next, Placement::ThisCpu)?;
    }
    Ok(next)
}

/// The wait of a server restarts, or another one follows: no task is woken twice. Returns the TID
/// that it has woken, or 0.
#[cold]
fn starts_again(current: &Current<'_, Task>, next: u32, wait: Interrupted) -> Result<u32> {
    let state = own_words(current).state();

    if wait.next_tid != next {
        return wake_named(current, next);
    }
    if wait.state == SharedWord::load(state) {
        return Ok(0);
    }
    let woken = wake_named(current, next);
    // If the wait that restarts has ended, its target may have exited since it was woken.
    if protocol::should_idle(state) {
        woken
    } else {
        Ok(next)
    }
}

/// The wait of a worker never fails with `EINTR`: it is interrupted only by what cannot be delayed,
/// continues in wake detection, and restarts when a server has run the worker.
#[inline(never)]
fn worker_waits(
    ctx: &TaskContext,
    current: &Current<'_, Task>,
    next: u32,
    deadline: Option<Deadline>,
    on_timeout: OnTimeout,
) -> Result {
    let state = own_words(current).state();

    let result = match current.owned().interrupted.take() {
        Some(wait) if wait.timed_out && protocol::has_timed_out(state, wait.state) => {
            Err(ETIMEDOUT)
        }
        Some(_) if protocol::is_running(state) => Ok(()),
        Some(wait) if protocol::still_waits(state, wait.state) => {
            handler::waits(current);
            hold(ctx, current, wait)
        }
        _ => give_way(current, next).and_then(|()| {
            report::waits(current, next);
            hold(ctx, current, Interrupted::new(next, deadline, on_timeout))
        }),
    };

    // Usually a server has run the worker. Otherwise wake detection handles the word.
    if !worker::is_settled(current) {
        current.queue_work(Notify::Resume);
    }

    result
}

/// Holds a worker in a wait, for the first time or after an interruption.
#[inline(always)]
fn hold(ctx: &TaskContext, current: &Current<'_, Task>, wait: Interrupted) -> Result {
    match worker::hold(ctx, current, wait.deadline) {
        Ended::Done if wait.timed_out => Err(ETIMEDOUT),
        Ended::Done => Ok(()),
        Ended::TimedOut if worker::times_out(current, wait.on_timeout) => Err(ETIMEDOUT),
        // A server has claimed it: wake detection waits for the rest.
        Ended::TimedOut => Ok(()),
        Ended::Signalled => {
            interrupt(current, wait);
            signal::look_on_return();
            Err(ERESTARTNOINTR)
        }
    }
}

/// Notes that a wait of the current task will restart.
fn interrupt(current: &Current<'_, Task>, wait: Interrupted) {
    current.owned().interrupted.set(Some(Interrupted {
        state: SharedWord::load(own_words(current).state()),
        ..wait
    }));
}

/// Unlocks a worker that is about to sleep, and wakes the task that it names. If the lookup fails,
/// nothing is changed.
fn give_way(current: &Current<'_, Task>, next: u32) -> Result {
    let unlock = || {
        if protocol::unlock(own_words(current).state(), clock::monotonic_ns()) {
            Ok(())
        } else {
            current.owned().worker.condemn();
            Err(EINTR)
        }
    };

    if next == 0 {
        return unlock();
    }
    registry::with_task(&current.owned().last_found, next, |task| {
        unlock()?;
        wake(task, Placement::ThisCpu);
        Ok(())
    })?
}
