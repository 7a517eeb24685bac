// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Error numbers.

/// An error number of Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) i32);

impl Errno {
    /// The error of the last call of libc.
    pub(crate) fn last() -> Self {
        // SAFETY: The call takes nothing.
        let address = unsafe { libc::__errno_location() };

        // SAFETY: The word is that of the calling thread, which alone writes to it.
        Self(unsafe { address.read() })
    }
}

/// The result of a call of libc that returns -1 if it has failed.
pub(crate) fn check(result: i32) -> Result<i32, Errno> {
    if result == -1 {
        return Err(Errno::last());
    }
    Ok(result)
}
