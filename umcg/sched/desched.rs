// SPDX-License-Identifier: GPL-2.0

//! `UMCG_IOC_DESCHED_ADD` and `UMCG_IOC_DESCHED_REMOVE`: words of user space that are written when
//! their thread was descheduled.
//!
//! The scheduler hook writes what it can without a fault. Words that it could not write are noted,
//! and task work writes them on the return to user mode, where it may fault. If that is interrupted
//! by another switch, the hook starts over; so user code runs only when everything was written
//! since the last switch.

use super::super::{
    abi::{
        umcg_desched_args,
        UMCG_DESCHED_MAX,
        UMCG_DESCHED_ON_BLOCK,
        UMCG_DESCHED_ON_PREEMPT,
        UMCG_DESCHED_WRITE_TIME, //
    },
    hooks,
    limits::{
        Limited,
        Share, //
    },
};
use crate::{
    record_type,
    sys::{
        clock,
        context::TaskContext,
        owner_cell::OwnerCell,
        record::map::records,
        record::{
            Current,
            InHook,
            Notify,
            Switches,
            TaskRecord, //
        },
        signal,
        user_store::{
            protection_keys,
            UserStore,
            UserStores, //
        },
    },
};
use core::cell::Cell;
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
};

const MAX: usize = UMCG_DESCHED_MAX as usize;
const WHEN: u32 = UMCG_DESCHED_ON_PREEMPT | UMCG_DESCHED_ON_BLOCK;

/// A thread with notifications. Sets of them are bitmaps.
struct Desched {
    stores: UserStores<MAX>,
    on_preempt: OwnerCell<u32>,
    on_block: OwnerCell<u32>,
    /// Those that the hook could not write.
    missed: Atomic<u32>,
    /// When the thread was last switched out.
    off_ns: OwnerCell<u64>,
}

/// Accessed only by the thread itself.
struct Owned {
    cookies: [Cell<u64>; MAX],
    hooks: Cell<Option<hooks::Use>>,
    share: Share,
}

record_type!(switches, Desched);

impl TaskRecord for Desched {
    type Owned = Owned;
    type Lent = ();

    fn returns_to_user(ctx: &TaskContext, current: &Current<'_, Self>) {
        write_missed(ctx, current);
    }
}

impl Switches for Desched {
    #[inline]
    fn switches_in(_hook: &InHook<'_, Self>, _cpu: u32) {}

    #[inline]
    fn switches_out(hook: &InHook<'_, Self>, blocks: bool) {
        let which = if blocks {
            hook.on_block.get()
        } else {
            hook.on_preempt.get()
        };
        if which == 0 {
            return;
        }

        let now = clock::monotonic_fast_ns();
        hook.off_ns.set(now);
        let missed = hook.stores.write_nofault(which, now);
        if missed != 0 {
            // Two steps: no code of this task can run in between.
            hook.missed
                .store(hook.missed.load(Relaxed) | missed, Relaxed);
            hook.queue_work(Notify::Resume);
        }
    }
}

/// Writes what the hook could not. The hook may run in between: what it notes then is written by
/// another run of the task work.
///
/// The thread's current protection key rights may not allow access to the memory, in a signal
/// handler for example. The rights when it added the notification are what counts.
fn write_missed(ctx: &TaskContext, thread: &Desched) {
    let missed = thread.missed.xchg(0, Relaxed);

    if let Some(address) = thread.stores.write(ctx, missed, thread.off_ns.get()) {
        if !signal::is_dying() {
            signal::segfault_current(ctx, address);
        }
    }
}

impl Desched {
    fn new() -> Self {
        Self {
            stores: UserStores::new(),
            on_preempt: OwnerCell::new(0),
            on_block: OwnerCell::new(0),
            missed: Atomic::new(0),
            off_ns: OwnerCell::new(clock::monotonic_fast_ns()),
        }
    }

    fn add(
        &self,
        ctx: &TaskContext,
        owned: &Owned,
        args: &umcg_desched_args,
        store: UserStore,
    ) -> Result {
        if owned.find(self, args.cookie).is_some() {
            return Err(EEXIST);
        }
        let number = self.stores.arm(ctx, store, self.off_ns.get())?;
        let bit = |flag: u32| u32::from(args.flags & flag != 0) << number;

        owned.cookies[number].set(args.cookie);
        self.on_preempt
            .set(self.on_preempt.get() | bit(UMCG_DESCHED_ON_PREEMPT));
        self.on_block
            .set(self.on_block.get() | bit(UMCG_DESCHED_ON_BLOCK));

        Ok(())
    }

    fn remove(&self, number: usize) {
        self.stores.disarm(number);
        self.on_preempt.set(self.on_preempt.get() & !(1 << number));
        self.on_block.set(self.on_block.get() & !(1 << number));
    }
}

impl Owned {
    fn new(ctx: &TaskContext) -> Result<Self> {
        Ok(Self {
            share: Share::take(ctx, Limited::Notifications)?,
            cookies: [const { Cell::new(0) }; MAX],
            hooks: Cell::new(Some(hooks::Use::watched()?)),
        })
    }

    /// The index of the notification with this cookie.
    fn find(&self, thread: &Desched, cookie: u64) -> Option<usize> {
        (0..MAX).find(|&number| {
            thread.stores.armed() & 1 << number != 0 && self.cookies[number].get() == cookie
        })
    }
}

/// The notification to add, if the arguments are valid.
fn store_of(args: &umcg_desched_args) -> Result<UserStore> {
    let is_time = args.flags & UMCG_DESCHED_WRITE_TIME != 0;
    let width: u16 = match args.width {
        8 => 8,
        4 if !is_time => 4,
        2 if !is_time => 2,
        1 if !is_time => 1,
        _ => return Err(EINVAL),
    };
    let fits = width == 8 || args.value >> (8 * width) == 0;

    if args.flags & !(WHEN | UMCG_DESCHED_WRITE_TIME) != 0
        || args.flags & WHEN == 0
        || args.addr % u64::from(width) != 0
        || !fits
        || (is_time && args.value != 0)
        || args.reserved != 0
    {
        return Err(EINVAL);
    }

    Ok(UserStore {
        address: args.addr,
        value: args.value,
        keys: protection_keys(),
        width,
        is_time: u16::from(is_time),
    })
}

/// Serves `UMCG_IOC_DESCHED_ADD`. Errors as the UAPI header says.
pub(crate) fn add(ctx: &TaskContext, args: &umcg_desched_args) -> Result {
    let store = store_of(args)?;

    if let Some(current) = ctx.current::<Desched>() {
        return current.add(ctx, current.owned(), args, store);
    }

    let owned = Owned::new(ctx)?;
    let thread = Desched::new();
    thread.add(ctx, &owned, args, store)?;
    // Everything before this has been written: the first hook runs after it, and so does user code.
    ctx.attach(owned, (), thread, |_| {})?;

    Ok(())
}

/// Serves `UMCG_IOC_DESCHED_REMOVE`. Errors as the UAPI header says.
pub(crate) fn remove(ctx: &mut TaskContext, args: &umcg_desched_args) -> Result {
    if (args.flags, args.addr, args.value) != (0, 0, 0) || (args.width, args.reserved) != (0, 0) {
        return Err(EINVAL);
    }
    let current = ctx.current::<Desched>().ok_or(ENOENT)?;
    let owned = current.owned();

    current.remove(owned.find(&current, args.cookie).ok_or(ENOENT)?);
    if current.stores.armed() == 0 {
        vanish(ctx);
    }

    Ok(())
}

/// Removes all notifications of the current task.
pub(super) fn vanish(ctx: &mut TaskContext) {
    if let Some(record) = ctx.detach::<Desched>(|_| {}) {
        drop(record.owned().hooks.take());
        record.owned().share.leave();
    }
}

/// Kills the processes that have threads with notifications.
pub(super) fn evict() {
    records::<Desched>().kill_owners();
}
