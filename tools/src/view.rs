// SPDX-License-Identifier: GPL-2.0

//! The view of `umcgtop`: lines of text of any width.

use crate::{
    event::Role,
    histogram::{short, Histogram},
    top::{Process, Rates, Snapshot, Thread},
};

/// The kind of a line, by which a terminal colours it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The first one.
    Title,
    /// The names of columns.
    Header,
    /// The process that is looked at.
    Selected,
    /// All else.
    Plain,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it is.
    pub kind: Kind,
    /// What it says; never wider than asked for.
    pub text: String,
}

/// How much room there is, and what is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Columns.
    pub width: usize,
    /// Lines, or all that are needed.
    pub height: Option<usize>,
    /// Which process is looked at.
    pub selected: usize,
    /// How many of its threads are above the page.
    pub scroll: usize,
    /// What bars are made of.
    pub bar: char,
}

/// The most lines of a histogram.
const BARS: usize = 8;

/// Lays a snapshot out.
pub fn lay_out(snapshot: &Snapshot, page: &Page) -> Vec<Row> {
    let mut rows = vec![
        row(Kind::Title, title(snapshot)),
        row(Kind::Header, processes_header()),
    ];
    // Of many processes in little room those around the selected one.
    let room = page.height.map_or(usize::MAX, |height| (height / 4).max(1));
    let first = page.selected.saturating_sub(room - 1);

    for (place, process) in snapshot.processes.iter().enumerate().skip(first).take(room) {
        let kind = if place == page.selected && page.height.is_some() {
            Kind::Selected
        } else {
            Kind::Plain
        };
        rows.push(row(kind, process_line(process)));
    }
    match page.height {
        Some(_) => {
            if let Some(process) = snapshot.processes.get(page.selected) {
                details(&mut rows, process, snapshot.traced, page);
            }
        }
        None => {
            for process in &snapshot.processes {
                details(&mut rows, process, snapshot.traced, page);
            }
        }
    }
    if snapshot.processes.is_empty() {
        rows.push(row(Kind::Plain, "no threads are registered".into()));
    }

    rows.truncate(page.height.unwrap_or(usize::MAX));
    for row in &mut rows {
        row.text = row.text.chars().take(page.width).collect();
    }
    rows
}

fn row(kind: Kind, text: String) -> Row {
    Row { kind, text }
}

fn title(snapshot: &Snapshot) -> String {
    let sum = |role| -> usize { snapshot.processes.iter().map(|p| p.with_role(role)).sum() };
    let mut text = format!(
        "umcgtop: {} processes, {} servers, {} workers",
        snapshot.processes.len(),
        sum(Role::Server),
        sum(Role::Worker)
    );

    if snapshot.killed > 0 {
        text += &format!("; {} killed for protocol violations", snapshot.killed);
    }
    if snapshot.lost > 0 {
        text += &format!("; {} events lost", snapshot.lost);
    }
    text
}

fn processes_header() -> String {
    format!(
        "{:>7} {:<12} {:>3} {:>5} {:>4} {:>4} {:>5} {:>8} {:>7} {:>7} {:>7}",
        "PID", "COMMAND", "SRV", "WRK", "RUN", "IDLE", "BLOCK", "SWITCH/S", "BLOCK/S", "50%", "99%"
    )
}

fn process_line(process: &Process) -> String {
    let wakes = &process.wake_to_run;
    let percentile = |percent| match wakes.total() {
        0 => "-".into(),
        _ => short(wakes.percentile(percent)),
    };

    format!(
        "{:>7} {:<12} {:>3} {:>5} {:>4} {:>4} {:>5} {:>8} {:>7} {:>7} {:>7}",
        process.tgid,
        cut(&process.comm, 12),
        process.with_role(Role::Server),
        process.with_role(Role::Worker),
        process.workers_in("RUNNING"),
        process.workers_in("IDLE"),
        process.workers_in("BLOCKED"),
        process.switches_per_second,
        process.blocks_per_second,
        percentile(50),
        percentile(99)
    )
}

/// The histograms and the threads of a process.
fn details(rows: &mut Vec<Row>, process: &Process, traced: bool, page: &Page) {
    if traced {
        rows.push(row(Kind::Plain, String::new()));
        histograms(rows, process, page);
    }
    rows.push(row(Kind::Plain, String::new()));
    if !process.direct_per_second.are_zero() {
        rows.push(row(Kind::Plain, direct_line(&process.direct_per_second)));
    }
    rows.push(row(
        Kind::Header,
        format!(
            "{:>7} {:<6} {:<10} {:>7} {:>7} {:<8} {:>9} {:>9} {}",
            "TID", "ROLE", "STATE", "FOR", "SERVER", "LAST", "SWITCHES", "BLOCKED", "NAME"
        ),
    ));
    for thread in process.threads.iter().skip(page.scroll) {
        rows.push(row(Kind::Plain, thread_line(thread)));
    }
}

/// What workers have done without a server, of which there are some only in direct mode.
fn direct_line(rates: &Rates) -> String {
    format!(
        "direct mode: {} adopted/s, {} passed on/s, {} put back/s",
        rates.adopted, rates.passed_on, rates.put_back
    )
}

fn thread_line(thread: &Thread) -> String {
    let task = &thread.task;
    let server = match task.server {
        0 => "-".into(),
        tid => tid.to_string(),
    };

    format!(
        "{:>7} {:<6} {:<10} {:>7} {:>7} {:<8} {:>9} {:>9} {}",
        task.tid,
        task.role.name(),
        task.state
            .replace("|LOCKED", "+L")
            .replace("|PREEMPTED", "+P"),
        short(task.since),
        server,
        task.reason,
        thread.switches,
        task.blocked,
        thread.name
    )
}

/// Two histograms side by side.
fn histograms(rows: &mut Vec<Row>, process: &Process, page: &Page) {
    let width = (page.width.min(160) / 2).saturating_sub(1);
    let bars = page
        .height
        .map_or(usize::MAX, |height| (height / 4).min(BARS));
    let left = bars_of(
        "woken until it runs",
        &process.wake_to_run,
        width,
        bars,
        page.bar,
    );
    let right = bars_of(
        "RUNNING until it runs",
        &process.start_to_run,
        width,
        bars,
        page.bar,
    );

    for line in 0..left.len().max(right.len()) {
        let part = |side: &Vec<String>| side.get(line).cloned().unwrap_or_default();
        let kind = if line == 0 { Kind::Header } else { Kind::Plain };
        let text = format!("{:<width$}  {}", part(&left), part(&right));
        rows.push(row(kind, text.trim_end().into()));
    }
}

fn bars_of(
    title: &str,
    histogram: &Histogram,
    width: usize,
    most: usize,
    bar: char,
) -> Vec<String> {
    let buckets = merge(histogram.buckets(), most);
    let highest = buckets.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let room = width.saturating_sub(20) as u64;
    let mut lines = vec![format!("{title}, longest {}", short(histogram.max()))];

    lines.extend(buckets.iter().map(|(start, count)| {
        let length = (count * room).div_ceil(highest.max(1)) as usize;
        let bar = String::from(bar).repeat(length);
        format!("{:>7} {count:>9} {bar}", short(*start))
    }));
    lines
}

/// Joins neighbours until there are few enough.
fn merge(mut buckets: Vec<(u64, u64)>, most: usize) -> Vec<(u64, u64)> {
    while buckets.len() > most.max(1) {
        let pairs = buckets.chunks(2);
        buckets = pairs
            .map(|pair| (pair[0].0, pair.iter().map(|(_, count)| count).sum()))
            .collect();
    }
    buckets
}

fn cut(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::{Direct, Task};

    fn snapshot(processes: u32, workers: u32) -> Snapshot {
        let task = |tgid: u32, tid, role| Task {
            tid,
            tgid,
            role,
            state: "RUNNING|PREEMPTED".into(),
            since: 1_234_567,
            server: tgid + 1,
            reason: "register".into(),
            blocked: u32::MAX,
            direct: Direct::default(),
        };
        let thread = |task, name: &str| Thread {
            task,
            name: name.into(),
            switches: u64::from(u32::MAX),
        };
        let process = |tgid| {
            let mut process = Process {
                tgid,
                comm: "a-long-command-name".into(),
                ..Process::default()
            };
            process
                .threads
                .push(thread(task(tgid, tgid + 1, Role::Server), "server"));
            for i in 0..workers {
                let worker = task(tgid, tgid + 2 + i, Role::Worker);
                process.threads.push(thread(worker, &format!("worker-{i}")));
            }
            for micros in [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000] {
                process.wake_to_run.add(micros);
            }
            process
        };

        Snapshot {
            processes: (1..=processes).map(|i| process(i * 1_000_000)).collect(),
            traced: true,
            ..Snapshot::default()
        }
    }

    fn page(width: usize, height: usize) -> Page {
        Page {
            width,
            height: Some(height),
            selected: 0,
            scroll: 0,
            bar: '#',
        }
    }

    fn texts(rows: &[Row]) -> Vec<&str> {
        rows.iter().map(|row| row.text.as_str()).collect()
    }

    #[test]
    fn nothing_is_wider_or_higher_than_the_page() {
        for (width, height) in [(80, 24), (200, 50), (40, 10), (1, 1), (2, 3)] {
            let rows = lay_out(&snapshot(30, 300), &page(width, height));

            assert!(rows.len() <= height);
            assert!(rows.iter().all(|row| row.text.chars().count() <= width));
        }
    }

    #[test]
    fn columns_are_below_their_names() {
        let rows = lay_out(&snapshot(1, 1), &page(80, 24));
        let header = rows
            .iter()
            .position(|row| row.text.contains("TID ROLE"))
            .unwrap();

        for name in ["ROLE", "STATE", "LAST"] {
            let at = rows[header].text.find(name).unwrap();
            assert_eq!(rows[header + 1].text.as_bytes()[at - 1], b' ');
            assert_ne!(rows[header + 1].text.as_bytes()[at], b' ');
        }
    }

    #[test]
    fn on_a_small_page_there_are_threads_below_the_histograms() {
        let rows = lay_out(&snapshot(10, 20), &page(80, 24));

        assert_eq!(rows.len(), 24);
        assert!(rows.last().unwrap().text.contains("worker-"));
    }

    #[test]
    fn the_selected_process_is_on_the_page() {
        let mut page = page(80, 24);

        page.selected = 29;
        let rows = lay_out(&snapshot(30, 1), &page);
        let selected = rows.iter().find(|row| row.kind == Kind::Selected).unwrap();
        assert!(selected.text.contains("30000000"));
    }

    #[test]
    fn without_a_height_all_of_all_is_there() {
        let mut page = page(100, 0);

        page.height = None;
        let rows = lay_out(&snapshot(3, 100), &page);
        let threads = texts(&rows)
            .iter()
            .filter(|text| text.contains("worker-"))
            .count();
        assert_eq!(threads, 300);
    }

    #[test]
    fn without_a_trace_there_is_no_histogram() {
        let mut untraced = snapshot(1, 1);

        untraced.traced = false;
        let rows = lay_out(&untraced, &page(80, 24));
        assert!(!texts(&rows).iter().any(|text| text.contains("woken")));
    }

    #[test]
    fn direct_mode_is_told_of_where_there_is_some() {
        let mut direct = snapshot(2, 1);

        direct.processes[0].direct_per_second.put_back = 7;
        let text = |snapshot: &Snapshot| texts(&lay_out(snapshot, &page(80, 50))).join("\n");
        assert!(text(&direct).contains("0 adopted/s, 0 passed on/s, 7 put back/s"));
        direct.processes.swap(0, 1);
        assert!(!text(&direct).contains("direct mode"));
    }

    #[test]
    fn neighbours_are_joined_where_there_is_little_room() {
        let buckets = vec![(0, 1), (2, 2), (5, 3), (10, 4), (20, 5)];

        assert_eq!(merge(buckets.clone(), 5), buckets);
        assert_eq!(merge(buckets.clone(), 3), [(0, 3), (5, 7), (20, 5)]);
        assert_eq!(merge(buckets, 0), [(0, 15)]);
    }
}
