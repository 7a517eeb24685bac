// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What `libumcg.h` declares, which says what each function does. Here errors become `errno`, and
//! IDs references.

use crate::{
    own,
    raw::record::{Group, Kind, Thread, ENABLE_PREEMPTION},
    register, server, switch,
    sys::{clock, device, errno::Errno},
    wait,
};

const INVALID: Errno = Errno(libc::EINVAL);
const UMCG_NONE: isize = 0;

#[used]
#[link_section = ".fini_array"]
static UNLOAD: extern "C" fn() = unload;

/// The program ends, or unloads the library.
extern "C" fn unload() {
    own::unload();
}

pub(crate) fn set_errno(Errno(number): Errno) {
    // SAFETY: The call takes nothing.
    let address = unsafe { libc::__errno_location() };

    // SAFETY: The word is that of the calling thread, which alone uses it.
    unsafe { address.write(number) };
}

/// 0, or -1 and `errno`.
pub(crate) fn status(result: Result<(), Errno>) -> i32 {
    match result {
        Ok(()) => 0,
        Err(error) => {
            set_errno(error);
            -1
        }
    }
}

/// An ID, or `UMCG_NONE` and `errno`.
fn id(result: Result<isize, Errno>) -> isize {
    result.unwrap_or_else(|error| {
        set_errno(error);
        UMCG_NONE
    })
}

/// The calling thread, which has to be registered, or at least known.
fn me() -> Result<&'static Thread, Errno> {
    own::known().ok_or(INVALID)
}

/// The calling server, and its group.
fn me_as_server() -> Result<(&'static Thread, &'static Group), Errno> {
    let me = own::known_as(Kind::Server)?;

    Ok((me, me.group().ok_or(INVALID)?))
}

#[no_mangle]
pub extern "C" fn umcg_enabled() -> bool {
    status(device::enabled()) == 0
}

#[no_mangle]
pub extern "C" fn umcg_get_utid() -> isize {
    id(own::own().map(Thread::utid))
}

/// # Safety
///
/// The ID is that of a thread.
#[no_mangle]
pub unsafe extern "C" fn umcg_set_task_tag(utid: isize, tag: isize) {
    // SAFETY: The caller promises it.
    if let Some(thread) = unsafe { Thread::of_utid(utid) } {
        thread.set_tag(tag);
    }
}

/// # Safety
///
/// The ID is that of a thread.
#[no_mangle]
pub unsafe extern "C" fn umcg_get_task_tag(utid: isize) -> isize {
    // SAFETY: The caller promises it.
    unsafe { Thread::of_utid(utid) }.map_or(0, Thread::tag)
}

/// # Safety
///
/// The ID is that of a thread.
#[no_mangle]
pub unsafe extern "C" fn umcg_get_task_state(utid: isize) -> u64 {
    // SAFETY: The caller promises it.
    unsafe { Thread::of_utid(utid) }.map_or(0, Thread::public_state)
}

/// # Safety
///
/// The ID is that of a thread.
#[no_mangle]
pub unsafe extern "C" fn umcg_get_task_since(utid: isize) -> u64 {
    // SAFETY: The caller promises it.
    unsafe { Thread::of_utid(utid) }
        .map_or(0, |thread| clock::monotonic_here(thread.task.since_ns()))
}

#[no_mangle]
pub extern "C" fn umcg_create_group(flags: u32) -> isize {
    id(register::create_group(flags).map(Group::id))
}

/// # Safety
///
/// The ID is that of a group.
#[no_mangle]
pub unsafe extern "C" fn umcg_destroy_group(group: isize) -> i32 {
    // SAFETY: The caller promises it.
    let group = unsafe { Group::of_id(group) }.ok_or(INVALID);

    status(group.and_then(|group| register::destroy_group(group, own::known())))
}

#[no_mangle]
pub extern "C" fn umcg_set_immediate_signals(signals: u64) {
    register::set_immediate_signals(signals);
}

fn register_as(kind: Kind, group: Option<&'static Group>, tag: isize) -> isize {
    id(own::own().and_then(|me| {
        register::register(me, kind, group, tag)?;
        Ok(me.utid())
    }))
}

#[no_mangle]
pub extern "C" fn umcg_register_basic_task(tag: isize) -> isize {
    register_as(Kind::BasicTask, None, tag)
}

/// # Safety
///
/// The ID is `UMCG_NONE`, or that of a group.
#[no_mangle]
pub unsafe extern "C" fn umcg_register_worker(group: isize, tag: isize) -> isize {
    // SAFETY: The caller promises it.
    register_as(Kind::Worker, unsafe { Group::of_id(group) }, tag)
}

/// # Safety
///
/// The ID is `UMCG_NONE`, or that of a group.
#[no_mangle]
pub unsafe extern "C" fn umcg_register_server(group: isize, tag: isize) -> isize {
    // SAFETY: The caller promises it.
    register_as(Kind::Server, unsafe { Group::of_id(group) }, tag)
}

#[no_mangle]
pub extern "C" fn umcg_unregister_task() -> i32 {
    status(me().and_then(register::unregister))
}

#[no_mangle]
pub extern "C" fn umcg_wait(timeout: u64) -> i32 {
    status(me().and_then(|me| wait::wait(me, timeout)))
}

/// # Safety
///
/// The ID is `UMCG_NONE`, or that of a thread.
#[no_mangle]
pub unsafe extern "C" fn umcg_wake(next: isize, on_this_cpu: bool) -> i32 {
    // SAFETY: The caller promises it.
    let next = unsafe { Thread::of_utid(next) }.ok_or(INVALID);

    status(next.and_then(|next| wait::wake(me()?, next, on_this_cpu)))
}

/// # Safety
///
/// The ID is `UMCG_NONE`, or that of a thread.
#[no_mangle]
pub unsafe extern "C" fn umcg_swap(next: isize, timeout: u64) -> i32 {
    // SAFETY: The caller promises it.
    let next = unsafe { Thread::of_utid(next) }.ok_or(INVALID);

    status(next.and_then(|next| wait::swap(me()?, next, timeout)))
}

#[no_mangle]
pub extern "C" fn umcg_get_idle_worker(wait: bool) -> isize {
    id(me_as_server().and_then(|(me, group)| {
        server::next_worker(group, me, wait, libc::EINTR).map(Thread::utid)
    }))
}

/// # Safety
///
/// The ID is `UMCG_NONE`, or that of a thread.
#[no_mangle]
pub unsafe extern "C" fn umcg_run_worker(worker: isize) -> isize {
    // SAFETY: The caller promises it.
    let worker = unsafe { Thread::of_utid(worker) };

    id(me_as_server().and_then(|(me, group)| {
        let worker = worker
            .filter(|worker| worker.is_worker() && worker.is_in(group))
            .ok_or(INVALID)?;

        // Without an error the worker is gone.
        server::run_worker(group, me, worker)?
            .map(Thread::utid)
            .ok_or(Errno(0))
    }))
}

/// # Safety
///
/// The ID is `UMCG_NONE`, or that of a group.
#[no_mangle]
pub unsafe extern "C" fn umcg_serve(group: isize) -> i32 {
    // SAFETY: The caller promises it.
    let wanted = unsafe { Group::of_id(group) };

    status(me_as_server().and_then(|(me, group)| {
        wanted.filter(|wanted| me.is_in(wanted)).ok_or(INVALID)?;
        server::serve(group, me)
    }))
}

/// # Safety
///
/// The ID is `UMCG_NONE`, or that of a thread.
#[no_mangle]
pub unsafe extern "C" fn umcg_preempt_worker(worker: isize) -> i32 {
    // SAFETY: The caller promises it.
    let worker = unsafe { Thread::of_utid(worker) };

    // The worker may leave, and its group be destroyed, between the two checks.
    status(
        worker
            .filter(|worker| worker.is_worker() && worker.group_flags() & ENABLE_PREEMPTION != 0)
            .ok_or(INVALID)
            .and_then(|worker| device::kick(worker.tid())),
    )
}

/// The kernel has left the caller alone because of the section. `errno` stays: a section may end
/// between a call and the look at it.
///
/// # Safety
///
/// The ID is that of a thread.
#[no_mangle]
pub unsafe extern "C" fn umcg_critical_give_way(me: isize) {
    // SAFETY: The caller promises it.
    if let Some(me) = unsafe { Thread::of_utid(me) } {
        let error = Errno::last();

        switch::kick_again(me);
        set_errno(error);
    }
}

#[no_mangle]
pub extern "C" fn umcg_get_time_ns() -> u64 {
    clock::realtime_ns()
}
