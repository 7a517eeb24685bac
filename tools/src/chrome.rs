// SPDX-License-Identifier: GPL-2.0

//! Timelines as files in the trace event format, which Perfetto opens.

use crate::{
    event::Role,
    timeline::{Mark, Span, State, Thread, Timeline, Wake},
};
use serde_json::{json, Value};
use std::{
    collections::HashMap,
    io::{self, Read, Write},
};

/// Marks what is a state of a thread.
const STATE: &str = "state";
/// Marks what is of a wake.
const WAKE: &str = "wake";

/// Writes a timeline, an event a line. Times begin at zero.
pub fn write(timeline: &Timeline, command: &str, out: &mut impl Write) -> io::Result<()> {
    let origin = first_moment(timeline);
    let about = json!({ "command": command, "lost_events": timeline.lost });
    let processes = timeline.threads.chunk_by(|a, b| a.tgid == b.tgid);
    let threads = timeline.threads.iter().enumerate();
    let wakes = timeline.wakes.iter().enumerate();
    let mut separator = "";

    writeln!(
        out,
        "{{\"displayTimeUnit\":\"ns\",\"otherData\":{about},\"traceEvents\":["
    )?;
    for event in processes
        .filter_map(of_process)
        .chain(threads.flat_map(|(place, thread)| of_thread(thread, place, origin)))
        .chain(wakes.flat_map(|(number, wake)| of_wake(wake, number, origin)))
    {
        write!(out, "{separator}{event}")?;
        separator = ",\n";
    }
    writeln!(out, "\n]}}")
}

/// A mark or a wake may come before the first state that takes any time.
fn first_moment(timeline: &Timeline) -> u64 {
    let marks = timeline.threads.iter().flat_map(|thread| &thread.marks);
    let wakes = timeline.wakes.iter();

    marks
        .map(|mark| mark.at)
        .chain(wakes.map(|wake| wake.at))
        .fold(timeline.start(), u64::min)
}

fn meta(thread: &Thread, name: &str, args: Value) -> Value {
    json!({ "ph": "M", "pid": thread.tgid, "tid": thread.tid, "name": name, "args": args })
}

/// A process is called as its first thread, or else as any thread whose name is known.
fn of_process(threads: &[Thread]) -> Option<Value> {
    let named = || threads.iter().filter(|thread| !thread.name.is_empty());
    let first = named().find(|thread| thread.tid == thread.tgid);
    let thread = first.or_else(|| named().next())?;

    Some(meta(thread, "process_name", json!({ "name": thread.name })))
}

fn of_thread(thread: &Thread, place: usize, origin: u64) -> Vec<Value> {
    let (pid, tid) = (thread.tgid, thread.tid);
    let role = thread.role.name();
    // Viewers append the number.
    let title = format!("{role} {}", thread.name);
    let about = json!({ "name": title.trim_end(), "role": role, "comm": thread.name });
    let mut events = vec![
        meta(thread, "thread_name", about),
        meta(thread, "thread_sort_index", json!({ "sort_index": place })),
    ];

    events.extend(thread.spans.iter().map(|span| {
        json!({
            "ph": "X",
            "pid": pid,
            "tid": tid,
            "ts": span.start - origin,
            "dur": span.end - span.start,
            "cat": STATE,
            "name": span.state.name(),
            "args": { "server": span.server, "reason": span.reason },
        })
    }));
    events.extend(thread.marks.iter().map(|mark| {
        json!({
            "ph": "i",
            "s": "t",
            "pid": pid,
            "tid": tid,
            "ts": mark.at - origin,
            "cat": "mark",
            "name": mark.text,
        })
    }));
    events
}

/// An arrow from the waker to the woken thread. It begins at a mark: Perfetto draws an arrow from
/// the end of what it begins at, and that of the waker's state may come much later.
fn of_wake(wake: &Wake, number: usize, origin: u64) -> [Value; 3] {
    let at = wake.at - origin;
    let end = |phase, tid| {
        json!({
            "ph": phase,
            "bp": "e",
            "id": number,
            "pid": wake.tgid,
            "tid": tid,
            "ts": at,
            "cat": WAKE,
            "name": WAKE,
        })
    };
    let mark = json!({
        "ph": "i",
        "s": "t",
        "pid": wake.tgid,
        "tid": wake.from,
        "ts": at,
        "cat": WAKE,
        "name": WAKE,
        "args": { "tid": wake.to },
    });

    [mark, end("s", wake.from), end("f", wake.to)]
}

/// A timeline, and the command that it is of.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// What was recorded.
    pub command: String,
    /// What it did.
    pub timeline: Timeline,
}

/// Reads what [`write`] has written.
///
/// # Errors
///
/// A text for people.
pub fn read(input: impl Read) -> Result<Trace, String> {
    let file: Value = serde_json::from_reader(input).map_err(|e| format!("no JSON: {e}"))?;
    let events = file["traceEvents"]
        .as_array()
        .ok_or("not a trace: no traceEvents")?;
    let mut trace = Trace {
        command: text(&file["otherData"]["command"]),
        ..Trace::default()
    };
    let mut places = HashMap::new();

    trace.timeline.lost = file["otherData"]["lost_events"].as_u64().unwrap_or(0);
    for event in events {
        take(&mut trace.timeline, &mut places, event)
            .ok_or_else(|| format!("not a trace of umcg-trace: {event}"))?;
    }
    Ok(trace)
}

/// Takes an event; `None` if it is none of ours. `places` knows the thread of a number last named.
fn take(timeline: &mut Timeline, places: &mut HashMap<u32, usize>, event: &Value) -> Option<()> {
    let tid = number(&event["tid"])?;
    let tgid = number(&event["pid"])?;
    let args = &event["args"];

    match (event["ph"].as_str()?, event["cat"].as_str()) {
        ("M", _) if event["name"] == "thread_name" => {
            places.insert(tid, timeline.threads.len());
            timeline.threads.push(Thread {
                tid,
                tgid,
                role: Role::from_name(args["role"].as_str()?)?,
                name: text(&args["comm"]),
                spans: Vec::new(),
                marks: Vec::new(),
            });
        }
        ("X", Some(STATE)) => {
            let start = event["ts"].as_u64()?;
            timeline.threads[*places.get(&tid)?].spans.push(Span {
                start,
                end: start.checked_add(event["dur"].as_u64()?)?,
                state: State::from_name(event["name"].as_str()?)?,
                server: number(&args["server"])?,
                reason: text(&args["reason"]),
            });
        }
        ("i", Some("mark")) => {
            timeline.threads[*places.get(&tid)?].marks.push(Mark {
                at: event["ts"].as_u64()?,
                text: text(&event["name"]),
            });
        }
        ("s", Some(WAKE)) => timeline.wakes.push(Wake {
            at: event["ts"].as_u64()?,
            from: tid,
            to: 0,
            tgid,
        }),
        ("f", Some(WAKE)) => timeline.wakes.last_mut()?.to = tid,
        _ => {}
    }
    Some(())
}

fn number(value: &Value) -> Option<u32> {
    value.as_u64()?.try_into().ok()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_trace() -> Trace {
        let span = |start, end, state, server, reason: &str| Span {
            start,
            end,
            state,
            server,
            reason: reason.into(),
        };
        let thread = |tid, role, name: &str, spans, marks| Thread {
            tid,
            tgid: 1,
            role,
            name: name.into(),
            spans,
            marks,
        };
        let mark = Mark {
            at: 7,
            text: "kicked by 2".into(),
        };

        Trace {
            command: "demo \"x\" </text>".into(),
            timeline: Timeline {
                threads: vec![
                    thread(
                        2,
                        Role::Server,
                        "",
                        vec![span(0, 5, State::Waiting, 0, "")],
                        vec![],
                    ),
                    thread(
                        3,
                        Role::Worker,
                        "a \"name\"\\",
                        vec![
                            span(1, 5, State::Blocked, 0, "block"),
                            span(5, 9, State::Running, 2, ""),
                        ],
                        vec![mark],
                    ),
                ],
                wakes: vec![Wake {
                    at: 5,
                    from: 2,
                    to: 3,
                    tgid: 1,
                }],
                lost: 4,
            },
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let trace = some_trace();
        let mut file = Vec::new();

        write(&trace.timeline, &trace.command, &mut file).unwrap();
        assert_eq!(read(file.as_slice()), Ok(trace));
    }

    #[test]
    fn times_begin_at_zero() {
        let mut trace = some_trace();
        let mut file = Vec::new();

        for thread in &mut trace.timeline.threads {
            thread.spans.iter_mut().for_each(|span| {
                span.start += 1000;
                span.end += 1000;
            });
            thread.marks.iter_mut().for_each(|mark| mark.at += 1000);
        }
        trace.timeline.wakes[0].at += 1000;
        write(&trace.timeline, &trace.command, &mut file).unwrap();
        assert_eq!(read(file.as_slice()), Ok(some_trace()));
    }

    /// The events that are written.
    fn events(timeline: &Timeline) -> Vec<Value> {
        let mut file = Vec::new();

        write(timeline, "", &mut file).unwrap();
        let mut file: Value = serde_json::from_slice(&file).unwrap();
        serde_json::from_value(file["traceEvents"].take()).unwrap()
    }

    #[test]
    fn a_process_is_called_as_its_first_thread() {
        let mut timeline = some_trace().timeline;
        let names = |timeline: &Timeline| {
            let mut all = events(timeline);
            all.retain(|event| event["name"] == "process_name");
            all.iter()
                .map(|event| text(&event["args"]["name"]))
                .collect::<Vec<_>>()
        };

        assert_eq!(names(&timeline), ["a \"name\"\\"]);
        timeline.threads[0].tid = 1;
        timeline.threads[0].name = "first".into();
        assert_eq!(names(&timeline), ["first"]);
        timeline.threads[1].tgid = 7;
        assert_eq!(names(&timeline), ["first", "a \"name\"\\"]);
        timeline.threads[0].name = String::new();
        timeline.threads[1].name = String::new();
        assert!(names(&timeline).is_empty());
    }

    #[test]
    fn an_arrow_begins_at_a_mark() {
        let all = events(&some_trace().timeline);
        let start = all.iter().position(|event| event["ph"] == "s").unwrap();

        assert_eq!(all[start - 1]["ph"], "i");
        for key in ["pid", "tid", "ts"] {
            assert_eq!(all[start - 1][key], all[start][key], "{key}");
        }
        assert_eq!(all[start + 1]["ph"], "f");
    }

    #[test]
    fn a_wake_may_come_first() {
        let mut timeline = some_trace().timeline;
        for thread in &mut timeline.threads {
            thread.spans[0].start = 4;
        }
        timeline.wakes[0].at = 1;
        let all = events(&timeline);
        let first = all.iter().filter(|event| event["ph"] == "X");

        assert_eq!(first.map(|event| event["ts"].as_u64()).min(), Some(Some(3)));
    }

    #[test]
    fn a_trace_may_be_empty() {
        let mut file = Vec::new();

        write(&Timeline::default(), "", &mut file).unwrap();
        assert_eq!(read(file.as_slice()), Ok(Trace::default()));
    }

    #[test]
    fn other_files_are_refused() {
        for text in [
            "",
            "[]",
            "{}",
            "{\"traceEvents\":[1]}",
            "{\"traceEvents\":[{\"ph\":\"X\",\"cat\":\"state\",\"pid\":1,\"tid\":1}]}",
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
    }
}
