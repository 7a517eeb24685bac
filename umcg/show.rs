// SPDX-License-Identifier: GPL-2.0

//! The files of `/sys/kernel/debug/umcg`, and the lines in the `fdinfo` of a file descriptor.

use super::{
    activity::{
        self,
        COUNTED, //
    },
    hooks, pages, registry,
    state::{
        State,
        StateWord, //
    },
    stats,
    task::{
        words_of,
        Kind,
        TaskRef, //
    },
};
use crate::sys::{
    clock,
    compat, //
};
use kernel::{
    debugfs::{
        Dir,
        File, //
    },
    fmt,
    mm::Mm,
    prelude::*,
    seq_file::SeqFile,
    seq_print, //
};

/// The files in debugfs, readable only by root. Without debugfs there are none.
#[pin_data]
pub(crate) struct Files {
    #[pin]
    stats: File<()>,
    #[pin]
    tasks: File<()>,
    dir: Dir,
}

impl Files {
    /// Makes the files.
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            dir: Dir::new(c"umcg"),
            stats <- dir.read_callback_file(c"stats", (), &|(), f| show_stats(f)),
            tasks <- dir.read_callback_file(c"tasks", (), &|(), f| show_tasks(f)),
        }? Error)
    }
}

fn show_stats(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let tasks = hooks::registered();
    let probes = hooks::attached();

    writeln!(f, "servers {}", tasks.servers)?;
    writeln!(f, "workers {}", tasks.workers)?;
    writeln!(f, "records {}", stats::RECORDS.get())?;
    writeln!(f, "pinned_pages {}", stats::PINNED_PAGES.get())?;
    writeln!(f, "watched {}", tasks.watched)?;
    writeln!(f, "slot_pages {}", stats::SLOT_PAGES.get())?;
    writeln!(f, "lifetime_probes {}", u8::from(probes.lifetime))?;
    writeln!(f, "sched_probe {}", u8::from(probes.activity))?;
    writeln!(f, "switch_notifiers {}", u8::from(probes.switches))?;
    writeln!(f, "killed_state {}", stats::KILLED_STATE.get())?;
    writeln!(f, "killed_server {}", stats::KILLED_SERVER.get())?;
    writeln!(f, "killed_memory {}", stats::KILLED_MEMORY.get())?;
    writeln!(f, "handled {}", stats::HANDLED.get())?;
    writeln!(f, "missed {}", stats::MISSED.get())?;

    // A task that leaves meanwhile may be missed in both.
    let mut totals = activity::of_gone_tasks();
    registry::for_each(|task| {
        for (total, count) in totals.iter_mut().zip(task.counters.get()) {
            *total += u64::from(count);
        }
    });
    for ((name, _), total) in COUNTED.iter().zip(totals) {
        writeln!(f, "{name} {total}")?;
    }
    Ok(())
}

fn show_tasks(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut result = write!(f, "tid tgid role state since_us server reason");
    for (name, _) in COUNTED {
        result = result.and_then(|()| write!(f, " {name}"));
    }
    result = result.and_then(|()| writeln!(f));

    let now = clock::monotonic_ns();
    registry::for_each(|task| {
        result = result.and_then(|()| show_task(f, task, now));
    });
    result
}

/// A line for a task. PIDs are those of the initial PID namespace, except that of the server, which
/// is taken from the worker's words.
fn show_task(f: &mut fmt::Formatter<'_>, record: &TaskRef, now_ns: u64) -> fmt::Result {
    let seen = record.visit(|task| {
        let words = words_of(task);
        (StateWord::from_bits(words.bits()), task.server(words))
    });
    // It is leaving.
    let Some((word, server)) = seen else {
        return Ok(());
    };
    let task = record.task();
    let role = match record.kind() {
        Kind::Server => "server",
        Kind::Worker => "worker",
    };

    write!(
        f,
        "{} {} {role} {word} {} {server} {}",
        task.pid(),
        compat::process_of(task),
        word.age_ns(now_ns) / 1000,
        record.last.name()
    )?;
    for count in record.counters.get() {
        write!(f, " {count}")?;
    }
    writeln!(f)
}

impl core::fmt::Display for StateWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let states = [
            (State::None, "NONE"),
            (State::Running, "RUNNING"),
            (State::Idle, "IDLE"),
            (State::Blocked, "BLOCKED"),
        ];
        let state = states.into_iter().find(|(state, _)| self.is(*state));

        f.write_str(state.map_or("?", |(_, name)| name))?;
        if self.is_locked() {
            f.write_str("|LOCKED")?;
        }
        if self.is_preempted() {
            f.write_str("|PREEMPTED")?;
        }
        Ok(())
    }
}

/// Counts the tasks of an address space.
pub(crate) fn show_process(mm: &Mm, out: &SeqFile) {
    let (mut servers, mut workers) = (0, 0);

    registry::for_each(|task| {
        if task.visit(|task| words_of(task).is_in(mm)) == Some(true) {
            match task.kind() {
                Kind::Server => servers += 1,
                Kind::Worker => workers += 1,
            }
        }
    });
    seq_print!(out, "umcg-servers:\t{servers}\n");
    seq_print!(out, "umcg-workers:\t{workers}\n");
    seq_print!(out, "umcg-pinned-pages:\t{}\n", pages::count(mm));
}
