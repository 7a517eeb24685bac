// SPDX-License-Identifier: GPL-2.0

//! What is used for too long.

// fails with E0502: the record of the current task may go while it is detached
mod current_across_detach {
    use crate::{
        sys::context::TaskContext,
        umcg::task::Task, //
    };

    fn leave(mut ctx: TaskContext) {
        let current = ctx.current::<Task>();
        drop(ctx.detach::<Task>(|_| {}));
        drop(current.map(|current| current.kind()));
    }
}

// fails with E0505: nor is it there when the call is over
mod current_across_calls {
    use crate::{
        sys::context::TaskContext,
        umcg::task::Task, //
    };

    fn leave(ctx: TaskContext) {
        let current = ctx.current::<Task>();
        drop(ctx);
        drop(current.map(|current| current.kind()));
    }
}

// fails with E0596: a caller that borrows the current record cannot detach it
mod detach_by_a_task_work {
    use crate::{
        sys::{
            context::TaskContext,
            record::Current, //
        },
        umcg::task::Task,
    };

    fn returns_to_user(ctx: &TaskContext, _current: &Current<'_, Task>) {
        drop(ctx.detach::<Task>(|_| {}));
    }
}

// fails with lifetime may not live long enough: a record of a peer is valid for the section
mod record_after_the_section {
    use crate::{
        sys::record::map::LastFound,
        umcg::{
            registry,
            task::TaskRef, //
        },
    };

    fn keep() -> Option<bool> {
        let record: &TaskRef = registry::with(&LastFound::new(), 1, |record| record).ok()?;
        Some(record.is_attached())
    }
}

// fails with lifetime may not live long enough: its words are valid in the gate
mod visit_after_the_gate {
    use crate::umcg::task::TaskRef;

    fn keep(record: &TaskRef) {
        let _ = record.visit(|task| task);
    }
}

// fails with lifetime may not live long enough: what is lent to a record may be taken back outside
mod lent_after_the_gate {
    use crate::umcg::task::TaskRef;

    fn keep(record: &TaskRef) {
        let _ = record.visit(|task| task.lent());
    }
}

// fails with E0502: the owner takes it back when it is not in use
mod lent_after_the_end {
    use crate::{
        sys::context::TaskContext,
        umcg::task::Task, //
    };

    fn keep(mut ctx: TaskContext) {
        if let Some(current) = ctx.current::<Task>() {
            let lent = current.lent();
            drop(ctx.detach::<Task>(|_| {}));
            drop(lent.words.flags());
        }
    }
}

// fails with E0716: a task that is found is valid for the section
mod target_after_the_section {
    use crate::sys::target::Target;
    use kernel::sync::rcu;

    fn keep() -> usize {
        let target = Target::find(1, &rcu::read_lock());
        target.map_or(0, |target| target.pid())
    }
}

// fails with E0521: what a record begins with is over when it has begun
mod current_out_of_the_beginning {
    use crate::{
        sys::{
            context::TaskContext,
            record::Current, //
        },
        umcg::task::{
            Lent,
            Owned,
            Task, //
        },
    };

    fn keep(ctx: &TaskContext, owned: Owned, lent: Lent, task: Task) {
        let mut kept: Option<&Current<'_, Task>> = None;
        let _ = ctx.attach(owned, lent, task, |current| kept = Some(current));
        drop(kept.map(|current| current.kind()));
    }
}

// fails with lifetime may not live long enough: the probes stay where they are
mod probes_out_of_their_lock {
    use crate::sys::tracepoint;

    fn keep() {
        let _ = tracepoint::with(|probes| probes);
    }
}

// fails with E0597: a work item outlives the scope that schedules it
mod deferred_on_the_stack {
    use crate::sys::deferred::Deferred;

    fn schedule() {
        let later = Deferred::new(|| {});
        later.schedule(1);
    }
}

// fails with E0382: a task work is queued by the owner of the record, and is given once
mod context_used_twice {
    use crate::{
        sys::{
            context::TaskContext,
            trace::Reason, //
        },
        umcg::ctl,
    };

    fn vanish(ctx: TaskContext) {
        let _ = ctl::vanish(ctx, Reason::Exit);
        let _ = ctl::vanish(ctx, Reason::Exit);
    }
}
