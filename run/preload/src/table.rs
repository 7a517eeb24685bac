// SPDX-License-Identifier: GPL-2.0

//! The figures as text.

use crate::stats::{Class, Server};
use std::{fmt::Write, time::Duration};

/// The columns of the histogram: powers of two of microseconds, which are near to what they are
/// called.
const LIMITS: [(u64, &str); 6] = [
    (1 << 3, "<8us"),
    (1 << 6, "<64us"),
    (1 << 10, "<1ms"),
    (1 << 13, "<8ms"),
    (1 << 16, "<64ms"),
    (1 << 20, "<1s"),
];

/// Tables that grow.
pub(crate) struct Table {
    head: String,
    classes: String,
    times: String,
    servers: String,
    plain: String,
}

/// Three digits are enough. There is a time for each but zero.
fn short(time: Duration) -> String {
    let us = time.as_micros();

    match us {
        0 => "-".to_owned(),
        1..10_000 => format!("{us}us"),
        10_000..10_000_000 => format!("{}ms", us / 1000),
        _ => format!("{}s", us / 1_000_000),
    }
}

// Writing to a string does not fail.
macro_rules! say {
    ($text:expr, $($arguments:tt)*) => { let _ = writeln!($text, $($arguments)*); };
}

impl Table {
    pub(crate) fn new(program: &str, pid: u32, time: Duration) -> Self {
        let mut table = Self {
            head: String::new(),
            classes: String::new(),
            times: String::new(),
            servers: String::new(),
            plain: String::new(),
        };

        say!(
            table.head,
            "umcg-run: {program} ({pid}), {:.1} s",
            time.as_secs_f64()
        );
        table
    }

    /// What the threads of a class have done. `asleep`: how often those that are there have slept.
    pub(crate) fn add_class(&mut self, name: &str, class: &Class, asleep: u64) {
        let queued = class.times_queued();

        if queued == 0 && class.threads.get() == 0 {
            return;
        }
        if self.classes.is_empty() {
            say!(
                self.classes,
                "{:<16}{:>8}{:>10}{:>10}{:>10}{:>10}{:>9}{:>9}",
                "threads",
                "number",
                "run",
                "blocked",
                "preempted",
                "yielded",
                "deferred",
                "insisted"
            );
            let _ = write!(
                self.times,
                "{:<16}{:>8}{:>8}{:>8}",
                "queued for", "median", "99%", "max"
            );
            for (_, name) in LIMITS {
                let _ = write!(self.times, "{name:>8}");
            }
            say!(self.times, "{:>8}", "more");
        }
        // A thread that is queued sleeps as well.
        let blocked = (class.slept.get() + asleep).saturating_sub(queued);
        let gave_way = class.preempted.get() + class.yielded.get();
        let run = class.threads.get() + blocked + gave_way;
        say!(
            self.classes,
            "{:<16}{:>8}{:>10}{:>10}{:>10}{:>10}{:>9}{:>9}",
            name,
            class.threads.get(),
            run,
            blocked,
            class.preempted.get(),
            class.yielded.get(),
            class.deferred.get(),
            class.insisted.get()
        );
        let times = &class.queued;
        let _ = write!(
            self.times,
            "{:<16}{:>8}{:>8}{:>8}",
            name,
            short(times.quantile(0.5)),
            short(times.quantile(0.99)),
            short(times.longest())
        );
        for count in times.between(&LIMITS.map(|(limit, _)| limit)) {
            let _ = write!(self.times, "{count:>8}");
        }
        say!(self.times, "");
    }

    /// `is_spare`: whether it runs only workers that are new or have woken.
    pub(crate) fn add_server(&mut self, nr: usize, is_spare: bool, server: &Server) {
        let (workers, none) = (server.workers.get(), server.none.get());

        if workers + none == 0 {
            return;
        }
        if self.servers.is_empty() {
            say!(
                self.servers,
                "{:<16}{:>10}{:>10}",
                "servers",
                "given",
                "idle"
            );
        }
        let name = format!("{nr}{}", if is_spare { " spare" } else { "" });
        say!(self.servers, "{name:<16}{workers:>10}{none:>10}");
    }

    /// How many threads are no workers, and why, if that is known.
    pub(crate) fn add_plain(&mut self, threads: u64, why: Option<umcg::Error>) {
        if threads == 0 {
            return;
        }
        match why {
            Some(error) => {
                say!(self.plain, "not under UMCG: {threads} threads: {error}");
            }
            None => {
                say!(self.plain, "not under UMCG: {threads} threads");
            }
        }
    }

    pub(crate) fn text(self) -> String {
        [
            self.head,
            self.classes,
            self.times,
            self.servers,
            self.plain,
        ]
        .concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use umcg::policy::Reason;

    #[test]
    fn blocks_are_what_was_slept_but_not_queued() {
        let class = Class::default();

        class.threads.add(1);
        class.wake(Reason::New);
        class.wake(Reason::Woken);
        class.slept.add(2);
        // One is queued twice, and has slept five times: three times blocked, twice of which it
        // went on at once.
        let mut table = Table::new("test", 7, Duration::from_millis(1500));
        table.add_class("io", &class, 3);
        let text = table.text();
        let line: Vec<_> = text
            .lines()
            .find(|line| line.starts_with("io "))
            .unwrap()
            .split_whitespace()
            .collect();
        assert_eq!(line, ["io", "1", "4", "3", "0", "0", "0", "0"]);
        assert!(text.starts_with("umcg-run: test (7), 1.5 s\n"));
    }

    #[test]
    fn spare_servers_are_marked() {
        let mut table = Table::new("test", 7, Duration::ZERO);
        let server = Server::default();

        server.none.add(3);
        table.add_server(1, false, &server);
        table.add_server(2, true, &server);
        let lines: Vec<_> = table.text().lines().skip(2).map(str::to_owned).collect();
        assert!(lines[0].starts_with("1   ") && lines[1].starts_with("2 spare "));
    }

    #[test]
    fn what_there_is_not_is_not_shown() {
        let mut table = Table::new("test", 7, Duration::ZERO);

        table.add_class("none", &Class::default(), 0);
        table.add_server(3, false, &Server::default());
        table.add_plain(0, None);
        assert_eq!(table.text().lines().count(), 1);
    }
}
