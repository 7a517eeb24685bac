// SPDX-License-Identifier: GPL-2.0

//! How often something took how long.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Each bucket is for times of up to twice as long as those of the one before; the first one for
/// less than a microsecond. The last one has all from half an hour on.
const BUCKETS: usize = 32;

/// A histogram that any thread may add to.
#[derive(Default)]
pub(crate) struct Histogram {
    // Relaxed, all: people read it.
    buckets: [AtomicU64; BUCKETS],
    longest_us: AtomicU64,
}

fn us(time: Duration) -> u64 {
    time.as_micros().try_into().unwrap_or(u64::MAX)
}

fn bucket(us: u64) -> usize {
    let bits = u64::BITS - us.leading_zeros();

    usize::try_from(bits).map_or(BUCKETS - 1, |bits| bits.min(BUCKETS - 1))
}

impl Histogram {
    pub(crate) fn add(&self, time: Duration) {
        let us = us(time);

        self.buckets[bucket(us)].fetch_add(1, Ordering::Relaxed);
        self.longest_us.fetch_max(us, Ordering::Relaxed);
    }

    fn counts(&self) -> [u64; BUCKETS] {
        self.buckets
            .each_ref()
            .map(|bucket| bucket.load(Ordering::Relaxed))
    }

    pub(crate) fn longest(&self) -> Duration {
        Duration::from_micros(self.longest_us.load(Ordering::Relaxed))
    }

    /// No less than this part of all took no longer than the result, and it is no more than twice
    /// as long as what they took.
    pub(crate) fn quantile(&self, part: f64) -> Duration {
        let counts = self.counts();
        let all: u64 = counts.iter().sum();
        // CAST: What is lost is less than one in a million.
        let wanted = (all as f64 * part).ceil() as u64;
        let mut found = 0;

        for (bucket, count) in counts.iter().enumerate() {
            found += count;
            if found >= wanted {
                return Duration::from_micros(1 << bucket).min(self.longest());
            }
        }
        self.longest()
    }

    /// How many took less than each of these times, but not less than the one before; and after
    /// them the rest. The limits are powers of two of microseconds.
    pub(crate) fn between(&self, limits_us: &[u64]) -> Vec<u64> {
        let counts = self.counts();
        let ends = limits_us.iter().map(|limit| bucket(*limit).min(BUCKETS));
        let mut begin = 0;

        ends.chain([BUCKETS])
            .map(|end| {
                let sum = counts[begin..end.max(begin)].iter().sum();
                begin = end.max(begin);
                sum
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(times_us: &[u64]) -> Histogram {
        let histogram = Histogram::default();

        for time in times_us {
            histogram.add(Duration::from_micros(*time));
        }
        histogram
    }

    #[test]
    fn quantiles_are_upper_bounds() {
        let times = of(&[0, 3, 3, 3, 3, 3, 3, 3, 3, 900]);

        assert_eq!(times.quantile(0.5), Duration::from_micros(4));
        assert_eq!(times.quantile(0.9), Duration::from_micros(4));
        assert_eq!(times.quantile(0.99), Duration::from_micros(900));
        assert_eq!(times.longest(), Duration::from_micros(900));
        assert_eq!(of(&[]).quantile(0.5), Duration::ZERO);
    }

    #[test]
    fn every_time_is_between_two_limits() {
        let times = of(&[0, 15, 16, 1023, 1024, u64::MAX]);

        assert_eq!(times.between(&[16, 1024]), [2, 2, 2]);
    }
}
