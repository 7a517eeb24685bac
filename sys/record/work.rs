// SPDX-License-Identifier: GPL-2.0

//! The task works of a record: how its owner is caught on the way to user mode, and how its memory
//! is given to the reaper in the end.

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

/// How a queued work gets its task to user mode.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notify {
    /// When it goes there by itself; at once if it is there now.
    Resume,
    /// At once: an interruptible sleep that it is about to begin ends.
    Interrupt,
    /// Not at all: the work runs when the task runs others, or looks for signals.
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

    /// Gets the current task there for a work that is queued already, perhaps without notice.
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
/// `EOPNOTSUPP`, with a line in the log, on a kernel whose task works are unknown.
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
    /// Has [`TaskRecord::returns_to_user`] called before the task is in user mode again, with
    /// [`Notify::Never`] perhaps later. Does nothing if the task is past the point of return.
    ///
    /// With [`Notify::Interrupt`] any context in which no run-queue lock is held; else any context,
    /// and it takes no lock.
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
    /// A work of its own, because this one may be found marked as queued some time before it is on
    /// the list: the owner must not rely on that.
    pub(crate) fn nudge(&self) {
        let record = self.0;

        // Full: pairs with the exchange in `run_nudge()`. Who finds it nudged, and so does nothing,
        // has done so before that; what was written before is seen from there on.
        if !record.nudged.xchg(true, Full) && !record.add(&record.nudge, Notify::Resume) {
            record.nudged.store(false, Relaxed);
        }
    }
}

impl<T: TaskRecord> Record<T> {
    /// Queues `work`, unless it is queued. For the owner, while the record is attached.
    #[inline]
    fn queue_work(&self, notify: Notify) {
        // Relaxed, but one step: a scheduler hook may interrupt the owner here.
        if self.queued.xchg(true, Relaxed) {
            notify.again();
        } else if !self.add(&self.work, notify) {
            self.queued.store(false, Relaxed);
        }
    }

    /// Adds one of the two works, which is not on the list of the task, to it. The record is
    /// attached, and stays so meanwhile. Returns false if the task is past its last task work.
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
            // This one may sleep for long: the others, a last `fput()` among them, go first.
            record.queue_work(Notify::Resume);
        } else {
            // SAFETY: Task works run where the task may sleep, and not within another entry: no
            // sleep of this module runs task works.
            let ctx = unsafe { TaskContext::enter() };
            // SAFETY: Attached to this task, in which its works run; it is not detached by who does not
            // have the context for itself.
            T::returns_to_user(&ctx, &unsafe { Current::new(&record) });
        }
    }

    /// The work of the peers: the owner is to queue its own, which runs before user mode as well.
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

    /// Drops what may be the last reference to a record that was detached.
    fn go_with_module(record: RecordRef<T>) {
        let module = record.take_module_if_over();
        drop(record);
        drop(module);
    }

    /// The reference to the module, if the kernel will call nothing of this record any more. For the
    /// owner.
    pub(super) fn take_module_if_over(&self) -> Option<ModuleRef> {
        // Relaxed: once the record is not attached its gate is closed, so nobody nudges any more,
        // and who has done so has passed the gate before; only this task resets either.
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
