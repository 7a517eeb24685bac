// SPDX-License-Identifier: GPL-2.0

//! Threads as members of the group: their names, and what they have done when they leave.

use crate::{
    process::{self, Member, Process},
    real, report, settings,
};
use libc::{c_char, c_int, c_ulong, c_void, pthread_key_t, pthread_t};
use std::{ffi::CStr, mem, ptr, sync::OnceLock};
use umcg_run_options::DEFAULT_PRIORITY;

/// Its value is the process of a thread that the program has made, or the address of `FIRST`. It
/// has a low number, so that its destructor is called before most others, and takes no memory.
///
/// No destructor of std, which takes the lock of the dynamic linker: see `real`.
static KEY: OnceLock<Option<pthread_key_t>> = OnceLock::new();

fn key() -> Option<pthread_key_t> {
    let make = || {
        let mut key = 0;
        // SAFETY: The call writes to the key. The destructor takes the values that it will have.
        let error = unsafe { libc::pthread_key_create(&raw mut key, Some(end_thread)) };
        (error == 0).then_some(key)
    };

    *KEY.get_or_init(make)
}

/// Makes ready what threads need that enter. Returns whether they can.
pub(crate) fn prepare() -> bool {
    key().is_some()
}

fn set_value<T>(value: *const T) {
    if let Some(key) = key() {
        // SAFETY: The key exists as long as the process, and its destructor takes any value.
        unsafe { libc::pthread_setspecific(key, value.cast()) };
    }
}

/// The first thread of a process has its address as the value of the key.
static FIRST: u8 = 0;

/// The calling thread is the first of its process. In a child of `fork()` it is no worker any more.
pub(crate) fn begin_first_thread() {
    set_value(&raw const FIRST);
    let _ = umcg::leave();
}

/// The end of a thread of the program, however it ends, which leaves the group if it is in it. libc
/// calls it for the first thread, too, if that ends and the process does not.
extern "C" fn end_thread(value: *mut c_void) {
    leave();
    let Some(process) = process::existing() else {
        return;
    };
    // In a child that was made without the handlers of `fork()` the first thread may have the
    // parent's process.
    let is_last = if ptr::eq(value.cast::<Process>(), process) {
        process.thread_ends()
    } else {
        process.first_thread_ends()
    };

    if is_last {
        end_own_threads(process);
    }
}

/// The program has no threads any more. What libc does at the end of the last one it does when
/// those of this library have ended, too.
fn end_own_threads(process: &Process) {
    report::end();
    process.end_own_threads();
}

fn own_thread() -> pthread_t {
    // SAFETY: The call takes nothing.
    unsafe { libc::pthread_self() }
}

/// How often the calling thread has slept.
fn own_sleeps() -> u64 {
    // SAFETY: A structure of numbers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };

    // SAFETY: The call writes to the structure.
    unsafe { libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage) };
    usage.ru_nvcsw.try_into().unwrap_or(0)
}

/// Makes the calling thread a worker; if that fails it stays as it is.
pub(crate) fn enter() {
    let process = process::get();
    let class = class_of_own_name(process);
    let entered = process
        .group()
        .and_then(|group| group.enter_with_class(class));

    match entered {
        Ok(entered) => entered.keep(),
        Err(_) => process.stats.plain.add(1),
    }
    if let Some(worker) = umcg::handle() {
        let member = Member { worker, class };
        process.with_threads(|threads| {
            threads.members.insert(own_thread(), member);
            process.stats.class(class).threads.add(1);
        });
    }
    set_value(process);
    // Another thread may have named it before it was to be found.
    set_class(own_thread(), class_of_own_name(process));
}

/// The calling thread leaves the group, if it is in it, and is a plain thread from here on.
pub(crate) fn leave() {
    if let Some(process) = process::existing() {
        let slept = own_sleeps();
        let member = process.with_threads(|threads| threads.members.remove(&own_thread()));

        if let Some(member) = member {
            process.stats.class(member.class).slept.add(slept);
        }
    }
    let _ = umcg::leave();
}

fn class_of_own_name(process: &Process) -> u8 {
    let mut name = [0; 16];
    let address: *mut c_char = name.as_mut_ptr();

    // SAFETY: The call writes a name of up to 16 bytes, with the zero at its end.
    unsafe { libc::prctl(libc::PR_GET_NAME, address) };
    // CAST: The same bytes.
    class_of(process, &name.map(|byte| byte as u8))
}

/// The class of a thread with this name, which ends at a zero.
fn class_of(process: &Process, name: &[u8]) -> u8 {
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = String::from_utf8_lossy(name);
    let priority = settings::get().map_or(DEFAULT_PRIORITY, |it| it.priority_of(&name));

    process.with_threads(|threads| threads.names.class_of(&name, priority))
}

/// Sets the class of a thread, if it is a worker.
fn set_class(thread: pthread_t, class: u8) {
    let Some(process) = process::existing() else {
        return;
    };

    process.with_threads(|threads| {
        if let Some(member) = threads.members.get_mut(&thread) {
            if member.class != class {
                // It counts as one of its last class.
                process.stats.class(member.class).threads.take(1);
                process.stats.class(class).threads.add(1);
                member.class = class;
                member.worker.set_class(class);
            }
        }
    });
}

/// As in libc; a worker has the class of its new name.
///
/// # Safety
///
/// As in libc.
#[no_mangle]
pub unsafe extern "C-unwind" fn pthread_setname_np(
    thread: pthread_t,
    name: *const c_char,
) -> c_int {
    // SAFETY: The caller keeps to what the function of libc wants.
    let result = unsafe { real::pthread_setname_np(thread, name) };

    if let Some(process) = process::existing().filter(|_| result == 0) {
        // SAFETY: It was a string with a zero at its end for the call.
        let name = unsafe { CStr::from_ptr(name) };
        set_class(thread, class_of(process, name.to_bytes()));
    }
    result
}

/// As in libc; a worker that changes its name has the class of the new one.
///
/// # Safety
///
/// As in libc.
#[no_mangle]
pub unsafe extern "C-unwind" fn prctl(
    option: c_int,
    second: c_ulong,
    third: c_ulong,
    fourth: c_ulong,
    fifth: c_ulong,
) -> c_int {
    // SAFETY: The caller keeps to what the function of libc wants. It takes these arguments,
    // however many there are: a register that was not set is not looked at.
    let result = unsafe { real::prctl(option, second, third, fourth, fifth) };

    if option == libc::PR_SET_NAME && result == 0 {
        if let Some(process) = process::existing() {
            set_class(own_thread(), class_of_own_name(process));
        }
    }
    result
}
