// SPDX-License-Identifier: GPL-2.0

//! A snapshot of `umcgtop`.

use crate::{
    event::{Event, Line, Role, What},
    histogram::Histogram,
    tasks::{self, Direct, Task},
    tracefs::Instance,
};
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    time::Instant,
};

/// A process with registered threads.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// The process.
    pub tgid: u32,
    /// What it is called.
    pub comm: String,
    /// How often a second its threads have left a CPU.
    pub switches_per_second: u64,
    /// How often a second its workers have blocked.
    pub blocks_per_second: u64,
    /// How often a second its workers do what needs no server, in direct mode.
    pub direct_per_second: Rates,
    /// From the end of its blocking to where a worker runs.
    pub wake_to_run: Histogram,
    /// From where a thread is RUNNING to where it really runs.
    pub start_to_run: Histogram,
    /// Its threads, servers first.
    pub threads: Vec<Thread>,
}

/// The rates of [`Direct`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    /// Adoptions.
    pub adopted: u64,
    /// Servers passed on.
    pub passed_on: u64,
    /// Servers put back.
    pub put_back: u64,
}

impl Rates {
    /// Whether nothing of that has happened.
    pub fn are_zero(&self) -> bool {
        *self == Self::default()
    }

    fn add(&mut self, now: Direct, before: Direct) {
        let since = |now: u32, before| u64::from(now.wrapping_sub(before));

        self.adopted += since(now.adopted, before.adopted);
        self.passed_on += since(now.passed_on, before.passed_on);
        self.put_back += since(now.put_back, before.put_back);
    }

    fn per(self, seconds: f64) -> Self {
        Self {
            adopted: rate(self.adopted, seconds),
            passed_on: rate(self.passed_on, seconds),
            put_back: rate(self.put_back, seconds),
        }
    }
}

/// A registered thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// What the module says of it.
    pub task: Task,
    /// What it is called.
    pub name: String,
    /// How often it has left a CPU.
    pub switches: u64,
}

impl Process {
    /// How many threads have this role.
    pub fn with_role(&self, role: Role) -> usize {
        self.threads
            .iter()
            .filter(|thread| thread.task.role == role)
            .count()
    }

    /// How many workers have this state, whatever their flags are.
    pub fn workers_in(&self, state: &str) -> usize {
        let tasks = self.threads.iter().map(|thread| &thread.task);

        tasks
            .filter(|task| task.role == Role::Worker)
            .filter(|task| task.state.split('|').next() == Some(state))
            .count()
    }
}

/// All processes at a moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// By their numbers.
    pub processes: Vec<Process>,
    /// The number of processes killed for protocol violations since the module was loaded.
    pub killed: u64,
    /// How many events did not fit into the trace buffer.
    pub lost: u64,
    /// Whether there is a trace, and so histograms.
    pub traced: bool,
}

/// Durations by process, made from events.
#[derive(Default)]
struct Durations {
    queued_since: HashMap<u32, u64>,
    wake_to_run: HashMap<u32, Histogram>,
    start_to_run: HashMap<u32, Histogram>,
    lost: u64,
}

impl Durations {
    fn take(&mut self, line: Line) {
        match line {
            Line::Event(event) => self.take_event(event),
            Line::Lost(events) => self.lost += events,
            Line::Other => {}
        }
    }

    fn take_event(&mut self, event: Event) {
        match event.what {
            // One that is adopted is not queued: it runs at once.
            What::State { new, reason, .. }
                if new == "IDLE" && reason == "wake" || reason == "adopt" =>
            {
                self.queued_since.insert(event.tid, event.at);
            }
            What::Run { delay_ns, .. } => {
                let starts = self.start_to_run.entry(event.tgid).or_default();
                starts.add(delay_ns / 1000);
                if let Some(since) = self.queued_since.remove(&event.tid) {
                    let wakes = self.wake_to_run.entry(event.tgid).or_default();
                    wakes.add(event.at.saturating_sub(since));
                }
            }
            What::Leave => {
                self.queued_since.remove(&event.tid);
            }
            _ => {}
        }
    }

    fn forget_all_but(&mut self, tgids: &[u32]) {
        self.wake_to_run.retain(|tgid, _| tgids.contains(tgid));
        self.start_to_run.retain(|tgid, _| tgids.contains(tgid));
    }
}

/// The counters of a thread.
#[derive(Clone, Copy, Default)]
struct Counters {
    switches: u64,
    blocked: u32,
    direct: Direct,
}

/// Takes samples.
pub struct Top {
    trace: Option<Instance>,
    durations: Durations,
    /// The counters of each thread at the last sample.
    counters: HashMap<u32, Counters>,
    sampled: Instant,
    only: Option<u32>,
}

impl Top {
    /// Begins with a first look, of one process only if `only` is its number.
    ///
    /// # Errors
    ///
    /// A text for people.
    pub fn new(trace: Option<Instance>, only: Option<u32>) -> Result<Self, String> {
        let mut top = Self {
            trace,
            durations: Durations::default(),
            counters: HashMap::new(),
            sampled: Instant::now(),
            only,
        };

        top.sample()?;
        Ok(top)
    }

    /// Forgets the durations so far.
    pub fn reset(&mut self) {
        self.durations = Durations::default();
    }

    /// Takes some of what has been traced since, so that the buffer does not run over. What
    /// comes faster than that is lost, and counted. Returns whether it was all.
    ///
    /// # Errors
    ///
    /// A text for people.
    pub fn drain(&mut self) -> Result<bool, String> {
        match self.trace.as_mut() {
            Some(trace) => trace.read(|line| self.durations.take(line)),
            None => Ok(true),
        }
    }

    /// Takes a sample. Rates are those since the last one.
    ///
    /// # Errors
    ///
    /// A text for people.
    pub fn sample(&mut self) -> Result<Snapshot, String> {
        self.drain()?;
        let stats = tasks::stats().map_err(explain)?;
        let mut tasks = tasks::read().map_err(explain)?;
        let seconds = self.sampled.elapsed().as_secs_f64();
        self.sampled = Instant::now();

        tasks.retain(|task| self.only.is_none_or(|tgid| task.tgid == tgid));
        tasks.sort_by_key(|task| (task.role, task.tid));
        let killed = stats.iter().filter(|(key, _)| key.starts_with("killed_"));
        let snapshot = Snapshot {
            processes: self.processes(&tasks, seconds),
            killed: killed.map(|(_, count)| count).sum(),
            lost: self.durations.lost,
            traced: self.trace.is_some(),
        };
        let threads = snapshot
            .processes
            .iter()
            .flat_map(|process| &process.threads);
        self.counters = threads
            .map(|thread| {
                let counters = Counters {
                    switches: thread.switches,
                    blocked: thread.task.blocked,
                    direct: thread.task.direct,
                };
                (thread.task.tid, counters)
            })
            .collect();

        Ok(snapshot)
    }

    fn processes(&mut self, tasks: &[Task], seconds: f64) -> Vec<Process> {
        let mut processes: BTreeMap<u32, Process> = BTreeMap::new();

        for task in tasks {
            let process = processes.entry(task.tgid).or_default();
            let proc = format!("/proc/{}/task/{}", task.tgid, task.tid);
            let switches = switches(&format!("{proc}/status"));
            // One that is new has done all of it since the last sample.
            let before = self.counters.get(&task.tid).copied().unwrap_or_default();
            process.switches_per_second += switches.saturating_sub(before.switches);
            process.blocks_per_second += u64::from(task.blocked.wrapping_sub(before.blocked));
            process.direct_per_second.add(task.direct, before.direct);
            process.threads.push(Thread {
                task: task.clone(),
                name: comm(&format!("{proc}/comm")),
                switches,
            });
        }
        self.durations
            .forget_all_but(&processes.keys().copied().collect::<Vec<_>>());
        for (tgid, process) in &mut processes {
            process.tgid = *tgid;
            process.comm = comm(&format!("/proc/{tgid}/comm"));
            process.switches_per_second = rate(process.switches_per_second, seconds);
            process.blocks_per_second = rate(process.blocks_per_second, seconds);
            process.direct_per_second = process.direct_per_second.per(seconds);
            let of = |durations: &HashMap<u32, Histogram>| {
                durations.get(tgid).cloned().unwrap_or_default()
            };
            process.wake_to_run = of(&self.durations.wake_to_run);
            process.start_to_run = of(&self.durations.start_to_run);
        }
        processes.into_values().collect()
    }
}

fn rate(count: u64, seconds: f64) -> u64 {
    (count as f64 / seconds.max(1e-3)).round() as u64
}

/// The number of context switches of a thread, voluntary or not; zero if it has exited.
fn switches(path: &str) -> u64 {
    let text = text_of(path);
    let counts = text.lines().filter_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.ends_with("voluntary_ctxt_switches")
            .then(|| value.trim().parse::<u64>().ok())?
    });

    counts.sum()
}

/// A name; a thread that is gone by now has none.
fn comm(path: &str) -> String {
    text_of(path)
        .trim_end_matches('\n')
        .replace(|c: char| c.is_control(), "?")
}

/// What a file of a thread says, nothing if it is gone. The name of the thread may be in it, and
/// that is any bytes.
fn text_of(path: &str) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// What is missing if the files of the module cannot be read.
fn explain(error: std::io::Error) -> String {
    use std::{io::ErrorKind, path::Path};

    match error.kind() {
        ErrorKind::PermissionDenied => "only root can see what all processes do".into(),
        ErrorKind::NotFound if !Path::new("/sys/module/umcg").exists() => {
            "the module is not loaded: modprobe umcg".into()
        }
        ErrorKind::NotFound => "no debugfs: mount -t debugfs debugfs /sys/kernel/debug".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::parse;

    fn durations(lines: &[&str]) -> Durations {
        let mut durations = Durations::default();

        for line in lines {
            let (at, event) = line.split_once(' ').unwrap();
            durations.take(parse(&format!("t-1 [000] . 0.{at:0>6}: umcg_{event}")));
        }
        durations
    }

    #[test]
    fn the_time_from_wake_up_to_running_is_that_of_the_same_thread() {
        let durations = durations(&[
            "10 state: tid=3 tgid=1 role=worker old=BLOCKED new=IDLE reason=wake",
            "12 state: tid=4 tgid=1 role=worker old=BLOCKED new=IDLE reason=wake",
            "20 run: tid=4 tgid=1 role=worker server=2 delay=3000",
            "40 run: tid=3 tgid=1 role=worker server=2 delay=1000",
            "50 run: tid=3 tgid=1 role=worker server=2 delay=1000",
        ]);
        let wakes = &durations.wake_to_run[&1];

        assert_eq!(wakes.total(), 2);
        assert_eq!(wakes.max(), 30);
        assert_eq!(durations.start_to_run[&1].total(), 3);
        assert_eq!(durations.start_to_run[&1].max(), 3);
    }

    #[test]
    fn a_worker_that_is_adopted_runs_at_once() {
        let durations = durations(&[
            "10 state: tid=3 tgid=1 role=worker old=BLOCKED new=RUNNING reason=adopt",
            "12 run: tid=3 tgid=1 role=worker server=2 delay=0",
        ]);

        assert_eq!(durations.wake_to_run[&1].total(), 1);
        assert_eq!(durations.wake_to_run[&1].max(), 2);
    }

    #[test]
    fn rates_are_those_since_the_last_sample() {
        let mut rates = Rates::default();
        let direct = |adopted, passed_on, put_back| Direct {
            adopted,
            passed_on,
            put_back,
        };

        assert!(rates.are_zero());
        rates.add(direct(5, 3, 8), direct(1, 3, 6));
        rates.add(direct(1, 0, 0), direct(u32::MAX, 0, 0));
        let expected = Rates {
            adopted: 3,
            passed_on: 0,
            put_back: 1,
        };
        assert_eq!(rates.per(2.0), expected);
    }

    #[test]
    fn a_thread_is_known_whatever_its_name_is() {
        let own = "/proc/thread-self";
        let name = b"a\xff\n\xe2\x82\x07b";
        let has_switched = |_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            switches(&format!("{own}/status")) > 0
        };

        fs::write(format!("{own}/comm"), name).unwrap();
        assert!((0..1000).any(has_switched));
        assert_eq!(comm(&format!("{own}/comm")), "a\u{fffd}?\u{fffd}?b");
    }

    #[test]
    fn a_thread_that_left_is_not_taken_for_its_successor() {
        let durations = durations(&[
            "10 state: tid=3 tgid=1 role=worker old=BLOCKED new=IDLE reason=wake",
            "12 exit: tid=3 tgid=1 role=worker state=IDLE reason=exit",
            "20 run: tid=3 tgid=1 role=worker server=2 delay=3000",
        ]);

        assert!(durations.wake_to_run.is_empty());
    }
}
