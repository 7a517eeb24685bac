// SPDX-License-Identifier: GPL-2.0

//! What is unsafe has no place in umcg/.

// fails with unsafe_code: no promise is made there
mod block {
    use crate::sys::context::TaskContext;

    fn make() -> TaskContext {
        // SAFETY: There is no reason.
        unsafe { TaskContext::enter() }
    }
}

// fails with unsafe_code: not for a type either
mod implementation {
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

    // SAFETY: There is no reason.
    unsafe impl RecordType for Other {
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
