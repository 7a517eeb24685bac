// SPDX-License-Identifier: GPL-2.0

//! In the module `raw` of libumcg: the rest of `layout.rs`.

use super::lock::Lock;

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}
