// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Groups, and how threads register and leave.

use crate::{
    atomic::{AtomicU64, Ordering},
    direct, members,
    raw::{
        current,
        process::{known_process, process},
        record::{
            Group, Kind, Thread, BATCH, CRITICAL, DIRECT, ENABLE_PREEMPTION, FIFO, LEND, OVERTAKE,
        },
        state::State,
    },
    switch,
    sys::{abi, device, errno::Errno, policy, thread},
    worker,
};

const INVALID: Errno = Errno(libc::EINVAL);

const DIRECT_OPTIONS: u32 = FIFO | OVERTAKE | LEND;
const GROUP_FLAGS: u32 = ENABLE_PREEMPTION | DIRECT | DIRECT_OPTIONS | BATCH | CRITICAL;

/// `then`, if one of these flags is set.
const fn with(flags: u32, wanted: u32, then: u32) -> u32 {
    if flags & wanted != 0 {
        then
    } else {
        0
    }
}

const fn direct_flags(flags: u32) -> u32 {
    with(flags, FIFO, abi::DIRECT_FIFO)
        | with(flags, OVERTAKE, abi::DIRECT_OVERTAKE)
        | with(flags, LEND, abi::DIRECT_LEND)
}

/// What the module has to have for a group with these flags.
const fn features_for(flags: u32) -> u64 {
    let direct = if flags & DIRECT != 0 {
        abi::FEATURE_DIRECT
    } else {
        0
    };

    if flags & CRITICAL != 0 {
        direct | abi::FEATURE_CRITICAL
    } else {
        direct
    }
}

/// As `umcg_create_group()`.
#[cold]
pub(crate) fn create_group(flags: u32) -> Result<&'static Group, Errno> {
    let features = features_for(flags);

    if flags & !GROUP_FLAGS != 0 || (flags & DIRECT_OPTIONS != 0 && flags & DIRECT == 0) {
        return Err(INVALID);
    }
    if features != 0 {
        device::has_features(features)?;
    }
    let group = process().and_then(|process| process.take_group())?;
    group.prepare(flags, direct_flags(flags));
    Ok(group)
}

/// As `umcg_destroy_group()`. The caller is `me`, if it has a record.
#[cold]
pub(crate) fn destroy_group(group: &'static Group, me: Option<&Thread>) -> Result<(), Errno> {
    if group.is_copy() {
        return Ok(());
    }
    if !group.is_here() {
        return Err(INVALID);
    }
    if let Some(me) = me {
        switch::hold(me);
    }
    let is_empty = members::is_empty(group);
    if let Some(me) = me {
        switch::release(me);
    }
    if !is_empty {
        return Err(Errno(libc::EBUSY));
    }
    // Another thread may have been faster.
    if !group.retire() {
        return Err(INVALID);
    }
    process().map(|process| process.give_group(group))
}

static IMMEDIATE_SIGNALS: AtomicU64 = AtomicU64::new(0);

pub(crate) fn set_immediate_signals(signals: u64) {
    // Relaxed: an independent word.
    IMMEDIATE_SIGNALS.store(signals, Ordering::Relaxed);
}

/// To be called before the first timestamp is made in a process: a child may be in another time
/// namespace. All threads find out the same number.
fn learn_clock() {
    let Some(process) = known_process().filter(|process| !process.knows_clock()) else {
        return;
    };

    // If the device cannot be used, the registration says it.
    if let Ok(offset) = device::clock_offset() {
        thread::set_clock_offset(offset);
        process.has_learnt_clock();
    }
}

/// Prepares the words of the caller, and returns what the kernel is to know of it.
fn prepare(me: &Thread, kind: Kind, group: Option<&'static Group>) -> u32 {
    let is_worker = kind == Kind::Worker;
    let state = if is_worker {
        State::BLOCKED
    } else {
        State::RUNNING
    };
    // Relaxed: an independent word.
    let signals = IMMEDIATE_SIGNALS.load(Ordering::Relaxed);
    let mut flags = 0;

    me.task.prepare(state, thread::monotonic_ns());
    me.prepare(thread::tid(), group);
    if me.is_direct() {
        flags |= abi::CTL_DIRECT;
    }
    if let Some(group) = group.filter(|_| is_worker) {
        flags |= abi::CTL_WORKER | with(group.flags(), CRITICAL, abi::CTL_CRITICAL);
        if signals != 0 {
            me.task.set_signals(signals);
            flags |= abi::CTL_SIGNALS;
        }
        if !group.is_direct() {
            group.share_lists(&me.task);
        }
    }
    flags
}

/// A worker has the policy of its group from before it may first run in it until it has left.
fn take_policy(me: &Thread) {
    me.is_batch.set(
        me.is_worker()
            && me.group_flags() & BATCH != 0
            && policy::replace(libc::SCHED_OTHER, libc::SCHED_BATCH),
    );
}

/// The program may have given it another one since.
fn give_policy_back(me: &Thread) {
    if me.is_batch.get() {
        policy::replace(libc::SCHED_BATCH, libc::SCHED_OTHER);
        me.is_batch.set(false);
    }
}

/// A server that has ended without unregistering may have the number that is missing.
fn find_place(me: &'static Thread, kind: Kind) -> Result<(), Errno> {
    let Some(group) = me.group() else {
        return Ok(());
    };

    members::join(group, me, kind).or_else(|_| {
        members::bury(group);
        members::join(group, me, kind)
    })
}

fn leave_group(me: &'static Thread) {
    if let Some(group) = me.group() {
        members::leave(group, me);
    }
}

/// Registers the caller, which is no task so far. A worker returns when it is run.
#[cold]
pub(crate) fn register(
    me: &'static Thread,
    kind: Kind,
    group: Option<&'static Group>,
    tag: isize,
) -> Result<(), Errno> {
    let group = group.filter(|_| kind != Kind::BasicTask);

    if me.is_registered() || (kind != Kind::BasicTask && !group.is_some_and(Group::is_here)) {
        return Err(INVALID);
    }
    learn_clock();
    let flags = prepare(me, kind, group);
    me.set_tag(tag);
    me.set_kind(kind);
    let result = enter(me, kind, flags);
    if result.is_err() {
        members::forget(me);
    }
    result
}

fn enter(me: &'static Thread, kind: Kind, flags: u32) -> Result<(), Errno> {
    let process = process()?;

    // The kernel may name it as soon as it knows it.
    if me.is_direct() {
        process.add_tid(me)?;
    }
    find_place(me, kind)?;
    take_policy(me);
    if let Err(error) = ctl(me, kind, flags) {
        give_policy_back(me);
        leave_group(me);
        return Err(error);
    }
    me.has_run.set(true);
    process.add_registered();
    Ok(())
}

fn ctl(me: &'static Thread, kind: Kind, flags: u32) -> Result<(), Errno> {
    let direct = me.group().filter(|group| group.is_direct());
    let server_nr = if kind == Kind::Server {
        me.server_nr()
    } else {
        0
    };

    current::register(flags, me, direct, server_nr)
}

/// The server of a worker is woken first: an unregistered thread cannot do it. A LOCKED worker does
/// not need a server to go on. Nor does the kernel use the words of its group, so it leaves the
/// group before: when its server is told, the group may be destroyed.
fn part_from_server(me: &'static Thread) {
    switch::hold(me);
    leave_group(me);
    if let Some(server) = me.server.get() {
        server.running.set(None);
        worker::start_own_server(me);
        switch::wake_started(me, Some(server));
    }
}

/// In direct mode no thread is notified: the server goes to another worker, or into the set.
fn part_from_group(group: &Group, me: &'static Thread) {
    switch::hold(me);
    direct::give_server_up(group, me);
    if me.task.next_tid() != 0 {
        // It fails if that thread is gone, which then needs nobody.
        let _ = device::wait(abi::WAIT_WAKE_ONLY, 0);
    }
    members::leave(group, me);
}

/// Unregisters the caller.
#[cold]
pub(crate) fn unregister(me: &'static Thread) -> Result<(), Errno> {
    let kind = me.kind();

    if kind == Kind::Unregistered {
        return Err(INVALID);
    }
    // The kernel would continue to use the words of a thread that it failed to unregister.
    device::enabled()?;
    if kind == Kind::Worker {
        match me.group().filter(|group| group.is_direct()) {
            Some(group) => part_from_group(group, me),
            None => part_from_server(me),
        }
    }
    members::leave_tids(me);
    // The kernel may set the state to NONE, which must not be taken for the end of the member.
    me.set_kind(Kind::Unregistered);
    let result = current::unregister();
    if let Some(process) = known_process() {
        process.end_registered();
    }
    give_policy_back(me);
    if kind == Kind::Server {
        leave_group(me);
    }
    members::forget(me);
    result
}
