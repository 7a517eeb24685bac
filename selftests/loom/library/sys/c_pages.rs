// SPDX-License-Identifier: GPL-2.0

//! Replaces `lib/c/src/sys/pages.rs`.

use super::{
    errno::Errno,
    memory::{Wiped, Zeroed},
};

pub(crate) fn new<T: Zeroed>() -> Result<Wiped<T>, Errno> {
    Wiped::new(|_| ())
}
