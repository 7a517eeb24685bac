// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The examples as tests of the guest. They check their own results; `make bench-run` measures
//! their speed.

use crate::{
    harness::{fixture, Fixture},
    load::Load,
    rayon_batch, tokio_service,
};
use std::time::Duration;

fixture!(TOKIO, "tokio":
    in_a_group,
    with_spawn_blocking,
    with_block_in_place,
    with_2_threads,
    with_32_threads,
);

fixture!(RAYON, "rayon": pool_in_a_group, pool_of_threads, pool_of_many_threads);

pub const FIXTURES: &[Fixture] = &[TOKIO, RAYON];

const LOAD: Load = Load {
    time: Duration::from_millis(300),
    loops_per_us: 50,
};

fn service(how: tokio_service::How) {
    tokio_service::run(how, LOAD).unwrap();
}

fn in_a_group() {
    service(tokio_service::How::Group);
}

fn with_spawn_blocking() {
    service(tokio_service::How::SpawnBlocking);
}

fn with_block_in_place() {
    service(tokio_service::How::BlockInPlace);
}

fn with_2_threads() {
    service(tokio_service::How::Plain(2));
}

fn with_32_threads() {
    service(tokio_service::How::Plain(32));
}

fn batches(how: rayon_batch::How) {
    rayon_batch::run(how, LOAD).unwrap();
}

fn pool_in_a_group() {
    batches(rayon_batch::How::Group);
}

fn pool_of_threads() {
    batches(rayon_batch::How::Plain(1));
}

fn pool_of_many_threads() {
    batches(rayon_batch::How::Plain(8));
}
