// SPDX-License-Identifier: GPL-2.0

//! The protocol under loom.
//!
//! What is under test is `umcg/state.rs` and `umcg/protocol.rs`, the very files that the module is
//! made of. [`kernel`] stands for what calls them in the module, and for the sleeping and waking of
//! the kernel; [`user`] for a program that keeps the contract. The scenarios let a few servers and
//! workers meet, and loom runs each of them in every order in which their accesses can follow each
//! other, and with every value that a read may return where the memory order leaves a choice.
//!
//! A lost wake-up shows as a deadlock: all threads sleep. What else must not happen is asserted
//! where it could.
//!
//! Most scenarios are explored whole. Those in which tasks live on for long are explored up to a
//! number of preemptions, which they name; `LOOM_MAX_PREEMPTIONS` sets another one for all of them.

#![cfg(test)]
#![deny(warnings)]

#[allow(dead_code)]
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
mod scenarios;
