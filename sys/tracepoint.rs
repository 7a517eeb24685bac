// SPDX-License-Identifier: GPL-2.0

//! Probes on the kernel's tracepoints in the scheduler, signal delivery, exit and exec.
//!
//! C headers: [`include/linux/tracepoint.h`](srctree/include/linux/tracepoint.h),
//! [`include/trace/events/sched.h`](srctree/include/trace/events/sched.h)

use super::{
    bindings as helpers,
    context::TaskContext,
    record::{
        map,
        Current,
        InHook,
        Record,
        TaskRecord, //
    },
    startup::Startup, //
};
use crate::static_lock;
use core::{
    mem,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    bindings,
    error::to_result,
    prelude::*,
    task::Task, //
};

/// Events of tasks that have a record.
pub(crate) trait Hooks: TaskRecord {
    /// The current task passes the scheduler, which may have interrupted it anywhere. Preemption is
    /// disabled, interrupts are enabled, no run-queue lock is held. May wake; must not sleep, fault
    /// or allocate, and may take raw locks only.
    fn passes_scheduler(hook: &InHook<'_, Self>);

    /// The current task has called the scheduler to sleep: it has set its state, and the scheduler
    /// has not checked it yet. Called after [`Hooks::passes_scheduler`], with the same rules.
    fn sleeps(current: &Current<'_, Self>);

    /// The current task has called the scheduler while runnable: it is preempted, mostly on its
    /// return to user mode. Called after [`Hooks::passes_scheduler`], with the same rules.
    fn yields(current: &Current<'_, Self>);

    /// The current task passes the scheduler in a context that allows no wake-up. Must only count.
    fn misses_scheduler();

    /// The current task takes a signal, for which it may have a handler, whose frame is set up
    /// after this. `siglock` is held, interrupts are disabled. Must not sleep, wake or lock.
    fn takes_signal(current: &Current<'_, Self>, signal: u32, has_handler: bool);

    /// The current task exits; it still has its address space. May sleep.
    fn exits(ctx: TaskContext);

    /// The current task is in an exec that can no longer fail; it still has its old address space
    /// and PID. May sleep.
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
    /// `tracepoint` is valid, and `found` is a `Named` in exclusive use.
    unsafe extern "C" fn visit(tracepoint: *mut bindings::tracepoint, found: *mut c_void) {
        // SAFETY: A `Named` that nobody else uses now, as the caller promises.
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

/// Which probes are attached.
#[derive(Clone, Copy, Default)]
pub(crate) struct Attached {
    /// Those of exit and exec.
    pub(crate) lifetime: bool,
    /// Those of the scheduler and of signals.
    pub(crate) activity: bool,
    /// The preempt notifiers.
    pub(crate) switches: bool,
}

/// The probes of the module, none of them attached at first. Attaching and detaching may sleep.
///
/// # Invariants
///
/// Each probe has the prototype of its tracepoint, and is attached as `attached` says.
pub(crate) struct Probes {
    exit: Probe,
    exec: Probe,
    signal: Probe,
    sched_entry: unsafe extern "C" fn(*mut c_void, bool),
    attached: Attached,
}

// SAFETY: The tracepoints are statics of the kernel, the probes are functions of the module.
unsafe impl Send for Probes {}

static_lock! {
    /// Held while probes are attached and detached, over the locks of tracepoints and static keys.
    static PROBES: Mutex<Option<Probes>> = None;
}

/// Looks the tracepoints up for the hooks `T`: [`with`] can be used from then on.
///
/// # Errors
///
/// `ENOENT`, with a line in the log, if this kernel lacks one of them.
pub(crate) fn init<T: Hooks>(_: &Startup) -> Result {
    *PROBES.lock() = Some(Probes::find::<T>()?);
    Ok(())
}

/// Calls `f` with the probes, for one task at a time; `None` if the module is being unloaded. May
/// sleep.
pub(crate) fn with<R>(f: impl FnOnce(&mut Probes) -> R) -> Option<R> {
    PROBES.lock().as_mut().map(f)
}

/// Detaches all probes, allows no more, and waits until no task is in a probe. May sleep.
pub(super) fn shut_down() {
    drop(PROBES.lock().take());
    // SAFETY: In process context with no lock held.
    unsafe { helpers::umcg_tracepoint_synchronize() };
}

impl Probes {
    fn find<T: Hooks>() -> Result<Self> {
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

        // INVARIANT: Each function below has the prototype of the tracepoint that it names. None is
        // attached yet.
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
            attached: Attached::default(),
        })
    }

    /// Which are attached.
    pub(crate) fn attached(&self) -> Attached {
        self.attached
    }

    /// Attaches the probes of exit and exec.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; nothing is attached then.
    pub(crate) fn attach_lifetime(&mut self) -> Result {
        if self.attached.lifetime {
            return Ok(());
        }

        self.exit.attach()?;
        if let Err(e) = self.exec.attach() {
            self.exit.detach();
            return Err(e);
        }
        self.attached.lifetime = true;

        Ok(())
    }

    /// Undoes [`Probes::attach_lifetime`].
    pub(crate) fn detach_lifetime(&mut self) {
        if mem::take(&mut self.attached.lifetime) {
            self.exec.detach();
            self.exit.detach();
        }
    }

    /// Makes the scheduler call the preempt notifiers of all tasks that have some.
    pub(crate) fn attach_switches(&mut self) {
        if !mem::replace(&mut self.attached.switches, true) {
            // SAFETY: In process context; undone in `detach_switches()`.
            unsafe { bindings::preempt_notifier_inc() };
        }
    }

    /// Undoes [`Probes::attach_switches`].
    pub(crate) fn detach_switches(&mut self) {
        if mem::take(&mut self.attached.switches) {
            // SAFETY: In process context; `attach_switches()` has done it.
            unsafe { bindings::preempt_notifier_dec() };
        }
    }

    /// Attaches the probes of the scheduler and of signals.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; nothing is attached then.
    pub(crate) fn attach_activity(&mut self) -> Result {
        if self.attached.activity {
            return Ok(());
        }

        self.signal.attach()?;
        // SAFETY: The probe stays valid until it is detached: it is by the time `shut_down()` is
        // through.
        let sched = unsafe { helpers::umcg_register_sched_entry(Some(self.sched_entry)) };
        if let Err(e) = to_result(sched) {
            self.signal.detach();
            return Err(e);
        }
        self.attached.activity = true;

        Ok(())
    }

    /// Undoes [`Probes::attach_activity`].
    pub(crate) fn detach_activity(&mut self) {
        if mem::take(&mut self.attached.activity) {
            // SAFETY: In process context; it is attached.
            unsafe { helpers::umcg_unregister_sched_entry(Some(self.sched_entry)) };
            self.signal.detach();
        }
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        self.detach_switches();
        self.detach_activity();
        self.detach_lifetime();
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

/// Fires at the top of `__schedule()`, for every task of the machine: the path for tasks without
/// preempt notifiers must be short.
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
    // SAFETY: `task` is the current task. Wakers may change the field at any time, hence volatile.
    let state = unsafe { ptr::read_volatile(&raw const (*task).__state) };
    // SAFETY: Looks at this CPU only.
    if unsafe { helpers::umcg_irqs_disabled() } {
        // A kernel that fires this with the run-queue lock held: a wake-up would deadlock.
        T::misses_scheduler();
        return;
    }

    Record::<T>::with_current(|record| {
        // SAFETY: The task does not detach it before this probe returns.
        T::passes_scheduler(&unsafe { InHook::new(record) });
        // Not for tasks that die, stop, are traced, or wait for a PREEMPT_RT lock.
        if !preempt && state & bindings::TASK_NORMAL != 0 {
            // SAFETY: The task has called the scheduler itself, as a function that may sleep, and
            // detaches nothing before that returns.
            T::sleeps(&unsafe { Current::new(record) });
        } else if !preempt && state == bindings::TASK_RUNNING {
            // SAFETY: The task has called the scheduler itself, and detaches nothing before that
            // returns.
            T::yields(&unsafe { Current::new(record) });
        }
    });
}

/// Fires in `get_signal()`.
///
/// # Safety
///
/// To be called as a probe of `signal_deliver` only.
unsafe extern "C" fn signal_deliver<T: Hooks>(
    _data: *mut c_void,
    signal: c_int,
    _info: *mut bindings::kernel_siginfo,
    action: *mut bindings::k_sigaction,
) {
    Record::<T>::with_current(|record| {
        // SAFETY: The task has called `get_signal()` itself, on its way to user mode, and detaches
        // nothing before that returns.
        let current = unsafe { Current::new(record) };
        // SAFETY: The tracepoint passes the action of the signal, which the lock of the signals,
        // held here, keeps as it is.
        let has_handler = unsafe { helpers::umcg_has_handler(action) };

        // CAST: The number of a signal is positive.
        T::takes_signal(&current, signal as u32, has_handler);
    });
}

/// Fires in `do_exit()`, before the task releases its address space.
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
    bprm: *mut bindings::linux_binprm,
) {
    let had_record = Record::<T>::with_current(|_| ()).is_some();

    // SAFETY: In process context, in the system call execve().
    T::execs(unsafe { TaskContext::enter() });
    // SAFETY: The kernel passes the program that is about to run.
    if had_record && unsafe { helpers::umcg_gains_privileges(bprm) } {
        map::wait_for_finders();
    }
}
