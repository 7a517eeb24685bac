// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The words that threads share with the kernel, and the steps of the protocol on them. Most of it
//! is that of the crate `umcg`.

pub(crate) mod bits;
pub(crate) mod current;
#[path = "../../../rust/src/raw/direct.rs"]
pub(crate) mod direct;
pub(crate) mod idle;
#[path = "../../../rust/src/raw/link.rs"]
pub(crate) mod link;
#[path = "../../../rust/src/raw/lock.rs"]
pub(crate) mod lock;
pub(crate) mod process;
#[path = "../../../rust/src/raw/published.rs"]
pub(crate) mod published;
pub(crate) mod queued;
pub(crate) mod record;
pub(crate) mod ring;
#[path = "../../../rust/src/raw/state.rs"]
pub(crate) mod state;
#[path = "../../../rust/src/raw/task.rs"]
pub(crate) mod task;
pub(crate) mod tids;
