// SPDX-License-Identifier: GPL-2.0

//! Replaces `lib/rust/src/sys/priority.rs`: threads run in every order.

pub(crate) fn run_when_woken() {}
