// SPDX-License-Identifier: GPL-2.0

//! The kernel's half of the transitions, over words that others change at the same time.
//!
//! Whoever starts a transition writes the state; each step is one compare-exchange of the whole
//! word. Nothing here knows where a word lives: the module passes words of user memory, the tests
//! on the host their own.

use super::{
    abi::UMCG_IDLE_NODE_PENDING,
    state::{
        State,
        StateWord, //
    },
};

/// A word, of 64 bits if nothing else is said, that several sides change.
pub(crate) trait SharedWord<V = u64> {
    /// Reads the word. Acquire: what its writer wrote before is seen.
    fn load(&self) -> V;

    /// Writes the word. Release: pairs with the reader's acquire.
    fn store(&self, value: V);

    /// Replaces the word and returns the old one. Fully ordered.
    fn exchange(&self, new: V) -> V;

    /// Replaces the word if it is `old`, else returns what it is. Fully ordered if it replaces.
    fn compare_exchange(&self, old: V, new: V) -> Result<(), V>;
}

/// How often a task tries to change its own word against a user who keeps changing it.
pub(super) const ATTEMPTS: u32 = 64;

/// How often it tries to change that of another task in one go, which it does with interrupts off.
const ATTEMPTS_AT_ONCE: u32 = 4;

fn load(word: &impl SharedWord) -> StateWord {
    StateWord::from_bits(word.load())
}

fn replace(word: &impl SharedWord, old: StateWord, new: StateWord) -> Result<(), StateWord> {
    word.compare_exchange(old.bits(), new.bits())
        .map_err(StateWord::from_bits)
}

/// Replaces the word by `new(word)` as long as that is not `None`. Returns what it was.
fn update(
    word: &impl SharedWord,
    new: impl FnMut(StateWord) -> Option<StateWord>,
) -> Option<StateWord> {
    try_update(word, ATTEMPTS, new).flatten()
}

/// As [`update`], with the word that was replaced, or `None`, within the result; `None` if somebody
/// changes the word before each of the `attempts`.
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
        match replace(word, old, new) {
            Ok(()) => return Some(Some(old)),
            Err(now) => old = now,
        }
    }
    None
}

/// What block detection has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Block {
    /// Nothing to report: not running, or locked.
    Unreported,
    /// The worker is BLOCKED now, and its server is to be started.
    Reported,
    /// The word says what cannot be, or somebody changed that of a running worker who may not.
    Broken,
}

/// Block detection: a running worker is about to sleep.
///
/// While a worker is RUNNING, others may only add the preemption flag. That is worth one retry, and
/// it happens once.
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

/// Starts a server: IDLE becomes RUNNING. Returns whether it was idle, and so has to be woken; `None`
/// if somebody keeps changing the word.
///
/// A server that is not idle has been started by somebody else, or has not gone to sleep yet; it
/// looks at its word again before it does.
pub(crate) fn start_server(word: &impl SharedWord, now_ns: u64) -> Option<bool> {
    try_update(word, ATTEMPTS_AT_ONCE, |old| {
        old.is(State::Idle)
            .then(|| old.moved_to(State::Running, now_ns))
    })
    .map(|started| started.is_some())
}

/// Takes the lock off the word of a worker that is about to sleep in the kernel. Returns false if
/// somebody keeps changing the word.
pub(crate) fn unlock(word: &impl SharedWord, now_ns: u64) -> bool {
    !load(word).is_locked() || update(word, |old| Some(old.unlocked(now_ns))).is_some()
}

/// Whether a task that waits in the kernel has to go on waiting.
///
/// To be called after the task has marked itself as asleep: whoever runs it writes the word first
/// and wakes it then.
pub(crate) fn should_idle(word: &impl SharedWord) -> bool {
    should_idle_or(word, || ())
}

/// As [`should_idle`]; calls `broken` if the word says what cannot be, which ends the wait.
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

/// Whether a worker whose wait starts again has to go on waiting: its word is what it `was`, or a
/// server is about to run it. Else this is another wait.
///
/// No two changes leave the same word behind, so nobody has run the worker if it is the same.
pub(crate) fn still_waits(word: &impl SharedWord, was: u64) -> bool {
    let now = load(word);

    now.is(State::Running) && now.is_locked()
        || now.bits() == was && now.is(State::Idle) && !now.is_locked()
}

/// Whether the task is RUNNING, and not locked.
pub(crate) fn is_running(word: &impl SharedWord) -> bool {
    load(word).runs()
}

/// Whether a running task has been asked to give way.
pub(crate) fn is_preempted(word: &impl SharedWord) -> bool {
    let now = load(word);

    now.runs() && now.is_preempted()
}

/// What becomes of a worker that has waited long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnTimeout {
    /// BLOCKED: wake detection queues it again.
    Queue,
    /// IDLE and locked: it goes on in user mode, and sees to the rest.
    Lock,
}

/// A worker has waited long enough. Returns false if it is not idle any more: then somebody runs it.
pub(crate) fn time_out(word: &impl SharedWord, then: OnTimeout, now_ns: u64) -> bool {
    update(word, |old| {
        (old.is(State::Idle) && !old.is_locked()).then(|| match then {
            OnTimeout::Queue => old.moved_to(State::Blocked, now_ns),
            OnTimeout::Lock => old.locked(now_ns),
        })
    })
    .is_some()
}

/// What a worker has to do before it may be in user mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resume {
    /// Go on: a server runs it, or it has locked itself.
    Run,
    /// Sleep until user space runs it.
    Hold,
    /// Become idle, by this change of its word.
    Queue {
        /// The word that was looked at.
        seen: StateWord,
        /// Whether its own server is to be started, and not the idle one.
        preempted: bool,
    },
    /// The word says what cannot be.
    Broken,
}

/// Wake detection: what the word of a worker says when it is about to return to user mode.
///
/// `idles` is whether the worker has become idle by the rules: it is on the list, or it waits.
/// `has_server` tells whether it names a server. It is called after the word has been read: who runs
/// a worker names its server first, and the acquire of that read makes it seen. `goes_on` tells
/// whether a worker that is to give way is not to do so yet.
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

/// Asks a running worker to give way to its server. Returns whether it runs, and has been asked by
/// now, by whomever; `None` if somebody keeps changing the word.
pub(crate) fn preempt(word: &impl SharedWord, now_ns: u64) -> Option<bool> {
    let mut asked = false;

    // A word that has the flag is left alone: block detection retries once only.
    try_update(word, ATTEMPTS_AT_ONCE, |old| {
        asked = old.runs() && old.is_preempted();
        (old.runs() && !asked).then(|| old.preempted(now_ns))
    })
    .map(|set| set.is_some() || asked)
}

/// Makes a worker IDLE, if its word is still what [`resume`] has seen.
pub(crate) fn become_idle(word: &impl SharedWord, seen: StateWord, now_ns: u64) -> bool {
    replace(word, seen, seen.moved_to(State::Idle, now_ns)).is_ok()
}

/// Lets a worker run whose word is still what [`resume`] has seen, under a server that it has taken.
pub(crate) fn adopt(word: &impl SharedWord, seen: StateWord, now_ns: u64) -> bool {
    replace(word, seen, seen.let_run(now_ns)).is_ok()
}

/// Whether a worker that was in the ring can be run: it is idle, and nobody else is about to run it.
pub(crate) fn may_run_ready(word: &impl SharedWord) -> bool {
    is_ready(load(word))
}

/// Lets a worker run that was in the ring: who has popped it owns it. Returns false if it cannot be
/// run; `None` if somebody keeps changing the word.
pub(crate) fn run_ready(word: &impl SharedWord, now_ns: u64) -> Option<bool> {
    try_update(word, ATTEMPTS_AT_ONCE, |old| {
        is_ready(old).then(|| old.let_run(now_ns))
    })
    .map(|runs| runs.is_some())
}

fn is_ready(word: StateWord) -> bool {
    word.is(State::Idle) && !word.is_locked()
}

/// Pushes a worker on the list of idle ones. `node_address` is where user space has `node`.
///
/// Never loops. Between the exchange and the last store, whoever takes the list finds
/// `UMCG_IDLE_NODE_PENDING` in the node and waits; the store's release pairs with the acquire of
/// that wait. The exchange publishes the node: it pairs with the exchange by which user space takes
/// the whole list.
pub(crate) fn push_idle(node: &impl SharedWord, head: &impl SharedWord, node_address: u64) {
    node.store(u64::from(UMCG_IDLE_NODE_PENDING));
    let first = head.exchange(node_address);
    node.store(first);
}

/// A task leaves without unregistering: its word says NONE from now on, and user space may use the
/// memory for something else. Returns whom it was running under, if it was, or may have been: that
/// server has to be started.
///
/// `server` is called after the word has been read and before it is replaced, as in [`resume`]: the
/// result belongs to the state that was left.
pub(crate) fn leave(word: &impl SharedWord, now_ns: u64, server: impl Fn() -> u32) -> Option<u32> {
    let mut named = None;

    update(word, |old| {
        named = (old.runs() || !old.has_meaning()).then(&server);
        Some(old.gone(now_ns))
    })
    .and(named)
}
