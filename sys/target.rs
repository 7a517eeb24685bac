// SPDX-License-Identifier: GPL-2.0

//! Untrusted TIDs from user space.

use super::bindings as helpers;
use core::{
    marker::PhantomData,
    ptr::{
        self,
        NonNull, //
    },
};
use kernel::{
    bindings,
    prelude::*,
    sync::rcu,
    task::Task, //
};

/// The TID of the current task in its own PID namespace.
pub(crate) fn own_tid() -> u32 {
    // SAFETY: The current task is valid; a null namespace stands for its own.
    let tid = unsafe {
        bindings::__task_pid_nr_ns(
            Task::current_raw(),
            bindings::pid_type_PIDTYPE_PID,
            ptr::null_mut(),
        )
    };

    // CAST: The PID of a user task is positive.
    tid as u32
}

/// A user task that shared the address space of the current one when it was found, valid until the
/// guard is dropped.
pub(crate) struct Target<'g> {
    task: NonNull<bindings::task_struct>,
    _guard: PhantomData<&'g rcu::Guard>,
}

impl<'g> Target<'g> {
    /// Finds the task with this TID in the PID namespace of the current task. Any context.
    ///
    /// # Errors
    ///
    /// `ESRCH` if there is none, or if it is exiting; `EPERM` if it is a kernel thread, or has
    /// another address space. Like `kill(2)`, this reveals only the existence of tasks of other
    /// processes.
    #[inline]
    pub(crate) fn find(tid: u32, _guard: &'g rcu::Guard) -> Result<Self> {
        let tid = i32::try_from(tid).map_err(|_| ESRCH)?;
        // SAFETY: Within an RCU read-side critical section, as the guard proves.
        let pid = unsafe { bindings::find_vpid(tid) };
        // SAFETY: Null, which has no task, or valid within the RCU read-side critical section.
        let task = unsafe { bindings::pid_task(pid, bindings::pid_type_PIDTYPE_PID) };
        let task = NonNull::new(task).ok_or(ESRCH)?;

        // SAFETY: The task is valid for the RCU read-side critical section. Its flags change under
        // our feet, but not the one for kernel threads; the other is a snapshot.
        let flags = unsafe { helpers::umcg_flags_of(task.as_ptr()) };
        // SAFETY: The task is valid for the RCU read-side critical section. Its address space is only
        // compared, never followed.
        let mm = unsafe { helpers::umcg_mm_of(task.as_ptr()) };
        // SAFETY: The task is valid for the RCU read-side critical section, and keeps its own, whatever
        // becomes of it. Only compared, never followed.
        let process = unsafe { ptr::read_volatile(&raw const (*task.as_ptr()).signal) };
        let current = Task::current_raw();
        // SAFETY: The current task alone changes its own.
        let own_mm = unsafe { (*current).mm };
        // SAFETY: The current task keeps its own.
        let own_process = unsafe { (*current).signal };

        // A task that has released its address space may have had the same one.
        let is_own = mm == own_mm || mm.is_null() && process == own_process;
        if !is_own || flags & bindings::PF_KTHREAD != 0 {
            return Err(EPERM);
        }
        if flags & bindings::PF_EXITING != 0 || mm.is_null() {
            return Err(ESRCH);
        }

        Ok(Self {
            task,
            _guard: PhantomData,
        })
    }

    /// The PID of the task in the initial PID namespace.
    #[inline]
    pub(crate) fn pid(&self) -> usize {
        // SAFETY: `find()` returns valid tasks. The PID changes in exec only, after which the task has
        // another address space and no record.
        let pid = unsafe { helpers::umcg_pid_of(self.task.as_ptr()) };

        // CAST: The PID of a user task is positive.
        pid as usize
    }

    /// Whether it is this task, and still shares the address space: it may have executed another
    /// program since it was found.
    #[inline]
    pub(crate) fn is_still(&self, task: &Task) -> bool {
        let task = task.as_ptr();
        // SAFETY: The reference keeps the task. Its address space is only compared, never followed.
        let mm = unsafe { helpers::umcg_mm_of(task) };
        // SAFETY: The current task alone changes its own.
        let own_mm = unsafe { (*Task::current_raw()).mm };

        task == self.task.as_ptr() && mm == own_mm
    }
}
