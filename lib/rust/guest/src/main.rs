// SPDX-License-Identifier: GPL-2.0

//! Tests of the crate `umcg` on the module itself, as one program of the guest: see `harness`.

mod crowd;
mod deadlines;
mod ends;
mod harness;
mod lending;
mod members;
mod mutexes;
mod policies;
mod process;
mod sections;
mod slots;
mod tasks;
mod turns;

/// The examples run as they are.
#[path = "../../examples/pool.rs"]
mod pool;
#[path = "../../examples/scheduler.rs"]
mod scheduler;

use harness::{fixture, Fixture};

fixture!(EXAMPLES, "examples": pool, scheduler);

fn pool() {
    pool::main().unwrap();
}

fn scheduler() {
    scheduler::main().unwrap();
}

const FIXTURES: &[Fixture] = &[
    turns::FIXTURE,
    sections::FIXTURE,
    members::FIXTURE,
    ends::FIXTURE,
    policies::FIXTURE,
    lending::FIXTURE,
    deadlines::FIXTURE,
    slots::FIXTURE,
    mutexes::FIXTURE,
    tasks::FIXTURE,
    process::FIXTURE,
    crowd::FIXTURE,
    EXAMPLES,
];

fn main() {
    harness::main(FIXTURES)
}
