// SPDX-License-Identifier: GPL-2.0

//! A separate trace buffer for the events of the module.

use crate::{
    event::{parse, Line},
    output::tell,
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process,
};

/// Where the tracer is, mounted by itself or below debugfs.
const PLACES: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// How much is read until others have their turn: a few milliseconds' work.
const AT_ONCE: usize = 1 << 18;

/// A buffer, which is gone when this is.
pub struct Instance {
    path: PathBuf,
    /// Closed before the buffer can be removed.
    pipe: Option<File>,
    /// The beginning of a line of which the rest has not been read yet.
    rest: Vec<u8>,
}

/// Which threads are traced.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Whom {
    /// All.
    All,
    /// Those that this process starts from now on, and those that they start.
    Children,
}

impl Instance {
    /// Makes a buffer of this size for each CPU, and switches the events on.
    ///
    /// # Errors
    ///
    /// A text for people, which says what is missing.
    pub fn new(kind: &str, whom: Whom, kilobytes: u32) -> Result<Self, String> {
        let root = find()?;
        remove_orphans(&root, kind);

        let path = root.join(format!("instances/{kind}-{}", process::id()));
        fs::create_dir(&path).map_err(|e| format!("cannot make {}: {e}", path.display()))?;
        let mut instance = Self {
            path,
            pipe: None,
            rest: Vec::new(),
        };
        instance.write("trace_clock", "mono")?;
        instance.write("buffer_size_kb", &kilobytes.to_string())?;
        if whom == Whom::Children {
            instance.write("options/event-fork", "1")?;
            instance.write("set_event_pid", &process::id().to_string())?;
        }
        instance.write("events/umcg/enable", "1")?;
        let pipe = instance.path.join("trace_pipe");
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&pipe);
        instance.pipe = Some(opened.map_err(|e| format!("cannot read {}: {e}", pipe.display()))?);

        Ok(instance)
    }

    fn write(&self, file: &str, text: &str) -> Result<(), String> {
        let file = self.path.join(file);

        fs::write(&file, text).map_err(|e| format!("cannot write to {}: {e}", file.display()))
    }

    /// Switches the events off: what has been traced can still be read.
    ///
    /// # Errors
    ///
    /// A text for people.
    pub fn stop(&self) -> Result<(), String> {
        self.write("events/umcg/enable", "0")
    }

    /// Hands over what has been traced since. Does not wait for more, and comes back after
    /// [`AT_ONCE`] bytes: the traced threads may be faster than we are. Returns whether all has
    /// been read.
    ///
    /// # Errors
    ///
    /// A text for people.
    pub fn read(&mut self, mut take: impl FnMut(Line)) -> Result<bool, String> {
        let mut buffer = [0; 65536];
        let mut left = AT_ONCE;
        let Some(pipe) = self.pipe.as_mut() else {
            return Ok(true);
        };

        while left > 0 {
            match pipe.read(&mut buffer) {
                Ok(0) => return Ok(true),
                Ok(count) => {
                    each_line(&mut self.rest, &buffer[..count], |line| take(parse(line)));
                    left = left.saturating_sub(count);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(format!("cannot read the trace: {e}")),
            }
        }
        Ok(false)
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.pipe = None;
        let done = self
            .stop()
            .and_then(|()| fs::remove_dir(&self.path).map_err(|e| e.to_string()));

        if let Err(e) = done {
            tell(format_args!(
                "warning: {} stays behind: {e}",
                self.path.display()
            ));
        }
    }
}

/// Hands over the lines of `rest` and `more`; what is not a whole line becomes `rest`.
fn each_line(rest: &mut Vec<u8>, more: &[u8], mut take: impl FnMut(&str)) {
    for part in more.split_inclusive(|byte| *byte == b'\n') {
        rest.extend_from_slice(part);
        if rest.last() == Some(&b'\n') {
            take(String::from_utf8_lossy(rest).trim_end());
            rest.clear();
        }
    }
}

/// Finds the tracer, and the module's events in it.
fn find() -> Result<PathBuf, String> {
    let mut found = None;

    for place in PLACES {
        match fs::metadata(Path::new(place).join("instances")) {
            Ok(_) => {
                found = Some(PathBuf::from(place));
                break;
            }
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                return Err("only root can trace".into());
            }
            Err(_) => {}
        }
    }
    let root = found.ok_or("no tracefs: mount -t tracefs tracefs /sys/kernel/tracing")?;

    if root.join("events/umcg").exists() {
        Ok(root)
    } else {
        Err("the module is not loaded: modprobe umcg".into())
    }
}

/// Removes the buffers of runs that were killed.
fn remove_orphans(root: &Path, kind: &str) {
    let Ok(instances) = fs::read_dir(root.join("instances")) else {
        return;
    };

    for instance in instances.flatten() {
        let name = instance.file_name();
        let owner = name.to_str().and_then(|name| {
            let pid = name.strip_prefix(kind)?.strip_prefix('-')?;
            pid.parse::<u32>().ok()
        });
        if owner.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            // It may be in use: then it stays.
            let _ = fs::remove_dir(instance.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_may_come_in_pieces() {
        let mut rest = Vec::new();
        let mut lines = Vec::new();

        for piece in ["on", "e\ntwo\nth", "", "ree", "\n", "four"] {
            each_line(&mut rest, piece.as_bytes(), |line| {
                lines.push(line.to_string())
            });
        }
        assert_eq!(lines, ["one", "two", "three"]);
        assert_eq!(rest, b"four");
    }

    #[test]
    fn others_have_their_turn_though_the_trace_never_ends() {
        let mut endless = Instance {
            path: PathBuf::new(),
            pipe: Some(File::open("/dev/zero").unwrap()),
            rest: Vec::new(),
        };

        assert_eq!(endless.read(|_| {}), Ok(false));
        // There is no buffer to be removed.
        std::mem::forget(endless);
    }
}
