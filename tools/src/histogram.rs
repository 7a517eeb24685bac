// SPDX-License-Identifier: GPL-2.0

//! Durations, counted by their order of magnitude.

/// The upper bounds of the buckets but the last one, in microseconds: 1, 2, 5 and so on.
const BOUNDS: [u64; 18] = [
    2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000,
    500_000, 1_000_000,
];

/// A histogram of durations in microseconds.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    counts: [u64; BOUNDS.len() + 1],
    max: u64,
}

impl Histogram {
    /// Counts a duration.
    pub fn add(&mut self, micros: u64) {
        let bucket = BOUNDS.partition_point(|bound| *bound <= micros);

        self.counts[bucket] += 1;
        self.max = self.max.max(micros);
    }

    /// How many durations there are.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The longest one.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// A duration that is not exceeded by so many of a hundred: the upper bound of their bucket, or
    /// the longest one if that is less. Zero if there are none.
    pub fn percentile(&self, percent: u64) -> u64 {
        let wanted = (self.total() * percent).div_ceil(100);
        let mut seen = 0;

        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return BOUNDS
                    .get(bucket)
                    .copied()
                    .unwrap_or(self.max)
                    .min(self.max);
            }
        }
        self.max
    }

    /// The buckets from the first to the last one that is not empty: where each begins, and how
    /// many are in it.
    pub fn buckets(&self) -> Vec<(u64, u64)> {
        let starts = std::iter::once(0).chain(BOUNDS);
        let mut buckets: Vec<_> = starts
            .zip(self.counts)
            .skip_while(|(_, n)| *n == 0)
            .collect();

        while buckets.last().is_some_and(|(_, n)| *n == 0) {
            buckets.pop();
        }
        buckets
    }
}

/// A duration in a few characters: `7 us`, `1.5 ms`, `12 s`.
pub fn short(micros: u64) -> String {
    let (value, unit) = match micros {
        0..=999 => return format!("{micros} us"),
        1_000..=999_999 => (micros as f64 / 1e3, "ms"),
        _ => (micros as f64 / 1e6, "s"),
    };

    if value < 9.95 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(durations: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();

        durations.iter().for_each(|micros| histogram.add(*micros));
        histogram
    }

    #[test]
    fn a_duration_is_in_the_bucket_that_begins_at_or_before_it() {
        assert_eq!(of(&[0, 1]).buckets(), [(0, 2)]);
        assert_eq!(of(&[2, 4]).buckets(), [(2, 2)]);
        assert_eq!(of(&[5]).buckets(), [(5, 1)]);
        assert_eq!(of(&[u64::MAX]).buckets(), [(1_000_000, 1)]);
    }

    #[test]
    fn empty_buckets_are_shown_between_others_only() {
        assert_eq!(of(&[2, 12]).buckets(), [(2, 1), (5, 0), (10, 1)]);
        assert_eq!(of(&[]).buckets(), []);
    }

    #[test]
    fn percentiles_are_bounds_of_buckets_and_never_beyond_the_longest() {
        let many = of(&[[1; 99].as_slice(), &[700]].concat());

        assert_eq!(many.percentile(50), 2);
        assert_eq!(many.percentile(99), 2);
        assert_eq!(many.percentile(100), 700);
        assert_eq!(of(&[3]).percentile(50), 3);
        assert_eq!(of(&[]).percentile(99), 0);
    }

    #[test]
    fn durations_are_short() {
        let texts = [
            (0, "0 us"),
            (999, "999 us"),
            (1_000, "1.0 ms"),
            (9_949, "9.9 ms"),
            (9_960, "10 ms"),
            (123_456, "123 ms"),
            (2_500_000, "2.5 s"),
        ];

        for (micros, text) in texts {
            assert_eq!(short(micros), text);
        }
    }
}
