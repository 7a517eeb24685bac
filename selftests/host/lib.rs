// SPDX-License-Identifier: GPL-2.0

//! The pure parts of the module, built for the host: the very files that the module is built from.

mod sys {
    /// The UAPI header and the command numbers, by bindgen as for the module.
    #[expect(
        dead_code,
        non_camel_case_types,
        non_upper_case_globals,
        reason = "the names are those of C, and the protocol needs some of them"
    )]
    pub(crate) mod bindings {
        include!(env!("UMCG_BINDINGS"));
    }
}

#[path = "../../umcg/abi.rs"]
#[expect(unused_imports, reason = "the protocol needs some of the names only")]
mod abi;
#[path = "../../umcg/direct.rs"]
#[allow(dead_code, reason = "loom needs more of it")]
mod direct;
#[path = "../../umcg/protocol.rs"]
mod protocol;
#[path = "../../umcg/state.rs"]
mod state;

/// Scheduling state.
mod sched {
    #[path = "../../../umcg/sched/numbers.rs"]
    mod numbers;
    #[path = "../../../umcg/sched/slot.rs"]
    mod slot;

    mod tests;
}

mod direct_tests;
mod protocol_tests;
