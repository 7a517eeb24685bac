// SPDX-License-Identifier: GPL-2.0

//! The UAPI header and the C helpers, as bindgen sees them.
//!
//! C headers: [`include/uapi/linux/umcg.h`], [`sys/helpers.h`].

#![allow(
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    unused_imports
)]

include!(env!("UMCG_BINDINGS"));
