// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The values of a state word.

use crate::sys::abi;

/// What a thread does, with the flags that count: the part of the word that changes are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State(u64);

impl State {
    pub(crate) const NONE: Self = Self(abi::TASK_NONE);
    pub(crate) const RUNNING: Self = Self(abi::TASK_RUNNING);
    pub(crate) const IDLE: Self = Self(abi::TASK_IDLE);
    pub(crate) const BLOCKED: Self = Self(abi::TASK_BLOCKED);

    /// Taken by user space; the kernel keeps off.
    pub(crate) const fn locked(self) -> Self {
        Self(self.0 | abi::TF_LOCKED)
    }

    /// To give way.
    pub(crate) const fn preempted(self) -> Self {
        Self(self.0 | abi::TF_PREEMPTED)
    }

    /// Whether it is to give way.
    pub(crate) const fn is_preempted(self) -> bool {
        self.0 & abi::TF_PREEMPTED != 0
    }

    /// Without its flags.
    pub(crate) const fn without_flags(self) -> Self {
        Self(self.0 & abi::TASK_STATE_MASK)
    }

    /// The word of a thread that has not had another one.
    pub(crate) const fn first_word(self, now_ns: u64) -> u64 {
        time(now_ns) | self.0
    }

    /// What a word says.
    pub(crate) const fn of(word: u64) -> Self {
        Self(word & STATE_AND_FLAGS)
    }

    /// The word that comes after `word`. Its timestamp is that of `now_ns`, or a later one: so no
    /// two words of a thread are the same.
    pub(crate) const fn word_after(self, word: u64, now_ns: u64) -> u64 {
        time_after(word, now_ns) | (word & OTHER_BITS) | self.0
    }
}

const STATE_AND_FLAGS: u64 = abi::TASK_STATE_MASK | abi::TF_LOCKED | abi::TF_PREEMPTED;
/// What a change keeps.
const OTHER_BITS: u64 = ((1 << abi::TIMESTAMP_SHIFT) - 1) & !STATE_AND_FLAGS;
const TIMESTAMPS: u64 = (1 << abi::TIMESTAMP_BITS) - 1;

const fn timestamp(now_ns: u64) -> u64 {
    (now_ns >> abi::TIMESTAMP_GRANULARITY) & TIMESTAMPS
}

/// The timestamp of a word.
pub(super) const fn time(now_ns: u64) -> u64 {
    timestamp(now_ns) << abi::TIMESTAMP_SHIFT
}

/// The timestamp of the word that comes after `word`.
pub(super) const fn time_after(word: u64, now_ns: u64) -> u64 {
    const STEP: u64 = 1 << abi::TIMESTAMP_SHIFT;
    let before = word & !(STEP - 1);
    let now = time(now_ns);

    // Half of all timestamps are later than a given one: they wrap, as the upper bits of a word.
    // CAST: The sign says which half.
    if now.wrapping_sub(before) as i64 > 0 {
        now
    } else {
        before.wrapping_add(STEP)
    }
}

/// For how many nanoseconds the word has been what it is; zero if it is from the future.
pub(crate) const fn age_ns(word: u64, now_ns: u64) -> u64 {
    let age = timestamp(now_ns).wrapping_sub(word >> abi::TIMESTAMP_SHIFT) & TIMESTAMPS;

    if age > TIMESTAMPS / 2 {
        0
    } else {
        age << abi::TIMESTAMP_GRANULARITY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER_BIT: u64 = 1 << 15;

    #[test]
    fn change_keeps_the_bits_of_others() {
        let word = State::RUNNING.preempted().first_word(1600) | USER_BIT;
        let next = State::IDLE.locked().word_after(word, 3200);

        assert_eq!(State::of(next), State::IDLE.locked());
        assert_eq!(next & OTHER_BITS, USER_BIT);
        assert_eq!(age_ns(next, 3200), 0);
    }

    #[test]
    fn two_changes_at_one_time_differ() {
        let first = State::RUNNING.first_word(1600);
        let second = State::RUNNING.word_after(first, 1600);
        let third = State::RUNNING.word_after(second, 1000);

        assert_eq!(second >> abi::TIMESTAMP_SHIFT, 101);
        assert_eq!(third >> abi::TIMESTAMP_SHIFT, 102);
    }

    #[test]
    fn time_goes_on_when_the_timestamp_wraps() {
        let last = TIMESTAMPS << abi::TIMESTAMP_GRANULARITY;
        let word = State::IDLE.first_word(last);
        let next = State::IDLE.word_after(word, last + 32);

        assert_eq!(next >> abi::TIMESTAMP_SHIFT, 1);
        assert_eq!(age_ns(word, last + 32), 32);
        assert_eq!(
            State::IDLE.word_after(word, last) >> abi::TIMESTAMP_SHIFT,
            0
        );
    }

    #[test]
    fn word_from_the_future_has_no_age() {
        assert_eq!(age_ns(State::RUNNING.first_word(3200), 1600), 0);
    }
}
