// SPDX-License-Identifier: GPL-2.0

//! `/dev/umcg`: which ioctl does what.

use super::{
    abi::{
        umcg_sched_state_args,
        umcg_version_args,
        umcg_wait_args,
        UMCG_ABI_VERSION,
        UMCG_FADVISE_WAIT,
        UMCG_FEATURE_CRITICAL,
        UMCG_FEATURE_DESCHED,
        UMCG_FEATURE_DIRECT,
        UMCG_FEATURE_FADVISE,
        UMCG_FEATURE_REFUSE,
        UMCG_FEATURE_SCHED_STATE,
        UMCG_FEATURE_SIGNALS,
        UMCG_IOC_CTL,
        UMCG_IOC_DESCHED_ADD,
        UMCG_IOC_DESCHED_REMOVE,
        UMCG_IOC_KICK,
        UMCG_IOC_SCHED_STATE,
        UMCG_IOC_VERSION,
        UMCG_IOC_WAIT, //
    },
    ctl,
    kick,
    sched,
    show,
    wait, //
};
use crate::sys::{
    clock,
    context::TaskContext,
    device::Calls,
    usercopy::{
        read_args,
        write_args, //
    },
};
use kernel::{
    mm::{
        virt::VmaNew,
        Mm, //
    },
    prelude::*,
    seq_file::SeqFile, //
};

/// The device.
pub(crate) struct Umcg;

impl Calls for Umcg {
    #[inline]
    fn ioctl(mut ctx: TaskContext, command: u32, arg: usize) -> Result {
        match command {
            UMCG_IOC_WAIT => {
                // No copy for a null pointer.
                let args = if arg == 0 {
                    umcg_wait_args::default()
                } else {
                    read_args(arg)?
                };
                wait::wait(ctx, args.abs_timeout, args.flags.into())
            }
            UMCG_IOC_CTL => ctl::ctl(ctx, &read_args(arg)?),
            UMCG_IOC_KICK => kick::kick(&read_args(arg)?),
            UMCG_IOC_SCHED_STATE => sched_state(&mut ctx, arg),
            UMCG_IOC_DESCHED_ADD => sched::desched::add(&ctx, &read_args(arg)?),
            UMCG_IOC_DESCHED_REMOVE => sched::desched::remove(&mut ctx, &read_args(arg)?),
            UMCG_IOC_VERSION => version(&ctx, arg),
            _ => Err(ENOTTY),
        }
    }

    const ADVICE: c_int = UMCG_FADVISE_WAIT as c_int;

    #[inline]
    fn advise(ctx: TaskContext, abs_timeout: i64, flags: i64) -> Result {
        // CAST: Both have 64 bits; a negative value is a time that never comes, or an unknown flag.
        wait::wait(ctx, abs_timeout as u64, flags as u64)
    }

    fn mmap(vma: &VmaNew) -> Result {
        sched::area::map(vma)
    }

    fn show(mm: &Mm, out: &SeqFile) {
        show::show_process(mm, out);
    }
}

fn sched_state(ctx: &mut TaskContext, arg: usize) -> Result {
    let asked: umcg_sched_state_args = read_args(arg)?;

    sched::state::sched_state(ctx, &asked, |slot| {
        write_args(arg, &umcg_sched_state_args { slot, ..asked }, asked.size)
    })
}

fn version(ctx: &TaskContext, arg: usize) -> Result {
    let asked: umcg_version_args = read_args(arg)?;
    let answer = umcg_version_args {
        size: asked.size,
        abi: UMCG_ABI_VERSION,
        features: (UMCG_FEATURE_SCHED_STATE
            | UMCG_FEATURE_DESCHED
            | UMCG_FEATURE_FADVISE
            | UMCG_FEATURE_DIRECT
            | UMCG_FEATURE_CRITICAL
            | UMCG_FEATURE_SIGNALS
            | UMCG_FEATURE_REFUSE)
            .into(),
        clock_offset: clock::namespace_offset_ns(ctx),
    };

    write_args(arg, &answer, asked.size)
}
