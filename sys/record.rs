// SPDX-License-Identifier: GPL-2.0

//! Counted records, each of which belongs to one task.
//!
//! The task itself, the *owner*, finds its record by the preempt notifier in it, on the list in its
//! `task_struct`; that list is for its owner alone. Its *peers* find the record by
//! [`super::record_map`], under RCU, and pass its gate to do something to it. The memory is freed by
//! the reaper, a grace period after the last reference went.
//!
//! C headers: [`include/linux/preempt.h`](srctree/include/linux/preempt.h),
//! [`include/linux/task_work.h`](srctree/include/linux/task_work.h)

use super::{
    context::TaskContext,
    gate::Gate,
    module_ref::ModuleRef,
    reaper, //
};
use core::{
    cell::Cell,
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    bindings, container_of,
    prelude::*,
    sync::{
        aref::{
            ARef,
            AlwaysRefCounted, //
        },
        atomic::{
            Atomic,
            Full,
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

/// What a record holds.
///
/// # Safety
///
/// `ops()` returns a static of which no other type returns the address: it tells the records of
/// this type from everything else on a task's list. To be implemented by
/// [`impl_task_record!`](crate::impl_task_record) only.
pub(crate) unsafe trait TaskRecord: Send + Sync + Sized + 'static {
    /// What only the owner touches.
    type Owned: Send;

    /// The address that marks records of this type.
    fn ops() -> &'static bindings::preempt_ops;

    /// Called in the owner on its way to user mode, once after [`Current::queue_work`]; may sleep.
    fn returns_to_user(ctx: &TaskContext, current: &Current<'_, Self>);
}

/// Gives a type of record the address that marks it.
#[macro_export]
macro_rules! impl_task_record {
    (impl TaskRecord for $type:ty { type Owned = $owned:ty; $returns_to_user:item }) => {
        #[allow(unsafe_code, reason = "the macro keeps the promise, whoever uses it")]
        // SAFETY: The static is private to this function, so no other type returns it.
        unsafe impl $crate::sys::record::TaskRecord for $type {
            type Owned = $owned;

            fn ops() -> &'static ::kernel::bindings::preempt_ops {
                static OPS: ::kernel::bindings::preempt_ops = $crate::sys::record::IDLE_OPS;
                &OPS
            }

            $returns_to_user
        }
    };
}

/// Callbacks that do nothing: the notifier is an anchor, the scheduler hooks are elsewhere.
#[doc(hidden)]
pub(crate) const IDLE_OPS: bindings::preempt_ops = bindings::preempt_ops {
    sched_in: Some(sched_in),
    sched_out: Some(sched_out),
};

/// Run-queue lock held, interrupts off.
extern "C" fn sched_in(_: *mut bindings::preempt_notifier, _: c_int) {}

/// Run-queue lock held, interrupts off.
extern "C" fn sched_out(_: *mut bindings::preempt_notifier, _: *mut bindings::task_struct) {}

/// A record of type `T` and its ties to the task that owns it.
///
/// # Invariants
///
/// - While `attached`, `notifier` is on the list of `task`, and owns a reference to the record.
/// - `gate` is open only while `attached`.
/// - While `queued`, `work` is among the task works of `task`, or about to be, and owns a reference
///   to the record. It becomes `queued` only while `attached`.
/// - Only `task` touches `attached`, `module` and `owned`, until the last reference goes.
#[pin_data]
pub(crate) struct Record<T: TaskRecord> {
    #[pin]
    notifier: Opaque<bindings::preempt_notifier>,
    /// The task work; in the end, the link of the reaper's list.
    #[pin]
    work: Opaque<bindings::callback_head>,
    refs: Refcount,
    #[pin]
    gate: Gate,
    attached: Cell<bool>,
    queued: Atomic<bool>,
    /// Held until the record is detached and no work is queued: till then the kernel calls us.
    module: Cell<Option<ModuleRef>>,
    task: ARef<Task>,
    owned: T::Owned,
    shared: T,
}

// SAFETY: Dropped by the reaper, when no other task has it; the parts are `Send`.
unsafe impl<T: TaskRecord> Send for Record<T> {}
// SAFETY: What is not `Sync` is touched by the owner only, by the type invariants.
unsafe impl<T: TaskRecord> Sync for Record<T> {}

// SAFETY: The count starts at one, `free()` is called when it is zero, and the memory stays valid
// until then. Every instance is made by `Record::new()`, in a box.
unsafe impl<T: TaskRecord> AlwaysRefCounted for Record<T> {
    fn inc_ref(&self) {
        self.refs.inc();
    }

    unsafe fn dec_ref(record: NonNull<Self>) {
        // SAFETY: The caller owns a reference.
        let this = unsafe { record.as_ref() };
        if !this.refs.dec_and_test() {
            return;
        }

        let work = this.work.get();
        // SAFETY: No reference is left, so no task work uses it any more.
        unsafe { (*work).func = Some(Self::free) };
        // SAFETY: As above; `free()` is the only thing that happens to it from now on. The address
        // of a field is not null.
        unsafe { reaper::after_grace_period(NonNull::new_unchecked(work)) };
    }
}

impl<T: TaskRecord> Record<T> {
    /// Makes a record for the current task, which it is not attached to yet.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `ENODEV` if the module is on its way out.
    pub(crate) fn new(_ctx: &TaskContext, owned: T::Owned, shared: T) -> Result<ARef<Self>> {
        let module = ModuleRef::new()?;
        let init = try_pin_init!(Self {
            notifier <- Opaque::ffi_init(|slot: *mut bindings::preempt_notifier| {
                let notifier = bindings::preempt_notifier {
                    // CAST: The kernel never writes through it.
                    ops: core::ptr::from_ref(T::ops()).cast_mut(),
                    ..pin_init::zeroed()
                };
                // SAFETY: The slot is valid for writes.
                unsafe { slot.write(notifier) }
            }),
            work <- Opaque::ffi_init(|slot: *mut bindings::callback_head| {
                let work = bindings::callback_head {
                    func: Some(Self::run_work),
                    ..pin_init::zeroed()
                };
                // SAFETY: The slot is valid for writes.
                unsafe { slot.write(work) }
            }),
            refs: Refcount::new(1),
            gate <- Gate::new(),
            attached: Cell::new(false),
            queued: Atomic::new(false),
            module: Cell::new(Some(module)),
            task: ARef::from(&**kernel::current!()),
            owned,
            shared,
        }? Error);
        let record = KBox::pin_init::<Error>(init, GFP_KERNEL_ACCOUNT)?;

        // SAFETY: The memory is never moved: only `free()` gets at it as a box again.
        let record = KBox::into_raw(unsafe { Pin::into_inner_unchecked(record) });
        // SAFETY: A box is not null; its only reference becomes the one returned.
        Ok(unsafe { ARef::from_raw(NonNull::new_unchecked(record)) })
    }

    /// Destroys a record.
    ///
    /// # Safety
    ///
    /// To be called by the reaper only, with the `work` of a record whose last reference has gone:
    /// in process context, after a grace period.
    unsafe extern "C" fn free(work: *mut bindings::callback_head) {
        // SAFETY: Promised by the caller.
        let record = unsafe { Self::from_work(work) };
        // SAFETY: It came out of a box, in `new()`.
        drop(unsafe { KBox::from_raw(record) });
    }

    /// # Safety
    ///
    /// `work` is the `work` of a record of this type.
    unsafe fn from_work(work: *mut bindings::callback_head) -> *mut Self {
        // CAST: `Opaque<T>` is a transparent wrapper of `T`.
        let work = work.cast::<Opaque<bindings::callback_head>>();
        // SAFETY: Promised by the caller.
        unsafe { container_of!(work, Self, work) }
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
            // SAFETY: As above.
            if unsafe { (*notifier).ops }.cast_const() == core::ptr::from_ref(T::ops()) {
                // CAST: `Opaque<T>` is a transparent wrapper of `T`.
                let notifier = notifier.cast::<Opaque<bindings::preempt_notifier>>();
                // SAFETY: Only records of this type have this `ops`, by the trait's contract.
                return NonNull::new(unsafe { container_of!(notifier, Self, notifier) });
            }
            // SAFETY: As above.
            link = unsafe { (*link).next };
        }

        None
    }

    /// The task that owns the record.
    #[inline]
    pub(crate) fn task(&self) -> &Task {
        &self.task
    }

    /// Calls `visit` while the record is attached, and cannot be detached; `None` if it is not
    /// attached. Any context. Interrupts are off inside, where nothing may sleep, wake or lock.
    #[inline]
    pub(crate) fn visit<R>(&self, visit: impl FnOnce(&Visit<'_, T>) -> R) -> Option<R> {
        self.gate.pass(|| visit(&Visit(self)))
    }

    /// Queues `work`, unless it is queued. The record is attached, and stays so meanwhile.
    #[inline]
    fn queue_work(&self, notify: Notify) {
        // Full: pairs with the exchange in `run_work()`.
        if self.queued.xchg(true, Full) {
            return;
        }
        let mode = match notify {
            Notify::Resume => bindings::task_work_notify_mode_TWA_RESUME,
            Notify::Interrupt => bindings::task_work_notify_mode_TWA_SIGNAL_NO_IPI,
        };

        // INVARIANT: `queued`, and the queue owns a reference, unless queueing fails.
        self.refs.inc();
        // SAFETY: The task is counted, and `work` was not queued, so nobody else uses it; the
        // reference keeps it valid.
        if unsafe { bindings::task_work_add(self.task.as_ptr(), self.work.get(), mode) } != 0 {
            // The task is past its last task work: nobody waits for this one.
            self.queued.store(false, Relaxed);
            // Not the last one: an attached record owns one.
            self.refs.dec();
        }
    }

    /// The task work of a record.
    ///
    /// # Safety
    ///
    /// To be called by the kernel only, with a `work` that [`Current::queue_work`] has queued.
    unsafe extern "C" fn run_work(work: *mut bindings::callback_head) {
        // SAFETY: Promised by the caller; an address within a record is not null.
        let record = unsafe { NonNull::new_unchecked(Self::from_work(work)) };
        // INVARIANT: Not queued any more, and the reference that the queue owned is this one.
        // SAFETY: As above.
        let record = unsafe { ARef::from_raw(record) };
        // Full: pairs with the exchange in `queue_work()`. Who finds the work queued there, and so
        // does nothing, has done so before this; what it wrote before is seen from here on.
        record.queued.xchg(false, Full);

        // SAFETY: `task_work_run()` has it on its list, after which come those queued before.
        let others_wait = !unsafe { (*work).next }.is_null();
        if others_wait && record.attached.get() {
            // This one may sleep for long: the others, a last `fput()` among them, go first.
            record.queue_work(Notify::Resume);
            return;
        }

        // SAFETY: Task works run where the task may sleep, and not within another entry: no sleep of
        // this module runs task works.
        let ctx = unsafe { TaskContext::enter() };
        if record.attached.get() {
            T::returns_to_user(&ctx, &Current::new(&record));
        } else {
            let module = record.module.take();
            drop(record);
            drop(module);
        }
    }
}

impl<T: TaskRecord> Deref for Record<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.shared
    }
}

/// The record of the current task: what proves that the owner is at work.
///
/// # Invariants
///
/// `record` is attached to the current task, or was when the borrow began and is kept by a
/// reference.
pub(crate) struct Current<'a, T: TaskRecord> {
    record: &'a Record<T>,
    _not_send: NotThreadSafe,
}

/// How a queued work gets its task to user mode.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notify {
    /// When it goes there by itself.
    Resume,
    /// At once: an interruptible sleep that it is about to begin ends.
    Interrupt,
}

impl<'a, T: TaskRecord> Current<'a, T> {
    #[inline]
    fn new(record: &'a Record<T>) -> Self {
        Self {
            record,
            _not_send: NotThreadSafe,
        }
    }

    /// The record of the current task for a scheduler hook: it may be used until the hook returns.
    #[inline]
    pub(super) fn in_hook<R>(f: impl FnOnce(&Current<'_, T>) -> R) -> Option<R> {
        let record = Record::<T>::find_current()?;
        // SAFETY: Attached, so a reference is owned; the hook is over before the task can detach it.
        Some(f(&Current::new(unsafe { record.as_ref() })))
    }

    /// What only the owner touches.
    #[inline]
    pub(crate) fn owned(&self) -> &'a T::Owned {
        &self.record.owned
    }

    /// Has [`TaskRecord::returns_to_user`] called before the task is in user mode again. Does
    /// nothing if that is so already, or if the task is past the point of return.
    ///
    /// Any context in which no run-queue lock is held; with [`Notify::Resume`] it takes no lock.
    #[inline]
    pub(crate) fn queue_work(&self, notify: Notify) {
        self.record.queue_work(notify);
    }
}

/// A record in the hands of a peer: it is attached, and stays so while this exists.
pub(crate) struct Visit<'a, T: TaskRecord>(&'a Record<T>);

impl<T: TaskRecord> Visit<'_, T> {
    /// As [`Current::queue_work`] with [`Notify::Resume`], for another task: one that is in user
    /// mode is interrupted. Takes no lock.
    pub(crate) fn queue_work(&self) {
        self.0.queue_work(Notify::Resume);
    }
}

impl<T: TaskRecord> Deref for Visit<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0.shared
    }
}

impl<T: TaskRecord> Deref for Current<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.record.shared
    }
}

/// A record that has just been detached, still in the hands of its owner.
///
/// The order of the fields is the order in which they are dropped: the module goes last.
pub(crate) struct Detached<T: TaskRecord> {
    record: ARef<Record<T>>,
    _module: Option<ModuleRef>,
}

impl<T: TaskRecord> Detached<T> {
    /// What only the owner touches.
    pub(crate) fn owned(&self) -> &T::Owned {
        &self.record.owned
    }
}

impl<T: TaskRecord> Deref for Detached<T> {
    type Target = Record<T>;

    fn deref(&self) -> &Record<T> {
        &self.record
    }
}

impl TaskContext {
    /// The record of the current task.
    #[inline]
    pub(crate) fn current<T: TaskRecord>(&self) -> Option<Current<'_, T>> {
        let record = Record::<T>::find_current()?;
        // SAFETY: Attached, so a reference is owned; `detach()` needs this context for itself.
        Some(Current::new(unsafe { record.as_ref() }))
    }

    /// Attaches a record that [`Record::new`] has made to the current task.
    pub(crate) fn attach<T: TaskRecord>(&self, record: ARef<Record<T>>) -> Current<'_, T> {
        // SAFETY: The list of the current task takes over the reference.
        let record = unsafe { ARef::into_raw(record).as_ref() };
        // INVARIANT: On the list from here on.
        record.attached.set(true);
        // SAFETY: `notifier` is set up, on no list, and stays valid until it is detached.
        unsafe { bindings::preempt_notifier_register(record.notifier.get()) };
        record.gate.open();

        Current::new(record)
    }

    /// Detaches the record of the current task. No peer is at it after that.
    pub(crate) fn detach<T: TaskRecord>(&mut self) -> Option<Detached<T>> {
        let record = Record::<T>::find_current()?;
        // SAFETY: It is on the list of the current task, which owns a reference: this one.
        let record = unsafe { ARef::from_raw(record) };
        record.gate.close();
        // SAFETY: As above.
        unsafe { bindings::preempt_notifier_unregister(record.notifier.get()) };
        // INVARIANT: Not on the list any more.
        record.attached.set(false);

        // Relaxed: the gate is closed, so nobody queues any more, and who has done so has passed it
        // before; only this task resets it.
        let module = if record.queued.load(Relaxed) {
            None
        } else {
            record.module.take()
        };
        Some(Detached {
            record,
            _module: module,
        })
    }
}
