// SPDX-License-Identifier: GPL-2.0

//! Counted records, each of which belongs to one task.
//!
//! The task itself, the *owner*, finds its record by the preempt notifier in it, on the list in its
//! `task_struct`, which only the owner may access. Its *peers* find the record by [`map`], under
//! RCU, and enter its gate to operate on it. The memory is freed by the reaper, a grace period
//! after the last reference was dropped.
//!
//! A record is created, inserted into the map and attached in one step, and detached in one step:
//! there is none in between that could be attached twice, or to another task. References to records
//! stay within this module and its children.
//!
//! C headers: [`include/linux/preempt.h`](srctree/include/linux/preempt.h),
//! [`include/linux/task_work.h`](srctree/include/linux/task_work.h)

mod allowance;
mod kind;
pub(crate) mod map;
mod switch;
mod work;

pub(crate) use self::{
    allowance::Allowance,
    kind::{
        Kind,
        RecordType, //
    },
    switch::Switches,
    work::{
        prepare,
        Notify, //
    }, //
};

use super::{
    bindings as helpers,
    context::TaskContext,
    gate::Gate,
    module_ref::ModuleRef,
    preemption,
    reaper, //
};
use core::{
    cell::{
        Cell,
        UnsafeCell, //
    },
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    bindings, container_of,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Refcount, //
    },
    task::Task,
    types::{
        NotThreadSafe,
        Opaque, //
    },
};

/// The contents of a record. Shared by all tasks that find it, and the scheduler hooks of its
/// owner, at any time.
pub(crate) trait TaskRecord: RecordType + Send + Sync + 'static {
    /// Accessed only by the owner, and not by hooks that may have interrupted it.
    type Owned: Send;

    /// Available while the record is attached: to the owner, and to peers within the gate. The
    /// owner gets it back when it has detached the record.
    type Lent: Send + Sync;

    /// Called in the owner on its return to user mode, once after [`Current::queue_work`]; may
    /// sleep.
    fn returns_to_user(ctx: &TaskContext, current: &Current<'_, Self>);
}

/// A record of type `T` and its ties to the task that owns it.
///
/// # Invariants
///
/// - While `attached`, `notifier` is on the list of `task`, and owns a reference to the record.
/// - `gate` is open only while `attached`.
/// - While `queued`, `work` is among the task works of `task`, and owns a reference to the record;
///   so does `nudge`, while `nudged`, or is about to be. Both become so only while `attached`.
/// - Only `task` changes `attached`, and accesses `queued`, `module` and `owned`, until the last
///   reference is dropped.
/// - `module` is there while it is `attached` or a work is queued.
/// - `lent` is valid, and is not changed, until the record was detached. After that it belongs to
///   [`Detached`], and with the last reference to the code that drops the record.
#[pin_data]
pub(crate) struct Record<T: TaskRecord> {
    #[pin]
    notifier: Opaque<bindings::preempt_notifier>,
    /// The task work that the owner queues; in the end, the link of the reaper's list.
    #[pin]
    work: Opaque<bindings::callback_head>,
    /// The task work that peers queue: it makes the owner queue its own.
    #[pin]
    nudge: Opaque<bindings::callback_head>,
    refs: Refcount,
    #[pin]
    gate: Gate,
    attached: Atomic<bool>,
    queued: Atomic<bool>,
    nudged: Atomic<bool>,
    /// Held until the record is detached and no work is queued: until then the kernel calls code of
    /// the module.
    module: Cell<Option<ModuleRef>>,
    task: ARef<Task>,
    owned: T::Owned,
    lent: UnsafeCell<Option<T::Lent>>,
    shared: T,
}

// SAFETY: Dropped by the reaper, when no other task has it; the parts are `Send`.
unsafe impl<T: TaskRecord> Send for Record<T> {}
// SAFETY: What is not `Sync` is touched by the owner only, by the type invariants; `lent` is changed
// only when no peer can be at it.
unsafe impl<T: TaskRecord> Sync for Record<T> {}

/// A counted reference to a record.
///
/// No other code gets one: a record found under RCU may have a count of zero.
///
/// # Invariants
///
/// Owns one of the `refs` of a record that [`TaskContext::attach`] has made.
pub(super) struct RecordRef<T: TaskRecord>(NonNull<Record<T>>);

impl<T: TaskRecord> RecordRef<T> {
    /// # Safety
    ///
    /// The caller owns a reference to the record, which the result takes over.
    pub(super) unsafe fn from_raw(record: NonNull<Record<T>>) -> Self {
        // INVARIANT: Promised by the caller.
        Self(record)
    }
}

impl<T: TaskRecord> Deref for RecordRef<T> {
    type Target = Record<T>;

    #[inline]
    fn deref(&self) -> &Record<T> {
        // SAFETY: A reference is owned, by the type invariant.
        unsafe { self.0.as_ref() }
    }
}

impl<T: TaskRecord> Drop for RecordRef<T> {
    #[inline]
    fn drop(&mut self) {
        if !self.refs.dec_and_test() {
            return;
        }

        let work = self.work.get();
        // SAFETY: No reference is left, so no task work uses it any more.
        unsafe { (*work).func = Some(Record::<T>::free) };
        // SAFETY: The address of a field is not null. `free()` is the only thing that happens to the
        // record from now on, and may be called in process context.
        unsafe { reaper::after_grace_period(NonNull::new_unchecked(work)) };
    }
}

impl<T: TaskRecord> Record<T> {
    /// Creates a record for the current task, with two references.
    fn new(owned: T::Owned, lent: T::Lent, shared: T) -> Result<Pin<KBox<Self>>> {
        let module = ModuleRef::new()?;
        let init = try_pin_init!(Self {
            notifier <- Opaque::ffi_init(|slot: *mut bindings::preempt_notifier| {
                let notifier = bindings::preempt_notifier {
                    // CAST: The kernel never writes through it.
                    ops: core::ptr::from_ref(T::kind().ops()).cast_mut(),
                    ..pin_init::zeroed()
                };
                // SAFETY: The slot is valid for writes.
                unsafe { slot.write(notifier) }
            }),
            work <- work::init(Self::run_work),
            nudge <- work::init(Self::run_nudge),
            refs: Refcount::new(2),
            gate <- Gate::new(),
            attached: Atomic::new(false),
            queued: Atomic::new(false),
            nudged: Atomic::new(false),
            module: Cell::new(Some(module)),
            task: ARef::from(&**kernel::current!()),
            owned,
            lent: UnsafeCell::new(Some(lent)),
            shared,
        }? Error);

        KBox::pin_init(init, GFP_KERNEL_ACCOUNT)
    }

    /// Finds the record that is attached to the current task.
    #[inline]
    fn find_current() -> Option<NonNull<Self>> {
        let task = Task::current_raw();
        // SAFETY: `task` is the current task, and only it changes this list.
        let mut link = unsafe { (*task).preempt_notifiers.first };

        while !link.is_null() {
            // SAFETY: Everything on this list is the `link` of a valid preempt notifier.
            let notifier = unsafe { container_of!(link, bindings::preempt_notifier, link) };
            // SAFETY: A valid preempt notifier, whose operations do not change while it is on a list.
            if unsafe { (*notifier).ops }.cast_const() == core::ptr::from_ref(T::kind().ops()) {
                // CAST: `Opaque<T>` is a transparent wrapper of `T`.
                let notifier = notifier.cast::<Opaque<bindings::preempt_notifier>>();
                // SAFETY: Only records of this type have these operations, by the contract of
                // `RecordType`.
                return NonNull::new(unsafe { container_of!(notifier, Self, notifier) });
            }
            // SAFETY: The link of a valid notifier, on a list that nobody else changes.
            link = unsafe { (*link).next };
        }

        None
    }

    /// Calls `f` with the record of the current task, which does not detach it meanwhile, because
    /// this is a hook.
    #[inline]
    pub(super) fn with_current<R>(f: impl FnOnce(&Self) -> R) -> Option<R> {
        // SAFETY: An attached record owns a reference. The hook is over before the task, on which it
        // runs, can detach it.
        Some(f(unsafe { Self::find_current()?.as_ref() }))
    }

    /// The task that owns the record.
    #[inline]
    pub(crate) fn task(&self) -> &Task {
        &self.task
    }

    /// Whether the record is attached to its task. Any context.
    ///
    /// Relaxed: for peers it may change at any time. To rely on it, use [`Record::visit`].
    #[inline]
    pub(crate) fn is_attached(&self) -> bool {
        self.attached.load(Relaxed)
    }

    /// # Safety
    ///
    /// The record is attached, and stays so for as long as the result is used.
    #[inline]
    unsafe fn lent(&self) -> &T::Lent {
        // SAFETY: It is not changed before the record has been detached.
        let lent = unsafe { &*self.lent.get() };
        // SAFETY: It is there as long, by the type invariant.
        unsafe { lent.as_ref().unwrap_unchecked() }
    }

    /// Calls `visit` while the record is attached, and cannot be detached; `None` if it is not
    /// attached. Any context. `visit` runs with interrupts disabled, and must not sleep, wake or
    /// lock, nor visit the same record recursively.
    #[inline]
    pub(crate) fn visit<R>(&self, visit: impl FnOnce(&Visit<'_, T>) -> R) -> Option<R> {
        self.gate.pass(|| visit(&Visit(self)))
    }
}

impl<T: TaskRecord> Deref for Record<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.shared
    }
}

/// The record of the current task, and the proof that the owner runs and was not interrupted. In a
/// hook, the owner itself has called the function that contains the hook.
///
/// # Invariants
///
/// `record` is attached to the current task, and stays so for `'a`.
pub(crate) struct Current<'a, T: TaskRecord> {
    record: &'a Record<T>,
    _not_send: NotThreadSafe,
}

impl<'a, T: TaskRecord> Current<'a, T> {
    /// # Safety
    ///
    /// The record is attached to the current task until `'a` ends, and this is no hook that may
    /// have interrupted it.
    #[inline]
    pub(super) unsafe fn new(record: &'a Record<T>) -> Self {
        // INVARIANT: Promised by the caller.
        Self {
            record,
            _not_send: NotThreadSafe,
        }
    }

    /// Accessed only by the owner.
    #[inline]
    pub(crate) fn owned(&self) -> &'a T::Owned {
        &self.record.owned
    }

    /// Available while the record is attached.
    #[inline]
    pub(crate) fn lent(&self) -> &T::Lent {
        // SAFETY: Attached as long as this exists, by the type invariant.
        unsafe { self.record.lent() }
    }
}

impl<T: TaskRecord> Deref for Current<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.record.shared
    }
}

/// The record of the current task in a scheduler hook that may have interrupted the task anywhere:
/// the owner's part may be in an inconsistent state, and is not accessible.
///
/// # Invariants
///
/// `record` is attached to the current task, and stays so for `'a`.
pub(crate) struct InHook<'a, T: TaskRecord> {
    record: &'a Record<T>,
    _not_send: NotThreadSafe,
}

impl<'a, T: TaskRecord> InHook<'a, T> {
    /// # Safety
    ///
    /// The record is attached to the current task until `'a` ends.
    #[inline]
    pub(super) unsafe fn new(record: &'a Record<T>) -> Self {
        // INVARIANT: Promised by the caller.
        Self {
            record,
            _not_send: NotThreadSafe,
        }
    }
}

impl<T: TaskRecord> Deref for InHook<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.record.shared
    }
}

/// A record as accessed by a peer: it is attached, and stays so while this exists.
pub(crate) struct Visit<'a, T: TaskRecord>(&'a Record<T>);

impl<T: TaskRecord> Visit<'_, T> {
    /// Available while the record is attached.
    #[inline]
    pub(crate) fn lent(&self) -> &T::Lent {
        // SAFETY: Within the gate, whose closing waits until this ends: attached until then.
        unsafe { self.0.lent() }
    }
}

impl<T: TaskRecord> Deref for Visit<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0.shared
    }
}

/// A record that was just detached, still accessed by its owner.
///
/// The order of the fields is the order in which they are dropped: the module goes last.
///
/// # Invariants
///
/// The record was detached; this is the only instance for it, and belongs to its owner.
pub(crate) struct Detached<T: TaskRecord> {
    record: RecordRef<T>,
    _module: Option<ModuleRef>,
    _not_send: NotThreadSafe,
}

impl<T: TaskRecord> Detached<T> {
    /// Accessed only by the owner.
    pub(crate) fn owned(&self) -> &T::Owned {
        &self.record.owned
    }

    /// Takes back the lent part; `None` if that was already done.
    pub(crate) fn take_lent(&mut self) -> Option<T::Lent> {
        // SAFETY: Detached, so no peer is at it and none will be; and this is the only way for the
        // owner to get at it, by the type invariant.
        unsafe { (*self.record.lent.get()).take() }
    }
}

impl<T: TaskRecord> Deref for Detached<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.record.shared
    }
}

impl TaskContext {
    /// The record of the current task.
    #[inline]
    pub(crate) fn current<T: TaskRecord>(&self) -> Option<Current<'_, T>> {
        let record = Record::<T>::find_current()?;
        // SAFETY: An attached record owns a reference.
        let record = unsafe { record.as_ref() };

        // SAFETY: `detach()` needs this context for itself.
        Some(unsafe { Current::new(record) })
    }

    /// Creates a record, makes it visible to peers and attaches it to the current task. Calls
    /// `begin` with it before any scheduler hook can see it, and with preemption disabled.
    ///
    /// # Errors
    ///
    /// `EBUSY` if the task has a record of this type; `ENOMEM`; `ENODEV` if the module is being
    /// unloaded.
    pub(crate) fn attach<T: TaskRecord>(
        &self,
        owned: T::Owned,
        lent: T::Lent,
        shared: T,
        begin: impl FnOnce(&Current<'_, T>),
    ) -> Result<Current<'_, T>> {
        let record = Record::new(owned, lent, shared)?;
        // If this fails, the record was never visible: it is freed with its box.
        T::kind().map().insert(&record)?;

        // SAFETY: The memory is never moved: only `free()` gets at it as a box again.
        let record: &Record<T> = unsafe { &*KBox::into_raw(Pin::into_inner_unchecked(record)) };
        preemption::off(|| {
            // INVARIANT: On the list from here on, which takes over a reference. The other one belongs
            // to the map.
            record.attached.store(true, Relaxed);
            // SAFETY: `notifier` is set up, on no list, and stays valid until it is detached.
            unsafe { helpers::umcg_anchor(record.notifier.get()) };
            record.gate.open();
            // SAFETY: Attached above.
            begin(&unsafe { Current::new(record) });
        });

        // SAFETY: Attached above, until `detach()` has this context for itself.
        Ok(unsafe { Current::new(record) })
    }

    /// Detaches the record of the current task. No peer accesses or finds it after that. Calls
    /// `end` with it after the last scheduler hook, and with preemption disabled.
    pub(crate) fn detach<T: TaskRecord>(
        &mut self,
        end: impl FnOnce(&Detached<T>),
    ) -> Option<Detached<T>> {
        // SAFETY: It is on the list of the current task, which owns a reference: this one.
        let record = unsafe { RecordRef::from_raw(Record::<T>::find_current()?) };
        T::kind().map().remove(&record);

        Some(preemption::off(|| {
            record.gate.close();
            // SAFETY: On the list of the current task, where `attach()` has put it.
            unsafe { bindings::preempt_notifier_unregister(record.notifier.get()) };
            // INVARIANT: Not on the list any more.
            record.attached.store(false, Relaxed);

            let module = record.take_module_if_over();
            // INVARIANT: Detached above, by its owner, which cannot do that again.
            let detached = Detached {
                record,
                _module: module,
                _not_send: NotThreadSafe,
            };
            end(&detached);
            detached
        }))
    }
}
