// SPDX-License-Identifier: GPL-2.0

//! What an unmodified program gains or loses under umcg-run.
//!
//! `bench-run guest FILE [PATTERN]` runs the workloads, in the guest; `bench-run report FILE FOLDER`
//! prints the table of such a file, and writes `run.json` and `run.svg`. Without FOLDER it only
//! prints. It fails if a round has failed. `bench-run picture FILE ROW` prints an SVG of one row.

mod database;
mod guest;
mod load;
mod picture;
mod plan;
mod report;
mod samples;
mod slice;

use samples::Samples;
use std::{env, fs, path::Path, process::ExitCode};

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["guest", output] => guest::run(output, ""),
        ["guest", output, pattern] => guest::run(output, pattern),
        ["report", file] => report(file, None),
        ["report", file, folder] => report(file, Some(Path::new(folder))),
        ["picture", file, row] => {
            read(file).map(|samples| print!("{}", picture::draw(&samples, Some(row))))
        }
        _ => Err(
            "usage: bench-run guest FILE [PATTERN] | report FILE [FOLDER] | picture FILE ROW"
                .into(),
        ),
    };

    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn read(file: &str) -> Result<Samples, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;

    Samples::parse(&text)
}

fn report(file: &str, folder: Option<&Path>) -> Result<(), String> {
    let samples = read(file)?;
    let write = |name: &str, content: &str| {
        let path = folder.map(|folder| folder.join(name));
        path.map_or(Ok(()), |path| fs::write(&path, content))
            .map_err(|error| format!("{name}: {error}"))
    };

    print!("{}", report::table(&samples));
    write("run.json", &format!("{:#}\n", report::json(&samples)))?;
    write("run.svg", &picture::draw(&samples, None))?;
    match samples.all_failures() {
        0 => Ok(()),
        failures => Err(format!("{failures} rounds failed")),
    }
}
