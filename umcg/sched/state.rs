// SPDX-License-Identifier: GPL-2.0

//! `UMCG_IOC_SCHED_STATE`: threads whose slot says whether they are on a CPU.

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
        stats, //
    },
    area::{
        Lease,
        Slot, //
    },
    slot, //
};
use crate::{
    impl_task_record,
    sys::{
        clock,
        context::TaskContext,
        preemption,
        record::{
            Current,
            Record,
            Switches, //
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

/// A thread that has a slot.
struct SchedState {
    _count: stats::Count,
}

/// What belongs to it.
struct Owned {
    slot: Slot,
    wants_vcpu: bool,
    vcpu: Cell<u32>,
    /// What it has until it leaves.
    held: Cell<Option<(Lease, hooks::Use)>>,
}

impl Owned {
    /// A virtual CPU for the thread, which has got a CPU, if it wants one.
    #[inline]
    fn take_vcpu(&self) -> u32 {
        if self.wants_vcpu {
            self.vcpu.set(self.slot.take_vcpu());
        }
        self.vcpu.get()
    }

    /// Gives it back: the thread leaves its CPU.
    #[inline]
    fn give_vcpu(&self) {
        if self.wants_vcpu {
            self.slot.give_vcpu(self.vcpu.replace(UMCG_SCHED_NO_VCPU));
        }
    }
}

impl_task_record! {
    impl TaskRecord + Switches for SchedState {
        type Owned = Owned;

        fn returns_to_user(_ctx: &TaskContext, _current: &Current<'_, Self>) {}
    }
}

impl Switches for SchedState {
    #[inline]
    fn switches_in(current: &Current<'_, Self>, cpu: u32) {
        let owned = current.owned();
        let vcpu = owned.take_vcpu();

        slot::switch_in(&owned.slot, clock::monotonic_fast_ns(), cpu, vcpu);
    }

    #[inline]
    fn switches_out(current: &Current<'_, Self>, blocks: bool) {
        let owned = current.owned();

        slot::switch_out(&owned.slot, clock::monotonic_fast_ns(), blocks);
        owned.give_vcpu();
    }
}

/// Serves `UMCG_IOC_SCHED_STATE`. Calls `tell` with the slot of the current task, where user space
/// is to know it. Errors as the UAPI header says, and those of `tell`.
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
        return tell(current.owned().slot.number()).and(Err(EEXIST));
    }

    let (lease, slot) = Lease::take()?;
    tell(slot.number())?;
    let owned = Owned {
        slot,
        wants_vcpu,
        vcpu: Cell::new(UMCG_SCHED_NO_VCPU),
        held: Cell::new(Some((lease, hooks::Use::watched()?))),
    };
    let shared = SchedState {
        _count: stats::RECORDS.count(),
    };
    let record = Record::new(ctx, owned, shared)?;
    let tid = target::own_tid();

    // In one piece, so that the first change of the slot is this one.
    preemption::off(|| {
        let current = ctx.attach(record);
        let owned = current.owned();
        let vcpu = owned.take_vcpu();
        let cpu = CpuId::current().as_u32();

        slot::begin(&owned.slot, tid, clock::monotonic_fast_ns(), cpu, vcpu);
    });

    Ok(())
}

/// Takes the slot of the current task away, and says why there; `None` if it has none.
fn leave(ctx: &mut TaskContext, state: u32) -> Option<()> {
    // In one piece, so that it has a virtual CPU only while it is on a CPU.
    let record = preemption::off(|| {
        let record = ctx.detach::<SchedState>()?;
        let owned = record.owned();

        owned.give_vcpu();
        slot::end(&owned.slot, clock::monotonic_fast_ns(), state);
        Some(record)
    })?;
    drop(record.owned().held.take());

    Some(())
}

/// The current task goes.
pub(super) fn vanish(ctx: &mut TaskContext) {
    let _ = leave(ctx, UMCG_SCHED_EXITED);
}
