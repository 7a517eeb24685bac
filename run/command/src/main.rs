// SPDX-License-Identifier: GPL-2.0

//! Runs a program under UMCG.

mod probe;
mod program;

use clap::{value_parser, Arg, ArgAction, ArgMatches, Command};
use std::{
    env,
    ffi::OsString,
    io,
    num::NonZero,
    os::unix::{ffi::OsStrExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{self, ExitCode},
    thread,
    time::Duration,
};
use umcg_run_options::{
    policy_called, Options, Policy, LAST_PRIORITY, LIBRARY, POLICIES, VARIABLE,
};

/// The exit status if it is not that of the program, as that of env(1) and timeout(1).
const FAILED: u8 = 125;
const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

/// What records traces.
const TRACER: &str = "umcg-trace";

/// The options of the address sanitizer.
const SANITIZER: &str = "ASAN_OPTIONS";

/// The exit status, and the message.
type Failure = (u8, String);

fn command() -> Command {
    Command::new("umcg-run")
        .version(clap::crate_version!())
        .about("Runs a program under UMCG: its threads are workers of a group")
        .arg(
            Arg::new("servers")
                .long("servers")
                .short('n')
                .value_name("N")
                .value_parser(value_parser!(u64).range(1..=64))
                .help("How many threads run at a time, if not as many as there are CPUs"),
        )
        .arg(
            Arg::new("spare")
                .long("spare")
                .value_name("N")
                .value_parser(value_parser!(u64).range(..64))
                .help("How many more run when they are new or have just woken"),
        )
        .arg(
            Arg::new("policy")
                .long("policy")
                .value_name("POLICY")
                .value_parser(POLICIES.map(|(name, _)| name))
                .help("In which order threads run: feedback, if there are no priorities"),
        )
        .arg(
            Arg::new("priority")
                .long("priority")
                .value_name("NAME=N")
                .action(ArgAction::Append)
                .value_parser(parse_priority)
                .help("The priority of threads whose names begin so, 0 (first) to 31 (last)"),
        )
        .arg(
            Arg::new("slice")
                .long("slice")
                .value_name("MS")
                .value_parser(parse_slice)
                .help("How long a thread runs while others are queued; 0: until it blocks"),
        )
        .arg(
            Arg::new("no-lend")
                .long("no-lend")
                .action(ArgAction::SetTrue)
                .help("Let a thread that the kernel preempts keep its place"),
        )
        .arg(
            Arg::new("no-follow")
                .long("no-follow")
                .action(ArgAction::SetTrue)
                .help("Run programs that the program executes as they are"),
        )
        .arg(
            Arg::new("stats")
                .long("stats")
                .action(ArgAction::SetTrue)
                .help("Show what the threads have done, in the end"),
        )
        .arg(
            Arg::new("trace")
                .long("trace")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Record what the threads do, as umcg-trace(1) does"),
        )
        .arg(
            Arg::new("if-possible")
                .long("if-possible")
                .action(ArgAction::SetTrue)
                .help("Run the program as it is if UMCG is not available"),
        )
        .arg(
            Arg::new("program")
                .value_name("PROGRAM")
                .num_args(1..)
                .required(true)
                .trailing_var_arg(true)
                .allow_hyphen_values(true)
                .value_parser(value_parser!(OsString))
                .help("The program and its arguments"),
        )
}

fn parse_priority(text: &str) -> Result<(String, u8), String> {
    let (name, number) = text.rsplit_once('=').ok_or("NAME=N is expected")?;
    let number = number.parse().ok().filter(|it| *it <= LAST_PRIORITY);

    match number {
        Some(number) if !name.is_empty() => Ok((name.to_owned(), number)),
        _ => Err(format!(
            "a name and a number up to {LAST_PRIORITY} are expected"
        )),
    }
}

fn parse_slice(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .and_then(|ms: f64| Duration::try_from_secs_f64(ms / 1000.0).ok())
        .filter(|slice| *slice <= Duration::from_secs(3600))
        .ok_or_else(|| "a time in ms is expected".to_owned())
}

fn main() -> ExitCode {
    let matches = match command().try_get_matches() {
        Ok(matches) => matches,
        Err(e) => return explain_usage(&e),
    };
    let (status, text) = run(&matches);

    eprintln!("umcg-run: {text}");
    ExitCode::from(status)
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

fn options(matches: &ArgMatches) -> Options {
    let priorities: Vec<(String, u8)> = matches
        .get_many("priority")
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    let policy = match matches.get_one::<String>("policy") {
        Some(name) => policy_called(name).unwrap_or_default(),
        None if !priorities.is_empty() => Policy::Priority,
        None => Policy::default(),
    };

    let number = |name| {
        matches
            .get_one::<u64>(name)
            .and_then(|number| usize::try_from(*number).ok())
    };

    Options {
        servers: number("servers"),
        spare: number("spare"),
        policy,
        slice: matches.get_one("slice").copied(),
        priorities,
        lends: !matches.get_flag("no-lend"),
        follows: !matches.get_flag("no-follow"),
        stats: matches.get_flag("stats"),
        process: Some(process::id()),
    }
}

/// Where the library is: beside this program, or in the folder of libraries that belongs to it.
fn library() -> Result<PathBuf, Failure> {
    let failed = |text: String| (FAILED, text);
    let own = env::current_exe().map_err(|e| failed(format!("where am I? {e}")))?;
    let folder = own.parent().unwrap_or(&own);
    let library = [
        folder.join(LIBRARY),
        folder.join("../lib/umcg").join(LIBRARY),
    ]
    .into_iter()
    .find(|path| path.exists())
    .ok_or_else(|| {
        failed(format!(
            "{LIBRARY} is not installed beside {}",
            own.display()
        ))
    })?;

    if can_be_preloaded(&library) {
        return Ok(library);
    }
    Err(failed(format!(
        "{}: LD_PRELOAD takes no path with a space, ':' or '$'",
        library.display()
    )))
}

/// Whether the dynamic linker takes this path as it is: the first two separate paths, the last one
/// begins a variable.
fn can_be_preloaded(library: &Path) -> bool {
    !library
        .as_os_str()
        .as_bytes()
        .iter()
        .any(|byte| b" :$".contains(byte))
}

/// Returns if it fails only.
fn run(matches: &ArgMatches) -> Failure {
    let words: Vec<&OsString> = matches.get_many("program").into_iter().flatten().collect();
    let Some((program, arguments)) = words.split_first() else {
        return (FAILED, "no program".to_owned());
    };
    let options = options(matches);

    if !options.priorities.is_empty() && options.policy != Policy::Priority {
        return (FAILED, "priorities need --policy priority".to_owned());
    }
    if options.spare.is_some_and(|spare| spare > 0) && options.policy != Policy::Feedback {
        return (FAILED, "--spare needs --policy feedback".to_owned());
    }
    match prepare(program, &options) {
        Ok(library) => {
            let mut command = command_for(matches, program);
            command
                .args(arguments)
                .env("LD_PRELOAD", preload(library))
                .env(VARIABLE, options.encode());
            if program::find(program).is_some_and(|file| program::is_sanitized(&file)) {
                command.env(SANITIZER, sanitizer_options());
            }
            cannot_run(command.get_program().to_owned(), &command.exec())
        }
        // The reason was not asked for.
        Err(_) if matches.get_flag("if-possible") => {
            let error = process::Command::new(program).args(arguments).exec();
            cannot_run((*program).clone(), &error)
        }
        Err(failure) => failure,
    }
}

/// Checks whether the program can be run under UMCG. Returns where the library is.
fn prepare(program: &OsString, options: &Options) -> Result<PathBuf, Failure> {
    let file = program::find(program)
        .ok_or_else(|| cannot_run(program.clone(), &io::Error::from_raw_os_error(libc::ENOENT)))?;
    let examined = program::examine(&file);

    match examined.map_err(|error| cannot_examine(program, &error))? {
        Ok(()) => {}
        Err((path, obstacle)) => {
            return Err((CANNOT_RUN, format!("{} {obstacle}", path.display())));
        }
    }
    let library = library()?;
    let cpus = thread::available_parallelism().map_or(1, NonZero::get);
    probe::probe(options.servers(cpus).all()).map_err(|text| (FAILED, text))?;
    Ok(library)
}

/// Programs that cannot be read can be executed all the same.
fn cannot_examine(program: &OsString, error: &io::Error) -> Failure {
    let (status, text) = cannot_run(program.clone(), error);

    (status, format!("{text}, so it cannot be examined"))
}

fn cannot_run(program: OsString, error: &io::Error) -> Failure {
    let status = match error.kind() {
        io::ErrorKind::NotFound => NOT_FOUND,
        _ => CANNOT_RUN,
    };

    (status, format!("{}: {error}", program.to_string_lossy()))
}

/// The program, or what records it. That is linked statically, so only the program gets the
/// library.
fn command_for(matches: &ArgMatches, program: &OsString) -> process::Command {
    let Some(file) = matches.get_one::<PathBuf>("trace") else {
        return process::Command::new(program);
    };
    let beside = env::current_exe()
        .ok()
        .and_then(|own| Some(own.parent()?.join(TRACER)))
        .filter(|path| path.exists());
    let tracer = beside.unwrap_or_else(|| Path::new(TRACER).to_owned());
    let mut command = process::Command::new(tracer);

    command
        .args(["record", "-o"])
        .arg(file)
        .arg("--")
        .arg(program);
    command
}

/// It is not the first library, and is not to mind.
fn sanitizer_options() -> OsString {
    let mut options = env::var_os(SANITIZER).unwrap_or_default();

    if !options.is_empty() {
        options.push(":");
    }
    options.push("verify_asan_link_order=0");
    options
}

/// The library goes first, and those that the user has stay.
fn preload(library: PathBuf) -> OsString {
    let mut list = library.into_os_string();

    if let Some(others) = env::var_os("LD_PRELOAD").filter(|others| !others.is_empty()) {
        list.push(":");
        list.push(others);
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_the_dynamic_linker_would_change_are_refused() {
        assert!(can_be_preloaded(Path::new("/usr/lib/umcg/libumcg_run.so")));
        for path in ["/my tools/a.so", "/a:b/a.so", "/$LIB/a.so"] {
            assert!(!can_be_preloaded(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn servers_are_lent_unless_the_user_says_otherwise() {
        let lends = |arguments: &[&str]| {
            let all = ["umcg-run"].iter().chain(arguments).chain(&["true"]);

            options(&command().get_matches_from(all)).lends
        };

        assert!(lends(&[]));
        assert!(!lends(&["--no-lend"]));
    }
}
