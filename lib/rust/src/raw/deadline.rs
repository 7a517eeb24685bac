// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The deadline of a worker, in one word.

use core::time::Duration;

/// The deadline of a worker. Times are in nanoseconds; absolute ones are of the kernel's
/// CLOCK_MONOTONIC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Deadline {
    /// No deadline.
    #[default]
    None,
    /// Relative: so long after the worker is woken.
    After(u64),
    /// Absolute.
    At(u64),
}

const AFTER: u64 = 1 << 62;
const AT: u64 = 1 << 63;
/// The bits of the time: 146 years.
const TIME: u64 = AFTER - 1;

impl Deadline {
    pub(crate) fn after(relative: Duration) -> Self {
        Self::After(u64::try_from(relative.as_nanos()).unwrap_or(TIME))
    }

    /// Times that do not fit into the word are saturated.
    pub(crate) fn word(self) -> u64 {
        match self {
            Self::None => 0,
            Self::After(time) => AFTER | time.min(TIME),
            Self::At(time) => AT | time.min(TIME),
        }
    }

    pub(crate) fn of(word: u64) -> Self {
        match word & !TIME {
            AFTER => Self::After(word & TIME),
            AT => Self::At(word & TIME),
            _ => Self::None,
        }
    }

    /// The absolute deadline of a worker that was woken at `woken`.
    pub(crate) fn from(self, woken: u64) -> Option<u64> {
        match self {
            Self::None => None,
            Self::After(time) => Some(woken.saturating_add(time)),
            Self::At(time) => Some(time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_keeps_the_deadline() {
        for deadline in [
            Deadline::None,
            Deadline::After(0),
            Deadline::After(7),
            Deadline::At(0),
            Deadline::At(TIME),
        ] {
            assert_eq!(Deadline::of(deadline.word()), deadline);
        }
        assert_eq!(
            Deadline::of(Deadline::After(u64::MAX).word()),
            Deadline::After(TIME)
        );
    }

    #[test]
    fn relative_deadline_counts_from_the_wake_up() {
        assert_eq!(Deadline::None.from(100), None);
        assert_eq!(Deadline::After(7).from(100), Some(107));
        assert_eq!(Deadline::At(7).from(100), Some(7));
    }
}
