// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The records of a group: those that are free, and those of its workers by their TIDs.

use crate::{
    raw::record::{is_same, Link, Pile, Record},
    sys::{errno::Errno, memory},
};
use core::iter;

/// Some thousand workers are found fast enough.
const BUCKETS: usize = 256;

/// Records of groups that have ended. A group that needs one takes them all. Not under a lock,
/// which a child of `fork()` could find locked for good.
static SPARE: Pile = Pile::new();

/// The records of a group.
pub(crate) struct Roster {
    free: Option<&'static Record>,
    workers: [Option<&'static Record>; BUCKETS],
}

impl Roster {
    pub(crate) const fn new() -> Self {
        Self {
            free: None,
            workers: [None; BUCKETS],
        }
    }

    /// An unused record.
    pub(crate) fn take(&mut self) -> Result<&'static Record, Errno> {
        if self.free.is_none() {
            self.free = SPARE.take();
        }
        if self.free.is_none() {
            for record in memory::map_forever::<Record>()? {
                self.give_back(record);
            }
        }
        let record = self.free.ok_or(Errno(libc::ENOMEM))?;
        self.free = record.beside.take();
        Ok(record)
    }

    /// The thread of a record is registered no longer.
    pub(crate) fn give_back(&mut self, record: &'static Record) {
        record.beside.set(self.free.replace(record));
    }

    /// Records of this group are not used by others.
    pub(crate) fn keep_all(&mut self) {
        self.free = None;
    }

    fn bucket(&mut self, tid: u32) -> &mut Option<&'static Record> {
        &mut self.workers[tid as usize % BUCKETS]
    }

    /// A worker, which has a TID, is to be found.
    pub(crate) fn add(&mut self, worker: &'static Record) {
        let bucket = self.bucket(worker.tid());

        worker.beside.set(bucket.replace(worker));
    }

    /// A worker has left.
    pub(crate) fn remove(&mut self, worker: &'static Record) {
        let bucket = self.bucket(worker.tid());

        if bucket.is_some_and(|first| is_same(first, worker)) {
            *bucket = worker.beside.take();
        } else if let Some(before) = find(*bucket, |record| is_next(&record.beside, worker)) {
            before.beside.set(worker.beside.take());
        }
        self.give_back(worker);
    }

    /// The worker with this TID.
    pub(crate) fn find(&mut self, tid: u32) -> Option<&'static Record> {
        find(*self.bucket(tid), |record| record.tid() == tid)
    }
}

impl Drop for Roster {
    fn drop(&mut self) {
        if let Some(first) = self.free {
            let all = iter::successors(Some(first), |record| record.beside.get());
            SPARE.give(first, all.last().unwrap_or(first));
        }
    }
}

fn is_next(link: &Link, wanted: &Record) -> bool {
    link.get().is_some_and(|record| is_same(record, wanted))
}

fn find(
    first: Option<&'static Record>,
    wanted: impl Fn(&Record) -> bool,
) -> Option<&'static Record> {
    iter::successors(first, |record| record.beside.get()).find(|record| wanted(record))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_found_by_their_tids() {
        let mut roster = Roster::new();
        let tids = [7, 7 + BUCKETS as u32, 7 + 2 * BUCKETS as u32];
        let records = tids.map(|tid| {
            let record = roster.take().unwrap();
            record.prepare(tid, 1, 0);
            roster.add(record);
            record
        });

        roster.remove(records[1]);
        assert!(roster.find(tids[1]).is_none());
        assert!(is_same(roster.find(tids[0]).unwrap(), records[0]));
        roster.remove(records[2]);
        assert!(is_same(roster.find(tids[0]).unwrap(), records[0]));
        roster.remove(records[0]);
        assert!(roster.find(tids[0]).is_none());
    }

    #[test]
    fn records_are_used_again() {
        let mut first = Roster::new();
        let record = first.take().unwrap();

        first.give_back(record);
        assert!(is_same(first.take().unwrap(), record));
    }
}
