// SPDX-License-Identifier: GPL-2.0

//! Timelines as pictures.

use crate::{
    event::Role,
    histogram::short,
    timeline::{State, Thread, Timeline},
};
use std::fmt::Write;

const LEFT: f64 = 150.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 62.0;
const ROW: f64 = 20.0;
const BAR: f64 = 14.0;
const BOTTOM: f64 = 34.0;
/// The width of a bar, and of a gap, that can still be seen.
const THINNEST: f64 = 0.4;

/// The colours of the servers, and so of the workers that they run.
const SERVERS: usize = 6;

const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#222}\
.n{text-anchor:end}.t{text-anchor:middle;fill:#666}.h{font-size:14px;font-weight:600}\
.page{fill:#fff}.row{fill:#f4f4f4}.grid{stroke:#d8d8d8}\
.r0{fill:#0072b2}.r1{fill:#009e73}.r2{fill:#7a5195}.r3{fill:#8c6d1f}.r4{fill:#a23b72}.r5{fill:#4d7c0f}\
.s{fill:#f0e442}.b{fill:#eeb479}.q{fill:#cc79a7}.w{fill:#d5d9de}.i{fill:#e8eaed}.m{stroke:#c00;stroke-width:1.5}\
@media(prefers-color-scheme:dark){\
text{fill:#e8e8e8}.t{fill:#a8a8a8}.page{fill:#16181c}.row{fill:#1f2228}.grid{stroke:#3a3e46}\
.r0{fill:#56a8e0}.r1{fill:#2cc79a}.r2{fill:#a98bd0}.r3{fill:#c9a84a}.r4{fill:#d678aa}.r5{fill:#8fbf4a}\
.w{fill:#555b66}.i{fill:#363b44}.b{fill:#8f5f2e}}";

/// What of a timeline is drawn, and how.
pub struct Options<'a> {
    /// Stands above the picture.
    pub title: &'a str,
    /// How wide the picture is.
    pub width: u32,
    /// The first moment, in microseconds from the beginning of the trace.
    pub from: u64,
    /// The last moment, or the end of the trace.
    pub to: Option<u64>,
}

/// Draws a timeline: a row for each thread.
///
/// # Errors
///
/// A text for people, if there is nothing to draw.
pub fn draw(timeline: &Timeline, options: &Options<'_>) -> Result<String, String> {
    // A file can say anything, so the last moments of all are not far enough away.
    let moment = |at| timeline.start().saturating_add(at).min(timeline.end());
    let from = moment(options.from);
    let to = options.to.map_or(timeline.end(), moment);

    if from >= to {
        return Err("no events in this interval".into());
    }
    Ok(Picture::new(timeline, from, to, f64::from(options.width)).draw(options.title))
}

struct Picture<'a> {
    timeline: &'a Timeline,
    from: u64,
    to: u64,
    width: f64,
    height: f64,
    out: String,
}

impl<'a> Picture<'a> {
    fn new(timeline: &'a Timeline, from: u64, to: u64, width: f64) -> Self {
        Self {
            timeline,
            from,
            to,
            width,
            height: TOP + ROW * timeline.threads.len() as f64 + BOTTOM,
            out: String::new(),
        }
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // A string takes everything.
        let _ = self.out.write_fmt(text);
    }

    /// Where a moment is.
    fn x(&self, at: u64) -> f64 {
        let part = (at.clamp(self.from, self.to) - self.from) as f64 / (self.to - self.from) as f64;

        LEFT + part * (self.width - LEFT - RIGHT)
    }

    fn draw(mut self, title: &str) -> String {
        let (width, height) = (self.width, self.height);

        self.put(format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\">\n<style>{STYLE}</style>\n\
             <rect class=\"page\" width=\"{width}\" height=\"{height}\"/>\n\
             <text class=\"h\" x=\"16\" y=\"22\">{}</text>\n",
            escape(title)
        ));
        self.legend();
        self.grid();
        for (row, thread) in self.timeline.threads.iter().enumerate() {
            self.thread(TOP + ROW * row as f64, thread);
        }
        self.put(format_args!("</svg>\n"));
        self.out
    }

    fn legend(&mut self) {
        let entries = [
            ("r0", ""),
            ("r1", "runs, in the colour of its server"),
            ("s", "made to run"),
            ("b", "blocked in the kernel"),
            ("q", "queued as idle"),
            ("w", "waits"),
            ("i", "idle server"),
        ];
        let mut x = 16.0;

        for (class, text) in entries {
            self.put(format_args!(
                "<rect class=\"{class}\" x=\"{x}\" y=\"33\" width=\"12\" height=\"12\"/>\
                 <text x=\"{}\" y=\"43\">{text}</text>\n",
                x + 17.0
            ));
            x += match text.len() {
                0 => 15.0,
                length => 35.0 + 6.3 * length as f64,
            };
        }
    }

    /// Lines at round moments.
    fn grid(&mut self) {
        let bottom = self.height - BOTTOM;
        let step = round_step((self.to - self.from) / 8);
        let begin = self.timeline.start();
        let first = (self.from - begin).next_multiple_of(step);

        for at in (first..=self.to - begin).step_by(step as usize) {
            let x = self.x(begin + at);
            self.put(format_args!(
                "<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom}\"/>\
                 <text class=\"t\" x=\"{x:.1}\" y=\"{}\">{}</text>\n",
                bottom + 18.0,
                if at == 0 { "0".into() } else { short(at) }
            ));
        }
    }

    fn thread(&mut self, y: f64, thread: &Thread) {
        let name = match thread.role {
            Role::Server => "server",
            Role::Worker => "worker",
        };
        let room = (LEFT - 20.0) / 6.5;
        let text: String = format!("{name} {} {}", thread.tid, thread.name)
            .chars()
            .take(room as usize)
            .collect();

        self.put(format_args!(
            "<text class=\"n\" x=\"{}\" y=\"{}\">{}</text>\
             <rect class=\"row\" x=\"{LEFT}\" y=\"{}\" width=\"{:.1}\" height=\"{BAR}\"/>\n",
            LEFT - 8.0,
            y + 14.0,
            escape(text.trim_end()),
            y + 3.0,
            self.width - LEFT - RIGHT
        ));
        for class in classes() {
            self.bars(y + 3.0, thread, &class);
        }
        for mark in &thread.marks {
            if (self.from..=self.to).contains(&mark.at) {
                let x = self.x(mark.at);
                self.put(format_args!(
                    "<path class=\"m\" d=\"M{x:.1} {}v{ROW}\"><title>{}</title></path>\n",
                    y,
                    escape(&mark.text)
                ));
            }
        }
    }

    /// All bars of a colour as one path. Indistinguishable bars are merged.
    fn bars(&mut self, y: f64, thread: &Thread, class: &str) {
        let mut bars: Vec<(f64, f64)> = Vec::new();

        for span in &thread.spans {
            let outside = span.end <= self.from || span.start >= self.to;
            if outside || self.class(thread, span.state, span.server) != class {
                continue;
            }
            let left = self.x(span.start);
            let right = self.x(span.end).max(left + THINNEST);
            match bars.last_mut() {
                Some(last) if left <= last.1 + THINNEST => last.1 = right.max(last.1),
                _ => bars.push((left, right)),
            }
        }
        if bars.is_empty() {
            return;
        }
        self.put(format_args!("<path class=\"{class}\" d=\""));
        for (left, right) in bars {
            let width = right - left;
            self.put(format_args!("M{left:.1} {y}h{width:.1}v{BAR}h-{width:.1}z"));
        }
        self.put(format_args!("\"/>\n"));
    }

    fn class(&self, thread: &Thread, state: State, server: u32) -> String {
        match state {
            State::Running if thread.role == Role::Server => self.colour(thread.tid),
            State::Running => self.colour(server),
            State::Starting => "s".into(),
            State::Blocked => "b".into(),
            State::Queued => "q".into(),
            State::Waiting => "w".into(),
            State::Idle => "i".into(),
        }
    }

    fn colour(&self, server: u32) -> String {
        let servers = self
            .timeline
            .threads
            .iter()
            .filter(|t| t.role == Role::Server);
        let place = servers.map(|t| t.tid).position(|tid| tid == server);

        format!("r{}", place.unwrap_or(0) % SERVERS)
    }
}

/// In the order in which they are drawn: what is short and tells most comes last.
fn classes() -> Vec<String> {
    let states = ["i", "w", "b", "q"].map(String::from);
    let servers = (0..SERVERS).map(|server| format!("r{server}"));

    states
        .into_iter()
        .chain(servers)
        .chain(["s".into()])
        .collect()
}

/// 1, 2 or 5 times a power of ten, and at least so much.
fn round_step(least: u64) -> u64 {
    let mut power: u64 = 1;

    loop {
        for step in [power, 2 * power, 5 * power] {
            if step >= least {
                return step;
            }
        }
        power *= 10;
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::new();

    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            // XML has no other control characters than these.
            c if c.is_control() && !matches!(c, '\t' | '\n') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::{Mark, Span};

    fn thread(tid: u32, role: Role, spans: &[(u64, u64, State, u32)]) -> Thread {
        let spans = spans.iter().map(|&(start, end, state, server)| Span {
            start,
            end,
            state,
            server,
            reason: String::new(),
        });

        Thread {
            tid,
            tgid: 1,
            role,
            name: "<&>".into(),
            spans: spans.collect(),
            marks: vec![],
        }
    }

    fn timeline() -> Timeline {
        let servers = [2, 3].map(|tid| {
            thread(
                tid,
                Role::Server,
                &[(0, 100, State::Running, 0), (100, 1000, State::Waiting, 0)],
            )
        });
        let worker = thread(
            4,
            Role::Worker,
            &[(0, 500, State::Blocked, 0), (500, 1000, State::Running, 3)],
        );

        Timeline {
            threads: [servers.as_slice(), &[worker]].concat(),
            ..Timeline::default()
        }
    }

    fn draw_all(timeline: &Timeline) -> String {
        let options = Options {
            title: "a < b",
            width: 1180,
            from: 0,
            to: None,
        };

        draw(timeline, &options).unwrap()
    }

    #[test]
    fn a_bar_is_where_and_what_it_has_to_be() {
        let picture = draw_all(&timeline());

        // The worker: 1000 us are 1000 units, from 150 on.
        assert!(picture.contains("<path class=\"b\" d=\"M150.0 105h500.0v14h-500.0z\"/>"));
        assert!(picture.contains("<path class=\"r1\" d=\"M650.0 105h500.0v14h-500.0z\"/>"));
    }

    #[test]
    fn a_worker_has_the_colour_of_its_server() {
        let picture = draw_all(&timeline());

        assert_eq!(picture.matches("<path class=\"r0\"").count(), 1);
        assert_eq!(picture.matches("<path class=\"r1\"").count(), 2);
    }

    #[test]
    fn a_part_of_the_time_can_be_drawn() {
        let options = Options {
            title: "",
            width: 1180,
            from: 400,
            to: Some(600),
        };
        let picture = draw(&timeline(), &options).unwrap();

        assert!(picture.contains("<path class=\"b\" d=\"M150.0 105h500.0v14h-500.0z\"/>"));
        assert!(!picture.contains("<path class=\"r0\""));
    }

    #[test]
    fn many_short_bars_stay_a_small_picture() {
        let spans: Vec<_> = (0..100_000)
            .map(|i| {
                (
                    i,
                    i + 1,
                    if i % 2 == 0 {
                        State::Running
                    } else {
                        State::Blocked
                    },
                    0,
                )
            })
            .collect();
        let busy = Timeline {
            threads: vec![thread(4, Role::Worker, &spans)],
            ..Timeline::default()
        };

        assert!(draw_all(&busy).len() < 5_000);
    }

    #[test]
    fn names_and_marks_are_escaped() {
        let mut timeline = timeline();

        timeline.threads[0].marks.push(Mark {
            at: 5,
            text: "a\u{1}\"b\"".into(),
        });
        let picture = draw_all(&timeline);

        assert!(picture.contains("a &lt; b"));
        assert!(picture.contains("&lt;&amp;&gt;"));
        assert!(picture.contains("<title>a\u{fffd}&quot;b&quot;</title>"));
    }

    #[test]
    fn a_time_when_nothing_happens_is_refused() {
        let options = Options {
            title: "",
            width: 1000,
            from: 5000,
            to: None,
        };

        assert!(draw(&timeline(), &options).is_err());
        assert!(draw(&Timeline::default(), &options).is_err());
    }

    #[test]
    fn times_may_be_as_large_as_they_can() {
        let spans = [(u64::MAX - 9, u64::MAX, State::Running, 0)];
        let late = thread(4, Role::Worker, &spans);
        let long = thread(5, Role::Worker, &[(0, u64::MAX, State::Blocked, 0)]);
        let options = Options {
            title: "",
            width: 1180,
            from: 100,
            to: Some(200),
        };

        for threads in [vec![late.clone()], vec![late, long]] {
            let timeline = Timeline {
                threads,
                ..Timeline::default()
            };
            assert!(draw_all(&timeline).contains("class=\"grid\""));
            let _ = draw(&timeline, &options);
        }
    }

    #[test]
    fn steps_of_the_grid_are_round() {
        for (least, step) in [(0, 1), (1, 1), (3, 5), (12, 20), (21, 50), (600, 1000)] {
            assert_eq!(round_step(least), step);
        }
    }
}
