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
    activity, hooks,
    limits::Share,
    pages::PageRef,
    protocol::SharedWord,
    registry,
    state::{
        State,
        StateWord, //
    },
    task::{
        self,
        Kind,
        Owned,
        Task,
        TaskRef, //
    },
    words::{
        Group,
        TaskWords, //
    },
};
use crate::sys::{
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
        UMCG_CTL_UNREGISTER if args.self_ == 0 => task::unregister(ctx),
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

    let share = Share::take(ctx)?;
    let words = TaskWords::new(PageRef::pin(ctx, address)?, address);
    let group = check(ctx, kind, &words)?;

    let owned = Owned::new(hooks::Use::new(kind)?, group);
    let record = TaskRef::new(ctx, owned, Task::new(kind, words))?;
    registry::insert_current(record.clone())?;
    let current = ctx.attach(record);
    current.owned().share.set(Some(share));
    activity::registers(&current);

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
