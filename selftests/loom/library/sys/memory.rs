// SPDX-License-Identifier: GPL-2.0

//! Replaces `lib/rust/src/sys/memory.rs`.

use super::errno::Errno;
use crate::kernel;
use core::ops::Deref;

/// Types that begin as zeros.
///
/// # Safety
///
/// As in the original. The models do not rely on it.
pub(crate) unsafe trait Zeroed: Sync + Default + 'static {}

/// How many values a page has.
const PLACES: usize = 4;

pub(crate) fn map_forever<T: Zeroed>() -> Result<&'static [T], Errno> {
    Ok(kernel::keep((0..PLACES).map(|_| T::default()).collect()))
}

/// A value that the module may use until the execution ends.
pub(crate) struct Wiped<T: Zeroed>(&'static T);

impl<T: Zeroed> Wiped<T> {
    pub(crate) fn new(prepare: impl FnOnce(&mut T)) -> Result<Self, Errno> {
        let mut value = T::default();

        prepare(&mut value);
        let [value] = kernel::keep(Box::new([value])) else {
            unreachable!()
        };
        Ok(Self(value))
    }

    pub(crate) fn leak(&self) -> &'static T {
        self.0
    }
}

impl<T: Zeroed> Deref for Wiped<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0
    }
}
