// SPDX-License-Identifier: GPL-2.0

//! Records by number, found without a lock.
//!
//! C header: [`include/linux/xarray.h`](srctree/include/linux/xarray.h)

use super::{
    record::{
        Record,
        TaskRecord, //
    },
    startup::Startup, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    },
    types::Opaque, //
};

/// A map from numbers to records, each of which it holds a reference to.
pub(crate) struct RecordMap<T: TaskRecord> {
    entries: Opaque<bindings::xarray>,
    _records: PhantomData<ARef<Record<T>>>,
}

// SAFETY: The xarray does its own locking; the records are `Sync`.
unsafe impl<T: TaskRecord> Sync for RecordMap<T> {}

impl<T: TaskRecord> RecordMap<T> {
    /// An empty map, for a static.
    pub(crate) const fn new() -> Self {
        Self {
            entries: Opaque::uninit(),
            _records: PhantomData,
        }
    }

    /// Makes the map usable.
    pub(crate) fn init(&'static self, _: &Startup) {
        // SAFETY: `entries` is static memory that nobody uses yet, as the token proves.
        unsafe { bindings::xa_init_flags(self.entries.get(), 0) };
    }

    /// Puts a record under a number that has none. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn insert(&'static self, number: usize, record: ARef<Record<T>>) -> Result {
        let record = ARef::into_raw(record);
        // SAFETY: `init()` has made the map usable; the entry is an aligned pointer. The store has
        // release ordering: it pairs with the dependency of the load in `get()`.
        let old = unsafe {
            bindings::xa_store(
                self.entries.get(),
                number,
                record.as_ptr().cast(),
                bindings::GFP_KERNEL,
            )
        };
        // SAFETY: `old` is what `xa_store()` has returned.
        let stored = to_result(unsafe { bindings::xa_err(old) });
        if stored.is_err() {
            // SAFETY: The map has not taken the reference.
            drop(unsafe { ARef::from_raw(record) });
        }

        stored
    }

    /// Takes the record of a number out. May sleep on PREEMPT_RT, nowhere else.
    pub(crate) fn remove(&'static self, number: usize) -> Option<ARef<Record<T>>> {
        // SAFETY: `init()` has made the map usable.
        let old = unsafe { bindings::xa_erase(self.entries.get(), number) };

        // SAFETY: The map holds only records, and has held a reference to this one.
        NonNull::new(old.cast()).map(|record| unsafe { ARef::from_raw(record) })
    }

    /// Finds the record of a number, which is valid until the guard goes. Any context.
    #[inline]
    pub(crate) fn get<'g>(
        &'static self,
        number: usize,
        _: &'g rcu::Guard,
    ) -> Option<&'g Record<T>> {
        // SAFETY: `init()` has made the map usable.
        let entry = unsafe { bindings::xa_load(self.entries.get(), number) };

        // SAFETY: The map holds only records. Their memory lasts for a grace period after the last
        // reference, the map's among them, has gone.
        NonNull::new(entry.cast()).map(|record| unsafe { record.as_ref() })
    }
}
