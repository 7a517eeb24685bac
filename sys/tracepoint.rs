// SPDX-License-Identifier: GPL-2.0

//! Probes on the kernel's tracepoints: the way into the scheduler, into exit and exec.
//!
//! C headers: [`include/linux/tracepoint.h`](srctree/include/linux/tracepoint.h),
//! [`include/trace/events/sched.h`](srctree/include/trace/events/sched.h)

use super::{
    bindings as helpers,
    context::TaskContext,
    record::{
        Current,
        TaskRecord, //
    },
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    task::Task, //
};

/// What happens to tasks that have a record.
pub(crate) trait Hooks: TaskRecord {
    /// The current task passes the scheduler. `sleeps` says whether it is about to sleep: it has set
    /// its state, and the scheduler has not looked yet. Preemption is off, interrupts are on, no
    /// run-queue lock is held. May wake, must not sleep, fault or allocate, and take raw locks only.
    fn passes_scheduler(current: &Current<'_, Self>, sleeps: bool);

    /// The current task passes the scheduler in a way that allows no wake-up. Must not do anything
    /// but count.
    fn misses_scheduler();

    /// The current task is about to have a signal handled. The lock of its signals is held,
    /// interrupts are off. Must not sleep, wake or lock.
    fn takes_signal(current: &Current<'_, Self>);

    /// The current task exits; it still has its address space. May sleep.
    fn exits(ctx: TaskContext);

    /// The current task has begun an exec that can no longer fail and come back; it still has its
    /// old address space and PID. May sleep.
    fn execs(ctx: TaskContext);
}

/// The tracepoints that are found by name, because they are not exported.
struct Named {
    sched_process_exit: Option<NonNull<bindings::tracepoint>>,
    sched_prepare_exec: Option<NonNull<bindings::tracepoint>>,
    signal_deliver: Option<NonNull<bindings::tracepoint>>,
}

impl Named {
    fn find() -> Self {
        let mut found = Self {
            sched_process_exit: None,
            sched_prepare_exec: None,
            signal_deliver: None,
        };
        // SAFETY: `visit()` gets the pointer that it expects, and does not outlive this call.
        unsafe { bindings::for_each_kernel_tracepoint(Some(Self::visit), (&raw mut found).cast()) };

        found
    }

    /// # Safety
    ///
    /// `tracepoint` is valid, and `found` is a `Named` that nobody else uses now.
    unsafe extern "C" fn visit(tracepoint: *mut bindings::tracepoint, found: *mut c_void) {
        // SAFETY: Promised by the caller.
        let found = unsafe { &mut *found.cast::<Self>() };
        // SAFETY: The name of a tracepoint is a static string.
        let name = unsafe { CStr::from_char_ptr((*tracepoint).name) };

        match name.to_bytes() {
            b"sched_process_exit" => found.sched_process_exit = NonNull::new(tracepoint),
            b"sched_prepare_exec" => found.sched_prepare_exec = NonNull::new(tracepoint),
            b"signal_deliver" => found.signal_deliver = NonNull::new(tracepoint),
            _ => {}
        }
    }
}

/// A tracepoint, and the probe of the module for it.
#[derive(Clone, Copy)]
struct Probe {
    tracepoint: NonNull<bindings::tracepoint>,
    function: *mut c_void,
}

/// The probes of the module, none of them attached at first.
///
/// To attach and to detach may sleep, and is for one task at a time.
///
/// # Invariants
///
/// Each probe has the prototype of its tracepoint.
pub(crate) struct Probes {
    exit: Probe,
    exec: Probe,
    signal: Probe,
    sched_entry: unsafe extern "C" fn(*mut c_void, bool),
}

// SAFETY: The tracepoints are statics of the kernel, the probes are functions of the module.
unsafe impl Send for Probes {}

impl Probes {
    /// Looks the tracepoints up for the hooks `T`.
    ///
    /// # Errors
    ///
    /// `ENOENT`, with a line in the log, if this kernel lacks one of them.
    pub(crate) fn find<T: Hooks>() -> Result<Self> {
        let named = Named::find();
        let probe = |tracepoint: Option<_>, name, function| match tracepoint {
            Some(tracepoint) => Ok(Probe {
                tracepoint,
                function,
            }),
            None => {
                pr_err!("this kernel has no tracepoint {}\n", name);
                Err(ENOENT)
            }
        };

        // INVARIANT: Each function below has the prototype of the tracepoint that it names.
        Ok(Self {
            exit: probe(
                named.sched_process_exit,
                "sched_process_exit",
                process_exit::<T> as *mut c_void,
            )?,
            exec: probe(
                named.sched_prepare_exec,
                "sched_prepare_exec",
                prepare_exec::<T> as *mut c_void,
            )?,
            signal: probe(
                named.signal_deliver,
                "signal_deliver",
                signal_deliver::<T> as *mut c_void,
            )?,
            sched_entry: sched_entry::<T>,
        })
    }

    /// Begins to watch for exit and exec, and lets records be attached to tasks.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; nothing is attached then.
    pub(crate) fn attach_lifetime(&mut self) -> Result {
        self.exit.attach()?;
        if let Err(e) = self.exec.attach() {
            self.exit.detach();
            return Err(e);
        }

        Ok(())
    }

    /// Undoes [`Probes::attach_lifetime`], when no task has a record.
    pub(crate) fn detach_lifetime(&mut self) {
        self.exec.detach();
        self.exit.detach();
    }

    /// Has the scheduler call the preempt notifiers of all tasks that have some. May sleep.
    pub(crate) fn attach_switches(&mut self) {
        // SAFETY: In process context; undone in `detach_switches()`.
        unsafe { bindings::preempt_notifier_inc() };
    }

    /// Undoes [`Probes::attach_switches`]. May sleep.
    pub(crate) fn detach_switches(&mut self) {
        // SAFETY: Done by `attach_switches()`.
        unsafe { bindings::preempt_notifier_dec() };
    }

    /// Begins to watch tasks pass the scheduler and take signals.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; nothing is attached then.
    pub(crate) fn attach_activity(&mut self) -> Result {
        self.signal.attach()?;
        // SAFETY: The probe stays valid until it is detached.
        let sched = unsafe { helpers::umcg_register_sched_entry(Some(self.sched_entry)) };
        if let Err(e) = to_result(sched) {
            self.signal.detach();
            return Err(e);
        }

        Ok(())
    }

    /// Undoes [`Probes::attach_activity`].
    pub(crate) fn detach_activity(&mut self) {
        // SAFETY: In process context; this fails for a probe that is not attached only.
        unsafe { helpers::umcg_unregister_sched_entry(Some(self.sched_entry)) };
        self.signal.detach();
    }

    /// Waits until no task is in a probe any more, after all have been detached.
    pub(crate) fn synchronize(&mut self) {
        // SAFETY: In process context with no lock held.
        unsafe { helpers::umcg_tracepoint_synchronize() };
    }
}

impl Probe {
    /// May sleep. Fails with `ENOMEM`.
    fn attach(self) -> Result {
        // SAFETY: The tracepoint is a static, and the probe has its prototype, by the type invariant
        // of `Probes`.
        to_result(unsafe {
            bindings::tracepoint_probe_register(
                self.tracepoint.as_ptr(),
                self.function,
                ptr::null_mut(),
            )
        })
    }

    /// Undoes [`Probe::attach`]. May sleep.
    fn detach(self) {
        // SAFETY: The tracepoint is a static. This fails for a probe that is not attached only.
        unsafe {
            bindings::tracepoint_probe_unregister(
                self.tracepoint.as_ptr(),
                self.function,
                ptr::null_mut(),
            )
        };
    }
}

/// Fires at the top of `__schedule()`, for every task of the machine: the way out for those
/// without any preempt notifier has to be short.
///
/// # Safety
///
/// To be called as a probe of `sched_entry_tp` only.
unsafe extern "C" fn sched_entry<T: Hooks>(_data: *mut c_void, preempt: bool) {
    let task = Task::current_raw();
    // SAFETY: `task` is the current task, and only it changes this list.
    if unsafe { (*task).preempt_notifiers.first }.is_null() {
        return;
    }
    // SAFETY: As above. Wakers may change it at any time, hence volatile.
    let state = unsafe { ptr::read_volatile(&raw const (*task).__state) };
    // SAFETY: Looks at this CPU only.
    if unsafe { helpers::umcg_irqs_disabled() } {
        // A kernel that fires this with the run-queue lock held: a wake-up would hang the CPU.
        T::misses_scheduler();
        return;
    }
    // Not for tasks that die, stop, are traced, or wait for a lock of PREEMPT_RT.
    let sleeps = !preempt && state & bindings::TASK_NORMAL != 0;

    Current::<T>::in_hook(|current| T::passes_scheduler(current, sleeps));
}

/// Fires in `get_signal()`.
///
/// # Safety
///
/// To be called as a probe of `signal_deliver` only.
unsafe extern "C" fn signal_deliver<T: Hooks>(
    _data: *mut c_void,
    _signal: c_int,
    _info: *mut bindings::kernel_siginfo,
    _action: *mut bindings::k_sigaction,
) {
    Current::<T>::in_hook(|current| T::takes_signal(current));
}

/// Fires in `do_exit()`, before the task gives its address space up.
///
/// # Safety
///
/// To be called as a probe of `sched_process_exit` only.
unsafe extern "C" fn process_exit<T: Hooks>(
    _data: *mut c_void,
    _task: *mut bindings::task_struct,
    _group_dead: bool,
) {
    // SAFETY: In process context. An entry that this is within, when the kernel kills a task for
    // a fault of its own, does not go on.
    T::exits(unsafe { TaskContext::enter() });
}

/// Fires in `begin_new_exec()`, before the point of no return.
///
/// # Safety
///
/// To be called as a probe of `sched_prepare_exec` only.
unsafe extern "C" fn prepare_exec<T: Hooks>(
    _data: *mut c_void,
    _task: *mut bindings::task_struct,
    _bprm: *mut bindings::linux_binprm,
) {
    // SAFETY: In process context, in the system call execve().
    T::execs(unsafe { TaskContext::enter() });
}
