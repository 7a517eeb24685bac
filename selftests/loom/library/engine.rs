// SPDX-License-Identifier: GPL-2.0

//! The crate `umcg` and the module under loom, as one program.
//!
//! Under test are the files of `lib/rust/src` but `face` and `sys`, and of the module
//! `umcg/protocol.rs` and `umcg/direct.rs`. [`kernel`] has the rest of the module, and the system
//! calls of the crate end there.

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

macro_rules! bugs {
    ($($name:ident: $file:literal, $right:literal => $wrong:literal, $scenario:ident, $found:literal;)*) => {
        /// Bugs that loom has to find, or it would prove nothing.
        mod found {
            use super::engine_scenarios;

            $(
                #[test]
                #[should_panic(expected = $found)]
                fn $name() {
                    engine_scenarios::$scenario(Some(stringify!($name)));
                }
            )*
        }
    };
}

include!("engine_bugs.rs");
