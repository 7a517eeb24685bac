// SPDX-License-Identifier: GPL-2.0

//! Runs the workloads: round by round, all rivals of a row one after the other.

use crate::{
    database,
    load::{self, Protocol},
    plan::{Rival, Row, Start, Work, ROWS, SOCKET},
    slice,
};
use std::{
    fs::{self, File},
    hint::black_box,
    io::{self, Write},
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Where the workloads are, and umcg-run.
const FOLDER: &str = "/bench/run";

/// How much longer a workload may take than five times its time.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is checked whether it has ended.
const POLL: Duration = Duration::from_millis(20);

/// Runs the rows whose names contain the pattern, or one of several with commas between them, and
/// writes what they measure.
///
/// # Errors
///
/// What was not possible, as a message.
pub fn run(output: &str, pattern: &str) -> Result<(), String> {
    let rows: Vec<_> = ROWS
        .iter()
        .filter(|row| pattern.split(',').any(|part| row.name.contains(part)))
        .collect();

    if rows.is_empty() {
        let names: Vec<_> = ROWS.iter().map(|row| row.name).collect();
        return Err(format!("no row {pattern}: there are {}", names.join(", ")));
    }
    let mut file = File::options()
        .append(true)
        .create(true)
        .open(output)
        .map_err(|error| format!("{output}: {error}"))?;
    let loops = loops_per_us();

    write(&mut file, &format!("loops_per_us {loops}"))?;
    for row in rows {
        run_row(row, loops, &mut file)?;
    }
    Ok(())
}

fn write(file: &mut File, line: &str) -> Result<(), String> {
    writeln!(file, "{line}").map_err(|error| error.to_string())
}

fn say(text: &str) {
    // A message that cannot be printed is lost; the results go to the file.
    let _ = writeln!(io::stdout(), "{text}");
}

fn run_row(row: &Row, loops: u64, file: &mut File) -> Result<(), String> {
    let first = row.keys.first().map_or("", |key| key.measure);

    say(&format!("# {}: {}", row.name, row.title));
    for round in 1..=row.rounds {
        for rival in row.rivals {
            let begin = Instant::now();
            let results = match run_once(row, rival, loops) {
                Ok(results) => results,
                Err(error) => {
                    // The other results still count.
                    say(&format!("# {}, {}: {error}", row.name, rival.title));
                    write(file, &format!("failed {} {}", row.name, rival.name))?;
                    continue;
                }
            };

            for (measure, value) in &results {
                write(
                    file,
                    &format!("sample {} {} {measure} {value}", row.name, rival.name),
                )?;
            }
            let shown = results.iter().find(|(measure, _)| measure == first);
            say(&format!(
                "# {}, round {round} of {}: {:<42} {:>10} {first} ({:.1} s)",
                row.name,
                row.rounds,
                rival.title,
                shown.map_or("", |(_, value)| value),
                begin.elapsed().as_secs_f64(),
            ));
        }
    }
    Ok(())
}

type Results = Vec<(String, String)>;

/// A command that starts a program in the way of a rival.
fn command(rival: &Rival, program: &Path) -> Command {
    let mut command = match rival.start {
        Start::Plain | Start::Sliced(_) => Command::new(program),
        Start::Umcg(options) => {
            let mut command = Command::new(Path::new(FOLDER).join("umcg-run"));
            command.args(options).arg(program);
            command
        }
    };

    command
        .envs(rival.environment.iter().copied())
        .stdin(Stdio::null());
    command
}

fn run_once(row: &Row, rival: &Rival, loops: u64) -> Result<Results, String> {
    match row.work {
        Work::Workload(name, arguments) => {
            let mut command = command(rival, &Path::new(FOLDER).join(name));

            command
                .arg(row.milliseconds.to_string())
                .arg(loops.to_string())
                .args(arguments)
                .args(rival.arguments);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            let limit = Duration::from_millis(u64::from(row.milliseconds) * 5) + PATIENCE;
            parse(&output(with_slice(rival, || command.spawn())?, limit)?)
        }
        Work::Server(words, protocol) => {
            let (program, arguments) = words.split_first().ok_or("no program")?;
            let mut command = command(rival, Path::new(program));

            command.args(arguments).args(rival.arguments);
            run_server(row, rival, &mut command, protocol)
        }
        Work::Database(arguments) => run_database(row, rival, arguments),
    }
}

/// What a program prints, which is little, until it ends. One that does not end is killed.
fn output(mut child: Child, limit: Duration) -> Result<Output, String> {
    let begin = Instant::now();

    loop {
        if child
            .try_wait()
            .map_err(|error| error.to_string())?
            .is_some()
        {
            return child.wait_with_output().map_err(|error| error.to_string());
        }
        if begin.elapsed() > limit {
            child.kill().map_err(|error| error.to_string())?;
            child.wait().map_err(|error| error.to_string())?;
            return Err(format!("it did not end within {} s", limit.as_secs()));
        }
        thread::sleep(POLL);
    }
}

/// Programs inherit the slice of this thread: that of the process is checked.
fn with_slice(rival: &Rival, start: impl FnOnce() -> io::Result<Child>) -> Result<Child, String> {
    let ns = match rival.start {
        Start::Sliced(ns) => ns,
        Start::Plain | Start::Umcg(_) => 0,
    };

    slice::set(ns).map_err(|error| format!("sched_setattr: {error}"))?;
    let result = start();
    slice::set(0).map_err(|error| format!("sched_setattr: {error}"))?;
    let mut child = result.map_err(|error| error.to_string())?;
    match slice::of(child.id()) {
        Ok(found) if ns == 0 || found == ns => Ok(child),
        found => {
            child.kill().map_err(|error| error.to_string())?;
            child.wait().map_err(|error| error.to_string())?;
            Err(format!("its slice is {found:?}, not {ns} ns"))
        }
    }
}

fn run_database(row: &Row, rival: &Rival, arguments: &[&str]) -> Result<Results, String> {
    let time = Duration::from_millis(row.milliseconds.into());
    let mut server = command(rival, Path::new(database::SERVER));

    // "--no-defaults" must be the first one.
    server.args(arguments).args(rival.arguments);
    database::run(
        server,
        Path::new(SOCKET),
        time,
        |server| with_slice(rival, || server.spawn()),
        |client| {
            let output = output(client, time * 5 + PATIENCE)?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            if output.status.success() {
                return Ok(text);
            }
            let errors = String::from_utf8_lossy(&output.stderr);
            Err(format!("sysbench: {}: {text}{errors}", output.status))
        },
    )
    .and_then(|text| parse_lines(&text))
}

fn run_server(
    row: &Row,
    rival: &Rival,
    command: &mut Command,
    protocol: Protocol,
) -> Result<Results, String> {
    let socket = Path::new(SOCKET);
    // There is none before the first one.
    let _ = fs::remove_file(socket);
    let mut server = with_slice(rival, || {
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    })?;
    let result = load::run(
        socket,
        protocol,
        Duration::from_millis(row.milliseconds.into()),
    );
    let ended = server.try_wait().map_err(|error| error.to_string())?;

    server.kill().map_err(|error| error.to_string())?;
    server.wait().map_err(|error| error.to_string())?;
    match (result, ended) {
        (Ok(rate), None) => Ok(vec![("requests_per_s".into(), format!("{rate:.1}"))]),
        (Ok(_), Some(status)) => Err(format!("the server has ended: {status}")),
        (Err(error), status) => Err(format!("{error}; the server: {status:?}")),
    }
}

/// The lines "MEASURE VALUE" of a workload.
fn parse(output: &Output) -> Result<Results, String> {
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);

    if !output.status.success() {
        return Err(format!("{}: {text}{errors}", output.status));
    }
    if !errors.is_empty() {
        say(&format!("# {}", errors.trim_end().replace('\n', "\n# ")));
    }
    parse_lines(&text)
}

fn parse_lines(text: &str) -> Result<Results, String> {
    text.lines()
        .map(|line| match line.split_once(' ') {
            Some((measure, value)) if value.parse::<f64>().is_ok() => {
                Ok((measure.into(), value.into()))
            }
            _ => Err(format!("no result: {line}")),
        })
        .collect()
}

/// How many loops a CPU does in a microsecond while all are busy: with an emulator whose clock
/// counts instructions they share them.
fn loops_per_us() -> u64 {
    const CALIBRATION: Duration = Duration::from_millis(300);
    const BATCH: u64 = 10_000;
    let (loops, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    let begin = Instant::now();

    thread::scope(|scope| {
        for _ in 0..cpus {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    slice::compute(black_box(BATCH));
                    loops.fetch_add(BATCH, Ordering::Relaxed);
                }
            });
        }
        thread::sleep(CALIBRATION);
        stop.store(true, Ordering::Relaxed);
    });
    let us = begin.elapsed().as_micros().max(1) as u64;
    (loops.into_inner() / us / cpus as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::unix::process::ExitStatusExt, process::ExitStatus};

    fn output(status: i32, text: &str) -> Output {
        Output {
            status: ExitStatus::from_raw(status),
            stdout: text.into(),
            stderr: Vec::new(),
        }
    }

    #[test]
    fn results_of_a_workload() {
        assert_eq!(
            parse(&output(0, "a 1\nb 2.5\n")).unwrap(),
            [("a".into(), "1".into()), ("b".into(), "2.5".into())]
        );
        assert!(parse(&output(0, "a 1\nb\n")).is_err());
        assert!(parse(&output(0, "a much\n")).is_err());
        assert!(parse(&output(256, "a 1\n")).is_err());
    }

    #[test]
    fn unknown_rows_are_named() {
        assert!(run("/nonexistent/file", "no such row")
            .unwrap_err()
            .contains("spin"));
    }
}
