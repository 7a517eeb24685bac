// SPDX-License-Identifier: GPL-2.0

//! Lockless lookup of records by PID.
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

/// The records of the type `T` that are attached to a task, or about to be, by the PID of that task
/// in the initial PID namespace. There is one map for each type, [`records`].
///
/// # Invariants
///
/// - `entries` is all zeroes until it is `initialised`; nothing can be found in it then.
/// - It holds pointers to records, each of which it owns a reference to.
pub(crate) struct RecordMap<T> {
    entries: Opaque<bindings::xarray>,
    initialised: Once,
    /// Count the records that were removed, by their [`Shard`].
    removals: [Removals; Shard::COUNT],
    _records: PhantomData<T>,
}

/// A count that every lookup reads, and the end of a registration raises: in a cache line of its own,
/// so that threads of one process that come and go do not slow the lookups of others.
#[repr(align(64))]
struct Removals(Atomic<usize>);

/// Which of the counts is that of a process. Several may have the same.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Shard(u8);

impl Shard {
    const BITS: u32 = 6;
    const COUNT: usize = 1 << Self::BITS;

    /// That of the address space of the current task.
    fn own() -> Self {
        // SAFETY: The current task alone changes its own. Only its address counts.
        let mm = unsafe { (*Task::current_raw()).mm };
        // CAST: Addresses have 64 bits wherever this module is built.
        let hash = (mm as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);

        // CAST: These bits fit.
        Self((hash >> (u64::BITS - Self::BITS)) as u8)
    }

    #[inline]
    fn index(self) -> usize {
        usize::from(self.0) % Self::COUNT
    }
}

// SAFETY: The xarray does its own locking; the records are `Sync`.
unsafe impl<T: TaskRecord> Sync for RecordMap<T> {}

/// The map of all records of the type `T`.
#[inline]
pub(crate) fn records<T: TaskRecord>() -> &'static RecordMap<T> {
    T::kind().map()
}

/// Waits until no task is about to wake the task of a record that was removed from its map before:
/// see [`RecordMap::with_task_found_again`]. May sleep, usually for some tenths of a second.
pub(in crate::sys) fn wait_for_finders() {
    // A task that has found the record does not sleep before the wake-up. SAFETY: In process
    // context with no lock held.
    unsafe { bindings::synchronize_rcu_tasks() };
}

impl<T> RecordMap<T> {
    /// An empty map, for the one static of a type.
    pub(super) const fn new() -> Self {
        // INVARIANT: Zeroes.
        Self {
            entries: Opaque::zeroed(),
            initialised: Once::new(),
            removals: [const { Removals(Atomic::new(0)) }; Shard::COUNT],
            _records: PhantomData,
        }
    }
}

impl<T: TaskRecord> RecordMap<T> {
    /// Inserts the record of the current task. May sleep. The map takes over a reference, which the
    /// caller has counted.
    ///
    /// # Errors
    ///
    /// `EBUSY` if the task has one; `ENOMEM`. The record was never visible then.
    pub(super) fn insert(&'static self, record: &Record<T>) -> Result {
        self.initialised.call(|| {
            // Memory for the map's nodes is charged to the memory cgroup of the task that inserts a
            // record.
            let flags = helpers::umcg_xarray_flags_UMCG_XA_FLAGS_ACCOUNT;
            // SAFETY: Static memory that has not been written to. A concurrent lookup takes no
            // lock, and finds the map empty before and after.
            unsafe { bindings::xa_init_flags(self.entries.get(), flags) };
        });

        // SAFETY: The map has been initialised; the entry is an aligned pointer. The store has release
        // ordering: it pairs with the dependency of the load in `find()`.
        to_result(unsafe {
            helpers::umcg_xa_insert(
                self.entries.get(),
                pid_of(record.task()),
                ptr::from_ref(record).cast_mut().cast(),
            )
        })
    }

    /// Removes the record of the current task. May sleep on PREEMPT_RT only. The caller has its own
    /// reference.
    pub(super) fn remove(&'static self, record: &RecordRef<T>) {
        let record: &Record<T> = record;
        // SAFETY: The map has been initialised, for the record has been inserted.
        let removed = unsafe {
            helpers::umcg_xa_remove(
                self.entries.get(),
                pid_of(record.task()),
                ptr::from_ref(record).cast_mut().cast(),
            )
        };
        // Full, for the release that it contains: pairs with the load in `found_again()`.
        let _ = self.removals_of(Shard::own()).fetch_add(1, Full);

        if removed {
            // SAFETY: The map owned a reference to each record that it has held.
            drop(unsafe { RecordRef::from_raw(NonNull::from(record)) });
        }
    }

    /// Finds the record of a task in the address space of the current one. It is valid until the
    /// guard is dropped. `last_found`, of the current task, caches it under `name`. Any context.
    pub(crate) fn find<'g>(
        &'static self,
        last_found: &LastFound<T>,
        name: u32,
        target: &Target<'g>,
    ) -> Option<&'g Record<T>> {
        // That of the record, if it passes the check below.
        let shard = Shard::own();
        // Acquire: as in `is_current()`. Read first, so that a concurrent removal is not missed
        // there.
        let removals = self.removals_of(shard).load(Acquire);
        // SAFETY: A valid map, or zeroes, in which nothing is found.
        let entry = unsafe { bindings::xa_load(self.entries.get(), target.pid()) };
        // SAFETY: The map holds only records. Their memory lasts for a grace period after the last
        // reference, the map's among them, has gone; the target proves that this section is within.
        let record = unsafe { NonNull::new(entry.cast::<Record<T>>())?.as_ref() };

        // A record is removed before the PID of its task changes, and holds a reference to the
        // task: the PID may belong to another task by now, but the `task_struct` cannot be reused.
        // It is also removed before the address space of its task changes; but the target may have
        // executed another program since it was found, and have registered there. The address space
        // is read by way of the record, which was inserted after such a change: pairs with the
        // release in `insert()`. If it is the one of the current task now, it was when the record
        // was inserted, because no task gets back to an address space that it has left.
        target.is_still(record.task()).then(|| {
            // INVARIANT: The record was in the map after the removals of its shard were counted, and is
            // removed by its task in this address space.
            last_found.name.set(name);
            last_found.shard.set(shard);
            last_found.removals.set(removals);
            last_found.record.set(record);
            last_found.task.set(Some(ARef::from(record.task())));
            record
        })
    }

    /// Calls `f` with the record that has the lowest PID from `first` on, and returns that PID. `f`
    /// runs within an RCU read-side critical section. Any context.
    pub(crate) fn with_next(
        &'static self,
        first: usize,
        f: impl FnOnce(&Record<T>),
    ) -> Option<usize> {
        let mut pid = first;
        let _guard = rcu::read_lock();
        // SAFETY: A valid map, or zeroes, in which nothing is found.
        let entry = unsafe {
            bindings::xa_find(
                self.entries.get(),
                &raw mut pid,
                usize::MAX,
                bindings::XA_PRESENT,
            )
        };
        // SAFETY: The map holds only records, whose memory lasts for a grace period after the last
        // reference: longer than the guard.
        f(unsafe { NonNull::new(entry.cast::<Record<T>>())?.as_ref() });

        Some(pid)
    }

    /// Calls `f` with each record. Records that are added or removed meanwhile may be missed. Each
    /// call runs within a separate RCU read-side critical section, because there may be very many.
    /// Any context.
    pub(crate) fn for_each(&'static self, mut f: impl FnMut(&Record<T>)) {
        let mut next = 0;

        while let Some(pid) = self.with_next(next, &mut f) {
            next = pid + 1;
        }
    }

    /// Kills the processes of all tasks that have a record, except init.
    pub(crate) fn kill_owners(&'static self) {
        self.for_each(|record| {
            // SAFETY: The record holds its task. Signals may be sent in any context in which no lock
            // of a task's signals or of a run queue is held.
            unsafe { helpers::umcg_kill(record.task().as_ptr()) };
        });
    }

    /// The record that [`RecordMap::find`] has last found for `last_found`, if that was by `name`
    /// and nothing was removed since. It is valid until the guard is dropped. Any context.
    #[inline]
    pub(crate) fn found_again<'g>(
        &'static self,
        last_found: &LastFound<T>,
        name: u32,
        _: &'g rcu::Guard,
    ) -> Option<&'g Record<T>> {
        // Acquire: pairs with the increment in `remove()`, which precedes the drop of the map's
        // reference. A task that sees the old count here has begun its critical section before
        // that, so the grace period waits for it.
        if !self.is_current(last_found, name) {
            return None;
        }

        // SAFETY: Null, or a record that was in this map, the only one of its type, after as many
        // removals as there are now, by the type invariant of `LastFound`: so it still is.
        unsafe { last_found.record.get().as_ref() }
    }

    /// Calls `f` with the task of the record that [`RecordMap::found_again`] would find. The task
    /// is counted, so no read-side critical section is needed: its record may be removed meanwhile.
    /// If it is about to run a program with more privileges, it waits until this has ended
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

    /// Whether `last_found` caches a record under `name` that is still in the map.
    #[inline]
    fn is_current(&self, last_found: &LastFound<T>, name: u32) -> bool {
        last_found.name.get() == name
            && last_found.removals.get() == self.removals_of(last_found.shard.get()).load(Acquire)
    }

    #[inline]
    fn removals_of(&self, shard: Shard) -> &Atomic<usize> {
        &self.removals[shard.index()].0
    }
}

/// The PID of the current task. It changes only in exec, where no task has a record.
fn pid_of(task: &Task) -> usize {
    // CAST: The PID of a user task is positive.
    task.pid() as usize
}

/// The last result of a task's lookups in the map of a type, which is usually looked up again. It
/// holds the task, but not the record: a detached record must not be kept.
///
/// # Invariants
///
/// `record` is null, or is of this `shard`, and was in the map of its type when the count of removals
/// of that was `removals`.
pub(crate) struct LastFound<T: TaskRecord> {
    name: Cell<u32>,
    shard: Cell<Shard>,
    removals: Cell<usize>,
    record: Cell<*const Record<T>>,
    task: Cell<Option<ARef<Task>>>,
}

// SAFETY: The pointer is as good for one task as for another.
unsafe impl<T: TaskRecord> Send for LastFound<T> {}

impl<T: TaskRecord> LastFound<T> {
    /// An empty cache.
    pub(crate) fn new() -> Self {
        // INVARIANT: `record` is null.
        Self {
            name: Cell::new(0),
            shard: Cell::new(Shard(0)),
            removals: Cell::new(0),
            record: Cell::new(ptr::null()),
            task: Cell::new(None),
        }
    }
}
