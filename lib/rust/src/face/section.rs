// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Critical sections.

use super::current::{current_or_forked, Current};
use crate::engine::worker;
use std::marker::PhantomData;

/// A critical section of the calling worker: see [`no_preempt()`].
#[must_use = "the section ends when this is dropped"]
pub struct NoPreempt {
    worker: Option<Current>,
    /// It belongs to the thread.
    not_send: PhantomData<*const ()>,
}

/// Begins a critical section, which ends when the guard is dropped: until then the calling worker
/// is not preempted at the end of its slice. It gives way at the end of the section instead. Meant
/// for code that holds a lock on which others spin.
///
/// Sections may be nested, in any order. They cost some instructions, and no system call unless a
/// slice has ended meanwhile. A worker that blocks in a section, or calls
/// [`yield_now()`](crate::yield_now), still gives up its server. Policies may insist
/// ([`SliceEnd::Insist`](crate::policy::SliceEnd::Insist)).
///
/// A leaked guard keeps its section open until the worker leaves the group. In a thread that is not
/// a worker, or has left meanwhile, a section has no effect.
///
/// ```
/// # use std::sync::Mutex;
/// # let counter = Mutex::new(0);
/// let section = umcg::no_preempt();
/// *counter.lock().unwrap() += 1;
/// drop(section);
/// ```
#[inline]
pub fn no_preempt() -> NoPreempt {
    let worker = current_or_forked();

    if let Some(worker) = worker {
        worker::enter_section(worker.record);
    }
    NoPreempt {
        worker,
        not_send: PhantomData,
    }
}

/// Begins a critical section that [`end_section()`] ends: for locks whose sections are not scopes,
/// such as those of another language. Like [`no_preempt()`] it does nothing in a thread that is not
/// a worker.
#[inline]
pub fn begin_section() {
    if let Some(worker) = current_or_forked() {
        worker::enter_section(worker.record);
    }
}

/// Ends a critical section that [`begin_section()`] has begun.
///
/// A section of another thread cannot be ended. If the calling worker is in no section, nothing
/// happens. A section may never end, such as that of a lock which another thread releases: so after
/// a policy has [insisted](crate::policy::SliceEnd::Insist), the next end of a nested section ends
/// all sections of the worker.
#[inline]
pub fn end_section() {
    if let Some(worker) = current_or_forked() {
        worker::leave_loose_section(worker.record);
    }
}

impl Drop for NoPreempt {
    #[inline]
    fn drop(&mut self) {
        if let Some(worker) = self.worker.filter(|worker| worker.is_still()) {
            worker::leave_section(worker.record);
        }
    }
}

impl std::fmt::Debug for NoPreempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NoPreempt").finish_non_exhaustive()
    }
}
