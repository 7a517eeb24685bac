// SPDX-License-Identifier: GPL-2.0

//! The kernel's half of the transitions, over words that others change concurrently.
//!
//! The side that starts a transition writes the state; each step is one compare-exchange of the
//! whole word. The code is independent of where a word is: the module passes words of user memory,
//! the tests on the host their own.

use super::{
    abi::UMCG_IDLE_NODE_PENDING,
    state::{
        State,
        StateWord, //
    },
};

/// A word, of 64 bits by default, that several sides change.
pub(crate) trait SharedWord<V = u64> {
    /// Reads the word. Acquire: earlier writes of its writer are seen.
    fn load(&self) -> V;

    /// Writes the word. Release: pairs with the reader's acquire.
    fn store(&self, value: V);

    /// Replaces the word and returns the old one. Fully ordered.
    fn exchange(&self, new: V) -> V;

    /// Replaces the word if it is `old`, else returns what it is. Fully ordered if it replaces.
    fn compare_exchange(&self, old: V, new: V) -> Result<(), V>;
}

/// How often a task tries to change its own word while user space keeps changing it.
pub(super) const ATTEMPTS: u32 = 64;

/// How often it tries to change the word of another task at a time, with interrupts disabled.
pub(super) const ATTEMPTS_AT_ONCE: u32 = 4;

fn load(word: &impl SharedWord) -> StateWord {
    StateWord::from_bits(word.load())
}

fn replace(word: &impl SharedWord, old: StateWord, new: StateWord) -> Result<(), StateWord> {
    word.compare_exchange(old.bits(), new.bits())
        .map_err(StateWord::from_bits)
}

/// Replaces the word by `new(word)` unless that is `None`. Returns the old word.
fn update(
    word: &impl SharedWord,
    new: impl FnMut(StateWord) -> Option<StateWord>,
) -> Option<StateWord> {
    try_update(word, ATTEMPTS, new).flatten()
}

/// As [`update`], with the replaced word, or `None`, within the result; `None` if the word changes
/// concurrently in each of the `attempts`.
fn try_update(
    word: &impl SharedWord,
    attempts: u32,
    mut new: impl FnMut(StateWord) -> Option<StateWord>,
) -> Option<Option<StateWord>> {
    let mut old = load(word);

    for _ in 0..attempts {
        let Some(new) = new(old) else {
            return Some(None);
        };
        if replace(word, old, new).is_ok() {
            return Some(Some(old));
        }
        // Acquire, which an exchange that fails is not: `new` may read what the word publishes.
        old = load(word);
    }
    None
}

/// The result of block detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// Nothing to report: not running, or locked.
    Unreported,
    /// The worker is BLOCKED now, and its server is to be started.
    Reported,
    /// The word is invalid, or was changed illegally while the worker was running.
    Broken,
}

/// Block detection: a running worker is about to sleep.
///
/// While a worker is RUNNING, others may only set the preemption flag. That is worth one retry, and
/// happens only once.
pub(crate) fn block(word: &impl SharedWord, now_ns: u64) -> Block {
    let running = load(word);
    if !running.runs() {
        return if running.has_meaning() {
            Block::Unreported
        } else {
            Block::Broken
        };
    }

    match replace(word, running, running.moved_to(State::Blocked, now_ns)) {
        Ok(()) => Block::Reported,
        Err(now) if running.became_preempted(now) => {
            match replace(word, now, now.moved_to(State::Blocked, now_ns)) {
                Ok(()) => Block::Reported,
                Err(_) => Block::Broken,
            }
        }
        Err(_) => Block::Broken,
    }
}

/// Starts a server: IDLE becomes RUNNING. Returns whether it was idle, and so must be woken; `None`
/// if the word keeps changing.
///
/// A server that is not idle was started by another thread, or has not gone to sleep yet; it checks
/// its word again before it does.
pub(crate) fn start_server(word: &impl SharedWord, now_ns: u64) -> Option<bool> {
    try_update(word, ATTEMPTS_AT_ONCE, |old| {
        old.is(State::Idle)
            .then(|| old.moved_to(State::Running, now_ns))
    })
    .map(|started| started.is_some())
}

/// Clears the lock flag of a worker that is about to sleep in the kernel. Returns false if the word
/// keeps changing.
pub(crate) fn unlock(word: &impl SharedWord, now_ns: u64) -> bool {
    !load(word).is_locked() || update(word, |old| Some(old.unlocked(now_ns))).is_some()
}

/// Whether a task that waits in the kernel must continue to wait.
///
/// To be called after the task has marked itself as asleep: a thread that runs it writes the word
/// first and then wakes it.
pub(crate) fn should_idle(word: &impl SharedWord) -> bool {
    should_idle_or(word, || ())
}

/// As [`should_idle`]; calls `broken` if the word is invalid, which ends the wait.
#[inline]
pub(crate) fn should_idle_or(word: &impl SharedWord, broken: impl FnOnce()) -> bool {
    let now = load(word);

    if now.is(State::Running) {
        now.is_locked()
    } else if now.is(State::Idle) {
        !now.is_locked()
    } else {
        if !now.has_meaning() {
            broken();
        }
        false
    }
}

/// Whether a worker whose wait restarts must continue to wait: its word is what it `was`, or a
/// server is about to run it. Otherwise this is another wait.
///
/// No two changes leave the same word, so the worker has not been run if it is the same.
pub(crate) fn still_waits(word: &impl SharedWord, was: u64) -> bool {
    let now = load(word);

    now.is(State::Running) && now.is_locked()
        || now.bits() == was && now.is(State::Idle) && !now.is_locked()
}

/// Whether the wait of a worker that has given up is over when it starts again: a server has run the
/// worker, or its word is what it `was` made when it gave up, IDLE and locked.
pub(crate) fn has_timed_out(word: &impl SharedWord, was: u64) -> bool {
    let now = load(word);

    now.runs() || now.bits() == was && now.is(State::Idle) && now.is_locked()
}

/// Whether the task is RUNNING, and not locked.
pub(crate) fn is_running(word: &impl SharedWord) -> bool {
    load(word).runs()
}

/// Whether a running task is to be preempted.
pub(crate) fn is_preempted(word: &impl SharedWord) -> bool {
    let now = load(word);

    now.runs() && now.is_preempted()
}

/// What happens to a worker whose timeout has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnTimeout {
    /// BLOCKED: wake detection queues it again.
    Queue,
    /// IDLE and locked: it returns to user mode, which does the rest.
    Lock,
}

/// The timeout of a worker has expired. Returns false if it is not idle any more: then it is being
/// run.
pub(crate) fn time_out(word: &impl SharedWord, then: OnTimeout, now_ns: u64) -> bool {
    update(word, |old| {
        (old.is(State::Idle) && !old.is_locked()).then(|| match then {
            OnTimeout::Queue => old.moved_to(State::Blocked, now_ns),
            OnTimeout::Lock => old.locked(now_ns),
        })
    })
    .is_some()
}

/// What a worker must do before it may return to user mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    /// Continue: a server runs it, or it has locked itself.
    Run,
    /// Sleep until user space runs it.
    Hold,
    /// Become idle, by this change of its word.
    Queue {
        /// The word that was read.
        seen: StateWord,
        /// Whether its own server is to be started, not the idle one.
        preempted: bool,
    },
    /// The word is invalid.
    Broken,
}

/// Wake detection: evaluates the word of a worker that is about to return to user mode.
///
/// `idles` is whether the worker is legitimately idle: it is on the list, or it waits. `has_server`
/// tells whether it names a server. It is called after the word was read: a thread that runs a
/// worker writes its server first, which the acquire of that read makes visible. `goes_on` tells
/// whether a worker that is to be preempted may continue for now.
pub(crate) fn resume(
    word: &impl SharedWord,
    idles: bool,
    has_server: impl FnOnce() -> bool,
    goes_on: impl FnOnce() -> bool,
) -> Resume {
    let seen = load(word);
    let queue = |preempted| Resume::Queue { seen, preempted };

    if seen.is(State::Blocked) {
        queue(false)
    } else if seen.is(State::Running) {
        if seen.is_locked() {
            Resume::Hold
        } else if !has_server() {
            Resume::Broken
        } else if seen.is_preempted() && !goes_on() {
            queue(true)
        } else {
            Resume::Run
        }
    } else if seen.is(State::Idle) && seen.is_locked() {
        Resume::Run
    } else if seen.is(State::Idle) && idles {
        Resume::Hold
    } else {
        Resume::Broken
    }
}

/// Sets the preemption flag of a running worker. Returns whether it runs, and the flag is set by
/// now; `None` if the word keeps changing.
pub(crate) fn preempt(word: &impl SharedWord, now_ns: u64) -> Option<bool> {
    let mut asked = false;

    // A word with the flag is not changed: block detection retries only once.
    try_update(word, ATTEMPTS_AT_ONCE, |old| {
        asked = old.runs() && old.is_preempted();
        (old.runs() && !asked).then(|| old.preempted(now_ns))
    })
    .map(|set| set.is_some() || asked)
}

/// Makes a worker IDLE, if its word is still the one that [`resume`] has seen.
pub(crate) fn become_idle(word: &impl SharedWord, seen: StateWord, now_ns: u64) -> bool {
    replace(word, seen, seen.moved_to(State::Idle, now_ns)).is_ok()
}

/// Makes a worker RUNNING whose word is still the one that [`resume`] has seen, under a server that
/// it has taken.
pub(crate) fn adopt(word: &impl SharedWord, seen: StateWord, now_ns: u64) -> bool {
    replace(word, seen, seen.let_run(now_ns)).is_ok()
}

/// Whether a worker that was in the ring can be run: it is idle, and not claimed.
pub(crate) fn may_run_ready(word: &impl SharedWord) -> bool {
    is_ready(load(word))
}

/// Makes a worker RUNNING that the caller has popped from the ring and owns. Returns false if it
/// cannot be run; `None` if the word keeps changing.
pub(crate) fn run_ready(word: &impl SharedWord, now_ns: u64) -> Option<bool> {
    try_update(word, ATTEMPTS_AT_ONCE, |old| {
        is_ready(old).then(|| old.let_run(now_ns))
    })
    .map(|runs| runs.is_some())
}

fn is_ready(word: StateWord) -> bool {
    word.is(State::Idle) && !word.is_locked()
}

/// Pushes a worker on the idle-worker list. `node_address` is the user address of `node`.
///
/// Never loops. Between the exchange and the last store, a thread that takes the list finds
/// `UMCG_IDLE_NODE_PENDING` in the node and waits; the store's release pairs with the acquire of
/// that wait. The exchange publishes the node: it pairs with the exchange by which user space takes
/// the whole list.
pub(crate) fn push_idle(node: &impl SharedWord, head: &impl SharedWord, node_address: u64) {
    node.store(u64::from(UMCG_IDLE_NODE_PENDING));
    let first = head.exchange(node_address);
    node.store(first);
}

/// A task leaves without unregistering: its word says NONE from now on, and user space may reuse
/// the memory. Returns the server that it was running under, if it was, or may have been: that
/// server must be started.
///
/// `server` is called after the word was read and before it is replaced, as in [`resume`]: the
/// result belongs to the old state.
pub(crate) fn leave(word: &impl SharedWord, now_ns: u64, server: impl Fn() -> u32) -> Option<u32> {
    let mut named = None;

    update(word, |old| {
        named = (old.runs() || !old.has_meaning()).then(&server);
        Some(old.gone(now_ns))
    })
    .and(named)
}
