// SPDX-License-Identifier: GPL-2.0

//! Records what servers and workers do, and draws it.

use clap::{value_parser, Arg, ArgMatches, Command};
use std::{
    ffi::OsString,
    fmt,
    fs::File,
    io::{self, BufReader, IsTerminal, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{self, Child, ExitCode, ExitStatus},
    thread,
    time::{Duration, Instant},
};
use umcg_tools::{
    chrome,
    event::Line,
    output::{tell, write_whole},
    signals::Stop,
    svg::{self, Options},
    timeline::{Builder, Timeline},
    tracefs::{Instance, Whom},
};

/// The exit status if it is not that of the command, as that of env(1) and timeout(1).
const FAILED: u8 = 125;
const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

/// How often the trace buffer is emptied.
const DRAIN: Duration = Duration::from_millis(10);
/// How often the progress is shown.
const PROGRESS: Duration = Duration::from_millis(500);

fn command() -> Command {
    let path = |name| {
        Arg::new(name)
            .long(name)
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
    };
    let width = Arg::new("width")
        .long("width")
        .value_name("PIXELS")
        .default_value("1200")
        .value_parser(value_parser!(u32).range(400..=20000))
        .help("The width of the image");
    let moment = |name| {
        Arg::new(name)
            .long(name)
            .value_name("MS")
            .value_parser(value_parser!(f64))
    };

    Command::new("umcg-trace")
        .version(clap::crate_version!())
        .about("Records what UMCG servers and workers do, and draws it")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("record")
                .about("Run a command, and record what its threads do")
                .arg(
                    path("output")
                        .short('o')
                        .default_value("umcg-trace.json")
                        .help("The trace; https://ui.perfetto.dev opens it"),
                )
                .arg(path("svg").help("Draw the trace, too"))
                .arg(
                    Arg::new("buffer")
                        .short('b')
                        .long("buffer")
                        .value_name("KB")
                        .default_value("8192")
                        .value_parser(value_parser!(u32).range(64..=1_048_576))
                        .help("The size of the trace buffer of each CPU"),
                )
                .arg(
                    Arg::new("command")
                        .value_name("CMD")
                        .num_args(1..)
                        .required(true)
                        .trailing_var_arg(true)
                        .allow_hyphen_values(true)
                        .value_parser(value_parser!(OsString))
                        .help("The command and its arguments"),
                ),
        )
        .subcommand(
            Command::new("svg")
                .about("Draw a recorded trace")
                .arg(
                    Arg::new("trace")
                        .value_name("TRACE")
                        .required(true)
                        .value_parser(value_parser!(PathBuf))
                        .help("The output of umcg-trace record"),
                )
                .arg(
                    path("output")
                        .short('o')
                        .help("The image, if not standard output"),
                )
                .arg(width)
                .arg(moment("from").help("Start of the interval in ms since the first event"))
                .arg(moment("to").help("End of the interval, likewise")),
        )
}

fn main() -> ExitCode {
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(e) => return explain_usage(&e),
    };
    let result = match matches.subcommand() {
        Some(("record", matches)) => record(matches),
        Some(("svg", matches)) => draw(matches).map(|()| ExitCode::SUCCESS),
        _ => unreachable!("clap requires a subcommand"),
    };

    result.unwrap_or_else(|(status, text)| {
        tell(format_args!("umcg-trace: {text}"));
        ExitCode::from(status)
    })
}

/// Help and version are reported in the same way, and are no failure.
fn explain_usage(error: &clap::Error) -> ExitCode {
    // The reader may be gone.
    let _ = error.print();

    match error.use_stderr() {
        true => ExitCode::from(FAILED),
        false => ExitCode::SUCCESS,
    }
}

/// The message, and the exit status.
type Failure = (u8, String);

fn failed(text: impl ToString) -> Failure {
    (FAILED, text.to_string())
}

fn record(matches: &ArgMatches) -> Result<ExitCode, Failure> {
    let words: Vec<&OsString> = matches.get_many("command").into_iter().flatten().collect();
    let output = file(matches, "output").ok_or_else(|| failed("no output"))?;
    let kilobytes = matches.get_one("buffer").copied().unwrap_or(8192);
    let stop = Stop::new().map_err(failed)?;
    let mut trace = Instance::new("umcg-trace", Whom::Children, kilobytes).map_err(failed)?;

    let began = Instant::now();
    let child = process::Command::new(words[0])
        .args(&words[1..])
        .spawn()
        .map_err(|e| cannot_run(words[0], &e))?;
    let mut recording = Recording::default();
    let status = recording.follow(child, &mut trace, &stop).map_err(failed)?;
    drop(trace);

    let seconds = began.elapsed().as_secs_f64();
    let events = recording.events;
    let timeline = recording.builder.finish();
    let line = command_line(&words);
    write_whole(output, |out| chrome::write(&timeline, &line, out))
        .map_err(|e| failed(format!("{}: {e}", output.display())))?;
    tell(format_args!(
        "umcg-trace: {events} events of {} threads in {seconds:.1} s: {}",
        timeline.threads.len(),
        output.display()
    ));
    if timeline.lost > 0 {
        tell(format_args!(
            "umcg-trace: {} events did not fit: try a larger --buffer",
            timeline.lost
        ));
    }
    if let Some(svg) = file(matches, "svg") {
        let options = Options {
            title: &line,
            width: 1200,
            from: 0,
            to: None,
        };
        write_picture(&timeline, &options, Some(svg)).map_err(failed)?;
    }

    Ok(ExitCode::from(status_of(status)))
}

/// What has been recorded.
#[derive(Default)]
struct Recording {
    builder: Builder,
    events: u64,
}

impl Recording {
    /// Takes events until the command has ended. Signals that ask for the end go to the command.
    fn follow(
        &mut self,
        mut child: Child,
        trace: &mut Instance,
        stop: &Stop,
    ) -> Result<ExitStatus, String> {
        let shows = io::stderr().is_terminal();
        let began = Instant::now();
        let mut shown = began;

        let status = loop {
            // Asked first, so that what is read after it is all that there was.
            let status = child.try_wait().map_err(|e| e.to_string())?;
            if status.is_some() {
                // Processes that the command has left behind may go on for ever.
                trace.stop()?;
            }
            let all_read = trace.read(|line| self.take(line))?;
            if let Some(status) = status.filter(|_| all_read) {
                break status;
            }
            if let Some(signal) = stop.take().filter(|_| status.is_none()) {
                pass_on(&child, signal);
            }
            if shows && shown.elapsed() >= PROGRESS {
                shown = Instant::now();
                show_progress(format_args!(
                    "\r{} events, {:.0} s ",
                    self.events,
                    began.elapsed().as_secs_f64()
                ));
            }
            if all_read {
                thread::sleep(DRAIN);
            }
        };
        if shows && shown > began {
            show_progress(format_args!("\r\x1b[K"));
        }
        Ok(status)
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Event(event) => {
                self.events += 1;
                self.builder.take(event);
            }
            Line::Lost(events) => self.builder.lose(events),
            Line::Other => {}
        }
    }
}

/// Without the end of a line. If the terminal has gone meanwhile, the recording continues.
fn show_progress(text: fmt::Arguments<'_>) {
    let _ = io::stderr().write_fmt(text);
}

/// Sends the command a signal that we have got. One from the terminal it has got itself.
fn pass_on(child: &Child, signal: i32) {
    if signal != libc::SIGINT {
        // SAFETY: The command has not been waited for, so the number is still its own.
        unsafe { libc::kill(child.id() as libc::pid_t, signal) };
    }
}

fn cannot_run(program: &OsString, error: &io::Error) -> Failure {
    let status = match error.kind() {
        io::ErrorKind::NotFound => NOT_FOUND,
        _ => CANNOT_RUN,
    };

    (status, format!("{}: {error}", Path::new(program).display()))
}

/// The exit status of the command, as a shell says it.
fn status_of(status: ExitStatus) -> u8 {
    let code = status.code().or(status.signal().map(|signal| 128 + signal));

    code.and_then(|code| u8::try_from(code).ok())
        .unwrap_or(FAILED)
}

fn command_line(words: &[&OsString]) -> String {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();

    words.join(" ")
}

fn draw(matches: &ArgMatches) -> Result<(), Failure> {
    let path = file(matches, "trace").ok_or_else(|| failed("no trace"))?;
    let about = |e: &dyn fmt::Display| failed(format!("{}: {e}", path.display()));
    let input = File::open(path).map_err(|e| about(&e))?;
    let trace = chrome::read(BufReader::new(input)).map_err(|e| about(&e))?;
    let moment = |name| match matches.get_one::<f64>(name) {
        Some(ms) if (0.0..1e12).contains(ms) => Ok(Some((ms * 1e3) as u64)),
        Some(_) => Err(failed(format!("--{name} is no time"))),
        None => Ok(None),
    };
    let options = Options {
        title: &trace.command,
        width: matches.get_one("width").copied().unwrap_or(1200),
        from: moment("from")?.unwrap_or(0),
        to: moment("to")?,
    };

    write_picture(&trace.timeline, &options, file(matches, "output")).map_err(failed)
}

fn write_picture(
    timeline: &Timeline,
    options: &Options<'_>,
    path: Option<&Path>,
) -> Result<(), String> {
    let picture = svg::draw(timeline, options)?;

    match path {
        Some(path) => write_whole(path, |out| out.write_all(picture.as_bytes()))
            .map_err(|e| format!("{}: {e}", path.display())),
        None => io::stdout()
            .write_all(picture.as_bytes())
            .map_err(|e| e.to_string()),
    }
}

fn file<'a>(matches: &'a ArgMatches, name: &str) -> Option<&'a Path> {
    matches.get_one::<PathBuf>(name).map(PathBuf::as_path)
}
