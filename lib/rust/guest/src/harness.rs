// SPDX-License-Identifier: GPL-2.0

//! A program of tests as the runner of the guest wants it: `-l` lists them, `-r fixture.test` runs
//! one, and nothing runs all. What is printed is KTAP.

use std::{
    env,
    fs::{self, File},
    hint,
    io::{Read, Write},
    os::{fd::FromRawFd, unix::process::ExitStatusExt},
    panic,
    path::Path,
    process::{self, ExitStatus},
    thread,
    time::{Duration, Instant},
};

/// Exit codes, as the kernel's selftests have them.
const PASSED: i32 = 0;
const FAILED: i32 = 1;
const LISTED: i32 = 4;

/// A test that takes so many seconds hangs.
const LIMIT_SECONDS: u32 = 100;

/// Tests of one subject.
pub struct Fixture {
    pub name: &'static str,
    pub tests: &'static [Test],
}

/// A test passes if it does not panic.
pub struct Test {
    pub name: &'static str,
    pub run: fn(),
}

/// Declares the tests of a module, which are functions of it.
macro_rules! fixture {
    ($constant:ident, $name:literal: $($test:ident),* $(,)?) => {
        pub const $constant: $crate::harness::Fixture = $crate::harness::Fixture {
            name: $name,
            tests: &[$($crate::harness::Test { name: stringify!($test), run: $test }),*],
        };
    };
}
pub(crate) use fixture;

pub fn main(fixtures: &[Fixture]) -> ! {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();

    process::exit(match *arguments {
        ["-l"] => list(fixtures),
        ["-r", name] => run_all(fixtures, |full_name| full_name == name),
        // What a test has executed in place of itself.
        ["--exit", code] => code.parse().unwrap(),
        [] => run_all(fixtures, |_| true),
        _ => {
            eprintln!("usage: umcg_crate [-l | -r FIXTURE.TEST]");
            FAILED
        }
    })
}

/// In columns, as the harness of the kernel does it: see `qemu/runner/tests.c`.
fn list(fixtures: &[Fixture]) -> i32 {
    for fixture in fixtures {
        for (number, test) in fixture.tests.iter().enumerate() {
            let name = if number == 0 { fixture.name } else { "" };
            println!("{name:<20} {:<25} {}", "", test.name);
        }
    }
    LISTED
}

fn run_all(fixtures: &[Fixture], wanted: impl Fn(&str) -> bool) -> i32 {
    let mut failed = 0;
    let mut number = 0;

    println!("TAP version 13");
    for fixture in fixtures {
        for test in fixture.tests {
            let name = format!("{}.{}", fixture.name, test.name);
            if wanted(&name) {
                number += 1;
                failed += run(number, &name, test);
            }
        }
    }
    println!("1..{number}");
    match (number, failed) {
        (0, _) => {
            println!("# there is no such test");
            FAILED
        }
        (_, 0) => PASSED,
        _ => FAILED,
    }
}

/// Returns one if it has failed.
fn run(number: u32, name: &str, test: &Test) -> i32 {
    if !Path::new("/dev/umcg").exists() {
        println!("ok {number} {name} # SKIP there is no /dev/umcg");
        return 0;
    }
    // SAFETY: The call takes a number.
    unsafe { libc::alarm(LIMIT_SECONDS * slowness()) };
    thread::spawn(|| {
        thread::sleep(Duration::from_secs(u64::from(
            (LIMIT_SECONDS - 5) * slowness(),
        )));
        show_threads();
    });
    let passed = panic::catch_unwind(test.run).is_ok();
    println!("{} {number} {name}", if passed { "ok" } else { "not ok" });
    i32::from(!passed)
}

/// What the threads of a test do that hangs.
fn show_threads() {
    let read = |path: String| fs::read_to_string(path).unwrap_or_default();

    for tid in threads_called("") {
        let task = format!("/proc/self/task/{tid}");
        println!(
            "# {tid} {} in {} at {}",
            read(format!("{task}/comm")).trim(),
            read(format!("{task}/wchan")),
            read(format!("{task}/syscall")).trim(),
        );
    }
    for line in read("/sys/kernel/debug/umcg/tasks".to_owned()).lines() {
        println!("# {line}");
    }
}

/// How many times slower than others the kernel is.
pub fn slowness() -> u32 {
    env::var("UMCG_SLOWNESS")
        .ok()
        .and_then(|times| times.parse().ok())
        .unwrap_or(1)
}

/// A pipe, at which a worker blocks in the kernel.
pub struct Pipe {
    reader: File,
    writer: File,
}

impl Pipe {
    pub fn new() -> Self {
        let mut ends = [-1; 2];

        // SAFETY: The call writes two descriptors.
        let result = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
        assert_eq!(result, 0, "no pipe");
        // SAFETY: The descriptor is new, and nobody else's.
        let reader = unsafe { File::from_raw_fd(ends[0]) };
        // SAFETY: The descriptor of the other end is new as well, and nobody else's.
        let writer = unsafe { File::from_raw_fd(ends[1]) };
        Self { reader, writer }
    }

    /// Waits for a byte.
    pub fn read(&self) -> u8 {
        let mut byte = [0];

        (&self.reader).read_exact(&mut byte).unwrap();
        byte[0]
    }

    pub fn write(&self, byte: u8) {
        (&self.writer).write_all(&[byte]).unwrap();
    }
}

/// Waits until something is true. Panics if that takes too long.
pub fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let limit = Duration::from_secs(u64::from(LIMIT_SECONDS / 2 * slowness()));
    let begin = Instant::now();

    while !is_true() {
        assert!(begin.elapsed() < limit, "this has not come true: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Spins until something is true.
pub fn spin_until(is_true: impl Fn() -> bool) {
    while !is_true() {
        hint::spin_loop();
    }
}

/// The threads of this process whose names begin so, by their TIDs.
pub fn threads_called(prefix: &str) -> Vec<u32> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();

    tasks
        .filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok())
        .filter(|tid| {
            fs::read_to_string(format!("/proc/self/task/{tid}/comm"))
                .is_ok_and(|name| name.starts_with(prefix))
        })
        .collect()
}

/// Whether a thread sleeps.
pub fn sleeps(tid: u32) -> bool {
    fs::read_to_string(format!("/proc/self/task/{tid}/stat")).is_ok_and(|stat| {
        stat.rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('S'))
    })
}

/// Whether the worker with this name waits for a server.
pub fn is_held(name: &str) -> bool {
    let tasks = fs::read_to_string("/sys/kernel/debug/umcg/tasks").unwrap();

    threads_called(name).into_iter().any(|tid| {
        let is_idle = |line: &str| {
            let mut words = line.split(' ');
            words.next() == Some(&tid.to_string()) && words.nth(2) == Some("IDLE")
        };
        tasks.lines().any(is_idle) && sleeps(tid)
    })
}

/// Whether the thread with this name sleeps in this system call.
pub fn sleeps_in(name: &str, call: libc::c_long) -> bool {
    threads_called(name).into_iter().any(|tid| {
        let now = fs::read_to_string(format!("/proc/self/task/{tid}/syscall"));

        now.is_ok_and(|text| text.split(' ').next() == Some(&call.to_string())) && sleeps(tid)
    })
}

/// How often a thread has slept.
pub fn sleeps_of(tid: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/self/task/{tid}/status")).unwrap();

    status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
        .and_then(|count| count.trim().parse().ok())
        .unwrap()
}

/// Has the calling thread block, once at least: a timer may have expired before it does.
pub fn block_once() {
    let before = sleeps_of(own_tid());

    while sleeps_of(own_tid()) == before {
        thread::sleep(Duration::from_millis(1));
    }
}

/// The TID of the calling thread.
pub fn own_tid() -> u32 {
    // SAFETY: The call takes nothing.
    unsafe { libc::gettid() as u32 }
}

/// Runs something in a child, and returns its exit status.
pub fn in_child(body: impl FnOnce()) -> ExitStatus {
    // SAFETY: The child has one thread, and the tests that call this hold no lock.
    let child = unsafe { libc::fork() };
    let mut status = 0;

    if child == 0 {
        let passed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).is_ok();
        process::exit(i32::from(!passed));
    }
    assert!(child > 0, "no child");
    // SAFETY: The call writes to the status.
    while unsafe { libc::waitpid(child, &raw mut status, 0) } != child {}
    ExitStatus::from_raw(status)
}
