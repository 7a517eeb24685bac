// SPDX-License-Identifier: GPL-2.0

//! What was measured in the guest, as lines of a file: "WORD REST", or "sample ROW RIVAL MEASURE
//! VALUE" once for each round, and "failed ROW RIVAL" for a round without.

use std::collections::BTreeMap;

/// The measurements of one boot.
#[derive(Debug, Default)]
pub struct Samples {
    /// Facts about the boot, by their names.
    pub facts: BTreeMap<String, String>,
    values: BTreeMap<[String; 3], Vec<f64>>,
    /// The measures of each row in the order in which they were found.
    measures: BTreeMap<String, Vec<String>>,
    failures: BTreeMap<[String; 2], usize>,
}

impl Samples {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// The line that is none of these.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut samples = Self::default();

        for line in text.lines() {
            samples
                .take_line(line)
                .ok_or_else(|| format!("no sample, and no fact: {line}"))?;
        }
        Ok(samples)
    }

    fn take_line(&mut self, line: &str) -> Option<()> {
        let (word, rest) = line.split_once(' ')?;

        if let ("failed", Some((row, rival))) = (word, rest.split_once(' ')) {
            let row_and_rival = [row, rival].map(String::from);
            *self.failures.entry(row_and_rival).or_default() += 1;
            return Some(());
        }
        if word != "sample" {
            self.facts.insert(word.into(), rest.into());
            return Some(());
        }
        let words: Vec<_> = rest.split(' ').collect();
        let [row, rival, measure, value] = words.as_slice() else {
            return None;
        };
        let value = value
            .parse::<f64>()
            .ok()
            .filter(|value| value.is_finite())?;
        let measures = self.measures.entry((*row).into()).or_default();

        if !measures.iter().any(|known| known == measure) {
            measures.push((*measure).into());
        }
        self.values
            .entry([row, rival, measure].map(|word| String::from(*word)))
            .or_default()
            .push(value);
        Some(())
    }

    /// What was measured in a row.
    pub fn measures(&self, row: &str) -> &[String] {
        self.measures.get(row).map_or(&[], Vec::as_slice)
    }

    /// How many rounds have failed.
    pub fn failures(&self, row: &str, rival: &str) -> usize {
        let key = [row, rival].map(String::from);

        self.failures.get(&key).copied().unwrap_or_default()
    }

    /// How many rounds of all rows have failed.
    pub fn all_failures(&self) -> usize {
        self.failures.values().sum()
    }

    /// The values of all rounds, the least one first.
    pub fn rounds(&self, row: &str, rival: &str, measure: &str) -> Vec<f64> {
        let key = [row, rival, measure].map(String::from);
        let mut values = self.values.get(&key).cloned().unwrap_or_default();

        values.sort_by(f64::total_cmp);
        values
    }

    /// Their median, if there are any.
    pub fn median(&self, row: &str, rival: &str, measure: &str) -> Option<f64> {
        let values = self.rounds(row, rival, measure);

        values.get(values.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_that_of_the_rounds() {
        let text = "kernel 7.3 of today\n\
                    sample spin eevdf ops 5\nsample spin eevdf ops 1.5\nsample spin umcg ops 7\n\
                    sample spin eevdf ops 2\nsample spin eevdf wait 9\n";
        let samples = Samples::parse(text).unwrap();

        assert_eq!(samples.facts["kernel"], "7.3 of today");
        assert_eq!(samples.rounds("spin", "eevdf", "ops"), [1.5, 2.0, 5.0]);
        assert_eq!(samples.median("spin", "eevdf", "ops"), Some(2.0));
        assert_eq!(samples.median("spin", "other", "ops"), None);
        assert_eq!(samples.measures("spin"), ["ops", "wait"]);
    }

    #[test]
    fn failures_are_counted() {
        let samples = Samples::parse("failed spin umcg\nfailed spin umcg\n").unwrap();

        assert_eq!(samples.failures("spin", "umcg"), 2);
        assert_eq!(samples.failures("spin", "eevdf"), 0);
        assert_eq!(samples.all_failures(), 2);
    }

    #[test]
    fn lines_that_say_nothing_are_refused() {
        for line in [
            "sample",
            "sample a b c",
            "sample a b c nan",
            "sample a b c d",
            "sample a b c 1 2",
        ] {
            assert!(Samples::parse(line).is_err(), "{line}");
        }
    }
}
