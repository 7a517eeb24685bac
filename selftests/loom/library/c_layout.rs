// SPDX-License-Identifier: GPL-2.0

//! In the module `raw` of libumcg: what `layout.rs` needs besides.

use super::lock::Lock;

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}
