// SPDX-License-Identifier: GPL-2.0

//! References that keep the module loaded.

use crate::LocalModule;
use kernel::{
    bindings,
    module::this_module,
    prelude::*, //
};

/// Keeps the module from being unloaded.
///
/// Where the last one is dropped by code of the module, the way out of that code is covered by the
/// waits of the module's own exit (see [`super::reaper`] and [`super::tracepoint`]).
pub(crate) struct ModuleRef(());

impl ModuleRef {
    /// Takes a reference. Any context.
    ///
    /// # Errors
    ///
    /// `ENODEV` if the module is on its way out.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: This is the module whose code is running.
        if unsafe { bindings::try_module_get(this_module::<LocalModule>().as_ptr()) } {
            Ok(Self(()))
        } else {
            Err(ENODEV)
        }
    }
}

impl Drop for ModuleRef {
    fn drop(&mut self) {
        // SAFETY: `new()` has taken a reference, which this gives back.
        unsafe { bindings::module_put(this_module::<LocalModule>().as_ptr()) };
    }
}
