// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Lists of records: that which the kernel has made, and those of the engine.

use super::{direct::DirectGroup, record::Record};

impl DirectGroup {
    /// Takes all workers that the kernel has queued, if there are any. The caller holds the lock of
    /// the scheduler, and calls `set_queued()` afterwards.
    pub(crate) fn take_new_workers(&self) -> Option<Taken> {
        let head = self.take_list();

        // SAFETY: The list is made by the kernel alone, of the words that threads have registered:
        // those of records, see `device::register()`.
        (head != 0).then(|| unsafe { Taken::new(head) })
    }
}

/// Workers that were taken from the kernel, the one first that has been queued for longest.
pub(crate) struct Taken {
    first: Option<&'static Record>,
}

impl Taken {
    /// Those of a list that was taken from the kernel, which begins with the latest one.
    ///
    /// # Safety
    ///
    /// It has nodes of records only, which were exposed and are never unmapped.
    pub(super) unsafe fn new(head: u64) -> Self {
        let mut first = None;
        let mut node = head;

        while node != 0 {
            // SAFETY: The caller promises it of all nodes of the list.
            let record = unsafe { Record::of_node(node) };
            node = record.task.next_node();
            record.link.set(first);
            first = Some(record);
        }
        Self { first }
    }
}

impl Iterator for Taken {
    type Item = &'static Record;

    fn next(&mut self) -> Option<&'static Record> {
        let record = self.first?;

        self.first = record.link.take();
        Some(record)
    }
}

/// The workers that are queued, in the order in which they were. A record is in one at a time.
#[derive(Default)]
pub(crate) struct Queued {
    first: Option<&'static Record>,
    last: Option<&'static Record>,
    count: u32,
}

impl Queued {
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn push(&mut self, record: &'static Record) {
        record.before.set(self.last);
        record.after.set(None);
        match self.last.replace(record) {
            None => self.first = Some(record),
            Some(last) => last.after.set(Some(record)),
        }
        self.count += 1;
    }

    /// Takes out a record that is in this list.
    pub(crate) fn remove(&mut self, record: &'static Record) {
        let (before, after) = (record.before.take(), record.after.take());

        match before {
            None => self.first = after,
            Some(before) => before.after.set(after),
        }
        match after {
            None => self.last = before,
            Some(after) => after.before.set(before),
        }
        self.count -= 1;
    }

    /// Takes out the first one that is `wanted`.
    pub(crate) fn take_first(
        &mut self,
        wanted: impl Fn(&Record) -> bool,
    ) -> Option<&'static Record> {
        let mut next = self.first;

        while let Some(record) = next {
            if wanted(record) {
                self.remove(record);
                return Some(record);
            }
            next = record.after.get();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        atomic::Ordering,
        raw::{record::is_same, task::Task},
        sys::memory,
    };
    use core::mem::offset_of;
    use std::vec::Vec;

    fn records(count: usize) -> Vec<&'static Record> {
        let page = memory::map_forever::<Record>().unwrap();

        (0..count).map(|index| &page[index]).collect()
    }

    #[test]
    fn list_of_the_kernel_is_turned_round() {
        let records = records(3);
        let node_of = |record: &Record| record.expose_task() + offset_of!(Task, idle_node) as u64;

        records[1]
            .task
            .idle_node
            .store(node_of(records[0]), Ordering::Relaxed);
        records[2]
            .task
            .idle_node
            .store(node_of(records[1]), Ordering::Relaxed);
        // SAFETY: The list is of these records, of a page that stays.
        let taken = unsafe { Taken::new(node_of(records[2])) };
        assert!(taken
            .zip(&records)
            .all(|(taken, record)| is_same(taken, record)));
    }

    #[test]
    fn records_are_taken_from_anywhere() {
        let records = records(4);
        let mut queued = Queued::default();

        for record in &records[..3] {
            queued.push(record);
        }
        queued.remove(records[1]);
        queued.push(records[3]);
        queued.remove(records[0]);
        let first = queued.take_first(|_| true).unwrap();
        assert!(is_same(first, records[2]));
        assert_eq!(queued.count(), 1);
        queued.remove(records[3]);
        assert_eq!(queued.count(), 0);
        assert!(queued.take_first(|_| true).is_none());
    }
}
