// SPDX-License-Identifier: GPL-2.0

//! The types of records: their identity, callbacks and maps.

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

/// The static data of all records of the type `T`.
pub(crate) struct Kind<T> {
    /// Its address identifies the records of this type on a task's list.
    ops: bindings::preempt_ops,
    map: RecordMap<T>,
}

impl<T> Kind<T> {
    /// For records that are only to be found. Their callbacks do nothing, and are called only while
    /// others, such as KVM, have enabled notifications.
    pub(crate) const fn anchor() -> Self {
        Self::with(bindings::preempt_ops {
            sched_in: Some(sched_in),
            sched_out: Some(sched_out),
        })
    }

    /// For records with switch notifications.
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
    /// The static data of the type.
    fn kind() -> &'static Kind<Self>;
}

/// Makes a type one of records: `record_type!(anchor, Type)`, or `record_type!(switches, Type)` if it
/// has [`Switches`].
#[macro_export]
macro_rules! record_type {
    ($callbacks:ident, $type:ty) => {
        #[allow(unsafe_code, reason = "the macro itself keeps the promise")]
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
