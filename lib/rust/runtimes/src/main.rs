// SPDX-License-Identifier: GPL-2.0 OR MIT

//! Runtimes whose threads enter a group, and the usual alternatives without one.
//!
//! `umcg_runtimes MILLISECONDS LOOPS tokio|rayon HOW` runs an example for that time and prints its
//! figures, one "NAME VALUE" per line. LOOPS is how many loops a CPU does in a microsecond. `make
//! bench-run` measures it. With `-l` and `-r` it is a program of tests.

#![deny(unsafe_code)]

mod load;
mod rayon_batch;
mod tests;
mod tokio_service;

#[allow(unsafe_code, dead_code)]
#[path = "../../guest/src/harness.rs"]
mod harness;

use load::{Load, Result};
use std::{env, process::ExitCode, time::Duration};

/// The way of that name.
fn how<T: Copy>(ways: &[(&str, T)], name: &str) -> Result<T> {
    let names: Vec<_> = ways.iter().map(|(name, _)| *name).collect();

    ways.iter()
        .find(|(known, _)| *known == name)
        .map(|(_, way)| *way)
        .ok_or_else(|| format!("no way '{name}': there are {}", names.join(", ")).into())
}

fn run(milliseconds: &str, loops: &str, example: &str, name: &str) -> Result<()> {
    let load = Load {
        time: Duration::from_millis(milliseconds.parse()?),
        loops_per_us: loops.parse()?,
    };

    match example {
        "tokio" => tokio_service::run(how(&tokio_service::How::ALL, name)?, load),
        "rayon" => rayon_batch::run(how(&rayon_batch::How::ALL, name)?, load),
        _ => Err(format!("no example '{example}': there are tokio, rayon").into()),
    }
}

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();

    let [milliseconds, loops, example, name] = arguments[..] else {
        harness::main(tests::FIXTURES)
    };
    match run(milliseconds, loops, example, name) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
