// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What workers do.

use super::{end, shared::Shared};
use crate::{
    raw::{deadline::Deadline, record::Record, state::State},
    sys::{abi, device, errno::Errno, futex, thread},
};

/// Makes the calling thread, which the group has counted, a worker of this class and deadline.
/// Returns when a server runs it.
///
/// Fails with `EINVAL` if the thread is registered already.
pub(crate) fn enter(
    shared: &Shared,
    class: u8,
    deadline: Deadline,
) -> Result<&'static Record, Errno> {
    let record = enlist(shared, class, deadline)?;

    register(shared, record)
}

/// The group has one worker less. Whether it is over then the caller sees after this.
pub(crate) fn count_leave(shared: &Shared) {
    if shared.members.leave().awaited {
        futex::wake(shared.members.word(), i32::MAX);
    }
}

fn enlist(shared: &Shared, class: u8, deadline: Deadline) -> Result<&'static Record, Errno> {
    let mut roster = shared.roster.lock();
    let record = roster.take()?;

    record.prepare(thread::tid(), shared.number(), class);
    record.set_deadline(deadline);
    record.task.prepare(State::BLOCKED, thread::monotonic_ns());
    roster.add(record);
    Ok(record)
}

fn register(shared: &Shared, record: &'static Record) -> Result<&'static Record, Errno> {
    let flags = abi::CTL_WORKER | abi::CTL_DIRECT | abi::CTL_CRITICAL;

    match device::register(flags, record, Some((&shared.words, 0))) {
        Ok(()) => {
            record.has_run();
            Ok(record)
        }
        Err(error) => {
            shared.roster.lock().remove(record);
            Err(error)
        }
    }
}

/// The calling worker leaves its group, and goes on as any thread.
pub(crate) fn leave(shared: &Shared, record: &'static Record) {
    record.task.lock_self(thread::monotonic_ns());
    // Before the server is given up: if it was the last one of a closed group, the server ends
    // that.
    count_leave(shared);
    give_up_server(shared, record);
    end::unregister();
    shared.roster.lock().remove(record);
}

/// The server of the calling worker, which is locked, goes to the set, or is started if there is
/// something to decide.
fn give_up_server(shared: &Shared, record: &Record) {
    let task = &record.task;
    let (nr, tid) = (task.server_nr(), task.next_tid());
    // Each look comes after the change of the set: pairs with the change that makes it true, after
    // which the set is looked at.
    let is_needed = || shared.words.has_work() || shared.members.is_over();

    if shared.words.is_server(nr, tid) && shared.words.put_unless(nr, is_needed) {
        end::start(record, shared.server(nr));
    }
}

/// The calling worker lets others go first, if there are any.
pub(crate) fn yield_now(shared: &Shared, record: &Record) {
    if !shared.words.has_work() {
        return thread::yield_cpu();
    }
    record.yields();
    // Before it returns the worker has been queued, and has run again.
    if device::kick(record.tid(), true).is_err() {
        thread::yield_cpu();
    }
    record.has_run();
}

/// The calling worker is not to be preempted from here on.
#[inline]
pub(crate) fn enter_section(record: &Record) {
    record.begins_section();
    record.task.enter_section();
}

/// It may be again, and is now if that was wanted meanwhile.
#[inline]
pub(crate) fn leave_section(record: &Record) {
    if record.task.leave_section() {
        give_way(record);
    }
}

/// The same for a section within others that may never end: if the worker has been preempted in
/// one that was too long, all that it is in are over.
#[inline]
pub(crate) fn leave_loose_section(record: &Record) {
    if record.task.end_section() != 0 {
        forget_overrun_sections(record);
    } else if record.task.is_to_give_way() {
        give_way(record);
    }
}

#[cold]
fn forget_overrun_sections(record: &Record) {
    if record.take_overrun() {
        record.task.end_all_sections();
        if record.task.is_to_give_way() {
            give_way(record);
        }
    }
}

#[cold]
fn give_way(record: &Record) {
    // If that fails the next slice will end.
    let _ = device::kick(record.tid(), false);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory;

    fn record() -> &'static Record {
        let record = &memory::map_forever::<Record>().unwrap()[0];

        record.prepare(1, 1, 0);
        record.task.prepare(State::RUNNING, 1600);
        record
    }

    #[test]
    fn section_that_never_ends_is_forgotten_when_it_was_too_long() {
        let record = record();

        enter_section(record);
        enter_section(record);
        record.set_overrun();
        enter_section(record);
        leave_loose_section(record);
        assert_eq!(record.task.sections(), 0);
        enter_section(record);
        enter_section(record);
        leave_loose_section(record);
        assert_eq!(record.task.sections(), 1);
        leave_loose_section(record);
        leave_loose_section(record);
        assert_eq!(record.task.sections(), 0);
    }
}
