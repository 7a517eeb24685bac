// SPDX-License-Identifier: GPL-2.0

//! The beginning of the process, and `fork()`.

use crate::group;

/// Called by the dynamic linker.
#[used]
#[link_section = ".init_array"]
static BEGIN: extern "C" fn() = begin;

extern "C" fn begin() {
    // SAFETY: The function is there as long as the process.
    unsafe { libc::pthread_atfork(None, None, Some(begin_child)) };
}

/// The child has one thread, which is no worker, and makes its group anew when it makes threads.
unsafe extern "C" fn begin_child() {
    // If it is a worker in the parent.
    let _ = umcg::leave();
    group::forget();
}
