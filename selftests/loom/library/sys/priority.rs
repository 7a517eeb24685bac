// SPDX-License-Identifier: GPL-2.0

//! In the place of `lib/rust/src/sys/priority.rs`: threads run in every order.

pub(crate) fn run_when_woken() {}
