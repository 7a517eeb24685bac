// SPDX-License-Identifier: GPL-2.0

//! libumcg and the module under loom, as one program. As `engine.rs`, with the files of
//! `lib/c/src`.

#![cfg(test)]
#![deny(warnings)]

mod c_scenarios;
mod explore;
#[allow(dead_code, reason = "the scenarios of one library use a part of it")]
mod kernel;
mod module;

// `build.rs` declares: atomic, direct, members, polling, raw, register, server, switch, sys, wait, worker.
include!(concat!(env!("OUT_DIR"), "/c.rs"));

/// loom must find these bugs, or it would prove nothing.
mod found {
    use crate::{c_scenarios as scenarios, explore::bugs};

    include!("c_bugs.rs");
}
