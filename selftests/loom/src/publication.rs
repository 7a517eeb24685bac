// SPDX-License-Identifier: GPL-2.0

//! What a reader that tries several times sees of the writes before a change of a word.

use crate::{
    abi::*,
    protocol,
    state::StateWord,
    word::{
        StateTs,
        Word, //
    },
    world::explore, //
};
use loom::{
    sync::Arc,
    thread, //
};

const BEFORE: u64 = 1;
const NOW: u64 = 2;

/// The exchange of the worker may fail because the server has changed the word, and then it has to see
/// what the server wrote before.
#[test]
fn a_worker_that_dies_while_it_is_run_names_the_server_that_runs_it() {
    explore(|| {
        let claimed =
            StateWord::from_bits(u64::from(UMCG_TASK_RUNNING) | u64::from(UMCG_TF_LOCKED));
        let worker = Arc::new((StateTs::new(claimed), Word::new(BEFORE)));
        let run = Arc::clone(&worker);

        let server = thread::spawn(move || {
            let (state, next_tid) = &*run;
            next_tid.store_relaxed(NOW);
            state.replace(claimed, claimed.unlocked(0));
        });
        let (state, next_tid) = &*worker;
        let named = protocol::leave(state, 0, || next_tid.load_relaxed() as u32);
        assert!(
            named.is_none_or(|tid| u64::from(tid) == NOW),
            "the previous server is started"
        );
        server.join().unwrap();
    });
}
