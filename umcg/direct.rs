// SPDX-License-Identifier: GPL-2.0

//! Direct mode: a server is woken only if there is a decision to make.
//!
//! A worker that wakes takes an idle server from the set of its group and continues; one that
//! blocks passes its server to a worker of the ring, or puts it back into the set. Pure, like
//! [`super::protocol`]: over words that all threads of the group change concurrently.
//!
//! No worker stays queued while a server is idle: after a server is put into the set, the same
//! thread checks for workers, and after a worker is queued, the same thread checks the set. Each
//! change is a compare-exchange or an exchange, which is a full barrier, so that one of the two
//! sees the other's change. Workers move from the kernel's list to those of user space, which
//! `queued` stands for, and from there to the ring; checks follow that order.

use super::{
    abi::UMCG_DIRECT_RING,
    protocol::{
        SharedWord,
        ATTEMPTS,
        ATTEMPTS_AT_ONCE, //
    },
};

/// The words that the threads of a group share: `struct umcg_direct_group`.
///
/// Numbers of servers are below `UMCG_DIRECT_SERVERS`, which is 64.
pub(crate) trait GroupWords {
    /// A 64-bit word.
    type Long: SharedWord;
    /// A 32-bit word.
    type Short: SharedWord<u32>;

    /// The head of the list that the kernel pushes idle workers on.
    fn idle_workers(&self) -> &Self::Long;
    /// The set of servers that wait for work.
    fn idle_servers(&self) -> &Self::Long;
    /// The positions of the ring that are popped and filled next: see [`Ends`].
    fn ready_ends(&self) -> &Self::Long;
    /// Not zero while user space has idle workers in lists of its own.
    fn queued(&self) -> &Self::Short;
    /// The set of servers that would run none of the workers that `queued` stands for.
    fn refused_servers(&self) -> &Self::Long;
    /// The thread to start when a worker is queued and no server is idle.
    fn watcher_tid(&self) -> &Self::Short;
    /// The TID of a server.
    fn server_tid(&self, nr: u32) -> &Self::Short;
    /// The TID of the worker that runs under a server.
    fn running(&self, nr: u32) -> &Self::Short;
    /// The word of a position of the ring.
    fn ready(&self, position: u32) -> &Self::Long;
}

/// A server that was taken out of the set: its owner gives it a worker, or starts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    /// Its number in the group.
    pub(crate) nr: u32,
    /// Its TID; never zero.
    pub(crate) tid: u32,
}

/// Whether a worker is queued somewhere.
#[inline]
pub(crate) fn has_work(group: &impl GroupWords) -> bool {
    group.idle_workers().load() != 0 || group.queued().load() != 0 || has_ready(group)
}

/// Whether a worker is queued that server `nr` may be needed for.
#[inline]
fn has_work_for(group: &impl GroupWords, nr: u32) -> bool {
    group.idle_workers().load() != 0
        || group.queued().load() != 0 && group.refused_servers().load() & 1 << nr == 0
        || has_ready(group)
}

/// Takes an idle server out of the set.
///
/// Called after a worker was queued: the set is read after the full barrier of that, which pairs
/// with the one in [`put_back`].
#[inline]
pub(crate) fn take_server(group: &impl GroupWords) -> Option<Server> {
    let set = group.idle_servers();
    let mut old = set.load();

    for _ in 0..ATTEMPTS {
        if old == 0 {
            return None;
        }
        match set.compare_exchange(old, old & (old - 1)) {
            Err(now) => old = now,
            Ok(()) => {
                let nr = old.trailing_zeros();
                let tid = group.server_tid(nr).load();
                if tid != 0 {
                    return Some(Server { nr, tid });
                }
                // A bit without a server is dropped.
                old = set.load();
            }
        }
    }
    None
}

/// Takes an idle server for a worker that wakes; `overtakes` is whether it may do so although
/// others are queued.
#[inline]
pub(crate) fn take_server_to_run_under(group: &impl GroupWords, overtakes: bool) -> Option<Server> {
    // A server that enters the set now, or a worker that is queued now, is seen after this one has
    // been queued.
    if !has_server(group) || !overtakes && has_work(group) {
        return None;
    }
    take_server(group)
}

/// Whether the watcher is to be told of workers that are queued, by one that has taken a server.
///
/// They may have been queued while the server was busy, and the watcher may have seen the server in
/// the set, and waits. The look at the watcher comes after the full barrier of the change of the set,
/// which pairs with the one between the TID of the watcher and its look at the set.
#[inline]
pub(crate) fn leaves_others_queued(group: &impl GroupWords) -> bool {
    group.watcher_tid().load() != 0 && has_work(group)
}

/// Whether a server waits in the set.
#[inline]
pub(crate) fn has_server(group: &impl GroupWords) -> bool {
    group.idle_servers().load() != 0
}

/// Puts a server, which is IDLE, into the set, unless a worker is queued that it may be needed for.
/// Returns whether it stays there, or was taken from there meanwhile; otherwise it must be started.
#[inline]
pub(crate) fn put_back(group: &impl GroupWords, nr: u32) -> bool {
    // The server has no worker from now on: published by the change of the set.
    group.running(nr).store(0);

    // Full, so the check follows it: pairs with the barrier between queueing a worker and checking
    // the set.
    put(group, nr) && (!has_work_for(group, nr) || !take_back(group, nr))
}

/// Puts a server into the set. Returns false if user space keeps changing it.
pub(crate) fn put(group: &impl GroupWords, nr: u32) -> bool {
    let set = group.idle_servers();
    let mut old = set.load();

    for _ in 0..ATTEMPTS {
        match set.compare_exchange(old, old | 1 << nr) {
            Ok(()) => return true,
            Err(now) => old = now,
        }
    }
    false
}

/// Takes this server out of the set. Returns false if it is not there: it has another owner.
pub(crate) fn take_back(group: &impl GroupWords, nr: u32) -> bool {
    let set = group.idle_servers();
    let mut old = set.load();

    for _ in 0..ATTEMPTS {
        if old & 1 << nr == 0 {
            return false;
        }
        match set.compare_exchange(old, old & !(1 << nr)) {
            Ok(()) => return true,
            Err(now) => old = now,
        }
    }
    // User space keeps changing the set. A server that is started needlessly detects that.
    true
}

/// Takes the watcher out, if there is one. Its TID is read after the full barrier of queueing a
/// worker, as in [`take_server`]; the watcher checks for workers after it has published its TID.
pub(crate) fn take_watcher(group: &impl GroupWords) -> Option<u32> {
    let watcher = group.watcher_tid();

    (watcher.load() != 0)
        .then(|| watcher.exchange(0))
        .filter(|&tid| tid != 0)
}

/// Assigns a number to a server. Returns false if another server has it.
pub(crate) fn enter(group: &impl GroupWords, server: Server) -> bool {
    group
        .server_tid(server.nr)
        .compare_exchange(0, server.tid)
        .is_ok()
}

/// A server leaves. Returns whether another server must be started in its place, because this one
/// may have been taken out of the set for a queued worker.
pub(crate) fn leave(group: &impl GroupWords, server: Server) -> bool {
    let was_taken = !take_back(group, server.nr);
    // User space may have overwritten it.
    let _ = group.server_tid(server.nr).compare_exchange(server.tid, 0);

    // If it was taken for a queued worker, that was queued before: seen by the acquire of the check
    // of the set.
    was_taken && has_work(group)
}

/// The ends of the ring.
///
/// Both positions count all pops and pushes, modulo 2^32. They are advanced after the pop or push,
/// by the first thread that gets there. The set is checked after a push has been counted: so a
/// thread that has put a server into the set, and then finds the ring empty by this word alone, has
/// not missed a worker.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ends(u64);

impl Ends {
    const fn head(self) -> u32 {
        // CAST: The lower half.
        self.0 as u32
    }

    const fn tail(self) -> u32 {
        // CAST: The upper half.
        (self.0 >> 32) as u32
    }

    /// With one more popped, or filled.
    const fn moved(self, head: u32, tail: u32) -> Self {
        Self((self.tail().wrapping_add(tail) as u64) << 32 | self.head().wrapping_add(head) as u64)
    }
}

/// A word of the ring: a TID, or zero, and the round that it is valid for.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place(u64);

impl Place {
    /// The word for this position.
    const fn at(position: u32, tid: u32) -> Self {
        Self(((position / UMCG_DIRECT_RING) as u64) << 32 | tid as u64)
    }

    const fn tid(self) -> u32 {
        // CAST: The lower half.
        self.0 as u32
    }

    /// Whether both are valid for the same round.
    const fn is_of_turn(self, other: Self) -> bool {
        self.0 >> 32 == other.0 >> 32
    }
}

/// Whether a worker is in the ring.
#[inline]
fn has_ready(group: &impl GroupWords) -> bool {
    let ends = Ends(group.ready_ends().load());

    ends.head() != ends.tail() && next_ready(group).is_some()
}

/// The first worker of the ring, and where it is.
#[cold]
fn next_ready(group: &impl GroupWords) -> Option<(u32, Place)> {
    let mut ends = Ends(group.ready_ends().load());

    for _ in 0..ATTEMPTS {
        let head = ends.head();
        let place = Place(group.ready(head).load());
        let free = Place::at(head, 0);
        let popped = Place::at(head.wrapping_add(UMCG_DIRECT_RING), 0);

        if place == free {
            return None;
        }
        if place.is_of_turn(free) {
            return Some((head, place));
        }
        if !place.is_of_turn(popped) {
            // Not written by this protocol.
            return None;
        }
        ends = advance(group, ends, ends.moved(1, 0));
    }
    None
}

/// Counts a pop or push, unless another thread has. Returns the current ends of the ring.
fn advance(group: &impl GroupWords, seen: Ends, new: Ends) -> Ends {
    match group.ready_ends().compare_exchange(seen.0, new.0) {
        Ok(()) => new,
        Err(now) => Ends(now),
    }
}

/// Counts `position`, which was popped, or else filled.
fn count(group: &impl GroupWords, position: u32, popped: bool) {
    let mut ends = Ends(group.ready_ends().load());

    for _ in 0..ATTEMPTS {
        let (end, new) = if popped {
            (ends.head(), ends.moved(1, 0))
        } else {
            (ends.tail(), ends.moved(0, 1))
        };
        if end != position {
            return;
        }
        ends = advance(group, ends, new);
    }
}

/// Pops the first worker of the ring: its TID. The caller owns the worker.
#[inline]
pub(crate) fn pop_ready(group: &impl GroupWords) -> Option<u32> {
    let ends = Ends(group.ready_ends().load());

    if ends.head() == ends.tail() {
        return None;
    }
    pop(group)
}

/// Another thread that pops in between is one that runs a worker. After a few of them it is cheaper,
/// and soon over, to start the server: this runs with preemption off.
fn pop(group: &impl GroupWords) -> Option<u32> {
    for _ in 0..ATTEMPTS_AT_ONCE {
        let (head, place) = next_ready(group)?;
        let free = Place::at(head.wrapping_add(UMCG_DIRECT_RING), 0);

        if group.ready(head).compare_exchange(place.0, free.0).is_ok() {
            count(group, head, true);
            return Some(place.tid());
        }
    }
    None
}

/// Pushes a worker to the ring, if no other one is queued elsewhere. Returns false if it must be
/// queued elsewhere.
pub(crate) fn queue_ready(group: &impl GroupWords, tid: u32) -> bool {
    group.idle_workers().load() == 0 && group.queued().load() == 0 && push_ready(group, tid)
}

/// Pushes a worker to the ring. Returns false if it is full. A full barrier if it succeeds.
pub(crate) fn push_ready(group: &impl GroupWords, tid: u32) -> bool {
    let mut ends = Ends(group.ready_ends().load());

    for _ in 0..ATTEMPTS {
        let tail = ends.tail();
        let place = Place(group.ready(tail).load());
        let free = Place::at(tail, 0);
        let popped = Place::at(tail.wrapping_add(UMCG_DIRECT_RING), 0);

        if place == free {
            let filled = Place::at(tail, tid);
            if group.ready(tail).compare_exchange(free.0, filled.0).is_ok() {
                count(group, tail, false);
                return true;
            }
        } else if place.is_of_turn(free) || place.is_of_turn(popped) {
            // Filled already, and perhaps popped, but not counted.
            ends = advance(group, ends, ends.moved(0, 1));
        } else {
            let now = Ends(group.ready_ends().load());
            if now == ends {
                return false;
            }
            ends = now;
        }
    }
    false
}
