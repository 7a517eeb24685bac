// SPDX-License-Identifier: GPL-2.0

//! The proof that the module is being loaded, and its statics are not in use yet.

use kernel::types::NotThreadSafe;

/// The time before the module can be reached.
///
/// # Invariants
///
/// While an instance exists, nothing of the module is registered anywhere, and no other task is in
/// its code.
pub(crate) struct Startup(NotThreadSafe);

impl Startup {
    /// Starts the initialisation.
    ///
    /// # Safety
    ///
    /// To be called once, at the beginning of the module's init function; the result is dropped
    /// before anything is registered.
    pub(super) unsafe fn begin() -> Self {
        // INVARIANT: Promised by the caller.
        Self(NotThreadSafe)
    }
}
