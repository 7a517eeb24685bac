// SPDX-License-Identifier: GPL-2.0

//! The events of the module, as the tracer prints them.

/// What a thread is registered as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Runs workers.
    Server,
    /// Is run by a server.
    Worker,
}

impl Role {
    /// The role of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "server" => Some(Role::Server),
            "worker" => Some(Role::Worker),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Role::Server => "server",
            Role::Worker => "worker",
        }
    }
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The thread registers.
    Register(Role),
    /// The thread unregisters, or is gone.
    Leave,
    /// The kernel changes the state of the thread.
    State {
        /// What the thread is.
        role: Role,
        /// The new state.
        new: String,
        /// Why.
        reason: String,
    },
    /// The thread, a worker, leaves its server in the set of idle ones.
    PutBack(u32),
    /// The thread is woken by another one.
    Wake(u32),
    /// The thread is kicked by another one.
    Kick(u32),
    /// The thread begins to wait.
    Wait(Role),
    /// The thread continues.
    Run {
        /// What the thread is.
        role: Role,
        /// The server of a worker.
        server: u32,
        /// For how long it had been RUNNING before, in nanoseconds.
        delay_ns: u64,
    },
    /// The process of the thread is killed, for this reason.
    Broken(String),
}

/// An event of a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, in microseconds.
    pub at: u64,
    /// Whose.
    pub tid: u32,
    /// Of which process.
    pub tgid: u32,
    /// The name of the thread, if the event is its own and the tracer knows the name.
    pub comm: String,
    /// What.
    pub what: What,
}

/// A line of the tracer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// An event of the module.
    Event(Event),
    /// The tracer has had no room for so many events.
    Lost(u64),
    /// Something else.
    Other,
}

/// Takes a line apart:
///
/// ```text
///           demo-1234    [001] d..2.   123.456789: umcg_block: tid=1234 tgid=1230 server=1231
/// ```
pub fn parse(line: &str) -> Line {
    if let Some(lost) = parse_lost(line) {
        return Line::Lost(lost);
    }

    parse_event(line).map_or(Line::Other, Line::Event)
}

/// `CPU:1 [LOST 42 EVENTS]`
fn parse_lost(line: &str) -> Option<u64> {
    let (_, rest) = line.strip_prefix("CPU:")?.split_once("[LOST ")?;

    rest.strip_suffix(" EVENTS]")?.parse().ok()
}

fn parse_event(line: &str) -> Option<Event> {
    // A thread may have any name, so the name of the event is searched from the end.
    let (head, rest) = line.rsplit_once(": umcg_")?;
    let (name, fields) = rest.split_once(": ")?;
    let field = |key: &str| {
        fields
            .split_ascii_whitespace()
            .find_map(|field| field.split_once('=').filter(|(k, _)| *k == key))
            .map(|(_, value)| value)
    };
    let number = |key| field(key)?.parse::<u32>().ok();
    let role = || Role::from_name(field("role")?);

    let tid = number("tid")?;
    let what = match name {
        "register" => What::Register(role()?),
        "unregister" | "exit" => What::Leave,
        "state" => What::State {
            role: role()?,
            new: field("new")?.to_string(),
            reason: field("reason")?.to_string(),
        },
        "put_back" => What::PutBack(number("server")?),
        "wake" => What::Wake(number("by")?),
        "kick" => What::Kick(number("by")?),
        "wait" => What::Wait(role()?),
        "run" => What::Run {
            role: role()?,
            server: number("server")?,
            delay_ns: field("delay")?.parse().ok()?,
        },
        "broken" => What::Broken(field("breach")?.to_string()),
        _ => return None,
    };

    Some(Event {
        at: timestamp(head.rsplit(' ').next()?)?,
        tid,
        tgid: number("tgid")?,
        comm: comm(head, tid),
        what,
    })
}

/// `123.456789`, in microseconds.
fn timestamp(text: &str) -> Option<u64> {
    let (seconds, micros) = text.split_once('.')?;
    let micros = micros.get(..6)?.parse::<u64>().ok()?;

    seconds
        .parse::<u64>()
        .ok()?
        .checked_mul(1_000_000)?
        .checked_add(micros)
}

/// What the thread `tid` is called, if it has written the line that begins so.
fn comm(head: &str, tid: u32) -> String {
    let comm = head
        .rsplit_once(&format!("-{tid} "))
        .map_or("", |(comm, _)| comm);

    // What the tracer says where it does not know.
    comm.trim_start().replace("<...>", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(line: &str) -> Event {
        match parse(line) {
            Line::Event(event) => event,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn every_kind_of_event_is_understood() {
        let head = "            demo-77      [001] d..2.    12.000345: umcg_";
        let whats = [
            (
                "register: tid=77 tgid=70 role=worker",
                What::Register(Role::Worker),
            ),
            ("unregister: tid=77 tgid=70 role=server", What::Leave),
            (
                "exit: tid=77 tgid=70 role=worker state=BLOCKED reason=exit",
                What::Leave,
            ),
            (
                "state: tid=77 tgid=70 role=worker old=RUNNING new=BLOCKED reason=block",
                What::State {
                    role: Role::Worker,
                    new: "BLOCKED".into(),
                    reason: "block".into(),
                },
            ),
            ("put_back: tid=77 tgid=70 server=71", What::PutBack(71)),
            ("wake: tid=77 tgid=70 by=71", What::Wake(71)),
            ("kick: tid=77 tgid=70 by=71", What::Kick(71)),
            (
                "wait: tid=77 tgid=70 role=server state=IDLE|LOCKED next=71",
                What::Wait(Role::Server),
            ),
            (
                "run: tid=77 tgid=70 role=worker server=71 delay=1232",
                What::Run {
                    role: Role::Worker,
                    server: 71,
                    delay_ns: 1232,
                },
            ),
            (
                "broken: tid=77 tgid=70 word=0x7 breach=state",
                What::Broken("state".into()),
            ),
        ];

        for (text, what) in whats {
            let expected = Event {
                at: 12_000_345,
                tid: 77,
                tgid: 70,
                comm: "demo".into(),
                what,
            };
            assert_eq!(event(&format!("{head}{text}")), expected);
        }
    }

    #[test]
    fn a_thread_may_be_called_like_an_event() {
        let line = "x: umcg_wake: t=1-77      [000] .....     1.000001: umcg_register: tid=77 \
                    tgid=77 role=server";

        assert_eq!(event(line).what, What::Register(Role::Server));
        assert_eq!(event(line).comm, "x: umcg_wake: t=1");
    }

    #[test]
    fn a_thread_has_its_name_from_its_own_lines_only() {
        let line =
            |head: &str| format!("{head} [000] .....  1.000001: umcg_wake: tid=7 tgid=7 by=8");

        assert_eq!(event(&line("demo-7")).comm, "demo");
        assert_eq!(event(&line("demo-8")).comm, "");
        assert_eq!(event(&line("<...>-7")).comm, "");
    }

    #[test]
    fn lost_events_are_counted() {
        assert_eq!(parse("CPU:1 [LOST 42 EVENTS]"), Line::Lost(42));
    }

    #[test]
    fn what_is_no_event_of_the_module_is_left_alone() {
        for line in [
            "",
            "# tracer: nop",
            "    <idle>-0       [000] d..2.     1.000001: sched_switch: prev_comm=x",
            "      demo-77      [000] .....     1.000001: umcg_new_one: tid=1 tgid=1",
            "      demo-77      [000] .....     1.000001: umcg_wake: tid=1",
            "      demo-77      [000] .....     x: umcg_wake: tid=1 tgid=1 by=2",
            "      demo-77      [000] .....     99999999999999999999.000001: umcg_wake: tid=1 tgid=1 by=2",
        ] {
            assert_eq!(parse(line), Line::Other, "{line}");
        }
    }
}
