// SPDX-License-Identifier: GPL-2.0

//! `UMCG_IOC_KICK`: preempts a worker.

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

/// Preempts the worker `tid` before it next executes user code, and at once if it is in user mode.
/// In a critical section it is preempted at its end, unless the caller `insists`.
///
/// # Errors
///
/// `ESRCH` if the process has no such task, `EPERM` if it has another address space; `EINVAL` if it
/// is no worker; `EAGAIN` if it is not running.
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
            // An earlier caller's request applies until the worker has been preempted.
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
