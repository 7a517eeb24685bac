// SPDX-License-Identifier: GPL-2.0

//! `UMCG_IOC_KICK`: a worker is to give way.

use super::{
    abi::umcg_kick_args,
    protocol, registry, report,
    task::{
        change_word,
        words_of,
        Kind, //
    },
};
use crate::sys::{
    clock,
    record::map::LastFound, //
};
use kernel::prelude::*;

/// Serves `UMCG_IOC_KICK`. Errors as the UAPI header says.
pub(crate) fn kick(args: &umcg_kick_args) -> Result {
    if args.flags != 0 || args.reserved != 0 {
        return Err(EINVAL);
    }

    preempt(args.tid)
}

/// Makes the worker `tid` give way to its server when it is next in user mode, and at once if it is
/// there now.
///
/// # Errors
///
/// `ESRCH` if the process has no such task, `EPERM` if it is one of another address space; `EINVAL` if
/// it is no worker; `EAGAIN` if it does not run.
fn preempt(tid: u32) -> Result {
    registry::with(&LastFound::new(), tid, |record| {
        let kicked = change_word(record, |worker| {
            if worker.kind() != Kind::Worker {
                return Some(Err(EINVAL));
            }
            if !protocol::preempt(words_of(worker).state(), clock::monotonic_ns())? {
                return Some(Err(EAGAIN));
            }
            worker.nudge();
            Some(Ok(()))
        })
        .ok_or(ESRCH)?;
        if kicked.is_ok() {
            report::is_kicked(record.task());
        }
        kicked
    })?
}
