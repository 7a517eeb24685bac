// SPDX-License-Identifier: GPL-2.0

//! What has no type.

// fails with E0624: a record that is not attached to a task is nowhere to be had
mod record_alone {
    use crate::sys::record::Record;

    fn make(
        owned: crate::umcg::task::Owned,
        words: crate::umcg::task::Lent,
        task: crate::umcg::task::Task,
    ) {
        let _ = Record::new(owned, words, task);
    }
}

// fails with E0624: what is lent to a record may be taken back, if it is not held in the gate
mod lent_outside_of_the_gate {
    use crate::umcg::task::TaskRef;

    fn look(record: &TaskRef) {
        let _ = record.lent();
    }
}

// fails with E0277: peers share what is lent to a record
mod lent_to_one_task {
    use crate::{
        record_type,
        sys::{
            context::TaskContext,
            record::{
                Current,
                TaskRecord, //
            },
        },
    };
    use core::cell::Cell;

    struct Other;

    record_type!(anchor, Other);

    impl TaskRecord for Other {
        type Owned = ();
        type Lent = Cell<u64>;

        fn returns_to_user(_: &TaskContext, _: &Current<'_, Self>) {}
    }
}

// fails with E0277: a record that is found is valid for the moment, and not counted
mod record_of_a_peer {
    use crate::{
        sys::record::map::LastFound,
        umcg::{
            registry,
            task::TaskRef, //
        },
    };
    use kernel::sync::aref::ARef;

    fn keep() {
        let _ = registry::with(&LastFound::new(), 1, |record| -> ARef<TaskRef> {
            ARef::from(record)
        });
    }
}

// fails with E0624: there is one map for all records of a type
mod map_of_its_own {
    use crate::{
        sys::record::map::RecordMap,
        umcg::task::Task, //
    };

    static TASKS: RecordMap<Task> = RecordMap::new();
}

// fails with E0624: a record is in the map as long as it is attached
mod insertion {
    use crate::{
        sys::record::map::records,
        umcg::task::TaskRef, //
    };

    fn insert(record: &TaskRef) {
        let _ = records().insert(record);
    }
}

// fails with E0308: what was found in one map is of no use for another one
mod finds_of_another_map {
    use crate::{
        record_type,
        sys::{
            context::TaskContext,
            record::map::{
                records,
                LastFound, //
            },
            record::{
                Current,
                TaskRecord, //
            },
        },
        umcg::task::Task,
    };
    use kernel::sync::rcu;

    struct Other;

    record_type!(anchor, Other);

    impl TaskRecord for Other {
        type Owned = ();
        type Lent = ();

        fn returns_to_user(_: &TaskContext, _: &Current<'_, Self>) {}
    }

    fn look(last_found: &LastFound<Task>) {
        let _ = records::<Other>().found_again(last_found, 1, &rcu::read_lock());
    }
}

// fails with E0119: a type is made one of records once
mod two_kinds {
    use crate::{
        record_type,
        umcg::task::Task, //
    };

    record_type!(anchor, Task);
}

// fails with E0277: the callbacks are those of the type
mod callbacks_of_nobody {
    use crate::{
        record_type,
        sys::{
            context::TaskContext,
            record::{
                Current,
                TaskRecord, //
            },
        },
    };

    struct Other;

    record_type!(switches, Other);

    impl TaskRecord for Other {
        type Owned = ();
        type Lent = ();

        fn returns_to_user(_: &TaskContext, _: &Current<'_, Self>) {}
    }
}

// fails with E0599: a hook may have interrupted the owner, and keeps away from what is its own
mod owned_in_a_hook {
    use crate::{
        sys::record::InHook,
        umcg::task::Task, //
    };

    fn touch(hook: &InHook<'_, Task>) {
        hook.owned();
    }
}

// fails with E0277: peers and hooks share what a record holds
mod cell_that_is_shared {
    use crate::{
        record_type,
        sys::{
            context::TaskContext,
            record::{
                Current,
                TaskRecord, //
            },
        },
    };
    use core::cell::Cell;

    struct Other(Cell<u64>);

    record_type!(anchor, Other);

    impl TaskRecord for Other {
        type Owned = ();
        type Lent = ();

        fn returns_to_user(_: &TaskContext, _: &Current<'_, Self>) {}
    }
}

// fails with E0277: a record is destroyed by the reaper, not by its task
mod owned_that_belongs_to_a_task {
    use crate::{
        record_type,
        sys::{
            context::TaskContext,
            record::{
                Current,
                TaskRecord, //
            },
            signal::HandledBlocked,
        },
    };

    struct Other;

    record_type!(anchor, Other);

    impl TaskRecord for Other {
        type Owned = HandledBlocked<'static>;
        type Lent = ();

        fn returns_to_user(_: &TaskContext, _: &Current<'_, Self>) {}
    }
}

// fails with E0277: what is written in more than one instruction is torn by a hook
mod owner_cell_of_two_words {
    use crate::sys::owner_cell::OwnerCell;

    fn make() {
        let _ = OwnerCell::new([0_u64; 2]);
    }
}

// fails with E0277: the current record of a task is not that of another one
mod current_of_another_task {
    use crate::{
        sys::record::Current,
        umcg::task::Task, //
    };

    fn send<T: Send>(_: T) {}

    fn give(current: Current<'static, Task>) {
        send(current);
    }
}

// fails with E0277: nor is its context
mod context_of_another_task {
    use crate::sys::context::TaskContext;

    fn send<T: Send>(_: T) {}

    fn give(context: TaskContext) {
        send(context);
    }
}

// fails with E0277: the probes are in one place, from which the end of the module detaches them
mod probes_taken_away {
    use crate::sys::tracepoint;

    fn take() {
        let _ = tracepoint::with(core::mem::take);
    }
}

// fails with E0616: the state of the kernel's objects is private
mod entries_of_a_map {
    use crate::{
        sys::record::map::records,
        umcg::task::Task, //
    };

    fn look() {
        let _ = &records::<Task>().entries;
    }
}
