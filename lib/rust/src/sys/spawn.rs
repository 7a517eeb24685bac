// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Threads of the crate, and calls at the end of other threads, without thread-local destructors of
//! std.
//!
//! glibc takes the lock of the dynamic linker to register such a destructor, and each thread of
//! std has one. `dlopen()` holds that lock while constructors run. One of these may build a group,
//! or wait for a thread that enters one.

use super::errno::Errno;
use alloc::boxed::Box;
use core::{
    mem::{self, MaybeUninit},
    ptr,
};
use libc::{c_void, pthread_attr_t, pthread_key_t, pthread_t};
use std::{ffi::CString, sync::OnceLock};

/// The function of a thread. If it panics the process is aborted.
type Body = Box<dyn FnOnce() + Send>;

/// The stack that std gives its threads, in bytes.
const STACK_SIZE: usize = 2 << 20;

/// A thread. It is detached when this is dropped.
pub(crate) struct Thread(pthread_t);

struct Start {
    name: CString,
    body: Body,
}

extern "C" fn run(start: *mut c_void) -> *mut c_void {
    // SAFETY: It is what `spawn()` has leaked, which is for this thread alone.
    let Start { name, body } = *unsafe { Box::from_raw(start.cast::<Start>()) };

    // Not by the function of libc: see `yield_cpu()`.
    // SAFETY: The name is a string with a zero at its end.
    unsafe { libc::syscall(libc::SYS_prctl, libc::PR_SET_NAME, name.as_ptr()) };
    body();
    ptr::null_mut()
}

/// Starts a thread.
pub(crate) fn spawn(name: CString, body: Body) -> Result<Thread, Errno> {
    let start = Box::into_raw(Box::new(Start { name, body }));
    let mut attributes = MaybeUninit::<pthread_attr_t>::uninit();
    let mut thread: pthread_t = 0;

    // SAFETY: The call initialises the attributes. It does not fail in glibc and musl.
    unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) };
    // If that fails the thread has the default.
    // SAFETY: The attributes are initialised.
    unsafe { libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), STACK_SIZE) };
    // SAFETY: The attributes are initialised, and `run()` takes what it is given.
    let error =
        unsafe { libc::pthread_create(&raw mut thread, attributes.as_ptr(), run, start.cast()) };
    // SAFETY: They are initialised, and not used again.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    if error != 0 {
        // SAFETY: No thread has got it.
        drop(unsafe { Box::from_raw(start) });
        return Err(Errno(error));
    }
    Ok(Thread(thread))
}

impl Thread {
    /// Waits until it has ended.
    pub(crate) fn join(self) {
        // SAFETY: The thread has been neither joined nor detached, and is not after this.
        unsafe { libc::pthread_join(self.0, ptr::null_mut()) };
        mem::forget(self);
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // SAFETY: The thread has been neither joined nor detached, and nothing else is done to it.
        unsafe { libc::pthread_detach(self.0) };
    }
}

/// Its value is a function of type `fn()`.
static KEY: OnceLock<Option<pthread_key_t>> = OnceLock::new();

fn key() -> Option<pthread_key_t> {
    unsafe extern "C" fn call(function: *mut c_void) {
        // SAFETY: `call_at_end()` sets no other values.
        let function = unsafe { mem::transmute::<*mut c_void, fn()>(function) };

        function();
    }
    let make = || {
        let mut key = 0;
        // SAFETY: The call writes to the key. The destructor takes the values that it will have.
        let error = unsafe { libc::pthread_key_create(&raw mut key, Some(call)) };
        (error == 0).then_some(key)
    };

    *KEY.get_or_init(make)
}

/// Has the calling thread call a function when it ends, after its thread-local destructors, and
/// instead of the one of an earlier call.
pub(crate) fn call_at_end(function: fn()) -> Result<(), Errno> {
    // The process has too many keys.
    let key = key().ok_or(Errno(libc::ENOMEM))?;

    // SAFETY: The key exists as long as the process, and its destructor takes this value.
    match unsafe { libc::pthread_setspecific(key, function as *const c_void) } {
        0 => Ok(()),
        error => Err(Errno(error)),
    }
}

/// Nothing is called when the calling thread ends: the code may be unmapped by then.
pub(crate) fn call_nothing_at_end() {
    if let Some(Some(key)) = KEY.get() {
        // SAFETY: The key exists as long as the process. Without a value there is no call.
        unsafe { libc::pthread_setspecific(*key, ptr::null()) };
    }
}
