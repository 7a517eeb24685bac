// SPDX-License-Identifier: GPL-2.0

//! The crate `umcg` and the module under loom, as one program.
//!
//! Under test are `engine`, `policy` and `raw` of `lib/rust/src`, and of the module
//! `umcg/protocol.rs`, `umcg/state.rs` and `umcg/direct.rs`. [`kernel`] has the rest of the module,
//! and the system calls of the crate end there. `build.rs` names what is changed or left out.

#![cfg(test)]
#![deny(warnings)]

extern crate alloc;

mod engine_scenarios;
mod engine_scene;
mod explore;
#[allow(dead_code, reason = "the scenarios of one library use a part of it")]
mod kernel;
mod module;

// `build.rs` declares: atomic, engine, error, policy, raw, sys.
include!(concat!(env!("OUT_DIR"), "/engine.rs"));

/// loom must find these bugs, or it would prove nothing.
mod found {
    use crate::{engine_scenarios as scenarios, explore::bugs};

    include!("engine_bugs.rs");
}
