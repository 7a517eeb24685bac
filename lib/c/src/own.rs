// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The record of the calling thread: where it comes from, and what happens when the thread ends, its
//! process forks, or the library is unloaded.

use crate::{
    raw::{
        current,
        process::{known_process, process},
        record::{Kind, Thread},
    },
    register,
    sys::{
        device,
        errno::Errno,
        program::{self, Key},
        tls::{self, Word},
    },
};

/// By which a thread that ends is noticed.
static END_OF_THREAD: Key = Key::new();

/// The record of the calling thread, if it has one.
#[inline]
pub(crate) fn known() -> Option<&'static Thread> {
    current::record()
}

/// The calling thread, if it is registered as this.
pub(crate) fn known_as(kind: Kind) -> Result<&'static Thread, Errno> {
    known()
        .filter(|me| me.kind() == kind)
        .ok_or(Errno(libc::EINVAL))
}

/// The record of the calling thread. Fails with `ENOMEM`.
pub(crate) fn own() -> Result<&'static Thread, Errno> {
    match known() {
        Some(me) => Ok(me),
        None => new(),
    }
}

#[cold]
fn new() -> Result<&'static Thread, Errno> {
    let process = process()?;

    if !END_OF_THREAD.is_made() {
        program::at_fork(before_fork, child_begins)?;
        END_OF_THREAD.make(thread_ends)?;
    }
    let thread = process.take_thread()?;
    if let Err(error) = END_OF_THREAD.set(thread) {
        process.give_thread(thread);
        return Err(error);
    }
    current::set_record(Some(thread));
    Ok(thread)
}

extern "C" fn thread_ends(_: *mut core::ffi::c_void) {
    let Some(me) = known() else {
        return;
    };

    // Perhaps it is not registered.
    let _ = register::unregister(me);
    current::set_record(None);
    // If that has failed, the kernel writes to the record when the thread exits.
    if let Some(process) = known_process().filter(|_| !me.is_registered()) {
        process.give_thread(me);
    }
}

// The child of fork() inherits all but the registration, so its only thread gets its tag again,
// unless another handler has set one. No other thread there has its record. Both handlers may be
// there twice.

extern "C" fn before_fork() {
    tls::set(Word::TagAtFork, known().map_or(0, Thread::tag) as usize);
}

extern "C" fn child_begins() {
    if let Some(me) = known().filter(|me| me.tag() == 0) {
        me.set_tag(tls::get(Word::TagAtFork) as isize);
    }
}

/// An object that contains the static library is unloaded, like a plugin, or the process exits.
/// Remaining threads must not call `thread_ends()` when they exit; the program must ensure that none
/// is just exiting. The device stays open for registered threads, which may exist at the end of a
/// process.
pub(crate) fn unload() {
    END_OF_THREAD.delete();
    if !known_process().is_some_and(|process| process.has_registered()) {
        device::close();
    }
}
