// SPDX-License-Identifier: GPL-2.0

//! What is run, and what is compared: each row is a workload and its rivals.

use crate::load::Protocol;
use Start::{Plain, Sliced, Umcg};

/// How a workload is started.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    /// As any program.
    Plain,
    /// With so long a slice of EEVDF, in nanoseconds, which its threads inherit.
    Sliced(u64),
    /// By umcg-run with these options.
    Umcg(&'static [&'static str]),
}

/// One way of running a workload.
#[derive(Debug)]
pub struct Rival {
    pub name: &'static str,
    pub title: &'static str,
    pub start: Start,
    /// More arguments of the workload.
    pub arguments: &'static [&'static str],
    pub environment: &'static [(&'static str, &'static str)],
    /// Whether it is printed only: a variant that has been tuned for the row.
    pub beside: bool,
}

/// Whether more of something is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    More,
    Less,
}

/// A ratio that is reported: a measure of one rival, "umcg" if nothing else is said, divided by that of
/// another one.
#[derive(Debug)]
pub struct Key {
    pub key: &'static str,
    pub measure: &'static str,
    pub better: Better,
    /// The rival that is judged.
    pub of: &'static str,
    /// A rival by its name. `None`: the best of them, by this measure.
    pub against: Option<&'static str>,
    /// Whether the ratio is a cost: the measure of the other one, divided by that of this one.
    pub is_cost: bool,
    pub bar: f64,
    pub aim: f64,
}

/// What is run.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// A workload of ours, with these arguments before those of the rival.
    Workload(&'static str, &'static [&'static str]),
    /// A server that listens at [`SOCKET`], and what it understands.
    Server(&'static [&'static str], Protocol),
    /// MariaDB with these arguments, and sysbench.
    Database(&'static [&'static str]),
}

/// Where servers listen.
pub const SOCKET: &str = "/tmp/socket";

/// A workload and its rivals.
#[derive(Debug)]
pub struct Row {
    pub name: &'static str,
    pub title: &'static str,
    pub work: Work,
    /// How long it runs in each round.
    pub milliseconds: u32,
    pub rounds: u32,
    pub rivals: &'static [Rival],
    pub keys: &'static [Key],
}

const fn rival(name: &'static str, title: &'static str, start: Start) -> Rival {
    Rival {
        name,
        title,
        start,
        arguments: &[],
        environment: &[],
        beside: false,
    }
}

const fn tuned(name: &'static str, title: &'static str, options: &'static [&'static str]) -> Rival {
    Rival {
        name,
        title,
        start: Umcg(options),
        arguments: &[],
        environment: &[],
        beside: true,
    }
}

/// A way of running an example, which is its last argument.
const fn way(title: &'static str, argument: &'static [&'static str]) -> Rival {
    Rival {
        arguments: argument,
        ..rival(argument[0], title, Plain)
    }
}

/// Compared with the best rival; more is better.
const fn more(key: &'static str, measure: &'static str, bar: f64, aim: f64) -> Key {
    Key {
        key,
        measure,
        better: Better::More,
        of: UMCG.name,
        against: None,
        is_cost: false,
        bar,
        aim,
    }
}

/// Compared with the best rival; less is better.
const fn less(key: &'static str, measure: &'static str, bar: f64, aim: f64) -> Key {
    Key {
        better: Better::Less,
        ..more(key, measure, bar, aim)
    }
}

const fn cost(key: &'static str) -> Key {
    Key {
        against: Some("eevdf"),
        is_cost: true,
        ..more(key, "requests_per_s", 1.05, 1.02)
    }
}

const ACTIVE: &[(&str, &str)] = &[("OMP_WAIT_POLICY", "active"), ("OPENBLAS_NUM_THREADS", "4")];
const PASSIVE: &[(&str, &str)] = &[
    ("OMP_WAIT_POLICY", "passive"),
    ("OPENBLAS_NUM_THREADS", "4"),
];

const EEVDF: Rival = rival("eevdf", "EEVDF", Plain);
const EEVDF_SHORT: Rival = rival("eevdf_0.1ms", "EEVDF, slices of 0.1 ms", Sliced(100_000));
const EEVDF_3MS: Rival = rival("eevdf_3ms", "EEVDF, slices of 3 ms", Sliced(3_000_000));
const EEVDF_LONG: Rival = rival(
    "eevdf_100ms",
    "EEVDF, slices of 100 ms",
    Sliced(100_000_000),
);
/// Stands for umcg-run as it is; a group has the same name.
pub const UMCG: Rival = rival("umcg", "umcg-run", Umcg(&[]));

const OPENBLAS: &str = "/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblas.so.0";
const OPENBLAS_RIVALS: &[Rival] = &[
    Rival {
        environment: ACTIVE,
        ..rival("eevdf", "EEVDF, threads wait actively", Plain)
    },
    Rival {
        environment: PASSIVE,
        ..rival("eevdf_passive", "EEVDF, threads wait passively", Plain)
    },
    Rival {
        environment: ACTIVE,
        ..rival("umcg", "umcg-run, threads wait actively", Umcg(&[]))
    },
    Rival {
        environment: PASSIVE,
        beside: true,
        ..rival(
            "umcg_passive",
            "umcg-run, threads wait passively",
            Umcg(&[]),
        )
    },
];

/// All rows, in the order in which they are run.
pub const ROWS: &[Row] = &[
    Row {
        name: "spin",
        title: "32 threads, one spin lock",
        work: Work::Workload("spin", &[]),
        milliseconds: 3000,
        rounds: 5,
        rivals: &[EEVDF, EEVDF_SHORT, EEVDF_3MS, EEVDF_LONG, UMCG],
        keys: &[
            more("spin_ops_vs_best_rival", "operations_per_s", 2.0, 4.0),
            less("spin_longest_wait_vs_rival", "wait_longest_us", 0.05, 0.01),
        ],
    },
    Row {
        name: "barrier",
        title: "8 threads, a spin barrier",
        work: Work::Workload("barrier", &[]),
        milliseconds: 3000,
        rounds: 5,
        rivals: &[
            EEVDF,
            EEVDF_SHORT,
            EEVDF_3MS,
            EEVDF_LONG,
            UMCG,
            tuned("umcg_1ms", "umcg-run --slice 1", &["--slice", "1"]),
            tuned("umcg_0.2ms", "umcg-run --slice 0.2", &["--slice", "0.2"]),
            tuned("umcg_no_lend", "umcg-run --no-lend", &["--no-lend"]),
            tuned(
                "umcg_no_lend_1ms",
                "umcg-run --no-lend --slice 1",
                &["--no-lend", "--slice", "1"],
            ),
        ],
        keys: &[more(
            "barrier_rounds_vs_best_rival",
            "rounds_per_s",
            1.0,
            1.5,
        )],
    },
    Row {
        name: "mixed",
        title: "32 threads that compute, 8 that sleep",
        work: Work::Workload("mixed", &[]),
        milliseconds: 3000,
        rounds: 5,
        rivals: &[
            EEVDF,
            Rival {
                arguments: &["19"],
                ..rival("nice", "EEVDF, nice 19 for those that compute", Plain)
            },
            UMCG,
            tuned("umcg_0", "umcg-run --spare 0", &["--spare", "0"]),
            tuned("umcg_1ms", "umcg-run --slice 1", &["--slice", "1"]),
            tuned("umcg_no_lend", "umcg-run --no-lend", &["--no-lend"]),
            tuned(
                "umcg_no_lend_10ms",
                "umcg-run --no-lend --slice 10",
                &["--no-lend", "--slice", "10"],
            ),
        ],
        keys: &[
            Key {
                against: Some("nice"),
                ..less("mixed_p99_vs_nice", "late_p99_us", 1.0, 0.7)
            },
            Key {
                against: Some("nice"),
                ..more("mixed_work_vs_nice", "work_percent", 0.95, 1.0)
            },
            Key {
                of: "umcg_no_lend_10ms",
                against: Some("nice"),
                ..less("mixed_p99_no_lend_vs_nice", "late_p99_us", 1.0, 0.7)
            },
            Key {
                of: "umcg_no_lend_10ms",
                against: Some("nice"),
                ..more("mixed_work_no_lend_vs_nice", "work_percent", 0.95, 1.0)
            },
        ],
    },
    Row {
        name: "openblas",
        title: "4 threads of OpenMP that call OpenBLAS",
        work: Work::Workload("blas", &[OPENBLAS, "72"]),
        milliseconds: 3000,
        rounds: 5,
        rivals: OPENBLAS_RIVALS,
        keys: &[more("openblas_vs_best_rival", "rounds_per_s", 1.3, 2.0)],
    },
    Row {
        name: "openblas_nested",
        title: "4 threads of OpenMP that call OpenBLAS with threads of its own",
        work: Work::Workload("blas", &[OPENBLAS, "96"]),
        milliseconds: 3000,
        rounds: 5,
        rivals: OPENBLAS_RIVALS,
        keys: &[more(
            "openblas_nested_vs_best_rival",
            "rounds_per_s",
            1.3,
            2.0,
        )],
    },
    Row {
        name: "tokio",
        title: "Tokio, tasks that block and compute",
        work: Work::Workload("umcg_runtimes", &["tokio"]),
        milliseconds: 3000,
        rounds: 5,
        rivals: &[
            way("a thread for each CPU", &["threads_2"]),
            way("32 threads", &["threads_32"]),
            way("spawn_blocking()", &["spawn_blocking"]),
            way("block_in_place()", &["block_in_place"]),
            way("32 workers of a group", &["umcg"]),
        ],
        keys: &[
            more("tokio_work_vs_best_rival", "work_ms_per_s", 0.95, 1.0),
            less("tokio_p99_vs_best_rival", "late_p99_us", 1.0, 0.7),
        ],
    },
    Row {
        name: "rayon",
        title: "rayon, items that block and compute",
        work: Work::Workload("umcg_runtimes", &["rayon"]),
        milliseconds: 3000,
        rounds: 5,
        rivals: &[
            way("a thread for each CPU", &["threads"]),
            way("8 threads for each CPU", &["threads_x8"]),
            way("8 workers of a group for each CPU", &["umcg"]),
        ],
        keys: &[
            more("rayon_work_vs_best_rival", "work_ms_per_s", 0.95, 1.0),
            less("rayon_p99_vs_best_rival", "job_p99_us", 1.0, 0.7),
        ],
    },
    Row {
        name: "redis",
        title: "redis, 4 clients",
        work: Work::Server(
            &[
                "/usr/bin/redis-server",
                "--port",
                "0",
                "--unixsocket",
                SOCKET,
                "--save",
                "",
                "--daemonize",
                "no",
            ],
            Protocol::Redis,
        ),
        milliseconds: 2000,
        rounds: 7,
        rivals: &[EEVDF, UMCG],
        keys: &[cost("redis_cost")],
    },
    Row {
        name: "memcached",
        title: "memcached, 4 threads, 4 clients",
        work: Work::Server(
            &["/usr/bin/memcached", "-u", "root", "-t", "4", "-s", SOCKET],
            Protocol::Memcached,
        ),
        milliseconds: 2000,
        rounds: 7,
        rivals: &[
            EEVDF,
            UMCG,
            tuned("umcg_0", "umcg-run --spare 0", &["--spare", "0"]),
            tuned("umcg_4", "umcg-run --servers 4", &["--servers", "4"]),
        ],
        keys: &[cost("memcached_cost")],
    },
    Row {
        name: "mariadb",
        title: "MariaDB, 256 connections, hot rows and some scans",
        work: Work::Database(&[
            "--no-defaults",
            "--user=root",
            "--skip-grant-tables",
            "--skip-networking",
            "--lc-messages-dir=/usr/share/mariadb",
            "--max-connections=300",
            "--back-log=300",
            "--thread-cache-size=300",
            "--table-open-cache=2000",
            "--innodb-buffer-pool-size=64M",
            "--innodb-log-file-size=16M",
        ]),
        milliseconds: 10_000,
        rounds: 5,
        rivals: &[
            rival("eevdf", "EEVDF, a thread per connection", Plain),
            Rival {
                arguments: &["--thread-handling=pool-of-threads"],
                ..rival("pool", "EEVDF, pool-of-threads", Plain)
            },
            Rival {
                arguments: &[
                    "--thread-handling=pool-of-threads",
                    "--thread-pool-stall-limit=60",
                    "--thread-pool-oversubscribe=8",
                ],
                ..rival("pool_60ms", "EEVDF, pool, stall limit 60 ms", Plain)
            },
            rival("umcg", "umcg-run, a thread per connection", Umcg(&[])),
            Rival {
                arguments: &["--thread-handling=pool-of-threads"],
                ..tuned("umcg_pool", "umcg-run, pool-of-threads", &[])
            },
        ],
        keys: &[
            more("mariadb_tps_vs_best_rival", "transactions_per_s", 1.0, 1.2),
            less("mariadb_p99_vs_best_rival", "latency_p99_us", 0.8, 0.5),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn rows_are_what_the_reports_take_them_for() {
        for row in ROWS {
            let names: HashSet<_> = row.rivals.iter().map(|rival| rival.name).collect();

            assert_eq!(names.len(), row.rivals.len(), "{}: a name twice", row.name);
            assert!(
                names.contains(UMCG.name),
                "{}: nothing to compare",
                row.name
            );
            assert!(row.rivals.len() > 1 && row.rounds % 2 == 1);
            for key in row.keys {
                assert!(names.contains(key.of));
                assert!(key.against.is_none_or(|name| names.contains(name)));
                assert_eq!(
                    key.better == Better::More && !key.is_cost,
                    key.aim >= key.bar
                );
            }
        }
    }

    #[test]
    fn names_are_single_words() {
        for row in ROWS {
            let words = row.rivals.iter().map(|rival| rival.name);

            for word in words.chain([row.name]) {
                assert!(!word.contains(char::is_whitespace) && !word.is_empty());
            }
        }
    }
}
