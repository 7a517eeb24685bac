// SPDX-License-Identifier: GPL-2.0

//! The names of the UAPI header that the module uses, and proofs that both sides mean the same.
//!
//! C header: [`include/uapi/linux/umcg.h`]

pub(crate) use crate::sys::bindings::{
    umcg_command_UMCG_COMMAND_CTL as UMCG_IOC_CTL,
    umcg_command_UMCG_COMMAND_KICK as UMCG_IOC_KICK,
    umcg_command_UMCG_COMMAND_VERSION as UMCG_IOC_VERSION,
    umcg_command_UMCG_COMMAND_WAIT as UMCG_IOC_WAIT,
    umcg_ctl_args,
    umcg_kick_args,
    umcg_task,
    umcg_version_args,
    umcg_wait_args,
    UMCG_ABI_VERSION,
    UMCG_CTL_REGISTER,
    UMCG_CTL_UNREGISTER,
    UMCG_CTL_WORKER,
    UMCG_FEATURE_SEEK,
    UMCG_IDLE_NODE_PENDING,
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
    UMCG_TF_PREEMPTED,
    UMCG_WAIT_WAKE_ONLY,
    UMCG_WAIT_WF_CURRENT_CPU, //
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
    assert!(size_of::<umcg_ctl_args>() == 16);
    assert!(size_of::<umcg_wait_args>() == 16);
    assert!(size_of::<umcg_kick_args>() == 16);
    assert!(size_of::<umcg_version_args>() == 16);
};
