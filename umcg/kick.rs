// SPDX-License-Identifier: GPL-2.0

//! `UMCG_IOC_KICK`: a worker is to give way.

use super::{
    abi::umcg_kick_args,
    task, //
};
use kernel::prelude::*;

/// Serves `UMCG_IOC_KICK`. Errors as the UAPI header says.
pub(crate) fn kick(args: &umcg_kick_args) -> Result {
    if args.flags != 0 || args.reserved != 0 {
        return Err(EINVAL);
    }

    task::preempt(args.tid)
}
