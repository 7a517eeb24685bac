// SPDX-License-Identifier: GPL-2.0

//! libumcg and the module under loom, as one program. As `engine.rs`, with the files of `lib/c/src`.

#![cfg(test)]
#![deny(warnings)]

mod c_scenarios;
mod explore;
#[allow(dead_code, reason = "the scenarios of one library use a part of it")]
mod kernel;
mod module;

// `build.rs` declares: atomic, direct, members, polling, raw, register, server, switch, sys, wait, worker.
include!(concat!(env!("OUT_DIR"), "/c.rs"));

macro_rules! bugs {
    ($($name:ident: $file:literal, $right:literal => $wrong:literal, $scenario:ident, $found:literal;)*) => {
        /// Bugs that loom has to find, or it would prove nothing.
        mod found {
            use super::c_scenarios;

            $(
                #[test]
                #[should_panic(expected = $found)]
                fn $name() {
                    c_scenarios::$scenario(Some(stringify!($name)));
                }
            )*
        }
    };
}

include!("c_bugs.rs");
