// SPDX-License-Identifier: GPL-2.0

//! What the module lists in debugfs.

use crate::event::Role;
use std::{collections::HashMap, fs, io};

const STATS: &str = "/sys/kernel/debug/umcg/stats";
const TASKS: &str = "/sys/kernel/debug/umcg/tasks";

/// A registered thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The thread.
    pub tid: u32,
    /// Its process.
    pub tgid: u32,
    /// What it is registered as.
    pub role: Role,
    /// Its state, and flags.
    pub state: String,
    /// For how long, in microseconds.
    pub since: u64,
    /// The server that a worker names, or zero.
    pub server: u32,
    /// What has happened to it last.
    pub reason: String,
    /// How often it has blocked.
    pub blocked: u32,
    /// What it has done in direct mode.
    pub direct: Direct,
}

/// How often a worker in direct mode has done something without its server, modulo 2^32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Direct {
    /// Gone on under an idle server.
    pub adopted: u32,
    /// Passed its server on to a worker of the ring.
    pub passed_on: u32,
    /// Left its server idle.
    pub put_back: u32,
}

/// Reads the list of registered threads.
pub fn read() -> io::Result<Vec<Task>> {
    parse(&fs::read_to_string(TASKS)?).ok_or_else(|| {
        let text =
            format!("{TASKS} is not what this program knows: another version of the module?");

        io::Error::new(io::ErrorKind::InvalidData, text)
    })
}

/// Reads the counters of the module.
pub fn stats() -> io::Result<HashMap<String, u64>> {
    let text = fs::read_to_string(STATS)?;
    let lines = text.lines().filter_map(|line| line.split_once(' '));

    Ok(lines
        .filter_map(|(key, value)| Some((key.to_string(), value.parse().ok()?)))
        .collect())
}

/// Takes the list apart. Its first line names the columns, so that there may be more of them.
pub fn parse(text: &str) -> Option<Vec<Task>> {
    let mut lines = text.lines();
    let columns: HashMap<_, _> = lines.next()?.split(' ').zip(0..).collect();

    lines.map(|line| parse_task(&columns, line)).collect()
}

fn parse_task(columns: &HashMap<&str, usize>, line: &str) -> Option<Task> {
    let words: Vec<_> = line.split(' ').collect();
    let word = |column| Some(*words.get(*columns.get(column)?)?);
    let number = |column| word(column)?.parse::<u32>().ok();

    Some(Task {
        tid: number("tid")?,
        tgid: number("tgid")?,
        role: Role::from_name(word("role")?)?,
        state: word("state")?.to_string(),
        since: word("since_us")?.parse().ok()?,
        server: number("server")?,
        reason: word("reason")?.to_string(),
        blocked: number("blocked")?,
        // An older module does not count them.
        direct: Direct {
            adopted: number("adopted").unwrap_or(0),
            passed_on: number("passed_on").unwrap_or(0),
            put_back: number("put_back").unwrap_or(0),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "tid tgid role state since_us server reason blocked woken preempted \
                          timed_out";

    #[test]
    fn tasks_are_read_by_the_names_of_the_columns() {
        let text = format!("{HEADER} more\n12 10 worker IDLE|LOCKED 77 11 block 3 4 1 0 9\n");
        let expected = Task {
            tid: 12,
            tgid: 10,
            role: Role::Worker,
            state: "IDLE|LOCKED".into(),
            since: 77,
            server: 11,
            reason: "block".into(),
            blocked: 3,
            direct: Direct::default(),
        };

        assert_eq!(parse(&text), Some(vec![expected]));
    }

    #[test]
    fn what_workers_do_in_direct_mode_is_read() {
        let text = format!(
            "{HEADER} adopted passed_on put_back\n12 10 worker IDLE 77 11 adopt 3 4 1 0 5 6 7\n"
        );
        let expected = Direct {
            adopted: 5,
            passed_on: 6,
            put_back: 7,
        };

        assert_eq!(parse(&text).unwrap()[0].direct, expected);
    }

    #[test]
    fn nobody_may_be_registered() {
        assert_eq!(parse(&format!("{HEADER}\n")), Some(vec![]));
    }

    #[test]
    fn another_format_is_noticed() {
        assert_eq!(parse(""), None);
        assert_eq!(parse("pid state\n1 IDLE\n"), None);
        assert_eq!(parse(&format!("{HEADER}\n12 10 worker\n")), None);
    }
}
