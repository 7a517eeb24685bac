// SPDX-License-Identifier: GPL-2.0

//! The names of the UAPI header that the module uses.
//!
//! C header: [`include/uapi/linux/umcg.h`]

pub(crate) use crate::sys::bindings::{
    umcg_command_UMCG_COMMAND_CTL as UMCG_IOC_CTL,
    umcg_command_UMCG_COMMAND_DESCHED_ADD as UMCG_IOC_DESCHED_ADD,
    umcg_command_UMCG_COMMAND_DESCHED_REMOVE as UMCG_IOC_DESCHED_REMOVE,
    umcg_command_UMCG_COMMAND_KICK as UMCG_IOC_KICK,
    umcg_command_UMCG_COMMAND_SCHED_STATE as UMCG_IOC_SCHED_STATE,
    umcg_command_UMCG_COMMAND_VERSION as UMCG_IOC_VERSION,
    umcg_command_UMCG_COMMAND_WAIT as UMCG_IOC_WAIT,
    umcg_ctl_args,
    umcg_ctl_flag_UMCG_CTL_CRITICAL as UMCG_CTL_CRITICAL,
    umcg_ctl_flag_UMCG_CTL_DIRECT as UMCG_CTL_DIRECT,
    umcg_ctl_flag_UMCG_CTL_REGISTER as UMCG_CTL_REGISTER,
    umcg_ctl_flag_UMCG_CTL_SIGNALS as UMCG_CTL_SIGNALS,
    umcg_ctl_flag_UMCG_CTL_UNREGISTER as UMCG_CTL_UNREGISTER,
    umcg_ctl_flag_UMCG_CTL_WORKER as UMCG_CTL_WORKER,
    umcg_desched_args,
    umcg_direct_group,
    umcg_kick_args,
    umcg_sched_state,
    umcg_sched_state_args,
    umcg_task,
    umcg_version_args,
    umcg_wait_args,
    umcg_wait_flag_UMCG_WAIT_LOCK_ON_TIMEOUT as UMCG_WAIT_LOCK_ON_TIMEOUT,
    umcg_wait_flag_UMCG_WAIT_WAKE_ONLY as UMCG_WAIT_WAKE_ONLY,
    umcg_wait_flag_UMCG_WAIT_WF_CURRENT_CPU as UMCG_WAIT_WF_CURRENT_CPU,
    UMCG_ABI_VERSION,
    UMCG_DESCHED_MAX,
    UMCG_DESCHED_ON_BLOCK,
    UMCG_DESCHED_ON_PREEMPT,
    UMCG_DESCHED_WRITE_TIME,
    UMCG_DIRECT_FIFO,
    UMCG_DIRECT_LEND,
    UMCG_DIRECT_OVERTAKE,
    UMCG_DIRECT_RING,
    UMCG_DIRECT_SERVERS,
    UMCG_FADVISE_WAIT,
    UMCG_FEATURE_CRITICAL,
    UMCG_FEATURE_DESCHED,
    UMCG_FEATURE_DIRECT,
    UMCG_FEATURE_FADVISE,
    UMCG_FEATURE_SCHED_STATE,
    UMCG_FEATURE_SIGNALS,
    UMCG_IDLE_NODE_PENDING,
    UMCG_KICK_INSIST,
    UMCG_SCHED_BLOCKED,
    UMCG_SCHED_EXITED,
    UMCG_SCHED_NO_VCPU,
    UMCG_SCHED_ON_CPU,
    UMCG_SCHED_PREEMPTED,
    UMCG_SCHED_STATE_REGISTER,
    UMCG_SCHED_STATE_SLOTS,
    UMCG_SCHED_STATE_UNREGISTER,
    UMCG_SCHED_STATE_VCPU,
    UMCG_SCHED_STATE_VERSION,
    UMCG_STATE_TIMESTAMP_GRANULARITY,
    UMCG_STATE_TIMESTAMP_SHIFT,
    UMCG_TASK_BLOCKED,
    UMCG_TASK_IDLE,
    UMCG_TASK_NONE,
    UMCG_TASK_RESERVED_MASK,
    UMCG_TASK_RUNNING,
    UMCG_TASK_STATE_MASK,
    UMCG_TASK_STATE_MASK_FULL,
    UMCG_TF_LOCKED,
    UMCG_TF_PREEMPTED, //
};

// The same numbers as in sys/helpers.c, so that bindgen and the C compiler agree.
const _: () = {
    use core::mem::{
        align_of,
        offset_of,
        size_of, //
    };

    assert!(size_of::<umcg_task>() == 64 && align_of::<umcg_task>() == 64);
    assert!(offset_of!(umcg_task, state_ts) == 0);
    assert!(offset_of!(umcg_task, next_tid) == 8);
    assert!(offset_of!(umcg_task, flags) == 12);
    assert!(offset_of!(umcg_task, idle_workers_ptr) == 16);
    assert!(offset_of!(umcg_task, idle_server_tid_ptr) == 24);
    assert!(offset_of!(umcg_task, server_nr) == 32);
    assert!(offset_of!(umcg_task, critical) == 36);
    assert!(offset_of!(umcg_task, signals) == 40);
    assert!(size_of::<umcg_direct_group>() == 1088);
    assert!(offset_of!(umcg_direct_group, idle_workers) == 8);
    assert!(offset_of!(umcg_direct_group, idle_servers) == 16);
    assert!(offset_of!(umcg_direct_group, ready_ends) == 24);
    assert!(offset_of!(umcg_direct_group, queued) == 32);
    assert!(offset_of!(umcg_direct_group, server_tid) == 64);
    assert!(offset_of!(umcg_direct_group, running) == 320);
    assert!(offset_of!(umcg_direct_group, ready) == 576);
    assert!(size_of::<umcg_ctl_args>() == 32);
    assert!(size_of::<umcg_wait_args>() == 16);
    assert!(size_of::<umcg_kick_args>() == 16);
    assert!(size_of::<umcg_version_args>() == 16);
    assert!(size_of::<umcg_sched_state>() == 64 && align_of::<umcg_sched_state>() == 64);
    assert!(offset_of!(umcg_sched_state, version) == 0);
    assert!(offset_of!(umcg_sched_state, state) == 4);
    assert!(offset_of!(umcg_sched_state, tid) == 8);
    assert!(offset_of!(umcg_sched_state, seq) == 12);
    assert!(offset_of!(umcg_sched_state, off_ns) == 16);
    assert!(offset_of!(umcg_sched_state, on_ns) == 24);
    assert!(offset_of!(umcg_sched_state, cpu) == 32);
    assert!(offset_of!(umcg_sched_state, vcpu) == 36);
    assert!(size_of::<umcg_sched_state_args>() == 16);
    assert!(size_of::<umcg_desched_args>() == 40);
};
