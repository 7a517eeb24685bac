// SPDX-License-Identifier: GPL-2.0 OR MIT

//! What `lib/tests` calls besides the functions of the library. IDs are those of the caller's group
//! and threads; see `lib/tests/internal.h`.

use crate::{
    direct,
    face::status,
    raw::{direct::DirectGroup, record::Thread},
};

#[no_mangle]
pub extern "C" fn umcg_ring_push(words: &DirectGroup, tid: u32) -> bool {
    words.push_ready(tid)
}

#[no_mangle]
pub extern "C" fn umcg_ring_pop(words: &DirectGroup) -> u32 {
    words.pop_ready().unwrap_or(0)
}

#[no_mangle]
pub extern "C" fn umcg_direct_call(server: &Thread) -> bool {
    server
        .group()
        .is_some_and(|group| direct::call(group, server))
}

#[no_mangle]
pub extern "C" fn umcg_direct_poll(server: &Thread) -> i32 {
    server
        .group()
        .map_or(-1, |group| status(direct::poll(group, server)))
}
