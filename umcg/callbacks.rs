// SPDX-License-Identifier: GPL-2.0

//! What the kernel calls: the scheduler, signals, exit, exec, the return to user mode, and the
//! removal of the module.

use super::{
    ctl,
    handler,
    registry,
    report::Reason,
    sched,
    stats,
    task::{
        Kind,
        Lent,
        Owned,
        Task, //
    },
    worker, //
};
use crate::{
    record_type,
    sys::{
        context::TaskContext,
        record::{
            Current,
            InHook,
            TaskRecord, //
        },
        tracepoint::Hooks, //
    },
};

record_type!(anchor, Task);

impl TaskRecord for Task {
    type Owned = Owned;
    type Lent = Lent;

    fn returns_to_user(ctx: &TaskContext, current: &Current<'_, Self>) {
        worker::returns_to_user(ctx, current);
    }
}

impl Hooks for Task {
    #[inline]
    fn passes_scheduler(hook: &InHook<'_, Self>) {
        if hook.kind() == Kind::Worker {
            worker::passes_scheduler(hook);
        }
    }

    #[inline]
    fn sleeps(current: &Current<'_, Self>) {
        if current.kind() == Kind::Worker {
            worker::sleeps(current);
        }
    }

    #[inline]
    fn yields(current: &Current<'_, Self>) {
        if current.kind() == Kind::Worker {
            worker::yields(current);
        }
    }

    fn misses_scheduler() {
        stats::MISSED.increment();
    }

    fn takes_signal(current: &Current<'_, Self>, signal: u32, has_handler: bool) {
        if current.kind() == Kind::Worker {
            worker::takes_signal(current);
            if has_handler {
                handler::takes_signal(current, signal);
            }
        }
    }

    fn exits(mut ctx: TaskContext) {
        sched::vanish(&mut ctx);
        ctl::vanish(ctx, Reason::Exit);
    }

    fn execs(mut ctx: TaskContext) {
        sched::vanish(&mut ctx);
        ctl::vanish(ctx, Reason::Exec);
    }
}

/// Kills all processes that use the module, which is being removed.
pub(crate) fn evict() {
    registry::evict();
    sched::evict();
}
