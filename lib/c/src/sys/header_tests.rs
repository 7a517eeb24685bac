// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The part of the ABI that the crate `umcg` does not use against the header itself, which the
//! Makefile has bindgen translate. The crate has such a test for the rest.

#[allow(
    dead_code,
    non_camel_case_types,
    non_upper_case_globals,
    reason = "generated, and only some of it is used"
)]
mod header {
    include!(env!("UMCG_HEADER"));
}

use super::abi;
use core::mem::{align_of, size_of};

#[test]
fn header_has_these_values() {
    let pairs = [
        (abi::TASK_USER_MASK, header::UMCG_TASK_USER_MASK.into()),
        (abi::DIRECT_FIFO.into(), header::UMCG_DIRECT_FIFO.into()),
        (
            abi::CTL_SIGNALS.into(),
            header::umcg_ctl_flag_UMCG_CTL_SIGNALS.into(),
        ),
        (
            abi::WAIT_LOCK_ON_TIMEOUT.into(),
            header::umcg_wait_flag_UMCG_WAIT_LOCK_ON_TIMEOUT.into(),
        ),
        (abi::FEATURE_SIGNALS, header::UMCG_FEATURE_SIGNALS.into()),
    ];

    for (number, (ours, theirs)) in pairs.into_iter().enumerate() {
        assert_eq!(ours, theirs, "number {number} of the list");
    }
}

#[test]
fn header_has_these_structures() {
    assert_eq!(
        size_of::<abi::SchedState>(),
        size_of::<header::umcg_sched_state>()
    );
    assert_eq!(
        align_of::<abi::SchedState>(),
        align_of::<header::umcg_sched_state>()
    );
}
