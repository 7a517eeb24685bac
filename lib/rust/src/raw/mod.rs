// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The words that threads share with the kernel, and the steps of the protocol on them. All
//! of them are atomic; what else has to be shared has a lock.

pub(crate) mod adaptive;
pub(crate) mod basic;
pub(crate) mod deadline;
pub(crate) mod direct;
pub(crate) mod link;
pub(crate) mod list;
pub(crate) mod lock;
pub(crate) mod members;
pub(crate) mod node;
pub(crate) mod offers;
#[cfg(not(loom))]
pub(crate) mod published;
pub(crate) mod record;
/// That of the C library, for the models: the crate has no use for it.
#[cfg(all(test, loom))]
#[path = "../../../c/src/raw/ring.rs"]
mod ring;
pub(crate) mod slot;
pub(crate) mod state;
pub(crate) mod task;

#[cfg(all(test, umcg_header))]
mod header_tests;
