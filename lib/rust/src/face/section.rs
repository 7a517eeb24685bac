// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Critical sections.

use super::current::{current_or_forked, Current};
use crate::engine::worker;
use std::marker::PhantomData;

/// That the calling worker is not to be preempted: see [`no_preempt()`].
#[must_use = "the section ends when this is dropped"]
pub struct NoPreempt {
    worker: Option<Current>,
    /// It is about the thread that has it.
    not_send: PhantomData<*const ()>,
}

/// Begins a critical section, which ends when the guard is dropped: until then the end of a slice
/// does not take the server from the calling worker. It gives way at the end of the section
/// instead. Meant for code that holds a lock that others spin on.
///
/// Sections may be nested, in any order. They cost some instructions, and no system call unless a
/// slice has ended meanwhile. A worker that blocks in one gives up its server all the same, and so
/// does one that calls [`yield_now()`](crate::yield_now). Policies may insist
/// ([`SliceEnd::Insist`](crate::policy::SliceEnd::Insist)).
///
/// A guard that is leaked keeps its section open until the worker leaves the group. In a thread
/// that is no worker, or has left meanwhile, a section is nothing.
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

/// Begins a critical section that [`end_section()`] ends: for locks whose sections are no scopes,
/// as those of another language. As [`no_preempt()`] it does nothing in a thread that is no worker.
#[inline]
pub fn begin_section() {
    if let Some(worker) = current_or_forked() {
        worker::enter_section(worker.record);
    }
}

/// Ends a critical section that [`begin_section()`] has begun.
///
/// A section that another thread has begun cannot be ended. If the calling worker is in none,
/// nothing happens. A section may never end, as that of a lock which another thread gives back: so
/// when a policy has [insisted](crate::policy::SliceEnd::Insist), the next section within it that
/// ends takes all others with it.
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
