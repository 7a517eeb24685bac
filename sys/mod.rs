// SPDX-License-Identifier: GPL-2.0

//! Kernel facilities behind safe interfaces, one per file.
//!
//! All `unsafe` code and all raw bindings of the module live here. Nothing here
//! knows the UMCG protocol.

pub(crate) mod bindings;
pub(crate) mod clock;
pub(crate) mod compat;
pub(crate) mod context;
pub(crate) mod deferred;
pub(crate) mod device;
mod gate;
pub(crate) mod inline_atomic;
pub(crate) mod lifetime;
pub(crate) mod mapping;
mod module_ref;
pub(crate) mod owner_cell;
mod page_words;
pub(crate) mod pinned_folio;
pub(crate) mod preemption;
mod reaper;
pub(crate) mod record;
pub(crate) mod sentinel;
pub(crate) mod shared_page;
pub(crate) mod signal;
pub(crate) mod sleep;
pub(crate) mod startup;
pub(crate) mod static_lock;
pub(crate) mod target;
pub(crate) mod trace;
pub(crate) mod tracepoint;
pub(crate) mod user;
pub(crate) mod user_store;
pub(crate) mod usercopy;
pub(crate) mod wait_queue;
pub(crate) mod wake;
