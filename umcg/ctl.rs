// SPDX-License-Identifier: GPL-2.0

//! `UMCG_IOC_CTL`: registration, and how tasks leave.

use super::{
    abi::{
        umcg_ctl_args,
        umcg_task,
        UMCG_CTL_CRITICAL,
        UMCG_CTL_DIRECT,
        UMCG_CTL_REGISTER,
        UMCG_CTL_SIGNALS,
        UMCG_CTL_UNREGISTER,
        UMCG_CTL_WORKER, //
    },
    direct,
    direct_group::DirectGroup,
    direct_worker, handler, hooks,
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
        own_group,
        Kind,
        Lent,
        Owned,
        Says,
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
    record::{
        Current,
        Detached,
        Notify, //
    },
};
use kernel::prelude::*;

const REGISTER_SERVER: u32 = UMCG_CTL_REGISTER;
const REGISTER_WORKER: u32 = UMCG_CTL_REGISTER | UMCG_CTL_WORKER;

/// Serves `UMCG_IOC_CTL`. Errors as the UAPI header says.
pub(crate) fn ctl(ctx: TaskContext, args: &umcg_ctl_args) -> Result {
    let is_direct = args.flags & UMCG_CTL_DIRECT != 0;
    let says_something = args.flags & (UMCG_CTL_CRITICAL | UMCG_CTL_SIGNALS) != 0;
    if args.reserved != 0 || !is_direct && args.direct | u64::from(args.server_nr) != 0 {
        return Err(EINVAL);
    }

    match args.flags & !(UMCG_CTL_DIRECT | UMCG_CTL_CRITICAL | UMCG_CTL_SIGNALS) {
        REGISTER_SERVER if !says_something => register(ctx, Kind::Server, args),
        REGISTER_WORKER if args.server_nr == 0 => register(ctx, Kind::Worker, args),
        UMCG_CTL_UNREGISTER if args.self_ == 0 && !is_direct && !says_something => unregister(ctx),
        _ => Err(EINVAL),
    }
}

fn register(ctx: TaskContext, kind: Kind, args: &umcg_ctl_args) -> Result {
    let address = args.self_;
    if ctx.current::<Task>().is_some() {
        return Err(EINVAL);
    }
    if address == 0 || address % align_of::<umcg_task>() as u64 != 0 {
        return Err(EINVAL);
    }

    let is_direct = args.flags & UMCG_CTL_DIRECT != 0;
    let says = Says {
        critical: args.flags & UMCG_CTL_CRITICAL != 0,
        signals: args.flags & UMCG_CTL_SIGNALS != 0,
    };
    let share = Share::take(&ctx, Limited::Tasks)?;
    let words = TaskWords::new(PageRef::pin(&ctx, address)?, address);
    check(kind, &words)?;
    if (is_direct || says.critical || says.signals) && !words.is_clear_behind(says.signals) {
        return Err(EINVAL);
    }
    let direct = is_direct
        .then(|| DirectGroup::pin(&ctx, args.direct, args.server_nr))
        .transpose()?;
    let group = group(&ctx, kind, &words, is_direct)?;

    let hooks = match kind {
        Kind::Server => hooks::Use::server()?,
        Kind::Worker => hooks::Use::worker()?,
    };
    let owned = Owned::new(share, hooks, says, group);
    let current = ctx.attach(owned, Lent { words, direct }, Task::new(kind), |_| {})?;
    if let Err(e) = enter_group(&current) {
        leave(ctx, Reason::Exit);
        return Err(e);
    }
    report::registers(&current);

    if kind == Kind::Worker {
        // A new worker is blocked: it becomes idle, and runs when a server runs it.
        current.queue_work(Notify::Resume);
    }

    Ok(())
}

/// Checks the words of a task that registers.
fn check(kind: Kind, words: &TaskWords) -> Result {
    let state = StateWord::from_bits(SharedWord::load(words.state()));
    let expected = match kind {
        Kind::Server => State::Running,
        Kind::Worker => State::Blocked,
    };

    if !state.is_exactly(expected) || words.next_tid() != 0 || words.flags() != 0 {
        return Err(EINVAL);
    }

    Ok(())
}

/// Finds the words of the group of a worker that is not in direct mode.
fn group(
    ctx: &TaskContext,
    kind: Kind,
    words: &TaskWords,
    is_direct: bool,
) -> Result<Option<KBox<Group>>> {
    match kind {
        Kind::Worker if !is_direct => Group::pin(ctx, words).map(Some),
        Kind::Worker if words.has_group() => Err(EINVAL),
        _ => Ok(None),
    }
}

/// Assigns its number to a server in direct mode.
///
/// # Errors
///
/// `EEXIST` if another server of the group has it.
fn enter_group(task: &Current<'_, Task>) -> Result {
    match own_group(task) {
        Some(group) if task.kind() == Kind::Server => direct::enter(group, group.own_server())
            .then_some(())
            .ok_or(EEXIST),
        _ => Ok(()),
    }
}

/// Releases the number of a server, if it has one, and removes it from the set. Returns whether
/// another server must be started in its place.
fn leave_group(task: &Current<'_, Task>) -> bool {
    task.kind() == Kind::Server
        && own_group(task)
            .filter(|group| group.is_server(group.own_server()))
            .is_some_and(|group| direct::leave(group, group.own_server()))
}

/// The current task unregisters.
///
/// # Errors
///
/// `EINVAL` if it is not registered.
fn unregister(ctx: TaskContext) -> Result {
    report::unregisters(&*ctx.current::<Task>().ok_or(EINVAL)?);
    leave(ctx, Reason::Exit);

    Ok(())
}

/// Detaches the current task, if it is registered, for this `reason`: from here on the kernel does
/// not touch its words.
fn leave(ctx: TaskContext, reason: Reason) {
    if let Some(gone) = detach(ctx, reason) {
        forget(gone);
    }
}

/// Detaches the current task, if it is registered, for this `reason`: from here on no peer reaches
/// its words.
fn detach(mut ctx: TaskContext, reason: Reason) -> Option<Detached<Task>> {
    let current = ctx.current::<Task>()?;
    if current.kind() == Kind::Worker {
        handler::leaves(&ctx, &current);
    }
    if let Some(group) = own_group(&current) {
        if leave_group(&current) {
            direct_worker::start_idle_server(&current, group, clock::monotonic_ns(), reason);
        }
    }

    ctx.detach::<Task>(|_| {})
}

/// Releases the resources of a detached task. Its words are unpinned at once; the memory of the
/// record is freed a grace period later.
fn forget(mut gone: Detached<Task>) {
    drop(gone.take_lent());
    drop(gone.owned().worker.group.take());
    // The probes stay until the record is detached, because they find it.
    drop(gone.owned().worker.hooks.take());
    gone.owned().share.leave();
    gone.counters.keep();
}

/// The current task exits without having unregistered. Its word becomes NONE, after the gate was
/// closed to all peers, because user space may reuse the memory when it reads NONE. The server of a
/// running worker is started last, because it reads that word.
pub(crate) fn vanish(ctx: TaskContext, reason: Reason) {
    if let Some(current) = ctx.current::<Task>() {
        report::vanishes(&current, reason);
    }
    let Some(mut gone) = detach(ctx, reason) else {
        return;
    };

    if let Some(lent) = gone.take_lent() {
        let words = &lent.words;
        let now = clock::monotonic_ns();
        let server = protocol::leave(words.state(), now, || words.next_tid());
        if let (Kind::Worker, Some(server @ 1..)) = (gone.kind(), server) {
            // Nothing to do for a server that has exited, too.
            let started = registry::start_server(gone.owned(), server, now);
            report::starts(server, started, reason);
        }
    }
    forget(gone);
}
