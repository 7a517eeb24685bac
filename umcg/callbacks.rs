// SPDX-License-Identifier: GPL-2.0

//! What the kernel calls: the scheduler, signals, exit, exec, and the return to user mode.

use super::{
    ctl,
    report::Reason,
    sched,
    stats,
    task::{
        Kind,
        Owned,
        Task, //
    },
    worker, //
};
use crate::{
    impl_task_record,
    sys::{
        context::TaskContext,
        record::Current,
        tracepoint::Hooks, //
    },
};

impl_task_record! {
    impl TaskRecord for Task {
        type Owned = Owned;

        fn returns_to_user(ctx: &TaskContext, current: &Current<'_, Self>) {
            worker::returns_to_user(ctx, current);
        }
    }
}

impl Hooks for Task {
    #[inline]
    fn passes_scheduler(current: &Current<'_, Self>, sleeps: bool) {
        if current.kind() == Kind::Worker {
            worker::passes_scheduler(current, sleeps);
        }
    }

    fn misses_scheduler() {
        stats::MISSED.increment();
    }

    fn takes_signal(current: &Current<'_, Self>) {
        if current.kind() == Kind::Worker {
            worker::takes_signal(current);
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
