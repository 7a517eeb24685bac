// SPDX-License-Identifier: GPL-2.0

//! Records by number, found without a lock.
//!
//! C header: [`include/linux/xarray.h`](srctree/include/linux/xarray.h)

use super::{
    Record,
    RecordRef,
    TaskRecord, //
};
use crate::sys::{
    bindings as helpers,
    static_lock::Once,
    target::Target, //
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

/// The records of the type `T` that are attached to a task, or just about to be, by the number of
/// that task in the initial PID namespace. There is one map for each type, [`records`].
///
/// # Invariants
///
/// - `entries` is all zeroes until it is `initialised`; nothing can be found in it then.
/// - It holds pointers to records, each of which it owns a reference to.
pub(crate) struct RecordMap<T> {
    entries: Opaque<bindings::xarray>,
    initialised: Once,
    /// Counts the records that have been taken out.
    removals: Atomic<usize>,
    _records: PhantomData<T>,
}

// SAFETY: The xarray does its own locking; the records are `Sync`.
unsafe impl<T: TaskRecord> Sync for RecordMap<T> {}

/// The map of all records of the type `T`.
#[inline]
pub(crate) fn records<T: TaskRecord>() -> &'static RecordMap<T> {
    T::kind().map()
}

/// Waits until nobody is about to wake the task of a record that was taken out of its map before: see
/// [`RecordMap::with_task_found_again`]. May sleep, for some tenths of a second most often.
pub(in crate::sys) fn wait_for_finders() {
    // Who has found the record does not sleep before the wake-up.
    // SAFETY: In process context with no lock held.
    unsafe { bindings::synchronize_rcu_tasks() };
}

impl<T> RecordMap<T> {
    /// An empty map, for the one static of a type.
    pub(super) const fn new() -> Self {
        // INVARIANT: Zeroes.
        Self {
            entries: Opaque::zeroed(),
            initialised: Once::new(),
            removals: Atomic::new(0),
            _records: PhantomData,
        }
    }
}

impl<T: TaskRecord> RecordMap<T> {
    /// Has the record of the current task found from now on. May sleep. The map takes over a
    /// reference, which the caller has counted.
    ///
    /// # Errors
    ///
    /// `EBUSY` if the task has one; `ENOMEM`. Nobody has seen the record then.
    pub(super) fn insert(&'static self, record: &Record<T>) -> Result {
        self.initialised.call(|| {
            // What the map needs to hold a record is charged to the control group of who inserts it.
            let flags = helpers::umcg_xarray_flags_UMCG_XA_FLAGS_ACCOUNT;
            // SAFETY: Static memory, which nobody has written to yet. Who looks something up
            // meanwhile takes no lock, and finds the same nothing.
            unsafe { bindings::xa_init_flags(self.entries.get(), flags) };
        });

        // SAFETY: The map has been initialised; the entry is an aligned pointer. The store has release
        // ordering: it pairs with the dependency of the load in `find()`.
        to_result(unsafe {
            helpers::umcg_xa_insert(
                self.entries.get(),
                number_of(record.task()),
                ptr::from_ref(record).cast_mut().cast(),
            )
        })
    }

    /// Takes the record of the current task out. May sleep on PREEMPT_RT, nowhere else. The caller
    /// has a reference of its own.
    pub(super) fn remove(&'static self, record: &RecordRef<T>) {
        let record: &Record<T> = record;
        // SAFETY: The map has been initialised, for the record has been inserted.
        let removed = unsafe {
            helpers::umcg_xa_remove(
                self.entries.get(),
                number_of(record.task()),
                ptr::from_ref(record).cast_mut().cast(),
            )
        };
        // Full, for the release that it contains: pairs with the load in `found_again()`.
        let _ = self.removals.fetch_add(1, Full);

        if removed {
            // SAFETY: The map owned a reference to each record that it has held.
            drop(unsafe { RecordRef::from_raw(NonNull::from(record)) });
        }
    }

    /// Finds the record of a task. It is valid until the guard goes. `last_found` will know it by
    /// `name`. Any context.
    pub(crate) fn find<'g>(
        &'static self,
        last_found: &LastFound<T>,
        name: u32,
        target: &Target<'g>,
    ) -> Option<&'g Record<T>> {
        // Acquire: as in `is_current()`. Read first: a removal that comes now is not missed there.
        let removals = self.removals.load(Acquire);
        // SAFETY: A valid map, or zeroes, in which nothing is found.
        let entry = unsafe { bindings::xa_load(self.entries.get(), target.number()) };
        // SAFETY: The map holds only records. Their memory lasts for a grace period after the last
        // reference, the map's among them, has gone; the target proves that this section is within.
        let record = unsafe { NonNull::new(entry.cast::<Record<T>>())?.as_ref() };

        // A record is taken out before its task gets another number, and holds a reference to it: the
        // number may be that of another task by now, the task itself not.
        target.is(record.task()).then(|| {
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
        // SAFETY: A valid map, or zeroes, in which nothing is found.
        let entry = unsafe {
            bindings::xa_find(
                self.entries.get(),
                &raw mut number,
                usize::MAX,
                bindings::XA_PRESENT,
            )
        };
        // SAFETY: The map holds only records, whose memory lasts for a grace period after the last
        // reference: longer than the guard.
        f(unsafe { NonNull::new(entry.cast::<Record<T>>())?.as_ref() });

        Some(number)
    }

    /// Calls `f` with each record. Those that come and go meanwhile may be missed. Each call runs
    /// within an RCU read-side critical section of its own, for there may be very many. Any context.
    pub(crate) fn for_each(&'static self, mut f: impl FnMut(&Record<T>)) {
        let mut next = 0;

        while let Some(number) = self.with_next(next, &mut f) {
            next = number + 1;
        }
    }

    /// Kills the processes of all tasks that have a record, but for the first process of the machine.
    pub(crate) fn kill_owners(&'static self) {
        self.for_each(|record| {
            // SAFETY: The record holds its task. Signals may be sent in any context in which no lock
            // of a task's signals or of a run queue is held.
            unsafe { helpers::umcg_kill(record.task().as_ptr()) };
        });
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

        // SAFETY: Null, or a record that was in this map, the only one of its type, after as many
        // removals as there are now, by the type invariant of `LastFound`: so it still is.
        unsafe { last_found.record.get().as_ref() }
    }

    /// Calls `f` with the task of the record that [`RecordMap::found_again`] would find. That it is
    /// counted makes a read-side critical section superfluous: the task may leave the map meanwhile.
    /// If it is about to run a program with more privileges, it waits until this is over
    /// ([`wait_for_finders`]): so `f` must not sleep. Any context.
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

/// The number of the current task. It changes in exec only, and no task has a record there.
fn number_of(task: &Task) -> usize {
    // CAST: The PID of a user task is positive.
    task.pid() as usize
}

/// What a task has last found in the map of a type: most often it will look for the same again. It
/// holds the task that was found, but not the record: what has left must not keep its memory pinned.
///
/// # Invariants
///
/// `record` is null, or was in the map of its type when the count of removals was `removals`.
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
        // INVARIANT: `record` is null.
        Self {
            name: Cell::new(0),
            removals: Cell::new(0),
            record: Cell::new(ptr::null()),
            task: Cell::new(None),
        }
    }
}
