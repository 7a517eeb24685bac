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

mod switch;
mod work;

pub(crate) use self::{
    switch::{
        switch_ops,
        Switches, //
    },
    work::Notify, //
};

use super::{
    bindings as helpers,
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

/// Gives a type of record the address that marks it, and its callbacks if it has [`Switches`].
#[macro_export]
macro_rules! impl_task_record {
    (impl TaskRecord for $($rest:tt)*) => {
        $crate::impl_task_record!($crate::sys::record::IDLE_OPS, $($rest)*);
    };
    (impl TaskRecord + Switches for $type:ty { $($rest:tt)* }) => {
        $crate::impl_task_record!(
            $crate::sys::record::switch_ops::<$type>(),
            $type { $($rest)* }
        );
    };
    ($ops:expr, $type:ty { type Owned = $owned:ty; $returns_to_user:item }) => {
        #[allow(unsafe_code, reason = "the macro keeps the promise, whoever uses it")]
        // SAFETY: The static is private to this function, so no other type returns it.
        unsafe impl $crate::sys::record::TaskRecord for $type {
            type Owned = $owned;

            fn ops() -> &'static ::kernel::bindings::preempt_ops {
                static OPS: ::kernel::bindings::preempt_ops = $ops;
                &OPS
            }

            $returns_to_user
        }
    };
}

/// Callbacks that do nothing: the notifier is an anchor, the scheduler hooks are elsewhere. They are
/// called only while somebody else, such as KVM, has notifications on.
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
/// - While `queued`, `work` is among the task works of `task`, and owns a reference to the record;
///   so does `nudge`, while `nudged`, or is about to be. Both become so only while `attached`.
/// - Only `task` changes `attached`, and touches `queued`, `module` and `owned`, until the last
///   reference goes.
#[pin_data]
pub(crate) struct Record<T: TaskRecord> {
    #[pin]
    notifier: Opaque<bindings::preempt_notifier>,
    /// The task work that the owner queues; in the end, the link of the reaper's list.
    #[pin]
    work: Opaque<bindings::callback_head>,
    /// The task work that peers queue: it has the owner queue its own.
    #[pin]
    nudge: Opaque<bindings::callback_head>,
    refs: Refcount,
    #[pin]
    gate: Gate,
    attached: Atomic<bool>,
    queued: Atomic<bool>,
    nudged: Atomic<bool>,
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
            work <- work::init(Self::run_work),
            nudge <- work::init(Self::run_nudge),
            refs: Refcount::new(1),
            gate <- Gate::new(),
            attached: Atomic::new(false),
            queued: Atomic::new(false),
            nudged: Atomic::new(false),
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

    /// Whether the record is attached to its task. Any context.
    ///
    /// Relaxed: for peers it may be over a moment later. Who has to rely on it uses
    /// [`Record::visit`].
    #[inline]
    pub(crate) fn is_attached(&self) -> bool {
        self.attached.load(Relaxed)
    }

    /// Calls `visit` while the record is attached, and cannot be detached; `None` if it is not
    /// attached. Any context. Interrupts are off inside, where nothing may sleep, wake or lock.
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
}

/// A record in the hands of a peer: it is attached, and stays so while this exists.
pub(crate) struct Visit<'a, T: TaskRecord>(&'a Record<T>);

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
        record.attached.store(true, Relaxed);
        // SAFETY: `notifier` is set up, on no list, and stays valid until it is detached.
        unsafe { helpers::umcg_anchor(record.notifier.get()) };
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
        record.attached.store(false, Relaxed);

        let module = record.take_module_if_over();
        Some(Detached {
            record,
            _module: module,
        })
    }
}
