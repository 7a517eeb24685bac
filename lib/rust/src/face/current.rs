// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The calling thread as a worker.

use crate::{
    engine::{end, shared::Shared, worker},
    error::Error,
    raw::{deadline::Deadline, record::Record},
    sys::{
        spawn::{call_at_end, call_nothing_at_end},
        thread,
    },
};
use std::{
    cell::{Cell, RefCell},
    marker::PhantomData,
    mem::ManuallyDrop,
    sync::Arc,
};

/// The membership of a worker, which leaves when this is dropped.
struct Member {
    shared: Arc<Shared>,
    record: &'static Record,
}

/// A worker, and how often this thread has been one.
#[derive(Clone, Copy)]
pub(crate) struct Current {
    pub(crate) record: &'static Record,
    time: u64,
}

thread_local! {
    /// Has no destructor: workers whose threads end leave by `leave_at_end()`.
    static MEMBER: ManuallyDrop<RefCell<Option<Member>>> =
        const { ManuallyDrop::new(RefCell::new(None)) };
    /// The same, for the fast paths.
    static CURRENT: Cell<Option<Current>> = const { Cell::new(None) };
    static TIMES: Cell<u64> = const { Cell::new(0) };
    /// Whether the thread ends: what enters then might never leave.
    static ENDS: Cell<bool> = const { Cell::new(false) };
}

/// The end of a thread that has entered and has not left. What comes after this runs outside of the
/// group.
fn leave_at_end() {
    // Without `__cxa_thread_atexit_impl()` std has a key, too, and calls its destructors by that.
    // So this is called again in the next round, after them.
    if !ENDS.replace(true) && call_at_end(leave_at_end).is_ok() {
        return;
    }
    drop(MEMBER.with(|member| member.take()));
}

impl Drop for Member {
    fn drop(&mut self) {
        CURRENT.set(None);
        // The thread of a child that has called fork() is not the one that has entered.
        if !self.shared.is_forked() {
            worker::leave(&self.shared, self.record);
        }
    }
}

/// A place in a group for a thread that has not entered it yet. The group is not shut down before
/// it has left again.
pub(super) struct Reservation {
    shared: Option<Arc<Shared>>,
}

impl Reservation {
    pub(super) fn new(shared: &Arc<Shared>) -> Result<Self, Error> {
        if shared.is_forked() {
            return Err(Error::Forked);
        }
        shared.members.enter()?;
        Ok(Self {
            shared: Some(Arc::clone(shared)),
        })
    }

    /// Makes the calling thread a worker. Returns when a server runs it.
    pub(super) fn enter(mut self, class: u8, deadline: Deadline) -> Result<Entered, Error> {
        let mut entered = Err(Error::ShutDown);

        if let Some(shared) = &self.shared {
            entered = enter(shared, class, deadline);
        }
        if entered.is_ok() {
            // The place is that of the worker from here on.
            self.shared = None;
        }
        entered
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            worker::count_leave(&shared);
            if shared.members.is_over() {
                // This was the last one of a group without handles, and is not registered.
                let _ = super::threads::close(&shared, end::Close::Always);
            }
        }
    }
}

fn enter(shared: &Arc<Shared>, class: u8, deadline: Deadline) -> Result<Entered, Error> {
    if ENDS.get() {
        return Err(Error::ShutDown);
    }
    MEMBER.with(|member| {
        forget_parent(member);
        if member.borrow().is_some() {
            return Err(Error::AlreadyEntered);
        }
        call_at_end(leave_at_end)?;
        let record =
            worker::enter(shared, class, deadline).inspect_err(|_| call_nothing_at_end())?;
        *member.borrow_mut() = Some(Member {
            shared: Arc::clone(shared),
            record,
        });
        let time = TIMES.get() + 1;
        TIMES.set(time);
        CURRENT.set(Some(Current { record, time }));
        Ok(Entered {
            time,
            not_send: PhantomData,
        })
    })
}

/// In a child of `fork()` the thread is not the worker that it is in the parent.
fn forget_parent(member: &RefCell<Option<Member>>) {
    let forked = member
        .borrow()
        .as_ref()
        .is_some_and(|member| member.shared.is_forked());

    if forked {
        drop(member.take());
    }
}

/// The worker that the calling thread is, or was when its process was forked.
#[inline]
pub(super) fn current_or_forked() -> Option<Current> {
    CURRENT.get()
}

/// The worker that the calling thread is.
pub(crate) fn current() -> Option<Current> {
    let current = CURRENT.get()?;
    let is_forked = MEMBER.with(|member| match member.try_borrow().as_deref() {
        Ok(Some(member)) => member.shared.is_forked(),
        // It is about to leave, and a handler of a signal interrupts it.
        _ => false,
    });

    (!is_forked).then_some(current)
}

impl Current {
    /// Whether the calling thread is still this worker, and has not left in between.
    #[inline]
    pub(super) fn is_still(self) -> bool {
        CURRENT.get().is_some_and(|now| now.time == self.time)
    }
}

fn leave_if(wanted: impl FnOnce(Current) -> bool) -> Result<(), Error> {
    if !CURRENT.get().is_some_and(wanted) {
        return Err(Error::NotEntered);
    }
    let member = MEMBER.with(|member| member.take());
    call_nothing_at_end();
    let forked = member
        .as_ref()
        .is_some_and(|member| member.shared.is_forked());
    drop(member);
    if forked {
        Err(Error::Forked)
    } else {
        Ok(())
    }
}

/// The membership of the calling thread: see [`Group::enter()`](crate::Group::enter). When it is
/// dropped the thread leaves the group, and continues as an ordinary thread.
#[derive(Debug)]
#[must_use = "the thread leaves the group when this is dropped"]
pub struct Entered {
    time: u64,
    /// It belongs to the thread.
    not_send: PhantomData<*const ()>,
}

impl Entered {
    /// Keeps the thread a worker until it calls [`leave()`], or ends.
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // leave() may have been called, and the thread may even have entered again.
        let _ = leave_if(|now| now.time == self.time);
    }
}

/// The calling worker leaves its group, and continues as an ordinary thread. Its critical sections
/// end.
///
/// Threads leave when their [`Entered`] is dropped, or when they end. This function is for threads
/// that have called [`Entered::keep()`].
///
/// # Errors
///
/// [`Error::NotEntered`] if it is not a worker; [`Error::Forked`] if it was one in the parent
/// process.
pub fn leave() -> Result<(), Error> {
    leave_if(|_| true)
}

/// Whether the calling thread is a worker.
pub fn is_worker() -> bool {
    current().is_some()
}

/// Sets the class of the calling worker, for policies that use it. It takes effect when the worker
/// is next queued.
///
/// # Errors
///
/// [`Error::NotEntered`] if the calling thread is not a worker.
pub fn set_class(class: u8) -> Result<(), Error> {
    let current = current().ok_or(Error::NotEntered)?;

    current.record.set_class(class);
    Ok(())
}

/// A worker, for other threads of its process.
#[derive(Clone, Copy)]
pub struct WorkerHandle {
    record: &'static Record,
    tid: u32,
}

/// The calling worker; `None` if the thread is not a worker.
pub fn handle() -> Option<WorkerHandle> {
    let record = current()?.record;

    Some(WorkerHandle {
        record,
        tid: record.tid(),
    })
}

impl WorkerHandle {
    /// Its TID.
    pub fn id(&self) -> u32 {
        self.tid
    }

    /// Sets the class of the worker as [`set_class()`] does. Nothing happens if it has left its
    /// group; but if it leaves at the same time, another worker may get the class.
    pub fn set_class(&self, class: u8) {
        if self.record.tid() == self.tid {
            self.record.set_class(class);
        }
    }
}

impl std::fmt::Debug for WorkerHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("WorkerHandle").field(&self.tid).finish()
    }
}

/// Yields: queues the calling worker if others are queued, also within
/// [`no_preempt()`](crate::no_preempt). For any other thread, and for a worker while no other is
/// queued, this is `sched_yield()`.
pub fn yield_now() {
    let yielded = MEMBER.with(|member| match member.try_borrow().as_deref() {
        Ok(Some(member)) => {
            worker::yield_now(&member.shared, member.record);
            true
        }
        // It is about to leave, and a handler of a signal interrupts it.
        _ => false,
    });

    if !yielded {
        thread::yield_cpu();
    }
}
