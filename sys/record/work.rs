// SPDX-License-Identifier: GPL-2.0

//! The task works of a record: how its owner is caught on its return to user mode, and how its
//! memory is finally passed to the reaper.

use super::{
    Current,
    InHook,
    Record,
    RecordRef,
    TaskRecord,
    Visit, //
};
use crate::sys::{
    bindings as helpers,
    context::TaskContext,
    module_ref::ModuleRef,
    startup::Startup, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    container_of,
    error::to_result,
    prelude::*,
    sync::atomic::{
        Full,
        Relaxed, //
    },
    types::Opaque, //
};

/// How a task is made to run a queued work.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notify {
    /// When it next returns to user mode; at once if it is in user mode.
    Resume,
    /// At once: an interruptible sleep that is about to begin ends.
    Interrupt,
    /// Not at all: the work runs when the task runs other works, or checks for signals.
    Never,
}

impl Notify {
    fn mode(self) -> bindings::task_work_notify_mode {
        match self {
            Notify::Resume => bindings::task_work_notify_mode_TWA_RESUME,
            Notify::Interrupt => bindings::task_work_notify_mode_TWA_SIGNAL_NO_IPI,
            Notify::Never => bindings::task_work_notify_mode_TWA_NONE,
        }
    }

    /// Makes the current task run a work that is queued already, perhaps with `Never`.
    fn again(self) {
        match self {
            // SAFETY: Changes a flag of the current task only.
            Notify::Resume => unsafe { helpers::umcg_set_notify_resume() },
            // SAFETY: Changes a flag of the current task only, which is not asleep.
            Notify::Interrupt => unsafe { helpers::umcg_set_notify_signal() },
            Notify::Never => {}
        }
    }
}

type WorkFn = unsafe extern "C" fn(*mut bindings::callback_head);

/// Makes task works usable. May sleep.
///
/// # Errors
///
/// `EOPNOTSUPP`, with a line in the log, on a kernel whose task works are unknown; `ENOMEM`,
/// `EAGAIN` or `EINTR` if no kernel thread can be made to find out.
pub(crate) fn prepare(_startup: &Startup) -> Result {
    // SAFETY: In process context, once, before there is a record, as the token proves.
    to_result(unsafe { helpers::umcg_task_work_init() })
}

/// A task work that will call `func`.
pub(super) fn init(func: WorkFn) -> impl PinInit<Opaque<bindings::callback_head>> {
    Opaque::ffi_init(move |slot: *mut bindings::callback_head| {
        let work = bindings::callback_head {
            func: Some(func),
            ..pin_init::zeroed()
        };
        // SAFETY: The slot is valid for writes.
        unsafe { slot.write(work) }
    })
}

impl<T: TaskRecord> Current<'_, T> {
    /// Makes the kernel call [`TaskRecord::returns_to_user`] before the task returns to user mode,
    /// with [`Notify::Never`] perhaps later. Does nothing if the task has run its last task work.
    ///
    /// With [`Notify::Interrupt`] any context without a run-queue lock; otherwise any context,
    /// without taking a lock.
    #[inline]
    pub(crate) fn queue_work(&self, notify: Notify) {
        self.record.queue_work(notify);
    }
}

impl<T: TaskRecord> InHook<'_, T> {
    /// As [`Current::queue_work`].
    #[inline]
    pub(crate) fn queue_work(&self, notify: Notify) {
        self.record.queue_work(notify);
    }
}

impl<T: TaskRecord> Visit<'_, T> {
    /// As [`Current::queue_work`] with [`Notify::Resume`], for another task. Takes no lock.
    ///
    /// A separate work, because it may be marked as queued some time before it is on the list: the
    /// owner must not rely on that.
    pub(crate) fn nudge(&self) {
        let record = self.0;

        // Full: pairs with the exchange in `run_nudge()`. A peer that finds it nudged, and so does
        // nothing, has done so before that; its earlier writes are visible from there on.
        if !record.nudged.xchg(true, Full) && !record.add(&record.nudge, Notify::Resume) {
            record.nudged.store(false, Relaxed);
        }
    }
}

impl<T: TaskRecord> Record<T> {
    /// Queues `work`, unless it is queued. For the owner, while the record is attached.
    #[inline]
    fn queue_work(&self, notify: Notify) {
        // Relaxed, but a single operation: a scheduler hook may interrupt the owner here.
        if self.queued.xchg(true, Relaxed) {
            notify.again();
        } else if !self.add(&self.work, notify) {
            self.queued.store(false, Relaxed);
        }
    }

    /// Adds one of the two works, which is not on the list of the task, to it. The record is
    /// attached, and stays so meanwhile. Returns false if the task has run its last task work.
    fn add(&self, work: &Opaque<bindings::callback_head>, notify: Notify) -> bool {
        // INVARIANT: The queue owns a reference, unless queueing fails.
        self.refs.inc();
        let task = self.task.as_ptr();
        // SAFETY: The task is counted. Nobody else uses the work, which is not queued; the reference
        // keeps it valid.
        let added = unsafe { helpers::umcg_task_work_add(task, work.get(), notify.mode()) } == 0;
        if !added {
            // Not the last one: an attached record owns one.
            self.refs.dec();
        }

        added
    }

    /// The work of the owner.
    ///
    /// # Safety
    ///
    /// To be called by the kernel only, with a `work` that [`Record::queue_work`] has queued.
    pub(super) unsafe extern "C" fn run_work(work: *mut bindings::callback_head) {
        // SAFETY: The `work` of a record, as the caller promises; its address is not null.
        let record = unsafe { NonNull::new_unchecked(Self::from_work(work)) };
        // SAFETY: The queue owned a reference, and has given it up with this call.
        let record = unsafe { RecordRef::from_raw(record) };
        // SAFETY: `task_work_run()` has it on its list, after which come those queued before.
        let others_wait = !unsafe { (*work).next }.is_null();

        // INVARIANT: Not queued any more. Relaxed: only this task looks at it.
        record.queued.store(false, Relaxed);
        if !record.is_attached() {
            Self::go_with_module(record);
        } else if others_wait {
            // This one may sleep for long: the others, such as a final `fput()`, go first.
            record.queue_work(Notify::Resume);
        } else {
            // SAFETY: Task works run where the task may sleep, and not within another entry: no
            // sleep of this module runs task works.
            let ctx = unsafe { TaskContext::enter() };
            // SAFETY: Attached to this task, in which its works run; it is detached only by code that has
            // the context to itself.
            T::returns_to_user(&ctx, &unsafe { Current::new(&record) });
        }
    }

    /// The work of the peers: the owner queues its own, which also runs before user mode.
    ///
    /// # Safety
    ///
    /// To be called by the kernel only, with a `nudge` that [`Visit::nudge`] has queued.
    pub(super) unsafe extern "C" fn run_nudge(nudge: *mut bindings::callback_head) {
        // CAST: `Opaque<T>` is a transparent wrapper of `T`.
        let nudge = nudge.cast::<Opaque<bindings::callback_head>>();
        // SAFETY: The `nudge` of a record, as the caller promises.
        let record = unsafe { container_of!(nudge, Self, nudge) };
        // SAFETY: The address of a record is not null.
        let record = unsafe { NonNull::new_unchecked(record) };
        // SAFETY: The queue owned a reference, and has given it up with this call.
        let record = unsafe { RecordRef::from_raw(record) };

        // INVARIANT: Not queued any more. Full: pairs with the exchange in `Visit::nudge()`.
        record.nudged.xchg(false, Full);
        if record.is_attached() {
            record.queue_work(Notify::Resume);
        } else {
            Self::go_with_module(record);
        }
    }

    /// Drops perhaps the last reference to a detached record.
    fn go_with_module(record: RecordRef<T>) {
        let module = record.take_module_if_over();
        drop(record);
        drop(module);
    }

    /// The reference to the module, if the kernel will not call this record's code any more. For
    /// the owner.
    pub(super) fn take_module_if_over(&self) -> Option<ModuleRef> {
        // Relaxed: once the record is detached its gate is closed, so it is not nudged any more,
        // and earlier nudges were made in the gate; only this task resets either.
        let is_over =
            !self.is_attached() && !self.queued.load(Relaxed) && !self.nudged.load(Relaxed);

        is_over.then(|| self.module.take()).flatten()
    }

    /// Destroys a record.
    ///
    /// # Safety
    ///
    /// To be called by the reaper only, with the `work` of a record whose last reference has gone:
    /// in process context, after a grace period.
    pub(super) unsafe extern "C" fn free(work: *mut bindings::callback_head) {
        // SAFETY: The `work` of a record, as the caller promises.
        let record = unsafe { Self::from_work(work) };
        // SAFETY: It came out of a box, in `TaskContext::attach()`, and nobody has it any more.
        drop(unsafe { KBox::from_raw(record) });
    }

    /// # Safety
    ///
    /// `work` is the `work` of a record of this type.
    unsafe fn from_work(work: *mut bindings::callback_head) -> *mut Self {
        // CAST: `Opaque<T>` is a transparent wrapper of `T`.
        let work = work.cast::<Opaque<bindings::callback_head>>();
        // SAFETY: Within a record of this type, as the caller promises.
        unsafe { container_of!(work, Self, work) }
    }
}
