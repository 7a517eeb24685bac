// SPDX-License-Identifier: GPL-2.0

//! What each thread did when, made from the events.

use crate::event::{Event, Role, What};
use std::collections::{HashMap, HashSet};

/// What a thread does for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Runs or is runnable.
    Running,
    /// Was made RUNNING, and has not run yet.
    Starting,
    /// A worker that is blocked in the kernel.
    Blocked,
    /// A worker that is on the list of idle workers.
    Queued,
    /// Waits voluntarily; a server mostly for its worker.
    Waiting,
    /// A server in direct mode that its worker has left in the set of idle ones.
    Idle,
}

impl State {
    /// All states.
    pub const ALL: [State; 6] = [
        State::Running,
        State::Starting,
        State::Blocked,
        State::Queued,
        State::Waiting,
        State::Idle,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            State::Running => "running",
            State::Starting => "starting",
            State::Blocked => "blocked",
            State::Queued => "queued",
            State::Waiting => "waiting",
            State::Idle => "idle",
        }
    }

    /// The state of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// A while. Times are in microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// When it begins.
    pub start: u64,
    /// When it ends.
    pub end: u64,
    /// What the thread does.
    pub state: State,
    /// The server of a running worker, or zero.
    pub server: u32,
    /// Why the state was entered, or nothing.
    pub reason: String,
}

/// A moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// When.
    pub at: u64,
    /// What has happened.
    pub text: String,
}

/// A thread, from its registration to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// The thread.
    pub tid: u32,
    /// Its process.
    pub tgid: u32,
    /// What it is registered as.
    pub role: Role,
    /// What it is called.
    pub name: String,
    /// What it did, in order, without gaps.
    pub spans: Vec<Span>,
    /// What happened to it.
    pub marks: Vec<Mark>,
}

/// A thread wakes another one, which begins something by that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wake {
    /// When.
    pub at: u64,
    /// The waker.
    pub from: u32,
    /// The woken thread.
    pub to: u32,
    /// The process of both.
    pub tgid: u32,
}

/// Threads and what they did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeline {
    /// By process, servers first, in the order in which they came.
    pub threads: Vec<Thread>,
    /// In the order of their events.
    pub wakes: Vec<Wake>,
    /// How many events are missing.
    pub lost: u64,
}

impl Timeline {
    /// When the first span begins.
    pub fn start(&self) -> u64 {
        let starts = self.threads.iter().flat_map(|thread| thread.spans.first());

        starts.map(|span| span.start).min().unwrap_or(0)
    }

    /// When the last span ends.
    pub fn end(&self) -> u64 {
        let ends = self.threads.iter().flat_map(|thread| thread.spans.last());

        ends.map(|span| span.end).max().unwrap_or(0)
    }

    /// Drops wakes by unknown threads, and by those without a span at that time.
    fn forget_loose_wakes(&mut self) {
        let mut here = HashSet::new();
        let mut begun = HashSet::new();

        for thread in &self.threads {
            here.insert(thread.tid);
            begun.extend(thread.spans.iter().map(|span| (thread.tid, span.start)));
        }
        self.wakes
            .retain(|wake| here.contains(&wake.from) && begun.contains(&(wake.to, wake.at)));
    }
}

/// Makes a timeline of events that come in the order of time.
#[derive(Default)]
pub struct Builder {
    timeline: Timeline,
    /// Where those are that have not ended.
    alive: HashMap<u32, usize>,
    now: u64,
}

impl Builder {
    /// How many threads have been seen.
    pub fn threads(&self) -> usize {
        self.timeline.threads.len()
    }

    /// Notes that events are missing.
    pub fn lose(&mut self, events: u64) {
        self.timeline.lost += events;
    }

    /// Takes an event.
    pub fn take(&mut self, event: Event) {
        // The clocks of CPUs may differ a little: no time runs backwards here.
        self.now = self.now.max(event.at);

        match event.what {
            What::Register(role) => {
                self.end(event.tid);
                let index = self.add(&event, role);
                let state = match role {
                    Role::Server => State::Running,
                    Role::Worker => State::Blocked,
                };
                self.enter(index, state, 0, "register");
            }
            What::Leave => {
                self.learn_name(&event);
                self.end(event.tid);
            }
            What::State {
                role,
                ref new,
                ref reason,
            } => {
                let state = match new.as_str() {
                    "BLOCKED" => State::Blocked,
                    "IDLE" => State::Queued,
                    _ => State::Starting,
                };
                let index = self.find(&event, role);
                self.enter(index, state, 0, reason);
            }
            What::Wait(role) => {
                let index = self.find(&event, role);
                self.enter(index, State::Waiting, 0, "");
            }
            What::Run { role, server, .. } => {
                let index = self.find(&event, role);
                self.enter(index, State::Running, server, "");
                if role == Role::Worker {
                    self.move_server(server, State::Idle, State::Waiting);
                }
            }
            What::PutBack(server) => self.move_server(server, State::Waiting, State::Idle),
            What::Wake(by) => self.wake(&event, by),
            What::Kick(by) => self.mark(event.tid, format!("kicked by {by}")),
            What::Broken(ref breach) => {
                self.mark(event.tid, format!("protocol violation: {breach}"))
            }
        }
    }

    /// Ends all spans, and drops threads that have none.
    pub fn finish(mut self) -> Timeline {
        let alive: Vec<_> = self.alive.keys().copied().collect();

        alive.into_iter().for_each(|tid| self.end(tid));
        self.timeline
            .threads
            .retain(|thread| !thread.spans.is_empty());
        self.timeline.forget_loose_wakes();
        self.timeline
            .threads
            .sort_by_key(|thread| (thread.tgid, thread.role));
        self.timeline
    }

    fn add(&mut self, event: &Event, role: Role) -> usize {
        let index = self.timeline.threads.len();

        self.timeline.threads.push(Thread {
            tid: event.tid,
            tgid: event.tgid,
            role,
            name: event.comm.clone(),
            spans: Vec::new(),
            marks: Vec::new(),
        });
        self.alive.insert(event.tid, index);
        index
    }

    /// Finds a thread; it may have registered before the trace began.
    fn find(&mut self, event: &Event, role: Role) -> usize {
        match self.learn_name(event) {
            Some(index) => index,
            None => self.add(event, role),
        }
    }

    /// Finds a thread that there is. The tracer may have come to know its name by now.
    fn learn_name(&mut self, event: &Event) -> Option<usize> {
        let index = *self.alive.get(&event.tid)?;
        let name = &mut self.timeline.threads[index].name;

        if name.is_empty() {
            name.clone_from(&event.comm);
        }
        Some(index)
    }

    fn enter(&mut self, index: usize, state: State, server: u32, reason: &str) {
        let now = self.now;
        let spans = &mut self.timeline.threads[index].spans;

        close(spans, now);
        spans.push(Span {
            start: now,
            end: now,
            state,
            server,
            reason: reason.to_string(),
        });
    }

    /// What a worker does to a server that sleeps on. If it does anything else it has been started
    /// meanwhile.
    fn move_server(&mut self, tid: u32, from: State, to: State) {
        let Some(index) = self.alive.get(&tid).copied() else {
            return;
        };
        let last = self.timeline.threads[index].spans.last();

        if last.is_some_and(|span| span.state == from) {
            self.enter(index, to, 0, "");
        }
    }

    fn end(&mut self, tid: u32) {
        if let Some(index) = self.alive.remove(&tid) {
            close(&mut self.timeline.threads[index].spans, self.now);
        }
    }

    fn wake(&mut self, event: &Event, by: u32) {
        let Some(index) = self.alive.get(&event.tid).copied() else {
            return;
        };
        let is_asleep =
            |span: &Span| matches!(span.state, State::Queued | State::Waiting | State::Idle);
        let at = match self.timeline.threads[index].spans.as_slice() {
            [.., last] if is_asleep(last) => {
                self.enter(index, State::Starting, 0, "wake");
                self.now
            }
            // It is recorded slightly late: its consequence may have been recorded before it.
            [.., last] if last.state == State::Starting => last.start,
            [.., before, last] if last.state == State::Running && is_asleep(before) => last.start,
            _ => return,
        };

        self.timeline.wakes.push(Wake {
            at,
            from: by,
            to: event.tid,
            tgid: event.tgid,
        });
    }

    fn mark(&mut self, tid: u32, text: String) {
        if let Some(index) = self.alive.get(&tid) {
            let at = self.now;
            self.timeline.threads[*index].marks.push(Mark { at, text });
        }
    }
}

/// Ends the last span; one that takes no time is none.
fn close(spans: &mut Vec<Span>, now: u64) {
    match spans.last_mut() {
        Some(last) if last.start == now => {
            spans.pop();
        }
        Some(last) => last.end = now,
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{parse, Line};

    /// Makes a timeline of lines `time name tid fields`, of the process 1 and of threads whose
    /// name nobody knows.
    fn timeline(lines: &[&str]) -> Timeline {
        timeline_of_threads(lines.iter().map(|line| ("<...>", *line)))
    }

    /// Makes a timeline of such lines, each with what the thread is called that has written it.
    fn timeline_of_threads<'a>(lines: impl Iterator<Item = (&'a str, &'a str)>) -> Timeline {
        let mut builder = Builder::default();

        for (comm, line) in lines {
            let mut words = line.splitn(4, ' ');
            let mut word = || words.next().unwrap();
            let (at, name, tid, fields) = (word(), word(), word(), word());
            let line =
                format!("{comm}-{tid} [0] . 0.{at:0>6}: umcg_{name}: tid={tid} tgid=1 {fields}");
            match parse(&line) {
                Line::Event(event) => builder.take(event),
                other => panic!("{line}: {other:?}"),
            }
        }
        builder.finish()
    }

    fn states(thread: &Thread) -> Vec<(State, u64, u64)> {
        thread
            .spans
            .iter()
            .map(|span| (span.state, span.start, span.end))
            .collect()
    }

    #[test]
    fn a_round_of_a_worker_has_each_of_its_states() {
        let timeline = timeline(&[
            "10 register 2 role=server",
            "20 register 3 role=worker",
            "30 state 3 role=worker old=BLOCKED new=IDLE reason=wake",
            "40 wait 2 role=server state=IDLE next=3",
            "41 wake 3 by=2",
            "45 run 3 role=worker server=2 delay=1000",
            "60 state 3 role=worker old=RUNNING new=BLOCKED reason=block",
            "61 state 2 role=server old=IDLE new=RUNNING reason=block",
            "62 wake 2 by=3",
            "65 run 2 role=server server=0 delay=1",
            "80 unregister 2 role=server",
        ]);

        let [server, worker] = timeline.threads.as_slice() else {
            panic!("{timeline:?}");
        };
        assert_eq!(
            states(server),
            [
                (State::Running, 10, 40),
                (State::Waiting, 40, 61),
                (State::Starting, 61, 65),
                (State::Running, 65, 80),
            ]
        );
        assert_eq!(
            states(worker),
            [
                (State::Blocked, 20, 30),
                (State::Queued, 30, 41),
                (State::Starting, 41, 45),
                (State::Running, 45, 60),
                (State::Blocked, 60, 80),
            ]
        );
        assert_eq!(worker.spans[3].server, 2);
        assert_eq!(worker.spans[4].reason, "block");
        let wakes = timeline.wakes.iter();
        let wakes: Vec<_> = wakes.map(|wake| (wake.at, wake.from, wake.to)).collect();
        assert_eq!(wakes, [(41, 2, 3), (61, 3, 2)]);
        assert_eq!((timeline.start(), timeline.end()), (10, 80));
    }

    #[test]
    fn a_server_in_direct_mode_is_idle_while_it_has_no_worker() {
        let timeline = timeline(&[
            "10 wait 2 role=server state=IDLE next=3",
            "11 run 3 role=worker server=2 delay=0",
            "20 state 3 role=worker old=RUNNING new=BLOCKED reason=block",
            "20 put_back 3 server=2",
            "30 state 3 role=worker old=BLOCKED new=RUNNING reason=adopt",
            "30 run 3 role=worker server=2 delay=0",
            "40 state 3 role=worker old=RUNNING new=BLOCKED reason=block",
            "40 state 4 role=worker old=IDLE new=RUNNING reason=pass",
            "40 wake 4 by=3",
            "41 run 4 role=worker server=2 delay=1",
            "50 state 4 role=worker old=RUNNING new=BLOCKED reason=block",
            "50 put_back 4 server=2",
            "60 state 2 role=server old=IDLE new=RUNNING reason=wake",
            "61 put_back 4 server=2",
            "70 exit 2 role=server state=RUNNING reason=exit",
        ]);

        assert_eq!(
            states(&timeline.threads[0]),
            [
                (State::Waiting, 10, 20),
                (State::Idle, 20, 30),
                (State::Waiting, 30, 50),
                (State::Idle, 50, 60),
                (State::Starting, 60, 70),
            ]
        );
        assert_eq!(
            states(&timeline.threads[1])[..3],
            [
                (State::Running, 11, 20),
                (State::Blocked, 20, 30),
                (State::Running, 30, 40),
            ]
        );
        assert_eq!(timeline.threads[2].spans[0].reason, "pass");
    }

    #[test]
    fn threads_that_came_before_the_trace_are_there() {
        let timeline = timeline(&[
            "10 run 3 role=worker server=2 delay=0",
            "20 state 3 role=worker old=RUNNING new=BLOCKED reason=block",
        ]);

        assert_eq!(states(&timeline.threads[0]), [(State::Running, 10, 20)]);
    }

    #[test]
    fn a_name_that_the_tracer_learns_later_is_that_of_the_thread() {
        let lines = [
            ("<...>", "10 register 3 role=server"),
            ("<...>", "10 register 4 role=worker"),
            ("late", "20 run 4 role=worker server=3 delay=0"),
            (
                "later",
                "30 state 4 role=worker old=RUNNING new=BLOCKED reason=block",
            ),
            ("last", "40 unregister 3 role=server"),
        ];
        let timeline = timeline_of_threads(lines.into_iter());
        let names: Vec<_> = timeline.threads.iter().map(|thread| &thread.name).collect();

        assert_eq!(names, ["last", "late"]);
    }

    #[test]
    fn a_wake_is_where_something_begins() {
        let timeline = timeline(&[
            "10 register 2 role=server",
            "10 register 3 role=server",
            "15 wake 2 by=3",
            "20 wait 2 role=server state=IDLE next=0",
            "30 run 2 role=server server=0 delay=0",
            "32 wake 2 by=3",
            "40 unregister 2 role=server",
            "40 unregister 3 role=server",
        ]);

        assert_eq!(
            states(&timeline.threads[0]),
            [
                (State::Running, 10, 20),
                (State::Waiting, 20, 30),
                (State::Running, 30, 40),
            ]
        );
        assert_eq!(timeline.wakes.len(), 1);
        assert_eq!(timeline.wakes[0].at, 30);
    }

    #[test]
    fn who_does_nothing_wakes_nobody() {
        let timeline = timeline(&[
            "10 register 2 role=server",
            "20 wait 2 role=server state=IDLE next=0",
            "30 wake 2 by=7",
            "40 register 3 role=worker",
            "40 state 3 role=worker old=BLOCKED new=IDLE reason=wake",
            "40 wake 3 by=2",
            "40 unregister 3 role=worker",
            "45 wait 2 role=server state=IDLE next=0",
            "50 wake 2 by=3",
            "50 unregister 2 role=server",
            "60 register 3 role=worker",
            "70 unregister 3 role=worker",
        ]);

        assert_eq!(timeline.threads.len(), 2);
        assert_eq!(timeline.wakes, []);
    }

    #[test]
    fn a_number_that_is_used_again_is_another_thread() {
        let timeline = timeline(&[
            "10 register 3 role=worker",
            "20 exit 3 role=worker state=BLOCKED reason=exit",
            "30 register 3 role=server",
            "40 unregister 3 role=server",
        ]);

        assert_eq!(timeline.threads.len(), 2);
        assert_eq!(timeline.threads[0].role, Role::Server);
        assert_eq!(states(&timeline.threads[1]), [(State::Blocked, 10, 20)]);
    }

    #[test]
    fn time_does_not_run_backwards() {
        let timeline = timeline(&[
            "20 register 3 role=server",
            "19 wait 3 role=server state=IDLE next=0",
            "30 run 3 role=server server=0 delay=0",
            "40 unregister 3 role=server",
        ]);

        assert_eq!(
            states(&timeline.threads[0]),
            [(State::Waiting, 20, 30), (State::Running, 30, 40)]
        );
    }

    #[test]
    fn kicks_and_violations_are_marked() {
        let timeline = timeline(&[
            "10 run 3 role=worker server=2 delay=0",
            "12 kick 3 by=2",
            "13 broken 3 word=0x7 breach=state",
            "14 exit 3 role=worker state=NONE reason=exit",
        ]);
        let texts: Vec<_> = timeline.threads[0]
            .marks
            .iter()
            .map(|mark| &mark.text)
            .collect();

        assert_eq!(texts, ["kicked by 2", "protocol violation: state"]);
    }
}
