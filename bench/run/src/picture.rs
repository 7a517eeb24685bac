// SPDX-License-Identifier: GPL-2.0

//! The picture: bars of each measure that has a key.

use crate::{
    plan::UMCG,
    plan::{Better, Key, Row, Start, ROWS},
    samples::Samples,
};
use std::fmt::Write;

const WIDTH: f64 = 780.0;
const LEFT: f64 = 280.0;
const LONGEST: f64 = 400.0;
const TOP: f64 = 62.0;
const STEP: f64 = 24.0;
const HEAD: f64 = 34.0;
const GAP: f64 = 18.0;
/// What is spread further than this has a logarithmic scale.
const SPREAD: f64 = 50.0;

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#1f2328}.n{text-anchor:end}.h{font-size:17px;font-weight:600}\
.p{font-size:14px;font-weight:600}.f{font-size:12px;fill:#59636e}.b{font-weight:600}\
.page{fill:#fff}.umcg{fill:#0072b2}.rival{fill:#e69f00}\
@media(prefers-color-scheme:dark){.page{fill:#0d1117}text{fill:#f0f6fc}.f{fill:#9198a1}\
.umcg{fill:#56b4e9}}";

/// Draws the results of a row, or of all rows.
pub fn draw(samples: &Samples, row: Option<&str>) -> String {
    let panels: Vec<_> = ROWS
        .iter()
        .filter(|found| row.is_none_or(|name| found.name == name))
        .flat_map(|row| {
            row.keys
                .iter()
                .map(move |key| Panel::new(samples, row, key))
        })
        .filter(|panel| !panel.bars.is_empty())
        .collect();
    let height = TOP + panels.iter().map(Panel::height).sum::<f64>();
    let release = samples
        .facts
        .get("kernel")
        .and_then(|kernel| kernel.split(' ').next())
        .unwrap_or("of an unknown release");
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n\
         <title>Unmodified programs, as they are and under umcg-run</title>\n\
         <style>{STYLE}</style>\n\
         <rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\" rx=\"6\"/>\n\
         <text class=\"h\" x=\"20\" y=\"28\">Unmodified programs, as they are and under umcg-run</text>\n\
         <text class=\"f\" x=\"20\" y=\"48\">two CPUs, Linux {release}; medians of one boot, rounds \
         interleaved</text>\n"
    );
    let mut y = TOP;

    for panel in &panels {
        panel.draw(&mut out, y);
        y += panel.height();
    }
    out.push_str("</svg>\n");
    out
}

struct Bar<'a> {
    title: &'a str,
    is_umcg: bool,
    value: f64,
}

/// The bars of one measure.
struct Panel<'a> {
    row: &'a Row,
    key: &'a Key,
    bars: Vec<Bar<'a>>,
}

impl<'a> Panel<'a> {
    fn new(samples: &Samples, row: &'a Row, key: &'a Key) -> Self {
        let bars = row
            .rivals
            .iter()
            .filter_map(|rival| {
                Some(Bar {
                    title: rival.title,
                    is_umcg: rival.name == UMCG.name || matches!(rival.start, Start::Umcg(_)),
                    value: samples.median(row.name, rival.name, key.measure)?,
                })
            })
            .collect();

        Self { row, key, bars }
    }

    fn height(&self) -> f64 {
        HEAD + STEP * self.bars.len() as f64 + GAP
    }

    fn most(&self) -> f64 {
        self.bars.iter().map(|bar| bar.value).fold(0.0, f64::max)
    }

    fn is_logarithmic(&self) -> bool {
        let least = self
            .bars
            .iter()
            .map(|bar| bar.value)
            .fold(f64::MAX, f64::min);

        least >= 1.0 && self.most() > SPREAD * least
    }

    fn length(&self, value: f64) -> f64 {
        let part = if self.is_logarithmic() {
            value.max(1.0).log10() / self.most().log10()
        } else {
            value / self.most().max(f64::MIN_POSITIVE)
        };

        (part * LONGEST).round()
    }

    fn draw(&self, out: &mut String, top: f64) {
        let better = match self.key.better {
            Better::More => "more is better",
            Better::Less => "less is better",
        };
        let scale = if self.is_logarithmic() {
            ", logarithmic scale"
        } else {
            ""
        };
        let _ = writeln!(
            out,
            "<text class=\"p\" x=\"20\" y=\"{}\">{}: {}<tspan class=\"f\">, {better}{scale}</tspan></text>",
            top + 20.0,
            self.row.title,
            name_of(self.key.measure),
        );
        for (bar, index) in self.bars.iter().zip(0u32..) {
            let y = top + HEAD + STEP * f64::from(index);
            let (class, bold) = if bar.is_umcg {
                ("umcg", " b")
            } else {
                ("rival", "")
            };
            let length = self.length(bar.value);
            let _ = writeln!(
                out,
                "<text class=\"n{bold}\" x=\"{}\" y=\"{}\">{}</text>\
                 <rect class=\"{class}\" x=\"{LEFT}\" y=\"{y}\" width=\"{length}\" height=\"17\" rx=\"2\"/>\
                 <text class=\"v{bold}\" x=\"{}\" y=\"{}\">{}</text>",
                LEFT - 10.0,
                y + 13.0,
                bar.title,
                LEFT + length + 6.0,
                y + 13.0,
                value_of(self.key.measure, bar.value),
            );
        }
    }
}

/// A measure in words.
fn name_of(measure: &str) -> String {
    let name = measure.strip_suffix("_us").unwrap_or(measure);

    if let Some(name) = name.strip_suffix("_longest") {
        return format!("longest {name}");
    }
    name.replace("_per_s", " per second")
        .replace("_percent", ", percent of the CPUs")
        .replace('_', " ")
}

/// A value with its unit.
fn value_of(measure: &str, value: f64) -> String {
    match measure.strip_suffix("_us") {
        Some(_) if value >= 100_000.0 => format!("{:.0} ms", value / 1e3),
        Some(_) if value >= 1000.0 => format!("{:.1} ms", value / 1e3),
        Some(_) => format!("{value:.0} µs"),
        None if value >= 100.0 => format!("{value:.0}"),
        None => format!("{value:.1}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_rivals_are_drawn() {
        let text = "kernel 7.3.4 x\n\
                    sample spin eevdf operations_per_s 100\nsample spin umcg operations_per_s 400\n\
                    sample spin eevdf wait_longest_us 800000\nsample spin umcg wait_longest_us 900\n";
        let samples = Samples::parse(text).unwrap();
        let picture = draw(&samples, None);

        assert_eq!(picture, draw(&samples, Some("spin")));
        assert!(!draw(&samples, Some("mixed")).contains("class=\"umcg\""));
        assert!(picture.contains("Linux 7.3.4;"));
        assert_eq!(picture.matches("class=\"umcg\"").count(), 2);
        assert_eq!(picture.matches("class=\"rival\"").count(), 2);
        assert!(picture.contains("800 ms") && picture.contains("900 µs"));
        assert!(picture.contains("logarithmic") && picture.contains("longest wait<"));
    }

    #[test]
    fn empty_picture_is_one() {
        assert!(draw(&Samples::default(), None).ends_with("</svg>\n"));
    }
}
