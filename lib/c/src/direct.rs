// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Groups in direct mode: a server is woken only when there is something to decide.
//!
//! A server is RUNNING; or IDLE and in the set, where it waits for work; or IDLE and has a worker.
//! The thread that takes it out of the set owns it, and gives it a worker or starts it. A worker
//! that blocks, or waits, passes its server on to the first worker of the ring, or puts it into the
//! set; so a server sleeps for as long as no worker is queued elsewhere.
//!
//! The ring is filled where first come, first served will do: by the kernel, and from the list of
//! the library. A worker is in it as one that the kernel may run at any moment: IDLE without any bit
//! of the library.
//!
//! A worker takes the lock only while it is LOCKED; see `record.rs`.

use crate::{
    members,
    raw::{
        bits::{Bits, IDLE, LOCKED, NONE, RUNNING, TAKEN},
        process::find_tid,
        record::{is_same, Group, Lists, Thread, FIFO, OVERTAKE},
    },
    switch,
    sys::errno::Errno,
};

/// Takes a server out of the set.
fn take_idle_server(group: &Group) -> Option<&'static Thread> {
    // A bit without a server is dropped.
    while let Some(nr) = group.direct.take_server(0) {
        if let Some(server) = group.server(nr).read() {
            return Some(server);
        }
    }
    None
}

/// Starts a server that the caller owns.
fn start(me: &Thread, server: &Thread) -> Result<(), Errno> {
    if !server.task.turn(IDLE, RUNNING) || is_same(server, me) {
        return Ok(());
    }
    switch::wake(me, server, 0)
}

/// Puts a server that the caller owns into the set. If somebody was queued meanwhile, it is owned
/// again, unless somebody else has it, and is to be started: then this returns true.
fn put_back(group: &Group, server: &Thread) -> bool {
    group
        .direct
        .put_unless(server.server_nr(), || group.direct.has_queued())
}

/// The next worker of the ring that `claim` takes.
fn next_ready(group: &Group, claim: impl Fn(&'static Thread) -> bool) -> Option<&'static Thread> {
    while let Some(tid) = group.direct.pop_ready() {
        if let Some(worker) = switch::worker_of_tid(group, tid).filter(|worker| claim(worker)) {
            return Some(worker);
        }
    }
    None
}

/// Runs the next worker of the ring under this server: all but the wake-up.
fn run_next_ready(group: &Group, server: &'static Thread) -> Option<&'static Thread> {
    next_ready(group, |worker| {
        worker.task.claim_from(IDLE) && switch::run_under(group, worker, server)
    })
}

/// A worker that is LOCKED gives up its server, as the kernel does it for one that blocks: its next
/// TID names the thread to wake then, if there is one.
pub(crate) fn give_server_up(group: &Group, me: &Thread) {
    let next = switch::direct_server_of(group, me).and_then(|server| {
        run_next_ready(group, server).or_else(|| {
            (put_back(group, server) && server.task.turn(IDLE, RUNNING)).then_some(server)
        })
    });

    me.task.set_next_tid(next.map_or(0, Thread::tid));
}

/// Moves workers from the list to the ring. Not one that is LOCKED, or may be at any moment because
/// its timeout expires: the thread that pops it could not run it. Not while a server is called, which
/// comes back when the ring is empty. The caller has the lock.
fn fill_ring(group: &Group, lists: &mut Lists) {
    if group.flags() & FIFO == 0 {
        return;
    }
    while !group.direct.has_calls() {
        let Some(worker) = lists.first_idle(group) else {
            return;
        };
        let bits = worker.bits();

        if bits.has_any(LOCKED) || worker.has_timeout.get() || !worker.task.turn(bits, IDLE) {
            return;
        }
        // As soon as it is in the ring it may run, and be queued again.
        lists.drop_first_idle();
        if !group.direct.push_ready(worker.tid()) {
            lists.return_idle(worker);
            return;
        }
    }
}

/// After a change of the list. The caller has the lock.
fn pass_list_on(group: &Group, lists: &mut Lists) {
    fill_ring(group, lists);
    group.direct.publish_list(lists.has_idle());
}

/// Takes the worker that has been queued for longest. The ring is older than lists. Until it is run
/// it counts as queued: the server that has it is to decide about it.
fn take_worker(group: &Group) -> Option<&'static Thread> {
    let ready = next_ready(group, |worker| worker.task.turn(IDLE, IDLE | TAKEN));

    if ready.is_some() {
        group.direct.add_taken();
        return ready;
    }
    let mut lists = group.lists.lock();
    let worker = lists.take_idle(group);
    if worker.is_some() {
        group.direct.add_taken();
    }
    pass_list_on(group, &mut lists);
    worker
}

/// A worker that was taken has been claimed, whose bits of before these are.
pub(crate) fn claimed(group: &Group, bits: Bits) {
    if bits.has_any(TAKEN) {
        group.direct.end_taken();
    }
}

/// Queues a worker that was woken, and starts a server for it, for which it may fail. Takes the
/// lock.
pub(crate) fn add_worker(group: &Group, me: &Thread, worker: &'static Thread) -> Result<(), Errno> {
    let mut lists = group.lists.lock();

    lists.append_idle(worker);
    pass_list_on(group, &mut lists);
    drop(lists);
    take_idle_server(group).map_or(Ok(()), |server| start(me, server))
}

/// Has a worker that waits, whose bits were read, run under an idle server at once. The caller is
/// held, if it is a worker. Returns what the call says that has woken it; or none: it does not run.
pub(crate) fn run_waiting(
    group: &Group,
    me: &Thread,
    worker: &'static Thread,
    bits: Bits,
) -> Option<Result<(), Errno>> {
    if bits.has_any(LOCKED) || (group.flags() & OVERTAKE == 0 && group.direct.has_queued()) {
        return None;
    }
    let server = take_idle_server(group)?;
    if !worker.task.claim_from(bits) || !switch::run_under(group, worker, server) {
        if put_back(group, server) {
            // The caller goes on with the worker, whatever comes of this.
            let _ = start(me, server);
        }
        return None;
    }
    Some(switch::wake(me, worker, 0))
}

/// Has an idle server start, if there is a worker for it: what a server does that has taken a
/// worker, or was started for one and leaves it to others.
pub(crate) fn pass_on(group: &Group, me: &Thread) {
    if !group.direct.has_workers() {
        return;
    }
    if let Some(server) = take_idle_server(group) {
        // It may fail only if the program has closed the device, which the caller finds, too.
        let _ = start(me, server);
    }
}

/// Has a server that may have a worker come back as soon as that blocks, waits or leaves. Until it
/// has heard of it, the kernel takes it that somebody is queued, so it starts servers rather than
/// put them back. Takes the lock.
///
/// Returns whether the server was in the set: then the caller owns it, and has to start it.
pub(crate) fn call(group: &Group, server: &Thread) -> bool {
    let lists = group.lists.lock();

    if !server.is_called() {
        server.set_called(true);
        group.direct.add_call();
    }
    // It is back already, and has looked before: pairs with `is_back()`.
    if server.bits() != IDLE {
        members::end_call(group, server);
    }
    drop(lists);
    // A thread that puts it into the set now sees that it is called.
    group.direct.take_back(server.server_nr())
}

/// The same of the caller, which was IDLE and may have been started meanwhile.
fn call_self(group: &Group, me: &Thread) {
    if call(group, me) {
        me.task.turn(IDLE, RUNNING);
    }
}

/// A worker that has ended without unregistering has started its server.
fn bury_last_worker(group: &Group, me: &Thread) {
    let tid = group.direct.running(me.server_nr());

    if tid != 0 && find_tid(tid).is_some_and(|worker| worker.bits() == NONE) {
        members::bury(group);
    }
}

/// The server is RUNNING again. A caller checks that after the call, or the call is seen here.
fn is_back(group: &Group, me: &Thread) {
    if me.is_called() {
        let lists = group.lists.lock();

        members::end_call(group, me);
        drop(lists);
    }
    bury_last_worker(group, me);
}

/// Waits in the set until there is work or a wake-up. Fails with `EINTR` after a signal. Workers may
/// have run under the server meanwhile.
pub(crate) fn poll(group: &Group, me: &Thread) -> Result<(), Errno> {
    let nr = me.server_nr();
    let mut result = Ok(());

    me.task.turn(RUNNING, IDLE);
    me.task.set_next_tid(0);
    // A waker either sees that it is idle, or has left the wake-up before this look.
    if group
        .direct
        .put_unless(nr, || group.direct.has_workers() || me.has_wakeup())
    {
        me.task.turn(IDLE, RUNNING);
    }
    while me.bits() != RUNNING {
        if let Err(error) = switch::sleep_as_server(me) {
            result = Err(error);
            // If it has a worker, it is back when that has blocked.
            if group.direct.take_back(nr) {
                me.task.turn(IDLE, RUNNING);
            } else {
                call_self(group, me);
            }
        }
    }
    is_back(group, me);
    result
}

/// Runs a worker that was taken, until this server is started.
pub(crate) fn run(
    group: &Group,
    me: &'static Thread,
    worker: &'static Thread,
) -> Result<(), Errno> {
    me.task.turn(RUNNING, IDLE);
    let Some(bits) = switch::claim_idle(worker) else {
        members::end_taken(group, worker);
        me.task.turn(IDLE, RUNNING);
        is_back(group, me);
        return Err(Errno(libc::EAGAIN));
    };
    claimed(group, bits);
    // It has been woken before it was idle, and is to come back for that.
    if me.has_wakeup() {
        call(group, me);
    }
    me.task.set_next_tid(worker.tid());
    let mut result = Ok(());
    if switch::run_under(group, worker, me) {
        // As outside of direct mode; after a signal it comes back as soon as it can.
        result = switch::sleep_as_server(me);
        while let Err(Errno(error @ (libc::EINTR | libc::ESRCH))) = result {
            if error == libc::EINTR {
                call_self(group, me);
            }
            me.task.set_next_tid(0);
            result = switch::sleep_as_server(me);
        }
    } else {
        me.task.turn(IDLE, RUNNING);
    }
    is_back(group, me);
    result
}

/// The next worker for a server, as `server::next_worker()`. Workers that wake while the server
/// waits run under it. Before it returns it sees to it that others hear of what it leaves.
pub(crate) fn next_worker(
    group: &Group,
    me: &Thread,
    wait: bool,
    woken: i32,
) -> Result<&'static Thread, Errno> {
    let result = loop {
        if wait && me.take_wakeup() {
            break Err(Errno(woken));
        }
        if let Some(worker) = take_worker(group) {
            break Ok(worker);
        }
        if !wait {
            break Err(Errno(libc::EAGAIN));
        }
        if let Err(error) = poll(group, me) {
            break Err(error);
        }
    };

    pass_on(group, me);
    result
}
