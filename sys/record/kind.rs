// SPDX-License-Identifier: GPL-2.0

//! The kinds of records: what tells them from each other, and where they are found.

use super::{
    map::RecordMap,
    switch::{
        self,
        Switches, //
    },
};
use kernel::{
    bindings,
    prelude::*, //
};

/// What there is once for all records of the type `T`.
pub(crate) struct Kind<T> {
    /// The address of this marks the records of this type among all that is on a task's list.
    ops: bindings::preempt_ops,
    map: RecordMap<T>,
}

impl<T> Kind<T> {
    /// For records that only anchor something at a task. Their callbacks do nothing, and are called
    /// only while somebody else, such as KVM, has notifications on.
    pub(crate) const fn anchor() -> Self {
        Self::with(bindings::preempt_ops {
            sched_in: Some(sched_in),
            sched_out: Some(sched_out),
        })
    }

    /// For records that are told of the switches of their task.
    pub(crate) const fn switches() -> Self
    where
        T: Switches,
    {
        Self::with(switch::ops::<T>())
    }

    const fn with(ops: bindings::preempt_ops) -> Self {
        Self {
            ops,
            map: RecordMap::new(),
        }
    }

    #[inline]
    pub(super) fn ops(&'static self) -> &'static bindings::preempt_ops {
        &self.ops
    }

    #[inline]
    pub(in crate::sys) fn map(&'static self) -> &'static RecordMap<T> {
        &self.map
    }
}

/// Run-queue lock held, interrupts off.
extern "C" fn sched_in(_: *mut bindings::preempt_notifier, _: c_int) {}

/// Run-queue lock held, interrupts off.
extern "C" fn sched_out(_: *mut bindings::preempt_notifier, _: *mut bindings::task_struct) {}

/// A type of records.
///
/// # Safety
///
/// `kind()` returns always the same static, and no other type returns it. To be implemented by
/// [`record_type!`](crate::record_type) only.
pub(crate) unsafe trait RecordType: Sized {
    /// What there is once for the type.
    fn kind() -> &'static Kind<Self>;
}

/// Makes a type one of records: `record_type!(anchor, Type)`, or `record_type!(switches, Type)` if it
/// has [`Switches`].
#[macro_export]
macro_rules! record_type {
    ($callbacks:ident, $type:ty) => {
        #[allow(unsafe_code, reason = "the macro keeps the promise, whoever uses it")]
        // SAFETY: The static can be reached by this function only, which a type has once.
        unsafe impl $crate::sys::record::RecordType for $type {
            #[inline]
            fn kind() -> &'static $crate::sys::record::Kind<Self> {
                static KIND: $crate::sys::record::Kind<$type> =
                    $crate::sys::record::Kind::<$type>::$callbacks();
                &KIND
            }
        }
    };
}
