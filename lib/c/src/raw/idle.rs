// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Idle workers: the kernel's list, and that of the library. The caller has the lock of the group,
//! which the lists are.

use super::{
    bits::{QUEUED, TAKEN},
    record::{Group, Lists, Thread},
};
use crate::atomic::{before_look, AtomicU64, Ordering};

impl Group {
    fn kernel_list(&self) -> &AtomicU64 {
        if self.is_direct() {
            &self.direct.idle_workers
        } else {
            &self.idle_workers
        }
    }
}

impl Lists {
    /// Moves the kernel's list to the end of ours, oldest first.
    fn drain(&mut self, group: &Group) {
        let list = group.kernel_list();

        before_look();
        // SeqCst: comes after what was announced, or put into the set.
        if list.load(Ordering::SeqCst) == 0 {
            return;
        }
        // A server always sees that there are workers: here, until they are in our list.
        if group.is_direct() {
            group.direct.publish_list(true);
        }
        // SeqCst, and acquire: pairs with the kernel's exchange, which publishes a node.
        let mut node = list.swap(0, Ordering::SeqCst);
        let mut first = None;
        let mut last = None;
        while node != 0 {
            // SAFETY: The list is made by the kernel alone, of the words that threads have
            // registered, which are those of exposed records.
            let worker = unsafe { Thread::of_node(node) };

            node = worker.task.next_node();
            // From there the kernel pushes it when it next becomes idle.
            worker.task.set_node(group.idle_workers_address());
            worker.next.set(first);
            first = Some(worker);
            last = last.or(first);
        }
        self.append(first, last);
    }

    fn append(&mut self, first: Option<&'static Thread>, last: Option<&'static Thread>) {
        match (self.first_idle, self.last_idle) {
            (Some(_), Some(end)) => end.next.set(first),
            _ => self.first_idle = first,
        }
        self.last_idle = last;
    }

    /// Puts a worker that was woken at the end of the list.
    pub(crate) fn append_idle(&mut self, worker: &'static Thread) {
        worker.next.set(None);
        self.append(Some(worker), Some(worker));
    }

    /// The worker that has been idle for longest. It stays in the list.
    pub(crate) fn first_idle(&mut self, group: &Group) -> Option<&'static Thread> {
        self.drain(group);
        self.first_idle
    }

    /// Whether the library's own list has workers.
    pub(crate) fn has_idle(&self) -> bool {
        self.first_idle.is_some()
    }

    /// Takes the first worker out.
    pub(crate) fn drop_first_idle(&mut self) {
        if let Some(worker) = self.first_idle {
            self.first_idle = worker.next.take();
        }
    }

    /// Puts a worker back that was dropped as the first one.
    pub(crate) fn return_idle(&mut self, worker: &'static Thread) {
        worker.next.set(self.first_idle);
        if self.first_idle.replace(worker).is_none() {
            self.last_idle = Some(worker);
        }
    }

    /// Takes the worker that has been idle for longest.
    pub(crate) fn take_idle(&mut self, group: &Group) -> Option<&'static Thread> {
        let worker = self.first_idle(group)?;

        self.drop_first_idle();
        mark_taken(worker);
        Some(worker)
    }
}

/// A worker may be run only when it is off the list. It may still be LOCKED, on its way to sleep.
fn mark_taken(worker: &Thread) {
    loop {
        let bits = worker.bits();

        if worker.task.turn(bits, bits.without(QUEUED) | TAKEN) {
            return;
        }
    }
}
