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
pub(crate) mod published;
pub(crate) mod record;
pub(crate) mod slot;
pub(crate) mod state;
pub(crate) mod task;

#[cfg(all(test, umcg_header))]
mod header_tests;
