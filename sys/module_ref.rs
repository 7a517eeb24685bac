// SPDX-License-Identifier: GPL-2.0

//! References that keep the module loaded.

use super::compat;
use kernel::{
    bindings,
    prelude::*, //
};

/// Keeps the module from being unloaded, also by force: its exit function waits then (see
/// [`super::lifetime`]), which also covers the code that runs after the last reference was dropped.
pub(super) struct ModuleRef(());

impl ModuleRef {
    /// Takes a reference. Any context.
    ///
    /// # Errors
    ///
    /// `ENODEV` if the module is being unloaded.
    pub(super) fn new() -> Result<Self> {
        // SAFETY: This is the module whose code is running.
        if unsafe { bindings::try_module_get(compat::this_module()) } {
            Ok(Self(()))
        } else {
            Err(ENODEV)
        }
    }
}

impl Drop for ModuleRef {
    fn drop(&mut self) {
        // SAFETY: `new()` has taken a reference, which this gives back.
        unsafe { bindings::module_put(compat::this_module()) };
    }
}
