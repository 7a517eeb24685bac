// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What the library has of the ABI beside the crate `umcg` against the header itself, which the
//! Makefile has bindgen translate. The crate has a test like this for the rest.

#[allow(
    dead_code,
    non_camel_case_types,
    non_upper_case_globals,
    reason = "generated, and only some of it is looked at"
)]
mod header {
    include!(env!("UMCG_HEADER"));
}

use super::abi;
use core::mem::{align_of, offset_of, size_of};

#[test]
fn header_has_these_values() {
    let pairs = [
        (abi::TASK_USER_MASK, header::UMCG_TASK_USER_MASK.into()),
        (abi::DIRECT_FIFO.into(), header::UMCG_DIRECT_FIFO.into()),
        (
            abi::DIRECT_OVERTAKE.into(),
            header::UMCG_DIRECT_OVERTAKE.into(),
        ),
        (
            abi::CTL_SIGNALS.into(),
            header::umcg_ctl_flag_UMCG_CTL_SIGNALS.into(),
        ),
        (
            abi::WAIT_WF_CURRENT_CPU.into(),
            header::umcg_wait_flag_UMCG_WAIT_WF_CURRENT_CPU.into(),
        ),
        (
            abi::WAIT_LOCK_ON_TIMEOUT.into(),
            header::umcg_wait_flag_UMCG_WAIT_LOCK_ON_TIMEOUT.into(),
        ),
        (abi::FEATURE_SIGNALS, header::UMCG_FEATURE_SIGNALS.into()),
        (abi::SERVERS as u64, header::UMCG_DIRECT_RING.into()),
        (
            abi::SCHED_STATE_SLOTS as u64,
            header::UMCG_SCHED_STATE_SLOTS.into(),
        ),
        (
            abi::SCHED_STATE_REGISTER.into(),
            header::UMCG_SCHED_STATE_REGISTER.into(),
        ),
        (
            abi::SCHED_STATE_UNREGISTER.into(),
            header::UMCG_SCHED_STATE_UNREGISTER.into(),
        ),
        (
            abi::IOC_SCHED_STATE.into(),
            header::umcg_command_UMCG_COMMAND_SCHED_STATE.into(),
        ),
        (
            abi::IOC_DESCHED_ADD.into(),
            header::umcg_command_UMCG_COMMAND_DESCHED_ADD.into(),
        ),
        (
            abi::IOC_DESCHED_REMOVE.into(),
            header::umcg_command_UMCG_COMMAND_DESCHED_REMOVE.into(),
        ),
    ];

    for (number, (ours, theirs)) in pairs.into_iter().enumerate() {
        assert_eq!(ours, theirs, "number {number} of the list");
    }
}

/// Size, and the offsets of fields that have one name on both sides.
macro_rules! assert_same {
    ($ours:ty, $theirs:ty: $($field:ident),*) => {
        assert_eq!(size_of::<$ours>(), size_of::<$theirs>());
        $(assert_eq!(offset_of!($ours, $field), offset_of!($theirs, $field));)*
    };
}

#[test]
fn header_has_these_structures() {
    assert_same!(abi::SchedStateArgs, header::umcg_sched_state_args: size, flags, slot, reserved);
    assert_same!(abi::DeschedArgs, header::umcg_desched_args:
        size, flags, cookie, addr, value, width, reserved);
    assert_same!(abi::SchedState, header::umcg_sched_state:);
    assert_eq!(
        align_of::<abi::SchedState>(),
        align_of::<header::umcg_sched_state>()
    );
}
