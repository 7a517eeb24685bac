// SPDX-License-Identifier: GPL-2.0

//! The figures of `--stats`, on standard error: at the end of the process, and at a signal.
//!
//! The handler of the signal does no more than to wake a thread, which prints them.

use crate::{
    process::{self, Process},
    settings,
    table::Table,
};
use std::{
    fs, io, mem, ptr,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
};

/// At this signal figures are shown. The kernel never sends it, and hardly a program does.
const SIGNAL: i32 = libc::SIGSTKFLT;

/// How often something was wanted: figures, and in the end that there are no more.
static WANTED: AtomicU32 = AtomicU32::new(0);

/// They are not any more.
static ENDS: AtomicBool = AtomicBool::new(false);

/// Listens to the signal. What the program does about it later takes precedence.
pub(crate) fn listen() {
    // SAFETY: A structure of numbers, for which zero is a value.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };

    // CAST: Handlers are passed as numbers.
    action.sa_sigaction = want as extern "C" fn(i32) as libc::sighandler_t;
    // The stacks that a program gives its threads may have no room for a handler.
    action.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
    // SAFETY: The call reads the structure. The handler does only what handlers may do.
    unsafe { libc::sigaction(SIGNAL, &raw const action, ptr::null_mut()) };
}

extern "C" fn want(_: i32) {
    let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);

    // Relaxed: a change is all that counts.
    WANTED.fetch_add(1, Ordering::Relaxed);
    futex(libc::FUTEX_WAKE, 1);
    // SAFETY: The call takes nothing.
    let address = unsafe { libc::__errno_location() };
    // SAFETY: The word is that of the calling thread.
    unsafe { address.write(errno) };
}

/// Wakes a number of threads that wait for `WANTED` to change, or sleeps while it has this value.
fn futex(operation: i32, value: u32) {
    // SAFETY: The call looks at the word, and takes numbers; it has no timeout.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            WANTED.as_ptr(),
            operation | libc::FUTEX_PRIVATE_FLAG,
            value,
            ptr::null::<libc::timespec>(),
        )
    };
}

/// Has a thread print figures when they are wanted. If there is none to be had, they are printed
/// in the end only.
pub(crate) fn serve_signal(process: &'static Process) {
    if settings::get().is_some_and(|options| options.stats) {
        process
            .has_reporter
            .call_once(|| process::make_own_threads(|| start_thread(process)));
    }
}

fn start_thread(process: &'static Process) {
    // Relaxed: the thread looks again.
    let seen = WANTED.load(Ordering::Relaxed);
    let body = move || serve(process, seen);
    // SAFETY: A structure of numbers, for which zero is a value.
    let mut all: libc::sigset_t = unsafe { mem::zeroed() };
    let mut before = all;

    // SAFETY: The call writes to the set.
    unsafe { libc::sigfillset(&raw mut all) };
    // SAFETY: The call reads the one set, and writes the other.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before) };
    let _ = thread::Builder::new()
        .name("umcg-stats".to_owned())
        .spawn(body);
    // SAFETY: The call reads the set.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, ptr::null_mut()) };
}

/// Ends the thread that prints figures.
pub(crate) fn end() {
    // Relaxed: published by the change of `WANTED`.
    ENDS.store(true, Ordering::Relaxed);
    // Release: pairs with the acquire in `serve()`: a thread that sees the change sees the end, and
    // does not wait for another one.
    WANTED.fetch_add(1, Ordering::Release);
    futex(libc::FUTEX_WAKE, 1);
}

fn serve(process: &Process, mut seen: u32) {
    loop {
        // Acquire: pairs with the release in `end()`.
        let wanted = WANTED.load(Ordering::Acquire);
        // Relaxed: see `end()`.
        if ENDS.load(Ordering::Relaxed) {
            return;
        }
        if wanted == seen {
            futex(libc::FUTEX_WAIT, seen);
        } else {
            seen = wanted;
            print(process);
        }
    }
}

#[cfg_attr(test, allow(dead_code))]
pub(crate) extern "C" fn at_exit() {
    let Some(options) = settings::get().filter(|options| options.stats) else {
        return;
    };
    let pid = std::process::id();

    match process::existing() {
        Some(process) => print(process),
        None if options.process == Some(pid) => {
            write(&format!("umcg-run: {pid} has made no threads\n"))
        }
        None => {}
    }
}

fn print(process: &Process) {
    write(&text(process));
}

fn write(text: &str) {
    let mut rest = text.as_bytes();

    while !rest.is_empty() {
        // SAFETY: The call reads these bytes.
        let written = unsafe { libc::write(2, rest.as_ptr().cast(), rest.len()) };
        match usize::try_from(written) {
            Ok(written) if written > 0 => rest = rest.get(written..).unwrap_or_default(),
            _ => return,
        }
    }
}

/// How often a thread that has not left has slept.
fn sleeps_of(tid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/self/task/{tid}/status")).unwrap_or_default();

    status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(0)
}

fn text(process: &Process) -> String {
    let name = fs::read_to_string("/proc/self/comm").unwrap_or_default();
    let mut table = Table::new(name.trim(), process.pid, process.begin.elapsed());

    process.with_threads(|threads| {
        for class in 0..=u8::MAX {
            let stats = process.stats.class(class);
            let members = threads.members.values().filter(|it| it.class == class);
            let asleep: u64 = members.map(|member| sleeps_of(member.worker.id())).sum();

            table.add_class(threads.names.of(class), stats, asleep);
        }
    });
    for (nr, server) in process.stats.servers().iter().enumerate() {
        table.add_server(nr, process.stats.is_spare(nr), server);
    }
    table.add_plain(process.stats.plain.get(), process.failure());
    table.text()
}
