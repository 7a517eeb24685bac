// SPDX-License-Identifier: GPL-2.0

//! Tests of the transitions: every state with every flag, and words that change concurrently.

mod races;

use crate::{
    abi::*,
    protocol::{
        become_idle,
        block,
        has_timed_out,
        is_preempted,
        is_running,
        leave,
        preempt,
        push_idle,
        resume,
        should_idle,
        should_idle_or,
        start_server,
        still_waits,
        time_out,
        unlock,
        Block,
        OnTimeout,
        Resume,
        SharedWord, //
    },
    state::StateWord,
    sys::bindings::UMCG_TASK_USER_MASK, //
};
use std::{
    cell::{
        Cell,
        RefCell, //
    },
    sync::atomic::{
        AtomicU64,
        Ordering::{
            Acquire,
            Relaxed,
            Release,
            SeqCst, //
        },
    },
};

const SECOND: u64 = 1_000_000_000;
const USER_BITS: u64 = 0x2a000;
const FLAGS: [u32; 4] = [
    0,
    UMCG_TF_LOCKED,
    UMCG_TF_PREEMPTED,
    UMCG_TF_LOCKED | UMCG_TF_PREEMPTED,
];

impl SharedWord for AtomicU64 {
    fn load(&self) -> u64 {
        AtomicU64::load(self, Acquire)
    }

    fn store(&self, value: u64) {
        AtomicU64::store(self, value, Release);
    }

    fn exchange(&self, new: u64) -> u64 {
        self.swap(new, SeqCst)
    }

    fn compare_exchange(&self, old: u64, new: u64) -> Result<(), u64> {
        AtomicU64::compare_exchange(self, old, new, SeqCst, Acquire).map(|_| ())
    }
}

/// A word that changes concurrently right before each compare-exchange, as long as `next` says so.
struct Fought<F> {
    value: Cell<u64>,
    attempts: Cell<usize>,
    next: F,
}

impl<F: Fn(usize, u64) -> Option<u64>> Fought<F> {
    fn new(value: u64, next: F) -> Self {
        Self {
            value: Cell::new(value),
            attempts: Cell::new(0),
            next,
        }
    }
}

impl<F: Fn(usize, u64) -> Option<u64>> SharedWord for Fought<F> {
    fn load(&self) -> u64 {
        self.value.get()
    }

    fn store(&self, value: u64) {
        self.value.set(value);
    }

    fn exchange(&self, new: u64) -> u64 {
        self.value.replace(new)
    }

    fn compare_exchange(&self, old: u64, new: u64) -> Result<(), u64> {
        if let Some(value) = (self.next)(self.attempts.get(), self.value.get()) {
            self.value.set(value);
        }
        self.attempts.set(self.attempts.get() + 1);
        assert!(self.attempts.get() < 1000, "the fight does not end");

        if self.value.get() == old {
            self.value.set(new);
            Ok(())
        } else {
            Err(self.value.get())
        }
    }
}

fn stamp(word: u64) -> u64 {
    word >> UMCG_STATE_TIMESTAMP_SHIFT
}

/// The state, including the reserved bits, which make it invalid.
fn state(word: u64) -> u32 {
    word as u32 & (UMCG_TASK_STATE_MASK | UMCG_TASK_RESERVED_MASK)
}

fn flags(word: u64) -> u32 {
    word as u32 & (UMCG_TF_LOCKED | UMCG_TF_PREEMPTED)
}

/// A word of the time `SECOND`.
fn word(state: u32, flags: u32) -> u64 {
    u64::from(state | flags)
        | USER_BITS
        | (SECOND >> UMCG_STATE_TIMESTAMP_GRANULARITY) << UMCG_STATE_TIMESTAMP_SHIFT
}

/// Calls `check` with every state, possible or not, also with a reserved bit, and every combination
/// of flags.
fn for_each_word(mut check: impl FnMut(u32, u32, &AtomicU64)) {
    let reserved =
        (8..13).flat_map(|bit| (0..=UMCG_TASK_BLOCKED).map(move |state| state | 1 << bit));

    for state in (0..=UMCG_TASK_STATE_MASK).chain(reserved) {
        for flags in FLAGS {
            check(state, flags, &AtomicU64::new(word(state, flags)));
        }
    }
}

/// Whether `now` is a word that was changed at `2 * SECOND`, to this state with these flags.
fn assert_changed(now: &AtomicU64, to_state: u32, to_flags: u32) {
    let now = now.load(Relaxed);

    assert_eq!((state(now), flags(now)), (to_state, to_flags), "{now:#x}");
    assert_eq!(now & u64::from(UMCG_TASK_USER_MASK), USER_BITS);
    assert_eq!(
        stamp(now),
        2 * SECOND >> UMCG_STATE_TIMESTAMP_GRANULARITY,
        "{now:#x}"
    );
}

fn assert_untouched(now: &AtomicU64, from_state: u32, from_flags: u32) {
    assert_eq!(now.load(Relaxed), word(from_state, from_flags));
}

fn is_locked(flags: u32) -> bool {
    flags & UMCG_TF_LOCKED != 0
}

fn wants_preemption(flags: u32) -> bool {
    flags & UMCG_TF_PREEMPTED != 0
}

#[test]
fn block_reports_a_running_worker_that_is_not_locked_and_finds_a_word_without_a_meaning() {
    for_each_word(|state, flags, word| {
        let seen = block(word, 2 * SECOND);

        if state == UMCG_TASK_RUNNING && !is_locked(flags) {
            assert_eq!(seen, Block::Reported);
            assert_changed(word, UMCG_TASK_BLOCKED, flags);
        } else if state <= UMCG_TASK_BLOCKED {
            assert_eq!(seen, Block::Unreported);
            assert_untouched(word, state, flags);
        } else {
            assert_eq!(seen, Block::Broken);
            assert_untouched(word, state, flags);
        }
    });
}

#[test]
fn block_tries_again_if_the_worker_is_preempted_meanwhile() {
    let fought = Fought::new(word(UMCG_TASK_RUNNING, 0), |attempt, now| {
        (attempt == 0).then_some(now | u64::from(UMCG_TF_PREEMPTED))
    });

    assert_eq!(block(&fought, 2 * SECOND), Block::Reported);
    assert_eq!(state(fought.load()), UMCG_TASK_BLOCKED);
    assert_eq!(flags(fought.load()), UMCG_TF_PREEMPTED);
    assert_eq!(fought.attempts.get(), 2);
}

#[test]
fn block_tries_again_if_the_preemption_comes_with_a_new_timestamp() {
    let fought = Fought::new(word(UMCG_TASK_RUNNING, 0), |attempt, now| {
        (attempt == 0).then_some((now | u64::from(UMCG_TF_PREEMPTED)) + (5 << 18))
    });

    assert_eq!(block(&fought, 2 * SECOND), Block::Reported);
    assert_eq!(flags(fought.load()), UMCG_TF_PREEMPTED);
}

#[test]
fn block_tries_again_once_only() {
    let fought = Fought::new(word(UMCG_TASK_RUNNING, 0), |attempt, now| match attempt {
        0 => Some(now | u64::from(UMCG_TF_PREEMPTED)),
        _ => Some(now + (1 << 18)),
    });

    assert_eq!(block(&fought, 2 * SECOND), Block::Broken);
    assert_eq!(fought.attempts.get(), 2);
    assert_eq!(state(fought.load()), UMCG_TASK_RUNNING);
}

#[test]
fn block_takes_every_other_change_for_a_breach() {
    let running = word(UMCG_TASK_RUNNING, 0);
    let changes = [
        running + (1 << 18),
        running ^ 1 << 13,
        running | u64::from(UMCG_TF_LOCKED),
        running | u64::from(UMCG_TF_PREEMPTED) | 1 << 8,
        (running | u64::from(UMCG_TF_PREEMPTED)) ^ 1 << 13,
        word(UMCG_TASK_IDLE, 0),
        word(UMCG_TASK_IDLE, UMCG_TF_PREEMPTED),
        word(UMCG_TASK_BLOCKED, UMCG_TF_PREEMPTED),
        0,
    ];

    for change in changes {
        let fought = Fought::new(running, |_, _| Some(change));

        assert_eq!(block(&fought, 2 * SECOND), Block::Broken, "{change:#x}");
        assert_eq!(fought.attempts.get(), 1);
        assert_eq!(fought.load(), change);
    }
}

#[test]
fn start_server_starts_an_idle_one() {
    for_each_word(|state, flags, word| {
        let idle = state == UMCG_TASK_IDLE;

        assert_eq!(start_server(word, 2 * SECOND), Some(idle));
        if idle {
            assert_changed(word, UMCG_TASK_RUNNING, flags);
        } else {
            assert_untouched(word, state, flags);
        }
    });
}

#[test]
fn start_server_gives_way_to_somebody_who_was_faster() {
    let running = word(UMCG_TASK_RUNNING, 0);
    let fought = Fought::new(word(UMCG_TASK_IDLE, 0), |_, _| Some(running));

    assert_eq!(start_server(&fought, 2 * SECOND), Some(false));
    assert_eq!(fought.load(), running);
}

#[test]
fn unlock_takes_the_lock_off_and_nothing_else() {
    for_each_word(|state, flags, word| {
        assert!(unlock(word, 2 * SECOND));
        if is_locked(flags) {
            assert_changed(word, state, flags & !UMCG_TF_LOCKED);
        } else {
            assert_untouched(word, state, flags);
        }
    });
}

#[test]
fn a_wait_that_starts_again_goes_on_while_nobody_has_run_the_worker() {
    for_each_word(|state, flags, word| {
        let now = SharedWord::load(word);
        let waits = state == UMCG_TASK_IDLE && !is_locked(flags);
        let is_about_to_run = state == UMCG_TASK_RUNNING && is_locked(flags);

        assert_eq!(still_waits(word, now), waits || is_about_to_run);
        assert_eq!(still_waits(word, now + (1 << 18)), is_about_to_run);
    });
}

#[test]
fn a_wait_that_has_given_up_is_over_when_it_starts_again() {
    for_each_word(|state, flags, word| {
        let now = SharedWord::load(word);
        let runs = state == UMCG_TASK_RUNNING && !is_locked(flags);
        let was_locked = state == UMCG_TASK_IDLE && is_locked(flags);

        assert_eq!(has_timed_out(word, now), runs || was_locked);
        assert_eq!(has_timed_out(word, now + (1 << 18)), runs);
    });
}

#[test]
fn a_fight_for_a_word_ends() {
    let advance = |_: usize, now: u64| Some(now + (1 << 18));
    let idle = Fought::new(word(UMCG_TASK_IDLE, 0), advance);
    let locked = Fought::new(word(UMCG_TASK_IDLE, UMCG_TF_LOCKED), advance);
    let running = Fought::new(word(UMCG_TASK_RUNNING, 0), advance);

    assert!(!time_out(&idle, OnTimeout::Queue, 2 * SECOND));
    assert!(!unlock(&locked, 2 * SECOND));
    assert_eq!(leave(&running, 2 * SECOND, || 7), None);
    for fought in [&idle, &locked, &running] {
        assert!(fought.attempts.get() >= 10, "it is lost too soon");
    }
}

#[test]
fn a_fight_for_a_word_may_be_won_late() {
    let advance_nine_times = |attempt: usize, now: u64| (attempt < 9).then_some(now + (1 << 18));
    let fought = Fought::new(word(UMCG_TASK_IDLE, 0), advance_nine_times);

    assert!(time_out(&fought, OnTimeout::Queue, 2 * SECOND));
    assert_eq!(fought.attempts.get(), 10);
    assert_eq!(state(fought.load()), UMCG_TASK_BLOCKED);
}

#[test]
fn a_word_of_another_task_is_fought_for_a_short_time_at_once() {
    let advance_three_times = |attempt: usize, now: u64| (attempt < 3).then_some(now + (1 << 18));
    let advance = |_: usize, now: u64| Some(now + (1 << 18));
    let changes: [(u32, fn(&Fought<_>) -> Option<bool>); 2] = [
        (UMCG_TASK_IDLE, |word| start_server(word, 2 * SECOND)),
        (UMCG_TASK_RUNNING, |word| preempt(word, 2 * SECOND)),
    ];

    for (state, change) in changes {
        let fought = Fought::new(word(state, 0), Box::new(advance) as Box<dyn Fn(_, _) -> _>);

        assert_eq!(change(&fought), None);
        assert!(
            fought.attempts.get() <= 4,
            "interrupts are off for too long"
        );

        let fought = Fought::new(word(state, 0), Box::new(advance_three_times) as Box<_>);

        assert_eq!(change(&fought), Some(true));
        assert_eq!(fought.attempts.get(), 4);
    }
}

#[test]
fn should_idle_looks_at_state_and_lock() {
    for_each_word(|state, flags, word| {
        let expected = match state {
            UMCG_TASK_RUNNING => is_locked(flags),
            UMCG_TASK_IDLE => !is_locked(flags),
            _ => false,
        };

        let mut broken = false;

        assert_eq!(should_idle(word), expected, "{state} {flags:#x}");
        assert_eq!(should_idle_or(word, || broken = true), expected);
        assert_eq!(broken, state > UMCG_TASK_BLOCKED, "{state} {flags:#x}");
        assert_untouched(word, state, flags);
    });
}

#[test]
fn who_is_locked_does_not_run() {
    for_each_word(|state, flags, word| {
        let runs = state == UMCG_TASK_RUNNING && !is_locked(flags);

        assert_eq!(is_running(word), runs);
        assert_eq!(is_preempted(word), runs && wants_preemption(flags));
        assert_untouched(word, state, flags);
    });
}

#[test]
fn time_out_changes_an_idle_worker_that_is_not_locked() {
    for then in [OnTimeout::Queue, OnTimeout::Lock] {
        for_each_word(|state, flags, word| {
            let timed_out = time_out(word, then, 2 * SECOND);

            assert_eq!(timed_out, state == UMCG_TASK_IDLE && !is_locked(flags));
            if !timed_out {
                assert_untouched(word, state, flags);
            } else if then == OnTimeout::Queue {
                assert_changed(word, UMCG_TASK_BLOCKED, flags);
            } else {
                assert_changed(word, UMCG_TASK_IDLE, flags | UMCG_TF_LOCKED);
            }
        });
    }
}

#[test]
fn resume_knows_what_every_word_means() {
    for has_server in [false, true] {
        for idles in [false, true] {
            for_each_word(|state, flags, word| {
                let seen = StateWord::from_bits(word.load(Relaxed));
                let queue = |preempted| Resume::Queue { seen, preempted };
                let expected = match (state, is_locked(flags)) {
                    (UMCG_TASK_BLOCKED, _) => queue(false),
                    (UMCG_TASK_RUNNING, true) => Resume::Hold,
                    (UMCG_TASK_RUNNING, false) if !has_server => Resume::Broken,
                    (UMCG_TASK_RUNNING, false) if wants_preemption(flags) => queue(true),
                    (UMCG_TASK_RUNNING, false) => Resume::Run,
                    (UMCG_TASK_IDLE, true) => Resume::Run,
                    (UMCG_TASK_IDLE, false) if idles => Resume::Hold,
                    _ => Resume::Broken,
                };

                assert_eq!(resume(word, idles, || has_server, || false), expected);
                assert_untouched(word, state, flags);
            });
        }
    }
}

/// A word that a server runs at the moment at which it is read.
struct RunWhenRead<'a> {
    server_named: &'a Cell<bool>,
}

impl SharedWord for RunWhenRead<'_> {
    fn load(&self) -> u64 {
        self.server_named.set(true);
        word(UMCG_TASK_RUNNING, 0)
    }

    fn store(&self, _value: u64) {
        unreachable!("only looked at")
    }

    fn exchange(&self, _new: u64) -> u64 {
        unreachable!("only looked at")
    }

    fn compare_exchange(&self, _old: u64, _new: u64) -> Result<(), u64> {
        unreachable!("only looked at")
    }
}

#[test]
fn resume_looks_for_the_server_after_the_word() {
    let server_named = Cell::new(false);
    let word = RunWhenRead {
        server_named: &server_named,
    };

    assert_eq!(
        resume(&word, true, || server_named.get(), || false),
        Resume::Run
    );
}

#[test]
fn preempt_marks_a_worker_that_runs() {
    for_each_word(|state, flags, word| {
        let runs = state == UMCG_TASK_RUNNING && !is_locked(flags);

        assert_eq!(preempt(word, 2 * SECOND), Some(runs));
        if runs && !wants_preemption(flags) {
            assert_changed(word, UMCG_TASK_RUNNING, UMCG_TF_PREEMPTED);
        } else {
            assert_untouched(word, state, flags);
        }
    });
}

#[test]
fn become_idle_wants_the_word_that_was_seen() {
    let blocked = word(UMCG_TASK_BLOCKED, UMCG_TF_PREEMPTED);
    let seen = StateWord::from_bits(blocked);
    let same = AtomicU64::new(blocked);
    let later = AtomicU64::new(blocked + (1 << 18));

    assert!(become_idle(&same, seen, 2 * SECOND));
    assert_changed(&same, UMCG_TASK_IDLE, UMCG_TF_PREEMPTED);
    assert!(!become_idle(&later, seen, 2 * SECOND));
    assert_eq!(later.load(Relaxed), blocked + (1 << 18));
}

#[test]
fn leave_tells_which_server_has_to_be_started() {
    for_each_word(|state, flags, word| {
        let server = leave(word, 2 * SECOND, || 7);
        let may_run = match state {
            UMCG_TASK_RUNNING => !is_locked(flags),
            _ => state > UMCG_TASK_BLOCKED,
        };

        assert_eq!(server, may_run.then_some(7));
        assert_changed(word, UMCG_TASK_NONE, 0);
    });
}

/// A server that claims the worker while it leaves is the one that is named then.
#[test]
fn leave_names_the_server_of_the_state_that_it_replaces() {
    let named = Cell::new(0);
    let claimed_once = |attempt: usize, now: u64| {
        (attempt == 0).then(|| {
            named.set(7);
            now & !u64::from(UMCG_TASK_STATE_MASK) | u64::from(UMCG_TASK_RUNNING)
        })
    };
    let fought = Fought::new(word(UMCG_TASK_IDLE, 0), claimed_once);

    assert_eq!(leave(&fought, 2 * SECOND, || named.get()), Some(7));
    assert_eq!(state(fought.load()), UMCG_TASK_NONE);
}

/// A word that writes down what is done to it.
struct Recorded<'a> {
    name: &'static str,
    value: Cell<u64>,
    log: &'a RefCell<Vec<(&'static str, &'static str, u64)>>,
}

impl SharedWord for Recorded<'_> {
    fn load(&self) -> u64 {
        self.log.borrow_mut().push((self.name, "load", 0));
        self.value.get()
    }

    fn store(&self, value: u64) {
        self.log.borrow_mut().push((self.name, "store", value));
        self.value.set(value);
    }

    fn exchange(&self, new: u64) -> u64 {
        self.log.borrow_mut().push((self.name, "exchange", new));
        self.value.replace(new)
    }

    fn compare_exchange(&self, _old: u64, _new: u64) -> Result<(), u64> {
        unreachable!("the push never loops")
    }
}

#[test]
fn push_idle_marks_publishes_and_links() {
    let log = RefCell::new(Vec::new());
    let recorded = |name, value| Recorded {
        name,
        value: Cell::new(value),
        log: &log,
    };

    push_idle(&recorded("node", 7), &recorded("head", 4096), 8192);
    assert_eq!(
        *log.borrow(),
        [
            ("node", "store", u64::from(UMCG_IDLE_NODE_PENDING)),
            ("head", "exchange", 8192),
            ("node", "store", 4096),
        ]
    );
}
