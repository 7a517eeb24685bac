// SPDX-License-Identifier: GPL-2.0

//! Replaces `lib/c/src/sys/policy.rs`: policies of the kernel do not matter to the models.

pub(crate) fn replace(_: i32, _: i32) -> bool {
    false
}
