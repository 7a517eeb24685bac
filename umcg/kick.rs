// SPDX-License-Identifier: GPL-2.0

//! `UMCG_IOC_KICK`: a worker is to give way.

use super::{
    abi::{
        umcg_kick_args,
        UMCG_KICK_INSIST, //
    },
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
    if args.flags & !UMCG_KICK_INSIST != 0 || args.reserved != 0 {
        return Err(EINVAL);
    }

    preempt(args.tid, args.flags & UMCG_KICK_INSIST != 0)
}

/// Makes the worker `tid` give way to its server when it is next in user mode, and at once if it is
/// there now. If it must not be preempted, it gives way later, or at once all the same if the caller
/// `insists`.
///
/// # Errors
///
/// `ESRCH` if the process has no such task, `EPERM` if it is one of another address space; `EINVAL` if
/// it is no worker; `EAGAIN` if it does not run.
fn preempt(tid: u32, insists: bool) -> Result {
    registry::with(&LastFound::new(), tid, |record| {
        let kicked = change_word(record, |worker| {
            if worker.kind() != Kind::Worker {
                return Some(Err(EINVAL));
            }
            let state = words_of(worker).state();
            let was_kicked = protocol::is_preempted(state);
            if !protocol::preempt(state, clock::monotonic_ns())? {
                return Some(Err(EAGAIN));
            }
            // What an earlier caller wanted holds until the worker has given way.
            if insists || !was_kicked {
                worker.insist(insists);
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
