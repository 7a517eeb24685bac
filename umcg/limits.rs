// SPDX-License-Identifier: GPL-2.0

//! Limits the number of tasks of a process and of a user that are registered, have a slot, or have
//! notifications.
//!
//! A process is an address space here, as everywhere in this module. A task that has left counts
//! until its memory is freed, a grace period later: so the limits bound that memory as well. A task
//! that would exceed a limit only because of those waits for them.

use super::{
    counted::{
        Counted,
        Node, //
    },
    stats, //
};
use crate::{
    module_parameters, static_lock,
    sys::{
        compat,
        context::TaskContext,
        user,
        wait_queue::WaitQueue, //
    },
};
use core::cell::Cell;
use kernel::{mm::Mm, prelude::*, sync::aref::ARef};

/// How long a task waits at most for tasks that have left, in milliseconds. It usually takes one
/// grace period. A thread that exits may be delayed, for example by a file that it closes.
const WAIT_MS: u32 = 5000;

/// What is limited, each separately.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Limited {
    /// Registered servers and workers.
    Tasks,
    /// Tasks that have a slot.
    Slots,
    /// Tasks that have deschedule notifications.
    Notifications,
}

/// The account: the address of an address space, or a UID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Process(usize),
    User(u32),
}

impl Who {
    fn limit(self) -> usize {
        let limit = match self {
            Self::Process(_) => compat::parameter(module_parameters::max_tasks_per_process.value()),
            Self::User(_) => compat::parameter(module_parameters::max_tasks_per_user.value()),
        };

        // CAST: 32 bits fit.
        limit as usize
    }
}

type Account = (Limited, Who);

/// For each account the number of tasks, and how many of them have left.
type Counts = Counted<Account, usize>;

/// Memory for both accounts of a task, if they are new.
type Nodes = [Option<Node<Account, usize>>; 2];

static_lock! {
    static COUNTS: SpinLock<Counts> = Counted::new();
}

/// Tasks that wait for tasks that have left.
static WAITING: WaitQueue = WaitQueue::new();

/// Whether there is room in an account.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Room {
    Now,
    /// After tasks that have left were freed.
    Later,
    No,
}

/// A record's share of the limits, until it is dropped: in process context.
pub(crate) struct Share {
    /// Keeps the address that identifies the process.
    mm: ARef<Mm>,
    user: u32,
    what: Limited,
    has_left: Cell<bool>,
}

fn accounts(what: Limited, mm: &Mm, user: u32) -> [Account; 2] {
    [
        (what, Who::Process(mm.as_raw() as usize)),
        (what, Who::User(user)),
    ]
}

impl Share {
    /// Counts the current task. May sleep: for up to [`WAIT_MS`] if it must wait for tasks that
    /// have left.
    ///
    /// The limits are exact: the counts are compared and raised under one lock.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if a limit of its process or user is reached, and the task does not have
    /// `CAP_SYS_RESOURCE`; `ENOMEM`; `EINTR` if it is being killed.
    pub(crate) fn take(ctx: &TaskContext, what: Limited) -> Result<Self> {
        let mm: ARef<Mm> = ARef::from(&**current!().mm().ok_or(EFAULT)?);
        let user = user::answerable(ctx);
        let accounts = accounts(what, &mm, user);
        // Before the lock is taken, so that no other task waits for this allocation.
        let mut nodes = [Counts::room()?, Counts::room()?];
        let mut attempt = |is_limited| count(&accounts, &mut nodes, is_limited);

        let mut room = attempt(true);
        if room != Room::Now && user::may_exceed_limits(ctx) {
            room = attempt(false);
        }
        if room == Room::Later {
            WAITING.wait(ctx, WAIT_MS, || {
                room = attempt(true);
                room != Room::Later
            })?;
        }
        if room != Room::Now {
            return Err(EAGAIN);
        }

        stats::RECORDS.increment();
        Ok(Self {
            mm,
            user,
            what,
            has_left: Cell::new(false),
        })
    }

    /// The task has left. It still counts, but others may wait for it.
    pub(crate) fn leave(&self) {
        if self.has_left.replace(true) {
            return;
        }
        let mut counts = COUNTS.lock();

        for account in &self.accounts() {
            if let Some(left) = counts.value_mut(account) {
                *left += 1;
            }
        }
    }

    fn accounts(&self) -> [Account; 2] {
        accounts(self.what, &self.mm, self.user)
    }
}

/// Increments all `accounts`, if there is room in each, or if they are not limited. Returns
/// [`Room::Now`] then.
fn count(accounts: &[Account; 2], nodes: &mut Nodes, is_limited: bool) -> Room {
    let mut counts = COUNTS.lock();
    let room = accounts.iter().map(|account| room_in(&counts, account));

    match room.max() {
        Some(room) if is_limited && room != Room::Now => return room,
        _ => {}
    }
    for (account, node) in accounts.iter().zip(nodes) {
        // There is memory for both, and making the value cannot fail.
        let _ = counts.add_user(*account, node, || Ok(0));
    }

    Room::Now
}

fn room_in(counts: &Counts, account: &Account) -> Room {
    let limit = account.1.limit();
    let counted = counts.users(account);
    let left = counts.value(account).copied().unwrap_or(0);

    if counted < limit {
        Room::Now
    } else if counted - left < limit {
        Room::Later
    } else {
        Room::No
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        stats::RECORDS.remove(1);

        let mut counts = COUNTS.lock();
        for account in &self.accounts() {
            if let Some(left) = counts.value_mut(account) {
                *left -= usize::from(self.has_left.get());
            }
            counts.remove_user(account);
        }
        drop(counts);

        WAITING.wake_all();
    }
}
