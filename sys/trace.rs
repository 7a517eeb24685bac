// SPDX-License-Identifier: GPL-2.0

//! The trace events. While none of them is enabled, each call site costs a no-op.
//!
//! C headers: [`sys/trace.h`], [`sys/umcg_events.h`]

use super::bindings as helpers;
use kernel::{
    bindings,
    jump_label::static_branch_unlikely,
    task::Task, //
};

/// The role of a task.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Role {
    /// Runs workers, or waits, wakes and swaps without any.
    Server = helpers::umcg_role_UMCG_ROLE_SERVER,
    /// Is run by a server.
    Worker = helpers::umcg_role_UMCG_ROLE_WORKER,
}

/// Why the state of a task changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Reason {
    /// It registers.
    Register = helpers::umcg_reason_UMCG_REASON_REGISTER,
    /// A worker blocks in the kernel.
    Block = helpers::umcg_reason_UMCG_REASON_BLOCK,
    /// A worker wakes.
    Wake = helpers::umcg_reason_UMCG_REASON_WAKE,
    /// A worker is preempted by a kick.
    Preempt = helpers::umcg_reason_UMCG_REASON_PREEMPT,
    /// The timeout of a worker has expired.
    TimeOut = helpers::umcg_reason_UMCG_REASON_TIMEOUT,
    /// It waits voluntarily.
    Wait = helpers::umcg_reason_UMCG_REASON_WAIT,
    /// It exits.
    Exit = helpers::umcg_reason_UMCG_REASON_EXIT,
    /// It calls exec.
    Exec = helpers::umcg_reason_UMCG_REASON_EXEC,
    /// A worker that was blocked continues under an idle server.
    Adopt = helpers::umcg_reason_UMCG_REASON_ADOPT,
    /// A worker that blocks passes its server to the next worker of the ring.
    Pass = helpers::umcg_reason_UMCG_REASON_PASS,
    /// A worker that blocks puts its server back into the set of idle ones.
    PutBack = helpers::umcg_reason_UMCG_REASON_PUT_BACK,
}

/// How a process has violated the protocol.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Breach {
    /// A state word is invalid.
    State = helpers::umcg_breach_UMCG_BREACH_STATE,
    /// A worker is to run in user mode without a server.
    Server = helpers::umcg_breach_UMCG_BREACH_SERVER,
    /// The words of a worker's group are not in valid memory.
    Memory = helpers::umcg_breach_UMCG_BREACH_MEMORY,
}

/// `struct static_key_false`, as a field, as the macro for static keys requires.
#[repr(C)]
struct Key {
    tracing: bindings::static_key_false,
}

extern "C" {
    #[link_name = "umcg_tracing"]
    static KEY: Key;
}

/// Whether any of the events is enabled.
#[inline(always)]
pub(crate) fn is_on() -> bool {
    // SAFETY: A static key that is defined in sys/trace.c.
    unsafe { static_branch_unlikely!(KEY, Key, tracing) }
}

/// Wraps the C functions in safe ones.
macro_rules! events {
    ($($(#[$attr:meta])* fn $name:ident($($arg:ident: $type:ty => $value:expr),*) = $function:ident;)*) => {$(
        $(#[$attr])*
        #[cold]
        #[inline(never)]
        pub(crate) fn $name($($arg: $type),*) {
            // SAFETY: There is no requirement but the context, which is that of the module's code:
            // no run-queue lock is held. A task that is named is valid, as the reference says.
            unsafe { helpers::$function($($value),*) };
        }
    )*};
}

events! {
    /// The current task is registered.
    fn register(role: Role => role as u32) = umcg_trace_register;
    /// The current task is no longer registered.
    fn unregister(role: Role => role as u32) = umcg_trace_unregister;
    /// The current task leaves without having unregistered; its last word.
    fn exit(role: Role => role as u32, word: u64 => word, reason: Reason => reason as u32)
        = umcg_trace_exit;
    /// The state of the current task becomes `new`, a `UMCG_TASK_*`.
    fn state(role: Role => role as u32, old: u32 => old, new: u32 => new, reason: Reason => reason as u32)
        = umcg_trace_state;
    /// The current worker, running under this server, blocks.
    fn block(server: u32 => server) = umcg_trace_block;
    /// The current worker, whose word this is, continues under this server, which was idle.
    fn adopt(word: u64 => word, server: u32 => server) = umcg_trace_adopt;
    /// The worker with this TID runs in place of the current one, and was woken.
    fn pass(tid: u32 => tid) = umcg_trace_pass;
    /// The current worker has put this server back into the set of idle ones.
    fn put_back(server: u32 => server) = umcg_trace_put_back;
    /// The server with this TID has become running, and was woken. By TID, as below, so that the
    /// hot path keeps nothing for tracing.
    fn start(tid: u32 => tid, reason: Reason => reason as u32) = umcg_trace_start;
    /// The task with this TID was woken.
    fn wake(tid: u32 => tid) = umcg_trace_wake;
    /// The current task waits, and has woken `next`, if that is not zero.
    fn wait(role: Role => role as u32, word: u64 => word, next: u32 => next) = umcg_trace_wait;
    /// The current task, whose word this is, continues.
    fn run(role: Role => role as u32, word: u64 => word, server: u32 => server) = umcg_trace_run;
    /// A running worker is kicked.
    fn kick(worker: &Task => worker.as_ptr()) = umcg_trace_kick;
    /// The process of the current task, whose word this is, is about to be killed.
    fn broken(word: u64 => word, breach: Breach => breach as u32) = umcg_trace_broken;
}
