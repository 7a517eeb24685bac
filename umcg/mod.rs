// SPDX-License-Identifier: GPL-2.0

//! User-Managed Concurrency Groups: the protocol, in safe Rust.
//!
//! A word travels from user memory through [`words`] to [`state`] and [`protocol`], which are pure,
//! and back. A TID travels from the device through [`registry`] to a [`task`], which is woken.
//!
//! Lock order: the mutex of [`hooks`], the locks of [`pages`], [`limits`], [`sched::area`] and the
//! [`registry`], and the gate of a [`task`] are never held together. Locks of the kernel that are taken
//! under them: those of tracepoints and static keys under the mutex, those of the slab allocator under
//! the lock of the [`registry`]. Locks of the kernel that are held over them:
//!
//! - the mutex of a `seq_file` over [`hooks`], [`pages`] and the gate: debugfs and `fdinfo`;
//! - `mmap_lock`, or that of the mapping, over [`sched::area`]: `mmap()` and the operations of a mapping;
//! - `cred_guard_mutex`, in exec only, and a read-side section of the tracepoints' SRCU over all but
//!   [`hooks`]: exit and exec;
//! - any lock that may be held asleep over the gate, which is a raw spinlock: block detection.
//!
//! None of them is taken under `siglock`, a run-queue lock or `misc_mtx`.

#![deny(unsafe_code)]

pub(crate) mod abi;
pub(crate) mod activity;
pub(crate) mod callbacks;
mod counted;
pub(crate) mod ctl;
pub(crate) mod device;
pub(crate) mod direct;
pub(crate) mod direct_group;
pub(crate) mod direct_worker;
pub(crate) mod handler;
pub(crate) mod hooks;
pub(crate) mod kick;
pub(crate) mod limits;
pub(crate) mod pages;
pub(crate) mod protocol;
pub(crate) mod registry;
pub(crate) mod report;
pub(crate) mod sched;
pub(crate) mod show;
pub(crate) mod state;
pub(crate) mod stats;
pub(crate) mod task;
pub(crate) mod wait;
pub(crate) mod words;
pub(crate) mod worker;
