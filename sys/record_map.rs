// SPDX-License-Identifier: GPL-2.0

//! Records by number, found without a lock.
//!
//! C header: [`include/linux/xarray.h`](srctree/include/linux/xarray.h)

use super::{
    bindings as helpers,
    record::{
        Record,
        TaskRecord, //
    },
    startup::Startup, //
};
use core::{
    cell::Cell,
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Full, //
        },
        rcu, //
    },
    task::Task,
    types::Opaque, //
};

/// A map from numbers to records, each of which it holds a reference to.
pub(crate) struct RecordMap<T: TaskRecord> {
    entries: Opaque<bindings::xarray>,
    /// Counts the records that have been taken out.
    removals: Atomic<usize>,
    _records: PhantomData<ARef<Record<T>>>,
}

// SAFETY: The xarray does its own locking; the records are `Sync`.
unsafe impl<T: TaskRecord> Sync for RecordMap<T> {}

impl<T: TaskRecord> RecordMap<T> {
    /// An empty map, for a static.
    pub(crate) const fn new() -> Self {
        Self {
            entries: Opaque::uninit(),
            removals: Atomic::new(0),
            _records: PhantomData,
        }
    }

    /// Makes the map usable.
    pub(crate) fn init(&'static self, _: &Startup) {
        // What the map needs to hold a record is charged to the control group of who inserts it.
        let flags = helpers::umcg_xarray_flags_UMCG_XA_FLAGS_ACCOUNT;
        // SAFETY: `entries` is static memory that nobody uses yet, as the token proves.
        unsafe { bindings::xa_init_flags(self.entries.get(), flags) };
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
        // Full, for the release that it contains: pairs with the load in `found_again()`.
        let _ = self.removals.fetch_add(1, Full);

        // SAFETY: The map holds only records, and has held a reference to this one.
        NonNull::new(old.cast()).map(|record| unsafe { ARef::from_raw(record) })
    }

    /// Finds the record of `number`, if it is one that `accept` accepts. It is valid until the guard
    /// goes. `last_found` will know it by `name`. Any context.
    pub(crate) fn find<'g>(
        &'static self,
        last_found: &LastFound<T>,
        name: u32,
        number: usize,
        _: &'g rcu::Guard,
        accept: impl FnOnce(&Record<T>) -> bool,
    ) -> Option<&'g Record<T>> {
        // Acquire: as in `found_again()`. Read first: a removal that comes now is not missed there.
        let removals = self.removals.load(Acquire);
        // SAFETY: `init()` has made the map usable.
        let entry = unsafe { bindings::xa_load(self.entries.get(), number) };
        // SAFETY: The map holds only records. Their memory lasts for a grace period after the last
        // reference, the map's among them, has gone.
        let record = unsafe { NonNull::new(entry.cast::<Record<T>>())?.as_ref() };

        accept(record).then(|| {
            // INVARIANT: The record was in the map after the removals were counted.
            last_found.name.set(name);
            last_found.removals.set(removals);
            last_found.record.set(record);
            last_found.task.set(Some(ARef::from(record.task())));
            record
        })
    }

    /// Calls `f` with the record that has the lowest number from `first` on, and returns that number.
    /// `f` runs within an RCU read-side critical section. Any context.
    pub(crate) fn with_next(
        &'static self,
        first: usize,
        f: impl FnOnce(&Record<T>),
    ) -> Option<usize> {
        let mut number = first;
        let _guard = rcu::read_lock();
        // SAFETY: `init()` has made the map usable.
        let entry = unsafe {
            bindings::xa_find(
                self.entries.get(),
                &raw mut number,
                usize::MAX,
                bindings::XA_PRESENT,
            )
        };
        // SAFETY: As in `find()`.
        f(unsafe { NonNull::new(entry.cast::<Record<T>>())?.as_ref() });

        Some(number)
    }

    /// The record that [`RecordMap::find`] has last found for `last_found`, if that was by `name` and
    /// nothing has been removed since. It is valid until the guard goes. Any context.
    #[inline]
    pub(crate) fn found_again<'g>(
        &'static self,
        last_found: &LastFound<T>,
        name: u32,
        _: &'g rcu::Guard,
    ) -> Option<&'g Record<T>> {
        // Acquire: pairs with the increment in `remove()`, which comes before the reference of the
        // map is given up. Who sees the old number here has begun its critical section before that,
        // so that the grace period waits for it.
        if !self.is_current(last_found, name) {
            return None;
        }

        // SAFETY: Null, or a record that was in the map after as many removals as there are now, by
        // the type invariant: so it still is.
        unsafe { last_found.record.get().as_ref() }
    }

    /// Calls `f` with the task of the record that [`RecordMap::found_again`] would find. That it is
    /// counted makes a read-side critical section superfluous: the task may be about to leave the
    /// map, but `f` is called for a task of this name. Any context.
    #[inline]
    pub(crate) fn with_task_found_again<R>(
        &'static self,
        last_found: &LastFound<T>,
        name: u32,
        f: impl FnOnce(&Task) -> R,
    ) -> Option<R> {
        if !self.is_current(last_found, name) {
            return None;
        }

        let task = last_found.task.take()?;
        let result = f(&task);
        last_found.task.set(Some(task));

        Some(result)
    }

    /// Whether `last_found` knows a record by `name`, which still is in the map.
    #[inline]
    fn is_current(&self, last_found: &LastFound<T>, name: u32) -> bool {
        last_found.name.get() == name && last_found.removals.get() == self.removals.load(Acquire)
    }
}

/// What a task has last found in a map: most often it will look for the same again. It holds the
/// task that was found, but not the record: what has left must not keep its memory pinned.
///
/// # Invariants
///
/// `record` is null, or was in the map when its count of removals was `removals`.
pub(crate) struct LastFound<T: TaskRecord> {
    name: Cell<u32>,
    removals: Cell<usize>,
    record: Cell<*const Record<T>>,
    task: Cell<Option<ARef<Task>>>,
}

// SAFETY: The pointer is as good for one task as for another.
unsafe impl<T: TaskRecord> Send for LastFound<T> {}

impl<T: TaskRecord> LastFound<T> {
    /// Nothing.
    pub(crate) fn new() -> Self {
        Self {
            name: Cell::new(0),
            removals: Cell::new(0),
            record: Cell::new(ptr::null()),
            task: Cell::new(None),
        }
    }
}
