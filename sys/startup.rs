// SPDX-License-Identifier: GPL-2.0

//! The proof that the module is being loaded, and nobody can use its statics yet.

use kernel::sync::{
    GlobalLock,
    GlobalLockBackend, //
};

/// The time before the module can be reached by anybody.
///
/// Statics that need more than a constant initialiser ask for it: each is initialised once, with
/// this token, before whatever could use it is registered.
///
/// # Invariants
///
/// While an instance exists, nothing of the module is registered anywhere.
pub(crate) struct Startup(());

impl Startup {
    /// Begins the start-up.
    ///
    /// # Safety
    ///
    /// To be called once, at the beginning of the module's init function.
    pub(crate) unsafe fn begin() -> Self {
        // INVARIANT: Nothing has run before.
        Self(())
    }

    /// Makes a global lock usable.
    pub(crate) fn init_lock<B: GlobalLockBackend>(&self, lock: &'static GlobalLock<B>) {
        // SAFETY: Nobody uses the lock yet, by the type invariant.
        unsafe { lock.init() };
    }
}
