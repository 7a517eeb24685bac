// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The ABI of this crate against the header itself, which the Makefile has bindgen translate.

#[allow(
    dead_code,
    non_camel_case_types,
    non_upper_case_globals,
    unreachable_pub,
    missing_docs,
    reason = "generated, and only some of it is used"
)]
mod header {
    include!(env!("UMCG_HEADER"));
}

use super::{direct::DirectGroup, slot::SlotWords, task::Task};
use crate::sys::abi;
use core::mem::{align_of, offset_of, size_of};

/// Offsets of fields that have one name on both sides.
macro_rules! assert_same_offsets {
    ($ours:ty, $theirs:ty: $($our_field:ident = $their_field:ident),* $(,)?) => {
        $(assert_eq!(
            offset_of!($ours, $our_field),
            offset_of!($theirs, $their_field),
            stringify!($theirs::$their_field)
        );)*
    };
}

#[test]
fn values_are_those_of_the_header() {
    let pairs = [
        (abi::TASK_NONE, u64::from(header::UMCG_TASK_NONE)),
        (abi::TASK_RUNNING, u64::from(header::UMCG_TASK_RUNNING)),
        (abi::TASK_IDLE, u64::from(header::UMCG_TASK_IDLE)),
        (abi::TASK_BLOCKED, u64::from(header::UMCG_TASK_BLOCKED)),
        (
            abi::TASK_STATE_MASK,
            u64::from(header::UMCG_TASK_STATE_MASK),
        ),
        (abi::TF_LOCKED, u64::from(header::UMCG_TF_LOCKED)),
        (abi::TF_PREEMPTED, u64::from(header::UMCG_TF_PREEMPTED)),
        (
            abi::TIMESTAMP_SHIFT.into(),
            header::UMCG_STATE_TIMESTAMP_SHIFT.into(),
        ),
        (
            abi::TIMESTAMP_BITS.into(),
            header::UMCG_STATE_TIMESTAMP_BITS.into(),
        ),
        (
            abi::TIMESTAMP_GRANULARITY.into(),
            header::UMCG_STATE_TIMESTAMP_GRANULARITY.into(),
        ),
        (
            abi::IDLE_NODE_PENDING,
            u64::from(header::UMCG_IDLE_NODE_PENDING),
        ),
        (abi::SERVERS as u64, header::UMCG_DIRECT_SERVERS.into()),
        (abi::SERVERS as u64, header::UMCG_DIRECT_RING.into()),
        (
            abi::DIRECT_OVERTAKE.into(),
            header::UMCG_DIRECT_OVERTAKE.into(),
        ),
        (abi::DIRECT_LEND.into(), header::UMCG_DIRECT_LEND.into()),
        (
            abi::CTL_REGISTER.into(),
            header::umcg_ctl_flag_UMCG_CTL_REGISTER.into(),
        ),
        (
            abi::CTL_UNREGISTER.into(),
            header::umcg_ctl_flag_UMCG_CTL_UNREGISTER.into(),
        ),
        (
            abi::CTL_WORKER.into(),
            header::umcg_ctl_flag_UMCG_CTL_WORKER.into(),
        ),
        (
            abi::CTL_DIRECT.into(),
            header::umcg_ctl_flag_UMCG_CTL_DIRECT.into(),
        ),
        (
            abi::CTL_CRITICAL.into(),
            header::umcg_ctl_flag_UMCG_CTL_CRITICAL.into(),
        ),
        (
            abi::WAIT_WAKE_ONLY.into(),
            header::umcg_wait_flag_UMCG_WAIT_WAKE_ONLY.into(),
        ),
        (
            abi::WAIT_WF_CURRENT_CPU.into(),
            header::umcg_wait_flag_UMCG_WAIT_WF_CURRENT_CPU.into(),
        ),
        (abi::KICK_INSIST.into(), header::UMCG_KICK_INSIST.into()),
        (abi::ABI_VERSION.into(), header::UMCG_ABI_VERSION.into()),
        (abi::FEATURE_DIRECT, u64::from(header::UMCG_FEATURE_DIRECT)),
        (
            abi::FEATURE_CRITICAL,
            u64::from(header::UMCG_FEATURE_CRITICAL),
        ),
        (abi::FEATURE_REFUSE, u64::from(header::UMCG_FEATURE_REFUSE)),
        (abi::FADVISE_WAIT as u64, header::UMCG_FADVISE_WAIT.into()),
        (
            abi::IOC_VERSION.into(),
            header::umcg_command_UMCG_COMMAND_VERSION.into(),
        ),
        (
            abi::IOC_CTL.into(),
            header::umcg_command_UMCG_COMMAND_CTL.into(),
        ),
        (
            abi::IOC_WAIT.into(),
            header::umcg_command_UMCG_COMMAND_WAIT.into(),
        ),
        (
            abi::IOC_KICK.into(),
            header::umcg_command_UMCG_COMMAND_KICK.into(),
        ),
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
            abi::SCHED_STATE_VCPU.into(),
            header::UMCG_SCHED_STATE_VCPU.into(),
        ),
        (abi::SCHED_ON_CPU.into(), header::UMCG_SCHED_ON_CPU.into()),
        (
            abi::SCHED_PREEMPTED.into(),
            header::UMCG_SCHED_PREEMPTED.into(),
        ),
        (abi::SCHED_BLOCKED.into(), header::UMCG_SCHED_BLOCKED.into()),
        (abi::SCHED_EXITED.into(), header::UMCG_SCHED_EXITED.into()),
        (abi::SCHED_NO_VCPU.into(), header::UMCG_SCHED_NO_VCPU.into()),
        (
            abi::DESCHED_ON_PREEMPT.into(),
            header::UMCG_DESCHED_ON_PREEMPT.into(),
        ),
        (
            abi::DESCHED_ON_BLOCK.into(),
            header::UMCG_DESCHED_ON_BLOCK.into(),
        ),
        (
            abi::DESCHED_WRITE_TIME.into(),
            header::UMCG_DESCHED_WRITE_TIME.into(),
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

#[test]
fn structures_are_those_of_the_header() {
    assert_eq!(size_of::<Task>(), size_of::<header::umcg_task>());
    assert_eq!(align_of::<Task>(), 64);
    assert_eq!(
        size_of::<DirectGroup>(),
        size_of::<header::umcg_direct_group>()
    );
    assert_eq!(
        align_of::<DirectGroup>(),
        align_of::<header::umcg_direct_group>()
    );
    assert_eq!(
        size_of::<abi::VersionArgs>(),
        size_of::<header::umcg_version_args>()
    );
    assert_eq!(
        size_of::<abi::CtlArgs>(),
        size_of::<header::umcg_ctl_args>()
    );
    assert_eq!(
        size_of::<abi::WaitArgs>(),
        size_of::<header::umcg_wait_args>()
    );
    assert_eq!(
        size_of::<abi::KickArgs>(),
        size_of::<header::umcg_kick_args>()
    );
    assert_eq!(
        size_of::<abi::SchedStateArgs>(),
        size_of::<header::umcg_sched_state_args>()
    );
    assert_eq!(
        size_of::<abi::DeschedArgs>(),
        size_of::<header::umcg_desched_args>()
    );
    assert_eq!(
        size_of::<SlotWords>(),
        size_of::<header::umcg_sched_state>()
    );
}

#[test]
fn fields_are_where_the_header_has_them() {
    assert_same_offsets!(Task, header::umcg_task:
        state = state_ts, next_tid = next_tid, idle_node = idle_workers_ptr,
        server_nr = server_nr, critical = critical, signals = signals);
    assert_same_offsets!(DirectGroup, header::umcg_direct_group:
        size = size, flags = flags, idle_workers = idle_workers,
        idle_servers = idle_servers, ready_ends = ready_ends, queued = queued,
        watcher_tid = watcher_tid, refused_servers = refused_servers,
        server_tid = server_tid, running = running,
        ready = ready);
    assert_same_offsets!(abi::VersionArgs, header::umcg_version_args:
        size = size, abi = abi, features = features, clock_offset = clock_offset);
    assert_same_offsets!(abi::CtlArgs, header::umcg_ctl_args:
        size = size, flags = flags, self_ = self_, direct = direct, server_nr = server_nr,
        reserved = reserved);
    assert_same_offsets!(abi::WaitArgs, header::umcg_wait_args:
        size = size, flags = flags, abs_timeout = abs_timeout);
    assert_same_offsets!(abi::KickArgs, header::umcg_kick_args:
        size = size, flags = flags, tid = tid, reserved = reserved);
    assert_same_offsets!(abi::SchedStateArgs, header::umcg_sched_state_args:
        size = size, flags = flags, slot = slot, reserved = reserved);
    assert_same_offsets!(abi::DeschedArgs, header::umcg_desched_args:
        size = size, flags = flags, cookie = cookie, addr = addr, value = value,
        width = width, reserved = reserved);
    assert_same_offsets!(SlotWords, header::umcg_sched_state:
        version = version, state = state, tid = tid, seq = seq, off_ns = off_ns,
        on_ns = on_ns, cpu = cpu, vcpu = vcpu, reserved = reserved);
}
