// SPDX-License-Identifier: GPL-2.0

//! `UMCG_IOC_CTL`: tasks come and leave.

use super::{
    abi::{
        umcg_ctl_args,
        umcg_task,
        UMCG_CTL_REGISTER,
        UMCG_CTL_UNREGISTER,
        UMCG_CTL_WORKER, //
    },
    hooks,
    limits::{
        Limited,
        Share, //
    },
    pages::PageRef,
    protocol::{
        self,
        SharedWord, //
    },
    registry,
    report::{
        self,
        Reason, //
    },
    state::{
        State,
        StateWord, //
    },
    task::{
        own_words,
        Kind,
        Owned,
        Task, //
    },
    words::{
        Group,
        TaskWords, //
    },
};
use crate::sys::{
    clock,
    context::TaskContext,
    record::Notify, //
};
use kernel::prelude::*;

const REGISTER_SERVER: u32 = UMCG_CTL_REGISTER;
const REGISTER_WORKER: u32 = UMCG_CTL_REGISTER | UMCG_CTL_WORKER;

/// Serves `UMCG_IOC_CTL`. Errors as the UAPI header says.
pub(crate) fn ctl(ctx: TaskContext, args: &umcg_ctl_args) -> Result {
    match args.flags {
        REGISTER_SERVER => register(&ctx, Kind::Server, args.self_),
        REGISTER_WORKER => register(&ctx, Kind::Worker, args.self_),
        UMCG_CTL_UNREGISTER if args.self_ == 0 => unregister(ctx),
        _ => Err(EINVAL),
    }
}

fn register(ctx: &TaskContext, kind: Kind, address: u64) -> Result {
    if ctx.current::<Task>().is_some() {
        return Err(EINVAL);
    }
    if address == 0 || address % align_of::<umcg_task>() as u64 != 0 {
        return Err(EINVAL);
    }

    let share = Share::take(ctx, Limited::Tasks)?;
    let words = TaskWords::new(PageRef::pin(ctx, address)?, address);
    let group = check(ctx, kind, &words)?;

    let hooks = match kind {
        Kind::Server => hooks::Use::server()?,
        Kind::Worker => hooks::Use::worker()?,
    };
    let owned = Owned::new(share, hooks, group);
    let current = ctx.attach(owned, words, Task::new(kind), |_| {})?;
    report::registers(&current);

    if kind == Kind::Worker {
        // A new worker is blocked: it becomes idle, and runs when a server runs it.
        current.queue_work(Notify::Resume);
    }

    Ok(())
}

/// Checks that the words of a task are as they have to be when it registers, and finds those of its
/// group, if it is a worker.
fn check(ctx: &TaskContext, kind: Kind, words: &TaskWords) -> Result<Option<Group>> {
    let state = StateWord::from_bits(SharedWord::load(words.state()));
    let expected = match kind {
        Kind::Server => State::Running,
        Kind::Worker => State::Blocked,
    };

    if !state.is_exactly(expected) || words.next_tid() != 0 || words.flags() != 0 {
        return Err(EINVAL);
    }
    match kind {
        Kind::Worker => Group::pin(ctx, words).map(Some),
        Kind::Server if words.has_group() => Err(EINVAL),
        Kind::Server => Ok(None),
    }
}

/// The current task unregisters.
///
/// # Errors
///
/// `EINVAL` if it is not registered.
fn unregister(ctx: TaskContext) -> Result {
    report::unregisters(&*ctx.current::<Task>().ok_or(EINVAL)?);
    leave(ctx)
}

/// Takes the current task out: from here on the kernel does not touch its words.
///
/// # Errors
///
/// `EINVAL` if it is not registered.
fn leave(mut ctx: TaskContext) -> Result {
    if ctx.current::<Task>().is_none() {
        return Err(EINVAL);
    }

    // The probes stay until the record is off the task: they are what finds it. The memory of its
    // words is given back here and now; that of the record is free a grace period later.
    if let Some(mut record) = ctx.detach::<Task>(|_| {}) {
        drop(record.take_lent());
        drop(record.owned().worker.group.take());
        drop(record.owned().hooks.take());
        record.owned().share.leave();
        record.activity.keep();
    }

    Ok(())
}

/// The current task goes without having said so. What it leaves behind says that it is gone.
pub(crate) fn vanish(ctx: TaskContext, reason: Reason) {
    if let Some(current) = ctx.current::<Task>() {
        let words = own_words(&current);
        let server = words.next_tid();
        let now = clock::monotonic_ns();
        report::vanishes(&current, reason);
        let was_running = protocol::leave(words.state(), now);

        if current.kind() == Kind::Worker && was_running && server != 0 {
            // A server that is gone too has nothing to be told.
            report::starts(
                server,
                registry::start_server(&current, server, now),
                reason,
            );
        }
        // It is registered, so this does not fail.
        let _ = leave(ctx);
    }
}
