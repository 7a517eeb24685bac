// SPDX-License-Identifier: GPL-2.0

//! The protocol under loom.
//!
//! Under test are `umcg/state.rs` and `umcg/protocol.rs`, the same files as in the module.
//! [`kernel`] models their callers in the module, and sleeping and waking in the kernel; [`user`] a
//! program that follows the protocol. The scenarios combine a few servers and workers, and loom
//! runs each of them in all interleavings of their accesses, and with every value that a read may
//! return under the memory model.
//!
//! A lost wake-up shows as a deadlock: all threads sleep. Other invariants are asserted.
//!
//! Most scenarios are explored whole. Those in which tasks live on for long are explored up to a
//! number of preemptions, which they name; `LOOM_MAX_PREEMPTIONS` sets another one for all of them.

#![cfg(test)]
#![deny(warnings)]

#[allow(dead_code, non_camel_case_types)]
mod abi {
    include!(env!("UMCG_BINDINGS"));
}

#[allow(dead_code)]
#[path = "../../../umcg/direct.rs"]
mod direct;
#[allow(dead_code)]
#[path = "../../../umcg/protocol.rs"]
mod protocol;
#[path = "../../../umcg/state.rs"]
mod state;

mod bugs;
mod direct_mode;
mod direct_words;
mod kernel;
mod user;
mod word;
mod world;

mod direct_scenarios;
mod found;
mod publication;
mod scenarios;
