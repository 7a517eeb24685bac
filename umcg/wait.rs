// SPDX-License-Identifier: GPL-2.0

//! `UMCG_IOC_WAIT`: wait, wake, swap.

use super::{
    abi::{
        umcg_wait_args,
        UMCG_WAIT_WAKE_ONLY,
        UMCG_WAIT_WF_CURRENT_CPU, //
    },
    protocol::{
        self,
        Resume,
        SharedWord, //
    },
    registry,
    task::{
        own_words,
        Kind,
        Task, //
    },
};
use crate::sys::{
    clock,
    context::TaskContext,
    record::{
        Current,
        Notify, //
    },
    sleep::{
        sleep_until,
        Depth,
        Ended, //
    },
    wake::{
        wake,
        Placement, //
    },
};
use kernel::prelude::*;

const WAIT: u32 = 0;
const WAKE: u32 = UMCG_WAIT_WAKE_ONLY;
const WAKE_ON_THIS_CPU: u32 = UMCG_WAIT_WAKE_ONLY | UMCG_WAIT_WF_CURRENT_CPU;

/// Serves `UMCG_IOC_WAIT`. Errors as the UAPI header says.
pub(crate) fn wait(ctx: &TaskContext, args: &umcg_wait_args) -> Result {
    let current = ctx.current::<Task>().ok_or(EINVAL)?;
    let next = own_words(&current).next_tid();

    match (args.flags, args.abs_timeout) {
        (WAIT, timeout) => {
            let deadline = (timeout != 0).then_some(timeout);
            match current.kind() {
                Kind::Server => server_waits(ctx, &current, next, deadline),
                Kind::Worker => worker_waits(ctx, &current, next, deadline),
            }
        }
        (WAKE | WAKE_ON_THIS_CPU, 0) if next == 0 => Err(EINVAL),
        (WAKE, 0) => wake_next(next, Placement::Anywhere),
        (WAKE_ON_THIS_CPU, 0) => wake_next(next, Placement::ThisCpu),
        _ => Err(EINVAL),
    }
}

fn wake_next(next: u32, placement: Placement) -> Result {
    registry::with(next, |task| wake(task.task(), placement))
}

/// A signal that interrupts the wait of a server is served by the Linux convention: the call starts
/// again by itself, or fails with `EINTR`. What started again does not wake its target twice.
fn server_waits(
    ctx: &TaskContext,
    current: &Current<'_, Task>,
    next: u32,
    deadline: Option<u64>,
) -> Result {
    let state = own_words(current).state();
    let interrupted = current.owned().interrupted.take();

    if next != 0 && interrupted != Some((SharedWord::load(state), next)) {
        wake_next(next, Placement::ThisCpu)?;
    }

    let idles = || protocol::should_idle(state);
    match sleep_until(ctx, Depth::Interruptible, deadline, || !idles()) {
        Ended::Done => Ok(()),
        Ended::TimedOut => Err(ETIMEDOUT),
        Ended::Signalled => {
            current
                .owned()
                .interrupted
                .set(Some((SharedWord::load(state), next)));
            Err(ERESTARTSYS)
        }
    }
}

/// Signals stay pending while a worker waits, but for fatal ones.
fn worker_waits(
    ctx: &TaskContext,
    current: &Current<'_, Task>,
    next: u32,
    deadline: Option<u64>,
) -> Result {
    let words = own_words(current);
    let state = words.state();

    current.owned().sleeps_on_purpose.set(true);
    let result = give_way(current, next).and_then(|()| {
        let idles = || protocol::should_idle(state);
        match sleep_until(ctx, Depth::Killable, deadline, || !idles()) {
            Ended::Done => Ok(()),
            Ended::TimedOut if protocol::time_out(state, clock::monotonic_ns()) => Err(ETIMEDOUT),
            // A server has begun to run it: wake detection waits for the rest.
            Ended::TimedOut => Ok(()),
            Ended::Signalled => Err(EINTR),
        }
    });
    current.owned().sleeps_on_purpose.set(false);

    // Most often a server has run the worker. Else wake detection knows what the word means.
    if protocol::resume(state, words.next_tid() != 0) != Resume::Run {
        current.queue_work(Notify::Resume);
    }

    result
}

/// Unlocks a worker that is about to sleep, and wakes whom it has named. An error of the lookup
/// leaves all as it was.
fn give_way(current: &Current<'_, Task>, next: u32) -> Result {
    let unlock = || {
        if protocol::unlock(own_words(current).state(), clock::monotonic_ns()) {
            Ok(())
        } else {
            current.owned().condemned.set(true);
            Err(EINTR)
        }
    };

    if next == 0 {
        return unlock();
    }
    registry::with(next, |task| {
        unlock()?;
        wake(task.task(), Placement::ThisCpu);
        Ok(())
    })?
}
