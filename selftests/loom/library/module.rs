// SPDX-License-Identifier: GPL-2.0

//! The module's protocol.

#![allow(dead_code)]

pub(crate) mod abi {
    #[allow(non_camel_case_types)]
    mod bindings {
        include!(env!("UMCG_BINDINGS"));
    }

    pub(crate) use bindings::*;

    /// A ring that two workers fill; see `build.rs`.
    pub(crate) const UMCG_DIRECT_RING: u32 = crate::sys::abi::SERVERS as u32;
}
#[path = "../../../umcg/direct.rs"]
pub(crate) mod direct;
#[path = "../../../umcg/protocol.rs"]
pub(crate) mod protocol;
#[path = "../../../umcg/state.rs"]
pub(crate) mod state;
