// SPDX-License-Identifier: GPL-2.0

//! What safe code cannot promise.

// fails with E0133: where a task has entered the module
mod context {
    use crate::sys::context::TaskContext;

    fn make() -> TaskContext {
        TaskContext::enter()
    }
}

// fails with E0133: when the module begins
mod beginning {
    use crate::sys::lifetime;

    fn begin() {
        let _ = lifetime::begin(|| {});
    }
}

// fails with E0133: that a lock has a type of its own
mod lock {
    use crate::sys::static_lock::StaticLock;
    use kernel::sync::lock::GlobalLockBackend;

    fn make<B: GlobalLockBackend>(value: B::Item) -> StaticLock<B> {
        StaticLock::new(value)
    }
}

// fails with E0200: that the mark of a type is its own
mod mark {
    use crate::sys::{
        context::TaskContext,
        record::{
            Current,
            Kind,
            RecordType,
            TaskRecord, //
        },
    };

    struct Other;

    impl RecordType for Other {
        fn kind() -> &'static Kind<Self> {
            static KIND: Kind<Other> = Kind::anchor();
            &KIND
        }
    }

    impl TaskRecord for Other {
        type Owned = ();
        type Lent = ();

        fn returns_to_user(_: &TaskContext, _: &Current<'_, Self>) {}
    }
}
