// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What the library knows of threads and groups.
//!
//! The memory of both is never unmapped: one that is not used any more is used again, so an old
//! `umcg_tid` or `umcg_t` can only name another thread or group. In a child all of it is zero, which
//! means unused.
//!
//! Locks: a worker takes that of a group, and workers from its lists, only while it is LOCKED, so
//! that it cannot be preempted meanwhile. Those of unused records and groups nest inside. None is
//! held across a call that sleeps.

use super::{bits::Bits, direct::DirectGroup, link::Link, lock::Lock, task::Task};
use crate::{
    atomic::{before_look, AtomicU32, AtomicU64, Ordering},
    sys::{abi, memory::Zeroed},
};
use core::{
    mem::{align_of, offset_of, size_of},
    ptr,
    sync::atomic::{AtomicBool, AtomicIsize},
};

/// What a thread is registered as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Unregistered = 0,
    BasicTask = 1,
    Server = 2,
    Worker = 3,
}

/// A word of one bit, of which no other data depends, or that something else orders.
#[derive(Default)]
pub(crate) struct Flag(AtomicBool);

impl Flag {
    pub(crate) fn get(&self) -> bool {
        // Relaxed: see the type.
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, value: bool) {
        // Relaxed: see the type.
        self.0.store(value, Ordering::Relaxed);
    }
}

/// A thread that the library knows.
#[repr(C)]
pub(crate) struct Thread {
    /// What the kernel shares. `umcg_tid` points to it: `umcg_critical_enter()` relies on it.
    pub(crate) task: Task,
    /// How often it was woken when it did not wait, less the waits that have ended by that. It has
    /// 64 bits, so that it does not overflow.
    wakeups: AtomicU64,
    kind: AtomicU32,
    tid: AtomicU32,
    /// Those of its group, which may be another one's sooner than this record.
    group_flags: AtomicU32,
    /// Of a server in direct mode: its number.
    server_nr: AtomicU32,
    /// Its group; not for basic tasks.
    group: Link<Group>,
    tag: AtomicIsize,
    /// Of a server: the worker that runs under it. Written by the server, or by that worker while
    /// it is LOCKED.
    pub(crate) running: Link<Thread>,
    /// Of a worker: the server that has last run it. Written by the thread that has made it RUNNING
    /// and LOCKED. In direct mode the kernel does that, too, and does not know this field.
    pub(crate) server: Link<Thread>,
    /// The next idle worker of the group, waiting server of the group, or unused record.
    pub(crate) next: Link<Thread>,
    /// The neighbours among the members of the group; under its lock.
    pub(crate) next_member: Link<Thread>,
    pub(crate) previous_member: Link<Thread>,
    /// Of a server in direct mode: whether it is to come back as soon as it can.
    is_called: AtomicBool,
    /// Of a worker: whether its registration is over.
    pub(crate) has_run: Flag,
    /// Of a worker: whether it sleeps with a timeout. Published by the end of its lock.
    pub(crate) has_timeout: Flag,
    /// Of a server: whether a signal has interrupted its sleep; for itself.
    pub(crate) is_interrupted: Flag,
    /// Whether it had the normal policy before it registered; for itself.
    pub(crate) is_batch: Flag,
}

// SAFETY: All fields are atomic integers and pointers.
unsafe impl Zeroed for Thread {}

const _: () = assert!(offset_of!(Thread, task) == 0);

/// A group, in a page of its own.
#[repr(C)]
pub(crate) struct Group {
    /// The kernel's list of idle workers, newest first; not in direct mode.
    pub(super) idle_workers: AtomicU64,
    /// The server that the kernel is to start for the next worker; not in direct mode.
    pub(super) idle_server_tid: AtomicU32,
    /// Those of `umcg_create_group()`, and `IS_HERE`.
    flags: AtomicU32,
    /// What the kernel shares in direct mode.
    pub(crate) direct: DirectGroup,
    pub(crate) lists: Lock<Lists>,
    /// In direct mode: the servers, by number. Written under the lock.
    servers: [Link<Thread>; abi::SERVERS],
    /// The next unused group.
    pub(crate) next: Link<Group>,
}

// SAFETY: All fields are atomic integers and pointers, and a lock of references.
unsafe impl Zeroed for Group {}

/// All that the kernel shares lies in one page.
const _: () = assert!(size_of::<Group>() <= 4096 && align_of::<Group>() == 64);

/// What the lock of a group is for.
#[derive(Default)]
pub(crate) struct Lists {
    /// The threads that have registered in it.
    pub(crate) members: Option<&'static Thread>,
    /// The library's list of idle workers, oldest first.
    pub(super) first_idle: Option<&'static Thread>,
    /// The end of that list, of no meaning if it is empty.
    pub(super) last_idle: Option<&'static Thread>,
    /// The servers that wait in `umcg_get_idle_worker()`, newest first; not in direct mode.
    pub(crate) waiting: Option<&'static Thread>,
    /// The one of them that was written to `idle_server_tid`. The kernel may have taken it from
    /// there, and then starts it.
    pub(crate) announced: Option<&'static Thread>,
}

/// This is the process that the group belongs to, and it is not destroyed.
const IS_HERE: u32 = 1 << 31;

pub(crate) const ENABLE_PREEMPTION: u32 = 1;
pub(crate) const DIRECT: u32 = 2;
pub(crate) const FIFO: u32 = 4;
pub(crate) const OVERTAKE: u32 = 8;
pub(crate) const LEND: u32 = 16;
pub(crate) const BATCH: u32 = 32;
pub(crate) const CRITICAL: u32 = 64;

impl Thread {
    /// The thread of an ID.
    ///
    /// # Safety
    ///
    /// The ID is `UMCG_NONE`, or one that the library has given out.
    pub(crate) unsafe fn of_utid(utid: isize) -> Option<&'static Self> {
        // CAST: It was an address. SAFETY: The caller promises that it was given out, which exposes
        // the record; records are never unmapped.
        unsafe { ptr::with_exposed_provenance::<Self>(utid as usize).as_ref() }
    }

    pub(crate) fn utid(&'static self) -> isize {
        // CAST: An ID is an address.
        ptr::from_ref(self).expose_provenance() as isize
    }

    /// The thread whose node of the idle-worker list has this address.
    ///
    /// # Safety
    ///
    /// It is the node of a record that was exposed.
    pub(super) unsafe fn of_node(node: u64) -> &'static Self {
        // CAST: The address of a node.
        let address = node as usize - offset_of!(Task, idle_node);

        // SAFETY: The caller promises that there is a record, which is never unmapped.
        unsafe { &*ptr::with_exposed_provenance(address) }
    }

    pub(crate) fn kind(&self) -> Kind {
        // Acquire: pairs with the release in `set_kind()`.
        match self.kind.load(Ordering::Acquire) {
            0 => Kind::Unregistered,
            1 => Kind::BasicTask,
            2 => Kind::Server,
            _ => Kind::Worker,
        }
    }

    pub(crate) fn is_registered(&self) -> bool {
        self.kind() != Kind::Unregistered
    }

    pub(crate) fn is_worker(&self) -> bool {
        self.kind() == Kind::Worker
    }

    pub(crate) fn set_kind(&self, kind: Kind) {
        // Release: a thread that sees the kind sees what was prepared before.
        self.kind.store(kind as u32, Ordering::Release);
    }

    /// What the calling thread is from its registration on, but its kind.
    pub(crate) fn prepare(&self, tid: u32, group: Option<&'static Group>) {
        // Relaxed, all of them: published by the kind.
        self.tid.store(tid, Ordering::Relaxed);
        self.wakeups.store(0, Ordering::Relaxed);
        self.group_flags
            .store(group.map_or(0, Group::flags), Ordering::Relaxed);
        self.is_called.store(false, Ordering::Relaxed);
        self.group.set(group);
        self.running.set(None);
        self.server.set(None);
        self.has_run.set(false);
        self.has_timeout.set(false);
    }

    pub(crate) fn tid(&self) -> u32 {
        // Relaxed: it does not change while the thread is registered.
        self.tid.load(Ordering::Relaxed)
    }

    pub(crate) fn group(&self) -> Option<&'static Group> {
        self.group.get()
    }

    /// Whether both have one group, which is not none.
    pub(crate) fn is_in(&self, group: &Group) -> bool {
        self.group().is_some_and(|own| ptr::eq(own, group))
    }

    pub(crate) fn group_flags(&self) -> u32 {
        // Relaxed: it does not change while the thread is registered.
        self.group_flags.load(Ordering::Relaxed)
    }

    pub(crate) fn is_direct(&self) -> bool {
        self.group_flags() & DIRECT != 0
    }

    pub(crate) fn server_nr(&self) -> u32 {
        // Relaxed: written before it is registered.
        self.server_nr.load(Ordering::Relaxed)
    }

    pub(super) fn set_server_nr(&self, nr: u32) {
        // Relaxed: as above.
        self.server_nr.store(nr, Ordering::Relaxed);
    }

    pub(crate) fn tag(&self) -> isize {
        // Relaxed: a tag is independent; the program must order what it points to.
        self.tag.load(Ordering::Relaxed)
    }

    pub(crate) fn set_tag(&self, tag: isize) {
        // Relaxed: see `tag()`.
        self.tag.store(tag, Ordering::Relaxed);
    }

    /// As `umcg_get_task_state()`. The words are prepared before the registration: until then it is
    /// no task for other calls.
    pub(crate) fn public_state(&self) -> u64 {
        const WAKEUP_QUEUED: u64 = 1 << 17;
        let kind = self.kind();
        let state = self.task.public_state(kind == Kind::Worker);

        match state & abi::TASK_STATE_MASK {
            abi::TASK_NONE => abi::TASK_NONE,
            _ if kind == Kind::Unregistered => abi::TASK_NONE,
            _ if self.has_wakeup() => state | WAKEUP_QUEUED,
            _ => state,
        }
    }

    /// State, lock and the library's bits. Sequentially consistent.
    pub(crate) fn bits(&self) -> Bits {
        self.task.bits()
    }

    // Pending wake-ups for a task that does not wait. Each one is consumed once, by the task for a
    // wait that it ends, or by a waker that finds the task waiting by now. So none is lost.
    // Sequentially consistent, as changes of state are.

    pub(crate) fn has_wakeup(&self) -> bool {
        before_look();
        // SeqCst: see above.
        self.wakeups.load(Ordering::SeqCst) != 0
    }

    pub(crate) fn give_wakeup(&self) {
        // SeqCst: see above.
        self.wakeups.fetch_add(1, Ordering::SeqCst);
    }

    /// Consumes a pending wake-up, if there is one.
    pub(crate) fn take_wakeup(&self) -> bool {
        before_look();
        // SeqCst: see above.
        let mut wakeups = self.wakeups.load(Ordering::SeqCst);

        while wakeups != 0 {
            // SeqCst: see above.
            match self.wakeups.compare_exchange_weak(
                wakeups,
                wakeups - 1,
                Ordering::SeqCst,
                Ordering::SeqCst,
            ) {
                Ok(_) => return true,
                Err(now) => wakeups = now,
            }
        }
        false
    }

    // A call of a server in direct mode: the caller looks at its state after that, and the server
    // looks for a call after it has changed its state. One of them sees the other.

    pub(crate) fn is_called(&self) -> bool {
        before_look();
        // SeqCst: see above.
        self.is_called.load(Ordering::SeqCst)
    }

    pub(crate) fn set_called(&self, is_called: bool) {
        // SeqCst: see above.
        self.is_called.store(is_called, Ordering::SeqCst);
    }
}

/// Whether both are the same thread.
pub(crate) fn is_same(one: &Thread, other: &Thread) -> bool {
    ptr::eq(one, other)
}

impl Group {
    /// The group of an ID.
    ///
    /// # Safety
    ///
    /// The ID is `UMCG_NONE`, or one that the library has given out.
    pub(crate) unsafe fn of_id(id: isize) -> Option<&'static Self> {
        // CAST: It was an address. SAFETY: The caller promises that it was given out, which exposes
        // the group; groups are never unmapped.
        unsafe { ptr::with_exposed_provenance::<Self>(id as usize).as_ref() }
    }

    pub(crate) fn id(&'static self) -> isize {
        // CAST: An ID is an address.
        ptr::from_ref(self).expose_provenance() as isize
    }

    // The addresses of what the kernel is to use in direct mode, and otherwise.

    pub(crate) fn direct_address(&'static self) -> u64 {
        self.id() as u64 + offset_of!(Self, direct) as u64
    }

    pub(super) fn idle_workers_address(&self) -> u64 {
        ptr::from_ref(&self.idle_workers).expose_provenance() as u64
    }

    /// Has the kernel write to this group when a worker is idle, which registers after this and is
    /// not in direct mode.
    pub(crate) fn share_lists(&'static self, worker: &Task) {
        let server_tid = ptr::from_ref(&self.idle_server_tid).expose_provenance() as u64;

        worker.set_node(self.idle_workers_address());
        // Relaxed: the kernel reads it in the calling thread, when it registers.
        worker
            .idle_server_tid_ptr
            .store(server_tid, Ordering::Relaxed);
    }

    /// Makes memory of zeros, or of a group that was destroyed, a new group.
    pub(crate) fn prepare(&self, flags: u32, direct_flags: u32) {
        // Relaxed, all of them: the caller passes the group on.
        self.idle_workers.store(0, Ordering::Relaxed);
        self.idle_server_tid.store(0, Ordering::Relaxed);
        self.direct.clear();
        self.direct.prepare(direct_flags);
        for server in &self.servers {
            server.set(None);
        }
        *self.lists.lock() = Lists::default();
        self.flags.store(flags | IS_HERE, Ordering::Relaxed);
    }

    /// The group is destroyed. Returns false if it has been.
    pub(crate) fn retire(&self) -> bool {
        // Relaxed: nobody uses it any more.
        self.flags.swap(0, Ordering::Relaxed) & IS_HERE != 0
    }

    /// Whether this is the copy of a child, which the kernel has wiped.
    pub(crate) fn is_copy(&self) -> bool {
        self.direct.is_wiped()
    }

    pub(crate) fn is_here(&self) -> bool {
        self.flags() & IS_HERE != 0
    }

    /// Those of `umcg_create_group()`, and others.
    pub(crate) fn flags(&self) -> u32 {
        // Relaxed: they do not change while the group is used.
        self.flags.load(Ordering::Relaxed)
    }

    pub(crate) fn is_direct(&self) -> bool {
        self.flags() & DIRECT != 0
    }

    /// The server with this number, in direct mode. Numbers are less than `SERVERS`: the remainder
    /// only saves a check.
    pub(crate) fn server(&self, nr: u32) -> &Link<Thread> {
        &self.servers[nr as usize % abi::SERVERS]
    }

    /// Gives a server that registers a number, in direct mode. Returns false if all are in use.
    /// Under the lock.
    pub(crate) fn number(&self, server: &'static Thread) -> bool {
        for (nr, place) in (0..).zip(&self.servers) {
            if place.get().is_none() {
                server.set_server_nr(nr);
                place.publish(Some(server));
                return true;
            }
        }
        false
    }

    // What is announced to the kernel: see `polling.rs`. Sequentially consistent: the kernel pushes
    // a worker and then takes the TID, both fully ordered. It finds the TID, or the thread that has
    // announced it finds the worker in the look at the list that comes after this.

    pub(crate) fn announce(&self, tid: u32) {
        // SeqCst: see above.
        self.idle_server_tid.store(tid, Ordering::SeqCst);
    }

    /// Takes back the TID, or returns false if the kernel has taken it.
    pub(crate) fn withdraw(&self, tid: u32) -> bool {
        self.idle_server_tid
            // SeqCst: see above.
            .compare_exchange(tid, 0, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok()
    }
}
