// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What a child does not inherit.

use super::{
    link::Link,
    lock::Lock,
    record::{Flag, Group, Thread},
    tids::Tids,
};
use crate::{
    atomic::{AtomicU32, Ordering},
    sys::{
        abi::SchedState,
        errno::Errno,
        memory::{Wiped, Zeroed},
        pages,
    },
};
use core::{ptr, sync::atomic::AtomicPtr};

/// The data of a process. Zeros are its first state.
///
/// Its locks: a thread that is registered has a record, so no worker needs one. Those of unused
/// records and groups nest inside that of a group.
pub(crate) struct Process {
    /// Whether it has opened the device.
    pub(crate) has_opened: Flag,
    /// Whether the clock's offset is that of this process. Published by itself.
    knows_clock: AtomicU32,
    /// How many threads are registered, and those that have ended without unregistering.
    registered: AtomicU32,
    /// Unused records, linked by `next`.
    threads: Lock<Option<&'static Thread>>,
    /// Unused groups, linked by `next`.
    groups: Lock<Option<&'static Group>>,
    /// The mapping of the slots, or null.
    slots: AtomicPtr<SchedState>,
    /// For making that mapping.
    pub(crate) slots_lock: Lock<()>,
    /// Threads by TID.
    tids: Tids,
}

// SAFETY: All fields are atomic integers and pointers, and locks of references.
unsafe impl Zeroed for Process {}

static PROCESS: Link<Process> = Link::none();

/// The data of this process. Fails if there is no memory.
pub(crate) fn process() -> Result<&'static Process, Errno> {
    PROCESS.get_or_map()
}

/// The data of this process, if it has any.
pub(crate) fn known_process() -> Option<&'static Process> {
    PROCESS.read()
}

impl Process {
    pub(crate) fn knows_clock(&self) -> bool {
        // Acquire: pairs with the release below: a thread that sees that it is known sees it.
        self.knows_clock.load(Ordering::Acquire) != 0
    }

    pub(crate) fn has_learnt_clock(&self) {
        // Release: see above.
        self.knows_clock.store(1, Ordering::Release);
    }

    /// Whether a thread is registered, or was when it ended.
    pub(crate) fn has_registered(&self) -> bool {
        // Relaxed: the library must not be in use when it is unloaded.
        self.registered.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn add_registered(&self) {
        // Relaxed: only a count.
        self.registered.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end_registered(&self) {
        // Relaxed: only a count.
        self.registered.fetch_sub(1, Ordering::Relaxed);
    }

    /// An unused record.
    pub(crate) fn take_thread(&self) -> Result<&'static Thread, Errno> {
        let mut unused = self.threads.lock();

        if let Some(thread) = *unused {
            *unused = thread.next.take();
            return Ok(thread);
        }
        drop(unused);
        self.map_threads()
    }

    /// A new page of records, all but the first for others: the kernel pins pages, so records are
    /// packed.
    #[cold]
    fn map_threads(&self) -> Result<&'static Thread, Errno> {
        let [first, others @ ..] = pages::map_page::<Thread>()? else {
            return Err(Errno(libc::ENOMEM));
        };

        // A tag may be all that points to something of the program.
        pages::has_pointers(first);
        for thread in others {
            self.give_thread(thread);
        }
        Ok(first)
    }

    /// A record is not used any more.
    pub(crate) fn give_thread(&self, thread: &'static Thread) {
        let mut unused = self.threads.lock();

        thread.next.set(unused.replace(thread));
    }

    /// An unused group.
    pub(crate) fn take_group(&self) -> Result<&'static Group, Errno> {
        let mut unused = self.groups.lock();

        match *unused {
            Some(group) => {
                *unused = group.next.take();
                Ok(group)
            }
            None => {
                drop(unused);
                pages::new().map(Wiped::leak)
            }
        }
    }

    /// A group is not used any more.
    pub(crate) fn give_group(&self, group: &'static Group) {
        let mut unused = self.groups.lock();

        group.next.set(unused.replace(group));
    }

    /// A thread that is about to register in a group in direct mode is to be found by its TID.
    pub(crate) fn add_tid(&self, thread: &'static Thread) -> Result<(), Errno> {
        self.tids.add(thread)
    }

    pub(crate) fn remove_tid(&self, thread: &'static Thread) {
        self.tids.remove(thread);
    }

    pub(crate) fn slots(&self) -> *mut SchedState {
        // Acquire: pairs with the release in `set_slots()`.
        self.slots.load(Ordering::Acquire)
    }

    pub(crate) fn set_slots(&self, slots: *mut SchedState) {
        // Release: pairs with the acquire in `slots()`.
        self.slots.store(slots, Ordering::Release);
    }
}

/// The worker or server of this TID in a group in direct mode.
pub(crate) fn find_tid(tid: u32) -> Option<&'static Thread> {
    known_process()?.tids.find(tid)
}

/// Where the slots are, if they are mapped.
pub(crate) fn known_slots() -> *mut SchedState {
    known_process().map_or(ptr::null_mut(), Process::slots)
}
