// SPDX-License-Identifier: GPL-2.0

//! `UMCG_IOC_SCHED_STATE`: threads with a slot that tells whether they are on a CPU.

use super::{
    super::{
        abi::{
            umcg_sched_state_args,
            UMCG_SCHED_EXITED,
            UMCG_SCHED_NO_VCPU,
            UMCG_SCHED_STATE_REGISTER,
            UMCG_SCHED_STATE_UNREGISTER,
            UMCG_SCHED_STATE_VCPU, //
        },
        hooks,
        limits::{
            Limited,
            Share, //
        },
    },
    area::{
        Lease,
        Slot, //
    },
    slot, //
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
            Switches,
            TaskRecord, //
        },
        target, //
    },
};
use core::cell::Cell;
use kernel::{
    cpu::CpuId,
    prelude::*, //
};

const REGISTER_WITH_VCPU: u32 = UMCG_SCHED_STATE_REGISTER | UMCG_SCHED_STATE_VCPU;

/// A thread with a slot.
struct SchedState {
    slot: Slot,
    wants_vcpu: bool,
    vcpu: OwnerCell<u32>,
}

/// Accessed only by the thread itself.
struct Owned {
    /// Its resources until it leaves.
    held: Cell<Option<(Lease, hooks::Use)>>,
    share: Share,
}

impl SchedState {
    /// Takes a virtual CPU for the thread, which was switched in, if it wants one.
    #[inline]
    fn take_vcpu(&self) -> u32 {
        if self.wants_vcpu {
            self.vcpu.set(self.slot.take_vcpu());
        }
        self.vcpu.get()
    }

    /// Releases it: the thread is switched out.
    #[inline]
    fn give_vcpu(&self) {
        if self.wants_vcpu {
            self.slot.give_vcpu(self.vcpu.get());
            self.vcpu.set(UMCG_SCHED_NO_VCPU);
        }
    }
}

record_type!(switches, SchedState);

impl TaskRecord for SchedState {
    type Owned = Owned;
    type Lent = ();

    fn returns_to_user(_ctx: &TaskContext, _current: &Current<'_, Self>) {}
}

impl Switches for SchedState {
    #[inline]
    fn switches_in(hook: &InHook<'_, Self>, cpu: u32) {
        let vcpu = hook.take_vcpu();

        slot::switch_in(&hook.slot, clock::monotonic_fast_ns(), cpu, vcpu);
    }

    #[inline]
    fn switches_out(hook: &InHook<'_, Self>, blocks: bool) {
        slot::switch_out(&hook.slot, clock::monotonic_fast_ns(), blocks);
        hook.give_vcpu();
    }
}

/// Serves `UMCG_IOC_SCHED_STATE`. Calls `tell` with the slot of the current task, to pass it to
/// user space. Errors as the UAPI header says, and those of `tell`.
pub(crate) fn sched_state(
    ctx: &mut TaskContext,
    args: &umcg_sched_state_args,
    tell: impl FnOnce(u32) -> Result,
) -> Result {
    if args.reserved != 0 {
        return Err(EINVAL);
    }
    match args.flags {
        UMCG_SCHED_STATE_REGISTER => register(ctx, false, tell),
        REGISTER_WITH_VCPU => register(ctx, true, tell),
        UMCG_SCHED_STATE_UNREGISTER => leave(ctx, 0).ok_or(ENOENT),
        _ => Err(EINVAL),
    }
}

fn register(ctx: &mut TaskContext, wants_vcpu: bool, tell: impl FnOnce(u32) -> Result) -> Result {
    if let Some(current) = ctx.current::<SchedState>() {
        return tell(current.slot.number()).and(Err(EEXIST));
    }

    let share = Share::take(ctx, Limited::Slots)?;
    let (lease, slot) = Lease::take()?;
    tell(slot.number())?;
    let owned = Owned {
        held: Cell::new(Some((lease, hooks::Use::watched()?))),
        share,
    };
    let shared = SchedState {
        slot,
        wants_vcpu,
        vcpu: OwnerCell::new(UMCG_SCHED_NO_VCPU),
    };
    let tid = target::own_tid();

    // The first change of the slot is this one.
    ctx.attach(owned, (), shared, |current| {
        let vcpu = current.take_vcpu();
        let cpu = CpuId::current().as_u32();

        slot::begin(&current.slot, tid, clock::monotonic_fast_ns(), cpu, vcpu);
    })?;

    Ok(())
}

/// Releases the slot of the current task, and writes the reason there; `None` if it has none.
fn leave(ctx: &mut TaskContext, state: u32) -> Option<()> {
    // It has a virtual CPU only while it is on a CPU.
    let record = ctx.detach::<SchedState>(|record| {
        record.give_vcpu();
        slot::end(&record.slot, clock::monotonic_fast_ns(), state);
    })?;
    drop(record.owned().held.take());
    record.owned().share.leave();

    Some(())
}

/// The current task exits or calls exec.
pub(super) fn vanish(ctx: &mut TaskContext) {
    let _ = leave(ctx, UMCG_SCHED_EXITED);
}

/// Kills the processes that have threads with slots.
pub(super) fn evict() {
    records::<SchedState>().kill_owners();
}
