// SPDX-License-Identifier: GPL-2.0

//! `/dev/umcg`: which ioctl does what.

use super::{
    abi::{
        umcg_version_args,
        umcg_wait_args,
        UMCG_ABI_VERSION,
        UMCG_FEATURE_SEEK,
        UMCG_IOC_CTL,
        UMCG_IOC_KICK,
        UMCG_IOC_VERSION,
        UMCG_IOC_WAIT, //
    },
    ctl,
    kick,
    wait, //
};
use crate::sys::{
    context::TaskContext,
    device::Ioctl,
    usercopy::{
        read_args,
        write_args, //
    },
};
use kernel::prelude::*;

/// The device.
pub(crate) struct Umcg;

impl Ioctl for Umcg {
    #[inline]
    fn ioctl(ctx: TaskContext, command: u32, arg: usize) -> Result {
        match command {
            // Nothing is copied.
            UMCG_IOC_WAIT if arg == 0 => wait::wait(&ctx, 0, 0),
            UMCG_IOC_WAIT => {
                let args: umcg_wait_args = read_args(arg)?;
                wait::wait(&ctx, args.flags, args.abs_timeout)
            }
            UMCG_IOC_CTL => ctl::ctl(ctx, &read_args(arg)?),
            UMCG_IOC_KICK => kick::kick(&read_args(arg)?),
            UMCG_IOC_VERSION => version(arg),
            _ => Err(ENOTTY),
        }
    }

    #[inline]
    fn seek(ctx: TaskContext, offset: i64) -> Result {
        wait::wait(&ctx, u32::try_from(offset).map_err(|_| EINVAL)?, 0)
    }
}

fn version(arg: usize) -> Result {
    let asked: umcg_version_args = read_args(arg)?;
    let answer = umcg_version_args {
        size: asked.size,
        abi: UMCG_ABI_VERSION,
        features: UMCG_FEATURE_SEEK.into(),
    };

    write_args(arg, &answer, asked.size)
}
