// SPDX-License-Identifier: GPL-2.0

//! Whether this process can use UMCG: a group is made, and a worker runs in it.

use std::{
    fs::File,
    io::{Read, Write},
    os::fd::FromRawFd,
};
use umcg::{Error, Group};

/// Why UMCG cannot be used, in one line.
pub fn probe(servers: usize) -> Result<(), String> {
    if is_filtered() {
        // Such a filter may kill.
        return in_child(|| make_group(servers));
    }
    make_group(servers)
}

fn make_group(servers: usize) -> Result<(), String> {
    let group = Group::builder().servers(servers).build().map_err(explain)?;

    drop(group.enter().map_err(explain)?);
    group
        .shutdown()
        .map_err(|error| format!("UMCG does not work here: {error}"))
}

fn explain(error: Error) -> String {
    match error {
        Error::Unavailable(libc::ENOENT | libc::ENODEV | libc::ENXIO) => {
            "there is no /dev/umcg: the module umcg is not loaded".to_owned()
        }
        Error::Unavailable(libc::EACCES | libc::EPERM) if !is_filtered() => {
            "no permission to open /dev/umcg: this user is not in the group umcg".to_owned()
        }
        Error::OutOfMemory => format!(
            "no memory, or RLIMIT_MEMLOCK ({}) is too low",
            locked_memory()
        ),
        other if is_filtered() => {
            format!("{other}; a seccomp filter is active, which may refuse it")
        }
        other => other.to_string(),
    }
}

fn is_filtered() -> bool {
    // SAFETY: The call takes numbers.
    unsafe { libc::prctl(libc::PR_GET_SECCOMP) > 0 }
}

fn locked_memory() -> String {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };

    // SAFETY: The call writes to the structure.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) };
    match limit.rlim_cur {
        libc::RLIM_INFINITY => "unlimited".to_owned(),
        bytes if result == 0 => format!("{} KiB", bytes / 1024),
        _ => "unknown".to_owned(),
    }
}

/// Does it in a child, which may be killed.
fn in_child(body: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let failed = || "no process can be made to try UMCG in".to_owned();
    let mut ends = [-1; 2];

    // SAFETY: The call writes two descriptors.
    if unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
        return Err(failed());
    }
    // SAFETY: The descriptor is new, and nobody else's.
    let mut reader = unsafe { File::from_raw_fd(ends[0]) };
    // SAFETY: The other end is new as well, and nobody else's.
    let mut writer = unsafe { File::from_raw_fd(ends[1]) };
    // SAFETY: This process has one thread, so its child may do anything.
    let child = unsafe { libc::fork() };

    if child == 0 {
        let text = body().err().unwrap_or_default();
        // If the parent is gone nobody wants to know.
        let _ = writer.write_all(text.as_bytes());
        std::process::exit(0);
    }
    drop(writer);
    if child < 0 {
        return Err(failed());
    }
    let mut text = String::new();
    let mut status = 0;
    // What cannot be read is not said.
    let _ = reader.read_to_string(&mut text);
    // SAFETY: The call writes the status.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    if !libc::WIFEXITED(status) {
        return Err("a seccomp filter forbids the calls of /dev/umcg".to_owned());
    }
    if text.is_empty() {
        Ok(())
    } else {
        Err(text)
    }
}
