// SPDX-License-Identifier: GPL-2.0

//! The word that a task shares with the kernel: state, flags, user bits and timestamp.
//!
//! Pure: the same file is built into the module and into tests on the host.

use super::abi::*;

/// A value of `umcg_task::state_ts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StateWord(u64);

/// The state of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Not registered, or exited.
    None,
    /// Runs or is runnable.
    Running,
    /// Waits to be run.
    Idle,
    /// Blocked in the kernel.
    Blocked,
}

impl State {
    const fn bits(self) -> u64 {
        let bits = match self {
            State::None => UMCG_TASK_NONE,
            State::Running => UMCG_TASK_RUNNING,
            State::Idle => UMCG_TASK_IDLE,
            State::Blocked => UMCG_TASK_BLOCKED,
        };
        bits as u64
    }
}

/// The bits of the state. They include the reserved bits, which makes a word with one of these
/// invalid: so no program can set them, and they can be given a meaning later.
const STATE_BITS: u64 = (UMCG_TASK_STATE_MASK | UMCG_TASK_RESERVED_MASK) as u64;

/// The timestamp of `now_ns` nanoseconds of CLOCK_MONOTONIC, in its place in the word.
const fn timestamp(now_ns: u64) -> u64 {
    (now_ns >> UMCG_STATE_TIMESTAMP_GRANULARITY) << UMCG_STATE_TIMESTAMP_SHIFT
}

/// One step of the timestamp, in its place in the word.
const TIMESTAMP_STEP: u64 = 1 << UMCG_STATE_TIMESTAMP_SHIFT;

impl StateWord {
    /// The word of these bits.
    #[inline]
    pub(crate) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits of this word.
    #[inline]
    pub(crate) const fn bits(self) -> u64 {
        self.0
    }

    #[inline]
    const fn has(self, mask: u32) -> bool {
        self.0 & mask as u64 != 0
    }

    /// Whether the state is this one, whatever the flags are.
    #[inline]
    pub(crate) const fn is(self, state: State) -> bool {
        self.0 & STATE_BITS == state.bits()
    }

    /// Whether the state is valid, whatever the flags are.
    #[inline]
    pub(crate) const fn has_meaning(self) -> bool {
        self.0 & STATE_BITS <= State::Blocked.bits()
    }

    /// Whether the task is RUNNING and not locked.
    #[inline]
    pub(crate) const fn runs(self) -> bool {
        self.is(State::Running) && !self.is_locked()
    }

    /// Whether user space is changing the state of the task.
    #[inline]
    pub(crate) const fn is_locked(self) -> bool {
        self.has(UMCG_TF_LOCKED)
    }

    /// Whether the task is to be preempted.
    #[inline]
    pub(crate) const fn is_preempted(self) -> bool {
        self.has(UMCG_TF_PREEMPTED)
    }

    /// Whether the task may register with this word: exactly this state, without flags.
    #[inline]
    pub(crate) const fn is_exactly(self, state: State) -> bool {
        self.is(state) && !self.has(UMCG_TF_LOCKED | UMCG_TF_PREEMPTED)
    }

    /// Whether `later` differs from this word only by the preemption flag and the timestamp.
    #[inline]
    pub(crate) const fn became_preempted(self, later: Self) -> bool {
        let changed = (self.0 ^ later.0) & UMCG_TASK_STATE_MASK_FULL as u64;

        changed == UMCG_TF_PREEMPTED as u64 && later.is_preempted()
    }

    /// The word in another state, changed at `now_ns`; flags and user bits are preserved.
    #[inline]
    pub(crate) const fn moved_to(self, state: State, now_ns: u64) -> Self {
        let bits = self.0 & UMCG_TASK_STATE_MASK_FULL as u64 & !STATE_BITS;

        self.changed_to(bits | state.bits(), now_ns)
    }

    /// The word of a worker that the kernel runs: without the preemption flag.
    #[inline]
    pub(crate) const fn let_run(self, now_ns: u64) -> Self {
        Self(self.0 & !(UMCG_TF_PREEMPTED as u64)).moved_to(State::Running, now_ns)
    }

    /// The word without the lock, changed at `now_ns`.
    #[inline]
    pub(crate) const fn unlocked(self, now_ns: u64) -> Self {
        let bits = self.0 & UMCG_TASK_STATE_MASK_FULL as u64 & !(UMCG_TF_LOCKED as u64);

        self.changed_to(bits, now_ns)
    }

    /// The word with the lock, changed at `now_ns`.
    #[inline]
    pub(crate) const fn locked(self, now_ns: u64) -> Self {
        let bits = self.0 & UMCG_TASK_STATE_MASK_FULL as u64 | UMCG_TF_LOCKED as u64;

        self.changed_to(bits, now_ns)
    }

    /// The word with the preemption flag, changed at `now_ns`.
    #[inline]
    pub(crate) const fn preempted(self, now_ns: u64) -> Self {
        let bits = self.0 & UMCG_TASK_STATE_MASK_FULL as u64 | UMCG_TF_PREEMPTED as u64;

        self.changed_to(bits, now_ns)
    }

    /// The word of a task that has exited: only the user bits are preserved.
    #[inline]
    pub(crate) const fn gone(self, now_ns: u64) -> Self {
        let flags = (UMCG_TF_LOCKED | UMCG_TF_PREEMPTED) as u64;

        Self(self.0 & !flags).moved_to(State::None, now_ns)
    }

    /// The age of the timestamp at `now_ns`; zero if user space has set it to the future.
    pub(crate) const fn age_ns(self, now_ns: u64) -> u64 {
        let stamped = self.0 & !(UMCG_TASK_STATE_MASK_FULL as u64);
        let age = timestamp(now_ns).wrapping_sub(stamped);

        if age < 1 << 63 {
            age >> UMCG_STATE_TIMESTAMP_SHIFT << UMCG_STATE_TIMESTAMP_GRANULARITY
        } else {
            0
        }
    }

    /// Stamps `bits` so that the word differs from this one and does not go back in time, even if
    /// the clock of another CPU, or user space, was ahead. The timestamp wraps.
    #[inline]
    const fn changed_to(self, bits: u64, now_ns: u64) -> Self {
        let previous = self.0 & !(UMCG_TASK_STATE_MASK_FULL as u64);
        let now = timestamp(now_ns);
        let forward = now.wrapping_sub(previous);
        let is_later = forward != 0 && forward < 1 << 63;

        if is_later {
            Self(bits | now)
        } else {
            Self(bits | previous.wrapping_add(TIMESTAMP_STEP))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER_BITS: u64 = 0x3e000;
    const SECOND: u64 = 1_000_000_000;

    fn word(state: State, flags: u32) -> StateWord {
        StateWord(state.bits() | u64::from(flags) | USER_BITS | timestamp(SECOND))
    }

    fn stamp(word: StateWord) -> u64 {
        word.bits() >> UMCG_STATE_TIMESTAMP_SHIFT
    }

    #[test]
    fn a_change_of_state_keeps_flags_and_user_bits() {
        let before = word(State::Running, UMCG_TF_PREEMPTED);
        let after = before.moved_to(State::Blocked, 2 * SECOND);

        assert!(after.is(State::Blocked) && after.is_preempted() && !after.is_locked());
        assert_eq!(after.bits() & USER_BITS, USER_BITS);
        assert_eq!(stamp(after), 2 * SECOND >> 4);
    }

    #[test]
    fn two_changes_at_one_moment_differ_by_one_step() {
        let first = word(State::Running, 0).moved_to(State::Blocked, SECOND);
        let second = first.moved_to(State::Idle, SECOND);

        assert_eq!(stamp(first), (SECOND >> 4) + 1);
        assert_eq!(stamp(second), (SECOND >> 4) + 2);
    }

    #[test]
    fn a_clock_that_is_behind_does_not_turn_the_timestamp_back() {
        let before = word(State::Idle, 0);
        let after = before.moved_to(State::Running, SECOND / 2);

        assert_eq!(stamp(after), stamp(before) + 1);
    }

    #[test]
    fn the_timestamp_wraps_at_46_bits() {
        let last = StateWord(UMCG_TASK_IDLE as u64 | !(UMCG_TASK_STATE_MASK_FULL as u64));
        let same_moment = last.moved_to(State::Running, ((1 << 46) - 1) << 4);
        let next_moment = last.moved_to(State::Running, 5 << 4 | 1 << 50);

        assert_eq!(stamp(same_moment), 0);
        assert_eq!(stamp(next_moment), 5);
        assert!(same_moment.is(State::Running) && next_moment.is(State::Running));
    }

    #[test]
    fn the_age_of_a_word_is_that_of_its_timestamp() {
        let before = word(State::Idle, 0);

        assert_eq!(before.age_ns(3 * SECOND), 2 * SECOND);
        assert_eq!(before.age_ns(SECOND / 2), 0);
    }

    #[test]
    fn the_age_of_a_word_does_not_mind_that_timestamps_wrap() {
        let last = StateWord(!0);

        assert_eq!(last.age_ns(0), 16);
    }

    #[test]
    fn only_the_preemption_flag_counts_as_preemption() {
        let running = word(State::Running, 0);
        let later = StateWord(running.bits() | u64::from(UMCG_TF_PREEMPTED));

        assert!(running.became_preempted(later));
        assert!(running.became_preempted(StateWord(later.bits() + TIMESTAMP_STEP)));
        assert!(!later.became_preempted(running));
        assert!(!running.became_preempted(running));
        assert!(!running.became_preempted(StateWord(later.bits() ^ 1 << 13)));
        assert!(!running.became_preempted(StateWord(later.bits() | u64::from(UMCG_TF_LOCKED))));
    }

    #[test]
    fn registration_wants_no_flag_and_no_reserved_bit() {
        assert!(word(State::Blocked, 0).is_exactly(State::Blocked));
        assert!(!word(State::Blocked, 0).is_exactly(State::Running));
        assert!(!word(State::Blocked, UMCG_TF_LOCKED).is_exactly(State::Blocked));
        assert!(!word(State::Blocked, UMCG_TF_PREEMPTED).is_exactly(State::Blocked));
        for bit in 8..13 {
            assert!(!word(State::Blocked, 1 << bit).is_exactly(State::Blocked));
        }
        assert!(!StateWord(0x13).is_exactly(State::Blocked));
    }

    #[test]
    fn a_word_with_a_reserved_bit_is_in_no_state() {
        for state in [State::None, State::Running, State::Idle, State::Blocked] {
            assert!(word(state, UMCG_TF_LOCKED | UMCG_TF_PREEMPTED).has_meaning());
            for bit in 8..13 {
                let reserved = word(state, 1 << bit);

                assert!(!reserved.has_meaning() && !reserved.is(state) && !reserved.runs());
            }
        }
        for state in 4..64 {
            assert!(!StateWord(state | USER_BITS).has_meaning());
        }
    }

    #[test]
    fn a_task_that_is_gone_keeps_its_user_bits_only() {
        let flags = UMCG_TF_LOCKED | UMCG_TF_PREEMPTED | UMCG_TASK_RESERVED_MASK;
        let gone = word(State::Running, flags).gone(2 * SECOND);

        assert_eq!(gone.bits() & UMCG_TASK_STATE_MASK_FULL as u64, USER_BITS);
    }

    #[test]
    fn a_worker_that_is_let_run_has_given_way() {
        let before = word(State::Blocked, UMCG_TF_PREEMPTED);
        let after = before.let_run(2 * SECOND);

        assert!(after.is(State::Running) && !after.is_preempted() && !after.is_locked());
        assert_eq!(after.bits() & USER_BITS, USER_BITS);
        assert_eq!(stamp(after), 2 * SECOND >> 4);
    }

    #[test]
    fn unlocking_changes_the_lock_only() {
        let before = word(State::Idle, UMCG_TF_LOCKED | UMCG_TF_PREEMPTED);
        let after = before.unlocked(2 * SECOND);

        assert!(after.is(State::Idle) && after.is_preempted() && !after.is_locked());
        assert_eq!(after.bits() & USER_BITS, USER_BITS);
    }
}
