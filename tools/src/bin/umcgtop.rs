// SPDX-License-Identifier: GPL-2.0

//! Shows what servers and workers do.

use clap::{value_parser, Arg, ArgAction, ArgMatches, Command};
use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::{
    layout::Rect,
    style::{Modifier, Style},
    text::Line,
    widgets::Paragraph,
};
use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};
use umcg_tools::{
    output::tell,
    signals::Stop,
    top::{Snapshot, Top},
    tracefs::{Instance, Whom},
    view::{lay_out, Kind, Page},
};

/// How often the trace buffer is emptied.
const DRAIN: Duration = Duration::from_millis(50);
/// The size of the trace buffer of each CPU.
const BUFFER_KB: u32 = 4096;
/// The width where there is no terminal.
const WIDTH: usize = 120;

fn command() -> Command {
    let flag = |name, help| {
        Arg::new(name)
            .long(name)
            .help(help)
            .action(ArgAction::SetTrue)
    };

    Command::new("umcgtop")
        .version(clap::crate_version!())
        .about("Shows what UMCG servers and workers do")
        .arg(
            Arg::new("interval")
                .short('d')
                .long("interval")
                .value_name("SECONDS")
                .default_value("1")
                .value_parser(value_parser!(f64))
                .help("The interval between two samples"),
        )
        .arg(
            Arg::new("pid")
                .short('p')
                .long("pid")
                .value_name("PID")
                .value_parser(value_parser!(u32))
                .help("Show this process only"),
        )
        .arg(
            Arg::new("samples")
                .short('n')
                .long("samples")
                .value_name("COUNT")
                .value_parser(value_parser!(u64).range(1..))
                .help("Stop after this number of samples"),
        )
        .arg(flag("batch", "Print one sample after the other").short('b'))
        .arg(flag("once", "Print one sample: --batch --samples 1"))
        .arg(flag(
            "no-trace",
            "Do not trace: no histograms, and no overhead for the observed threads",
        ))
}

fn main() -> ExitCode {
    let matches = command().get_matches();

    match run(&matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            tell(format_args!("umcgtop: {text}"));
            ExitCode::FAILURE
        }
    }
}

fn run(matches: &ArgMatches) -> Result<(), String> {
    let seconds = matches.get_one::<f64>("interval").copied().unwrap_or(1.0);
    if !(0.05..=86400.0).contains(&seconds) {
        return Err("the interval must be from 0.05 to 86400 seconds".into());
    }
    let interval = Duration::from_secs_f64(seconds);
    let trace = match matches.get_flag("no-trace") {
        true => None,
        false => Some(Instance::new("umcgtop", Whom::All, BUFFER_KB)?),
    };
    let top = Top::new(trace, matches.get_one("pid").copied())?;
    let samples = match matches.get_flag("once") {
        true => Some(1),
        false => matches.get_one("samples").copied(),
    };
    let prints = matches.get_flag("batch")
        || matches.get_flag("once")
        || !io::stdout().is_terminal()
        || !io::stdin().is_terminal();

    if prints {
        print_samples(top, interval, samples)
    } else {
        let mut screen = Screen::new(top, interval, samples);
        let result = match ratatui::try_init() {
            Ok(mut terminal) => screen.run(&mut terminal),
            Err(e) => Err(e.to_string()),
        };
        // If the terminal is gone, its state does not matter.
        let _ = ratatui::try_restore();
        result
    }
}

fn print_samples(mut top: Top, interval: Duration, samples: Option<u64>) -> Result<(), String> {
    let stop = Stop::new()?;
    let mut count = 0;

    while samples != Some(count) {
        let end = Instant::now() + interval;
        while Instant::now() < end {
            if stop.signal().is_some() {
                return Ok(());
            }
            if top.drain()? {
                thread::sleep(DRAIN.min(end.saturating_duration_since(Instant::now())));
            }
        }
        match print(&top.sample()?, count > 0) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => break,
            result => result.map_err(|e| e.to_string())?,
        }
        count += 1;
    }
    Ok(())
}

fn print(snapshot: &Snapshot, goes_on: bool) -> io::Result<()> {
    let page = Page {
        width: WIDTH,
        height: None,
        selected: 0,
        scroll: 0,
        bar: '#',
    };
    let mut out = io::stdout().lock();

    if goes_on {
        writeln!(out)?;
    }
    for row in lay_out(snapshot, &page) {
        writeln!(out, "{}", row.text)?;
    }
    out.flush()
}

/// The view in a terminal.
struct Screen {
    top: Top,
    interval: Duration,
    samples: Option<u64>,
    snapshot: Snapshot,
    selected: usize,
    scroll: usize,
    over: bool,
}

impl Screen {
    fn new(top: Top, interval: Duration, samples: Option<u64>) -> Self {
        Self {
            top,
            interval,
            samples,
            snapshot: Snapshot::default(),
            selected: 0,
            scroll: 0,
            over: false,
        }
    }

    fn run(&mut self, terminal: &mut ratatui::DefaultTerminal) -> Result<(), String> {
        let stop = Stop::new()?;
        let mut count = 0;

        while !self.over && self.samples != Some(count) {
            self.snapshot = self.top.sample()?;
            self.draw(terminal).map_err(|e| e.to_string())?;
            count += 1;

            let end = Instant::now() + self.interval;
            while !self.over && Instant::now() < end {
                let wait = match self.top.drain()? {
                    true => DRAIN.min(end.saturating_duration_since(Instant::now())),
                    false => Duration::ZERO,
                };
                if self.handle_keys(wait).map_err(|e| e.to_string())? {
                    self.draw(terminal).map_err(|e| e.to_string())?;
                }
                self.over |= stop.signal().is_some();
            }
        }
        Ok(())
    }

    /// Waits for a key. Returns whether there is something to draw.
    fn handle_keys(&mut self, wait: Duration) -> io::Result<bool> {
        if !event::poll(wait)? {
            return Ok(false);
        }
        match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.handle_key(key),
            _ => {}
        }
        Ok(true)
    }

    fn handle_key(&mut self, key: KeyEvent) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let last = self.snapshot.processes.len().saturating_sub(1);

        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => self.over = true,
            KeyCode::Char('c') if control => self.over = true,
            KeyCode::Char('r') => self.top.reset(),
            KeyCode::Up | KeyCode::Char('k') => {
                self.selected = self.selected.saturating_sub(1);
                self.scroll = 0;
            }
            KeyCode::Down | KeyCode::Char('j') => {
                self.selected = (self.selected + 1).min(last);
                self.scroll = 0;
            }
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(10),
            KeyCode::PageDown => self.scroll += 10,
            _ => {}
        }
    }

    fn draw(&mut self, terminal: &mut ratatui::DefaultTerminal) -> io::Result<()> {
        let processes = &self.snapshot.processes;

        self.selected = self.selected.min(processes.len().saturating_sub(1));
        let threads = processes.get(self.selected).map_or(0, |p| p.threads.len());
        self.scroll = self.scroll.min(threads.saturating_sub(1));
        terminal.draw(|frame| {
            let area = frame.area();
            let help = Rect::new(
                0,
                area.height.saturating_sub(1),
                area.width,
                area.height.min(1),
            );
            let page = Page {
                width: area.width.into(),
                height: Some(area.height.saturating_sub(1).into()),
                selected: self.selected,
                scroll: self.scroll,
                bar: '█',
            };
            let lines: Vec<_> = lay_out(&self.snapshot, &page)
                .into_iter()
                .map(|row| Line::styled(row.text, style(row.kind)))
                .collect();

            frame.render_widget(Paragraph::new(lines), area);
            let keys = "q quit   up/down process   PgUp/PgDn threads   r reset histograms";
            frame.render_widget(Line::styled(keys, style(Kind::Header)), help);
        })?;
        Ok(())
    }
}

fn style(kind: Kind) -> Style {
    match kind {
        Kind::Title => Style::new().add_modifier(Modifier::BOLD),
        Kind::Header => Style::new().add_modifier(Modifier::DIM),
        Kind::Selected => Style::new().add_modifier(Modifier::REVERSED),
        Kind::Plain => Style::new(),
    }
}
