// SPDX-License-Identifier: GPL-2.0

//! The events that tracers see. While none of them is on, each place where one is fired costs a
//! no-operation.
//!
//! C headers: [`sys/trace.h`], [`sys/umcg_events.h`]

use super::bindings as helpers;
use kernel::{
    bindings,
    jump_label::static_branch_unlikely,
    task::Task, //
};

/// What a task is registered as.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Role {
    /// Runs workers, or is a task of its own.
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
    /// The blocking of a worker is over.
    Wake = helpers::umcg_reason_UMCG_REASON_WAKE,
    /// A worker gives way because it was asked to.
    Preempt = helpers::umcg_reason_UMCG_REASON_PREEMPT,
    /// A worker has waited long enough.
    TimeOut = helpers::umcg_reason_UMCG_REASON_TIMEOUT,
    /// It waits of its own accord.
    Wait = helpers::umcg_reason_UMCG_REASON_WAIT,
    /// It exits.
    Exit = helpers::umcg_reason_UMCG_REASON_EXIT,
    /// It runs another program.
    Exec = helpers::umcg_reason_UMCG_REASON_EXEC,
    /// A worker whose blocking is over goes on under an idle server.
    Adopt = helpers::umcg_reason_UMCG_REASON_ADOPT,
    /// A worker that blocks gives its server to the next one of the ring.
    Pass = helpers::umcg_reason_UMCG_REASON_PASS,
    /// A worker that blocks puts its server back into the set of idle ones.
    PutBack = helpers::umcg_reason_UMCG_REASON_PUT_BACK,
}

/// How a process has broken the contract.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Breach {
    /// A state word says what cannot be.
    State = helpers::umcg_breach_UMCG_BREACH_STATE,
    /// A worker is to run in user mode without a server.
    Server = helpers::umcg_breach_UMCG_BREACH_SERVER,
    /// A word that a worker shares with its group is not in its memory.
    Memory = helpers::umcg_breach_UMCG_BREACH_MEMORY,
}

/// `struct static_key_false`, as a field, which is how the macro for static keys wants it.
#[repr(C)]
struct Key {
    tracing: bindings::static_key_false,
}

extern "C" {
    #[link_name = "umcg_tracing"]
    static KEY: Key;
}

/// Whether any of the events is on.
#[inline(always)]
pub(crate) fn is_on() -> bool {
    // SAFETY: A static key that is defined in sys/trace.c.
    unsafe { static_branch_unlikely!(KEY, Key, tracing) }
}

/// Makes safe functions of those in C.
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
    /// The current task goes without having unregistered; what its word was.
    fn exit(role: Role => role as u32, word: u64 => word, reason: Reason => reason as u32)
        = umcg_trace_exit;
    /// The state of the current task becomes `new`, a `UMCG_TASK_*`.
    fn state(role: Role => role as u32, old: u32 => old, new: u32 => new, reason: Reason => reason as u32)
        = umcg_trace_state;
    /// The current worker, running under this server, blocks.
    fn block(server: u32 => server) = umcg_trace_block;
    /// The current worker, whose word this is, goes on under this server, which was idle.
    fn adopt(word: u64 => word, server: u32 => server) = umcg_trace_adopt;
    /// The worker that the current one calls `tid` runs in its place, and has been woken.
    fn pass(tid: u32 => tid) = umcg_trace_pass;
    /// The current worker has put this server back into the set of idle ones.
    fn put_back(server: u32 => server) = umcg_trace_put_back;
    /// The server that the current task calls `tid` has become running, and been woken. By its
    /// number, as below: on the way of a switch nothing is kept for who traces.
    fn start(tid: u32 => tid, reason: Reason => reason as u32) = umcg_trace_start;
    /// The task that the current one calls `tid` has been woken.
    fn wake(tid: u32 => tid) = umcg_trace_wake;
    /// The current task waits, and has woken `next` for that, if it is not zero.
    fn wait(role: Role => role as u32, word: u64 => word, next: u32 => next) = umcg_trace_wait;
    /// The current task, whose word this is, goes on.
    fn run(role: Role => role as u32, word: u64 => word, server: u32 => server) = umcg_trace_run;
    /// A running worker is asked to give way.
    fn kick(worker: &Task => worker.as_ptr()) = umcg_trace_kick;
    /// The process of the current task, whose word this is, is about to be killed.
    fn broken(word: u64 => word, breach: Breach => breach as u32) = umcg_trace_broken;
}
