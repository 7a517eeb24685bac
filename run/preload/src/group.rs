// SPDX-License-Identifier: GPL-2.0

//! The group of the process, which is made when its first thread is.

use crate::settings;
use std::{
    cell::Cell,
    ptr,
    sync::atomic::{AtomicBool, AtomicPtr, Ordering},
};
use umcg::{
    policy::{Feedback, Fifo, Priorities},
    Builder, Error, Group,
};
use umcg_run_options::Policy;

/// The group, or null. It is leaked, as its threads never end.
static GROUP: AtomicPtr<Group> = AtomicPtr::new(ptr::null_mut());
/// Somebody makes the group, or has failed to do so.
static IS_TRIED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Whether the calling thread makes a group, the threads of which are no workers.
    static MAKES_GROUP: Cell<bool> = const { Cell::new(false) };
}

/// Whether the calling thread makes threads of this library.
pub(crate) fn is_made_here() -> bool {
    MAKES_GROUP.get()
}

/// The group of the process. Makes one, if that has not been tried.
///
/// None if it cannot be made, or while another thread makes it: there is one only if libc itself
/// has made threads, as the program's first thread is made by its only one.
pub(crate) fn of_process() -> Option<&'static Group> {
    // Acquire: pairs with the release below.
    let group = GROUP.load(Ordering::Acquire);

    // SAFETY: It was leaked by this function, in this process or in one that has forked it.
    if let Some(group) = unsafe { group.as_ref() } {
        return Some(group);
    }
    // Relaxed: nothing but the right to go on comes with it.
    if IS_TRIED.swap(true, Ordering::Relaxed) {
        return None;
    }
    MAKES_GROUP.set(true);
    let group = make();
    MAKES_GROUP.set(false);
    let group = Box::leak(Box::new(group.ok()?));
    // Release: pairs with the acquire above.
    GROUP.store(group, Ordering::Release);
    Some(group)
}

fn make() -> Result<Group, Error> {
    let options = settings::get().ok_or(Error::Unsupported)?;
    let builder = with_policy(Group::builder(), options.policy);
    let builder = match options.servers {
        Some(servers) => builder.servers(servers),
        None => builder,
    };

    match options.slice {
        Some(slice) => builder.slice(slice),
        None => builder,
    }
    .build()
}

fn with_policy(builder: Builder, policy: Policy) -> Builder {
    match policy {
        Policy::Feedback => builder.policy(Feedback::new()),
        Policy::Fifo => builder.policy(Fifo::new()),
        Policy::Priority => builder.policy(Priorities::new()),
    }
}

/// In a child of `fork()`: the group is that of the parent.
pub(crate) fn forget() {
    GROUP.store(ptr::null_mut(), Ordering::Relaxed);
    IS_TRIED.store(false, Ordering::Relaxed);
}
