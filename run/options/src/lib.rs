// SPDX-License-Identifier: GPL-2.0

//! What umcg-run tells the library that it preloads, as the value of an environment variable.

use std::{fmt::Write, time::Duration};

/// The variable.
pub const VARIABLE: &str = "UMCG_RUN";

/// The name of the library's file.
pub const LIBRARY: &str = "libumcg_run.so";

/// The priority of threads that no option names.
pub const DEFAULT_PRIORITY: u8 = 16;

/// The lowest priority.
pub const LAST_PRIORITY: u8 = 31;

/// The most servers of all kinds that a group has.
pub const MAX_SERVERS: usize = 64;

/// In which order workers run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Those that block go ahead of those that compute.
    #[default]
    Feedback,
    /// First come, first served.
    Fifo,
    /// The lowest number first, as [`Options::priorities`] has it.
    Priority,
}

/// All policies, by their names.
pub const POLICIES: [(&str, Policy); 3] = [
    ("feedback", Policy::Feedback),
    ("fifo", Policy::Fifo),
    ("priority", Policy::Priority),
];

/// How a program is to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many workers run at a time, if not as many as there are CPUs.
    pub servers: Option<usize>,
    /// How many more run beside them that are new or have woken; `None` for the default.
    pub spare: Option<usize>,
    /// In which order.
    pub policy: Policy,
    /// The length of a slice; zero for none, and none for the default.
    pub slice: Option<Duration>,
    /// The priorities of threads whose names begin so.
    pub priorities: Vec<(String, u8)>,
    /// Whether threads that the kernel preempts leave their place to others.
    pub lends: bool,
    /// Whether programs that the program executes are run so, too.
    pub follows: bool,
    /// Whether there are figures in the end.
    pub stats: bool,
    /// The process that was to be run so, of which there are figures even if it makes no thread.
    pub process: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            servers: None,
            spare: None,
            policy: Policy::default(),
            slice: None,
            priorities: Vec::new(),
            lends: true,
            follows: true,
            stats: false,
            process: None,
        }
    }
}

/// The servers of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Servers {
    /// How many run any worker. They have the first numbers.
    pub any: usize,
    /// How many run only workers that are new or have woken.
    pub spare: usize,
}

impl Servers {
    /// How many there are.
    pub fn all(self) -> usize {
        self.any + self.spare
    }
}

impl Options {
    /// The servers of a group in a process that may use that many CPUs. By default, there are as many
    /// spare ones as others, if the policy knows spare servers and there are slices: without slices a
    /// thread that computes would never leave a spare server.
    pub fn servers(&self, cpus: usize) -> Servers {
        let any = self.servers.unwrap_or(cpus).clamp(1, MAX_SERVERS);
        let has_slices = self.slice != Some(Duration::ZERO);
        let default = match self.policy {
            Policy::Feedback if self.servers.is_none() && has_slices => any,
            _ => 0,
        };

        Servers {
            any,
            spare: self.spare.unwrap_or(default).min(MAX_SERVERS - any),
        }
    }

    /// The value of the variable.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        let mut add = |key: &str, value: &str| {
            let space = if text.is_empty() { "" } else { " " };
            // Writing to a string does not fail.
            let _ = write!(text, "{space}{key}={value}");
        };

        if let Some(servers) = self.servers {
            add("servers", &servers.to_string());
        }
        if let Some(spare) = self.spare {
            add("spare", &spare.to_string());
        }
        for (name, policy) in POLICIES {
            if policy == self.policy {
                add("policy", name);
            }
        }
        if let Some(slice) = self.slice {
            add("slice_ns", &slice.as_nanos().to_string());
        }
        for (name, priority) in &self.priorities {
            add("priority", &format!("{priority}:{}", escaped(name)));
        }
        add("lends", if self.lends { "1" } else { "0" });
        add("follows", if self.follows { "1" } else { "0" });
        add("stats", if self.stats { "1" } else { "0" });
        if let Some(process) = self.process {
            add("process", &process.to_string());
        }
        text
    }

    /// What a value of the variable says. `None` if it is not one of this version.
    pub fn decode(text: &str) -> Option<Self> {
        let mut options = Self::default();

        for word in text.split_ascii_whitespace() {
            let (key, value) = word.split_once('=')?;
            match key {
                "servers" => options.servers = Some(value.parse().ok()?),
                "spare" => options.spare = Some(value.parse().ok()?),
                "policy" => options.policy = policy_called(value)?,
                "slice_ns" => options.slice = Some(Duration::from_nanos(value.parse().ok()?)),
                "priority" => options.priorities.push(priority(value)?),
                "lends" => options.lends = flag(value)?,
                "follows" => options.follows = flag(value)?,
                "stats" => options.stats = flag(value)?,
                "process" => options.process = Some(value.parse().ok()?),
                _ => return None,
            }
        }
        Some(options)
    }

    /// The priority of a thread with this name: that of the longest beginning which is named.
    pub fn priority_of(&self, name: &str) -> u8 {
        self.priorities
            .iter()
            .filter(|(beginning, _)| name.starts_with(beginning))
            .max_by_key(|(beginning, _)| beginning.len())
            .map_or(DEFAULT_PRIORITY, |(_, priority)| *priority)
    }
}

/// The policy with this name.
pub fn policy_called(name: &str) -> Option<Policy> {
    let found = POLICIES.iter().find(|(other, _)| *other == name);

    found.map(|(_, policy)| *policy)
}

fn flag(value: &str) -> Option<bool> {
    match value {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

fn priority(value: &str) -> Option<(String, u8)> {
    let (priority, name) = value.split_once(':')?;
    let priority = priority.parse().ok().filter(|it| *it <= LAST_PRIORITY)?;

    Some((unescaped(name)?, priority))
}

/// Without spaces.
fn escaped(name: &str) -> String {
    name.chars().fold(String::new(), |mut text, c| {
        if c.is_ascii_whitespace() || c == '%' {
            // Writing to a string does not fail.
            let _ = write!(text, "%{:02x}", u32::from(c));
        } else {
            text.push(c);
        }
        text
    })
}

fn unescaped(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut name = parts.next()?.to_owned();

    for part in parts {
        let byte = u8::from_str_radix(part.get(..2)?, 16).ok()?;
        name.push(byte.into());
        name.push_str(part.get(2..)?);
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_survive_the_environment() {
        let options = Options {
            servers: Some(3),
            spare: Some(0),
            policy: Policy::Priority,
            slice: Some(Duration::from_micros(2500)),
            priorities: vec![("io worker%".to_owned(), 1), ("ü:=".to_owned(), 31)],
            lends: false,
            follows: false,
            stats: true,
            process: Some(4711),
        };

        assert_eq!(Options::decode(&options.encode()), Some(options));
        let default = Options::default();
        assert_eq!(Options::decode(&default.encode()), Some(default));
    }

    #[test]
    fn garbage_is_refused() {
        for text in [
            "servers",
            "servers=x",
            "policy=lifo",
            "slice_ns=-1",
            "priority=32:a",
            "priority=1:%0",
            "priority=1:%zz",
            "follows=2",
            "later=1",
        ] {
            assert_eq!(Options::decode(text), None, "{text}");
        }
    }

    #[test]
    fn servers_are_as_many_as_cpus_and_as_many_spare_ones() {
        let servers = |servers, spare, policy| {
            let options = Options {
                servers,
                spare,
                policy,
                ..Options::default()
            };
            let Servers { any, spare } = options.servers(6);
            (any, spare)
        };

        assert_eq!(servers(None, None, Policy::Feedback), (6, 6));
        assert_eq!(servers(None, Some(1), Policy::Feedback), (6, 1));
        assert_eq!(servers(Some(2), None, Policy::Feedback), (2, 0));
        assert_eq!(servers(Some(2), Some(63), Policy::Feedback), (2, 62));
        assert_eq!(servers(None, None, Policy::Fifo), (6, 0));
        assert_eq!(Options::default().servers(200).all(), MAX_SERVERS);
        let without_slices = Options {
            slice: Some(Duration::ZERO),
            ..Options::default()
        };
        assert_eq!(without_slices.servers(6).spare, 0);
    }

    #[test]
    fn longest_name_counts() {
        let priorities = vec![("io".to_owned(), 3), ("io-fast".to_owned(), 1)];
        let options = Options {
            priorities,
            ..Options::default()
        };

        assert_eq!(options.priority_of("io-1"), 3);
        assert_eq!(options.priority_of("io-fast-1"), 1);
        assert_eq!(options.priority_of("cpu"), DEFAULT_PRIORITY);
    }
}
