// SPDX-License-Identifier: GPL-2.0

//! The table, and `run.json`.

use crate::{
    plan::{Better, Key, Rival, Row, ROWS, UMCG},
    samples::Samples,
};
use serde_json::{json, Map, Value};
use std::fmt::Write;

/// The ratio of a key, and the rival that it was compared with.
pub fn ratio<'a>(samples: &Samples, row: &'a Row, key: &Key) -> Option<(f64, &'a str)> {
    let median = |rival: &str| samples.median(row.name, rival, key.measure);
    let rivals = row
        .rivals
        .iter()
        .filter(|rival| match key.against {
            Some(name) => rival.name == name,
            None => rival.name != UMCG.name && !rival.beside,
        })
        .filter_map(|rival| Some((median(rival.name)?, rival.name)));
    let (theirs, name) = match key.better {
        Better::More => rivals.max_by(|a, b| a.0.total_cmp(&b.0)),
        Better::Less => rivals.min_by(|a, b| a.0.total_cmp(&b.0)),
    }?;
    let ours = median(key.of)?;
    let (above, below) = if key.is_cost {
        (theirs, ours)
    } else {
        (ours, theirs)
    };

    (below != 0.0).then(|| (above / below, name))
}

/// What became of the bar of a key.
pub fn verdict(key: &Key, ratio: f64) -> &'static str {
    let reaches = |limit: f64| {
        if key.better == Better::More && !key.is_cost {
            ratio >= limit
        } else {
            ratio <= limit
        }
    };

    match () {
        () if reaches(key.aim) => "aim",
        () if reaches(key.bar) => "bar",
        () => "missed",
    }
}

/// Whether a row was run, even if all its rounds failed.
fn was_run(samples: &Samples, row: &Row) -> bool {
    !samples.measures(row.name).is_empty() || !failures(samples, row).is_empty()
}

/// The rivals with failed rounds, and how many.
fn failures<'a>(samples: &Samples, row: &'a Row) -> Vec<(&'a Rival, usize)> {
    row.rivals
        .iter()
        .map(|rival| (rival, samples.failures(row.name, rival.name)))
        .filter(|(_, failures)| *failures != 0)
        .collect()
}

/// A number with as many digits as mean something.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// The medians of all rivals, with the least and the greatest of the rounds, and then the keys.
pub fn table(samples: &Samples) -> String {
    let mut out = String::new();

    for row in ROWS.iter().filter(|row| was_run(samples, row)) {
        let _ = writeln!(out, "{} ({})", row.title, row.name);
        for measure in samples.measures(row.name) {
            let _ = writeln!(
                out,
                "  {measure:<40}{:>12}{:>12}{:>12}",
                "median", "least", "most"
            );
            for rival in row.rivals {
                let rounds = samples.rounds(row.name, rival.name, measure);
                if let [least, .., most] | [least @ most] = rounds[..] {
                    let median = rounds[rounds.len() / 2];
                    let _ = writeln!(
                        out,
                        "    {:<38}{:>12}{:>12}{:>12}",
                        rival.title,
                        short(median),
                        short(least),
                        short(most)
                    );
                }
            }
        }
        for (rival, failures) in failures(samples, row) {
            let _ = writeln!(
                out,
                "  {}: {failures} of {} rounds failed",
                rival.title, row.rounds
            );
        }
        out.push('\n');
    }
    let _ = writeln!(
        out,
        "{:<32}{:>9}{:>7}{:>7}  {:<8}compared with",
        "key", "ratio", "bar", "aim", ""
    );
    for row in ROWS.iter().filter(|row| was_run(samples, row)) {
        for key in row.keys {
            let (value, verdict, name) = match ratio(samples, row, key) {
                Some((value, name)) => (short(value), verdict(key, value), name),
                None => ("-".into(), "missing", "-"),
            };
            let _ = writeln!(
                out,
                "{:<32}{value:>9}{:>7}{:>7}  {verdict:<8}{name}",
                key.key, key.bar, key.aim
            );
        }
    }
    out
}

/// All that was measured, and the ratios.
pub fn json(samples: &Samples) -> Value {
    let mut ratios = Map::new();
    let mut rows = Map::new();
    let mut failed = Map::new();

    for row in ROWS.iter().filter(|row| was_run(samples, row)) {
        for key in row.keys {
            if let Some((value, name)) = ratio(samples, row, key) {
                let rounded = (value * 1e4).round() / 1e4;
                ratios.insert(
                    key.key.into(),
                    json!({ "ratio": rounded, "rival": name, "bar": key.bar, "aim": key.aim }),
                );
            }
        }
        let rivals: Map<_, _> = row
            .rivals
            .iter()
            .map(|rival| (rival.name.into(), values(samples, row, rival.name)))
            .collect();
        rows.insert(row.name.into(), rivals.into());
        let failures: Map<_, _> = failures(samples, row)
            .into_iter()
            .map(|(rival, failures)| (rival.name.into(), failures.into()))
            .collect();
        if !failures.is_empty() {
            failed.insert(row.name.into(), failures.into());
        }
    }
    json!({ "ratios": ratios, "rows": rows, "failed_rounds": failed, "boot": samples.facts })
}

fn values(samples: &Samples, row: &Row, rival: &str) -> Value {
    samples
        .measures(row.name)
        .iter()
        .filter_map(|measure| {
            let median = samples.median(row.name, rival, measure)?;
            let rounds = samples.rounds(row.name, rival, measure);
            Some((
                measure.clone(),
                json!({ "median": median, "rounds": rounds }),
            ))
        })
        .collect::<Map<_, _>>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spin(rivals: &[(&str, f64, f64)]) -> Samples {
        let mut text = String::from("kernel some\n");

        for (rival, operations, wait) in rivals {
            let _ = writeln!(text, "sample spin {rival} operations_per_s {operations}");
            let _ = writeln!(text, "sample spin {rival} wait_longest_us {wait}");
        }
        Samples::parse(&text).unwrap()
    }

    fn ratio_of(samples: &Samples, index: usize) -> Option<(f64, &'static str)> {
        ratio(samples, &ROWS[0], &ROWS[0].keys[index])
    }

    #[test]
    fn best_rival_is_that_of_each_measure() {
        let samples = spin(&[
            ("eevdf", 100.0, 5000.0),
            ("eevdf_100ms", 200.0, 9000.0),
            ("umcg", 500.0, 50.0),
        ]);

        assert_eq!(ratio_of(&samples, 0), Some((2.5, "eevdf_100ms")));
        assert_eq!(ratio_of(&samples, 1), Some((0.01, "eevdf")));
        assert_eq!(verdict(&ROWS[0].keys[0], 2.5), "bar");
        assert_eq!(verdict(&ROWS[0].keys[0], 1.9), "missed");
        assert_eq!(verdict(&ROWS[0].keys[1], 0.01), "aim");
        assert_eq!(verdict(&ROWS[0].keys[1], 0.06), "missed");
    }

    #[test]
    fn key_may_judge_a_tuned_variant() {
        let row = ROWS.iter().find(|row| row.name == "mixed").unwrap();
        let key = row.keys.iter().find(|key| key.of != UMCG.name).unwrap();
        let text = format!(
            "kernel some\nsample mixed nice {0} 100\nsample mixed umcg {0} 300\nsample mixed {1} {0} 50\n",
            key.measure, key.of,
        );

        let samples = Samples::parse(&text).unwrap();
        assert_eq!(ratio(&samples, row, key), Some((0.5, "nice")));
    }

    #[test]
    fn bad_and_missing_rows_are_shown() {
        let table = table(&spin(&[("eevdf", 100.0, 5.0), ("umcg", 1.0, 900.0)]));
        let missing = super::table(&spin(&[("eevdf", 100.0, 5.0)]));

        assert!(table.contains("missed") && table.contains("umcg-run"));
        assert!(missing.contains("missing"));
    }

    #[test]
    fn row_of_which_all_rounds_failed_is_shown() {
        let samples = Samples::parse("failed redis umcg\nfailed redis eevdf\n").unwrap();
        let table = table(&samples);

        assert!(table.contains("umcg-run: 1 of 7 rounds failed"));
        assert!(table.contains("EEVDF: 1 of 7 rounds failed"));
        assert!(table.contains("redis_cost") && table.contains("missing"));
        assert_eq!(json(&samples)["failed_rounds"]["redis"]["umcg"], 1);
    }

    #[test]
    fn json_has_the_ratios_and_the_rounds() {
        let json = json(&spin(&[("eevdf", 100.0, 5.0), ("umcg", 300.0, 1.0)]));

        assert_eq!(json["ratios"]["spin_ops_vs_best_rival"]["ratio"], 3.0);
        assert_eq!(json["ratios"]["spin_ops_vs_best_rival"]["rival"], "eevdf");
        assert_eq!(
            json["rows"]["spin"]["umcg"]["operations_per_s"]["rounds"][0],
            300.0
        );
        assert_eq!(json["boot"]["kernel"], "some");
        assert!(json["ratios"].get("barrier_rounds_vs_best_rival").is_none());
    }
}
