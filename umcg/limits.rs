// SPDX-License-Identifier: GPL-2.0

//! How many tasks may be registered: of a process, and of a user.
//!
//! A process is an address space here, as everywhere in this module.

use crate::{
    module_parameters, static_lock,
    sys::{
        compat,
        context::TaskContext,
        user, //
    },
};
use core::num::NonZeroUsize;
use kernel::{
    prelude::*,
    rbtree::{
        Entry,
        RBTree,
        RBTreeNodeReservation, //
    },
};

/// What registered tasks are counted for.
///
/// The address of an address space is that of no other one as long as a task of it is counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Account {
    Process(NonZeroUsize),
    User(u32),
}

impl Account {
    /// Whether one more task may be counted, where `tasks` are.
    fn has_room(&self, tasks: u32) -> bool {
        let limit = match self {
            Self::Process(_) => compat::parameter(module_parameters::max_tasks_per_process.value()),
            Self::User(_) => compat::parameter(module_parameters::max_tasks_per_user.value()),
        };

        tasks < limit
    }
}

/// How many tasks are counted for an account; never zero.
type Counts = RBTree<Account, u32>;

/// Memory for an account that is new.
type Node = RBTreeNodeReservation<Account, u32>;

static_lock! {
    static COUNTS: SpinLock<Option<Counts>> = None;
}

/// A registered task, counted for its process and for its user.
///
/// Dropped by the task itself, before it gives up its address space. May sleep on PREEMPT_RT then,
/// nowhere else.
pub(crate) struct Share {
    process: NonZeroUsize,
    user: u32,
}

impl Share {
    /// Counts the current task. May sleep.
    ///
    /// The limits are exact: the counts are compared and raised under one lock.
    ///
    /// # Errors
    ///
    /// `EAGAIN` if its process or its user has as many registered tasks as the limits allow, and the
    /// task has no `CAP_SYS_RESOURCE`; `ENOMEM`.
    pub(crate) fn take(ctx: &TaskContext) -> Result<Self> {
        let mm = current!().mm().ok_or(EFAULT)?.as_raw();
        let process = NonZeroUsize::new(mm as usize).ok_or(EFAULT)?;
        let user = user::answerable(ctx);
        let accounts = [Account::Process(process), Account::User(user)];
        // Before the lock is taken: nobody has to wait until this task gets its memory.
        let nodes = [
            Node::new(GFP_KERNEL_ACCOUNT)?,
            Node::new(GFP_KERNEL_ACCOUNT)?,
        ];

        match count(&accounts, nodes, Account::has_room) {
            Err(nodes) if user::may_exceed_limits(ctx) => {
                let _ = count(&accounts, nodes, |_, _| true);
            }
            Err(_) => return Err(EAGAIN),
            Ok(()) => {}
        }

        Ok(Self { process, user })
    }
}

/// Counts one task more for all `accounts`, if `has_room` says so of each; else gives the `nodes`
/// for new accounts back.
fn count(
    accounts: &[Account; 2],
    nodes: [Node; 2],
    has_room: impl Fn(&Account, u32) -> bool,
) -> Result<(), [Node; 2]> {
    let mut counts = COUNTS.lock();
    let counts = counts.get_or_insert_with(RBTree::new);
    let current = |account| counts.get(account).copied().unwrap_or(0);

    if !accounts
        .iter()
        .all(|account| has_room(account, current(account)))
    {
        return Err(nodes);
    }
    for (account, node) in accounts.iter().zip(nodes) {
        match counts.entry(*account) {
            Entry::Vacant(entry) => *entry.insert(0, node) += 1,
            Entry::Occupied(mut entry) => *entry.get_mut() += 1,
        }
    }

    Ok(())
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut counts = COUNTS.lock();

        for account in &[Account::Process(self.process), Account::User(self.user)] {
            let Some(mut entry) = counts.as_mut().and_then(|counts| counts.find_mut(account))
            else {
                continue;
            };
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}
