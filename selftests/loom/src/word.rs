// SPDX-License-Identifier: GPL-2.0

//! Words that the kernel and user space share, with the orderings of `umcg/words.rs`.

use crate::{
    abi::UMCG_STATE_TIMESTAMP_SHIFT,
    protocol::SharedWord,
    state::StateWord, //
};
use loom::{
    sync::atomic::{
        fence, AtomicU64,
        Ordering::{
            AcqRel,
            Acquire,
            Relaxed,
            Release,
            SeqCst, //
        },
    },
    thread::{
        self,
        Thread, //
    },
};
use std::cell::{
    Cell,
    RefCell, //
};

/// A word of any meaning.
pub(crate) struct Word {
    value: AtomicU64,
    /// The last value, and waiters for the next change: known to the model only.
    last: Cell<u64>,
    waiting: RefCell<Vec<Thread>>,
}

impl Word {
    pub(crate) fn new(value: u64) -> Self {
        Self {
            value: AtomicU64::new(value),
            last: Cell::new(value),
            waiting: RefCell::default(),
        }
    }

    /// Waits in user mode for a value that is `awaited`, and returns it.
    ///
    /// Models a loop, which would never end in loom if two looping threads alternate. A thread that
    /// has slept here sees all writes of the writer; one that has not sees what the word releases.
    pub(crate) fn wait_until(&self, awaited: impl Fn(u64) -> bool) -> u64 {
        loop {
            let now = self.load();
            if awaited(now) {
                return now;
            }
            if awaited(self.last.get()) {
                // It has read what was overwritten already. loom does not let it do so again.
                thread::yield_now();
            } else {
                self.waiting.borrow_mut().push(thread::current());
                thread::park();
            }
        }
    }

    fn has_become(&self, value: u64) {
        self.last.set(value);
        for thread in self.waiting.borrow_mut().drain(..) {
            thread.unpark();
        }
    }

    /// Reads the word where something else has put its writer before or after this.
    pub(crate) fn load_relaxed(&self) -> u64 {
        self.value.load(Relaxed)
    }

    /// What the word is at this moment, for an assertion.
    pub(crate) fn read_latest(&self) -> u64 {
        self.last.get()
    }

    /// Writes the word where a later change of a state publishes it.
    pub(crate) fn store_relaxed(&self, value: u64) {
        self.value.store(value, Relaxed);
        self.has_become(value);
    }

    /// The compare-exchange of a program: acquire and release, not fully ordered. So code that
    /// relies on a barrier of the kernel after it must have one there.
    pub(crate) fn replace(&self, old: u64, new: u64) -> bool {
        let result = self.value.compare_exchange(old, new, AcqRel, Relaxed);
        if result.is_ok() {
            self.has_become(new);
        }
        result.is_ok()
    }
}

/// Fully ordered is: between two full barriers. loom knows sequential consistency for barriers only.
impl SharedWord for Word {
    fn load(&self) -> u64 {
        self.value.load(Acquire)
    }

    fn store(&self, value: u64) {
        self.value.store(value, Release);
        self.has_become(value);
    }

    fn exchange(&self, new: u64) -> u64 {
        fence(SeqCst);
        let old = self.value.swap(new, AcqRel);
        fence(SeqCst);
        self.has_become(new);
        old
    }

    fn compare_exchange(&self, old: u64, new: u64) -> Result<(), u64> {
        fence(SeqCst);
        self.value.compare_exchange(old, new, AcqRel, Relaxed)?;
        fence(SeqCst);
        self.has_become(new);
        Ok(())
    }
}

/// A 32-bit word, likewise.
pub(crate) struct Word32(pub(crate) Word);

impl Word32 {
    pub(crate) fn new(value: u64) -> Self {
        Self(Word::new(value))
    }
}

impl SharedWord<u32> for Word32 {
    fn load(&self) -> u32 {
        self.0.load() as u32
    }

    fn store(&self, value: u32) {
        self.0.store(value.into());
    }

    fn exchange(&self, new: u32) -> u32 {
        self.0.exchange(new.into()) as u32
    }

    fn compare_exchange(&self, old: u32, new: u32) -> Result<(), u32> {
        self.0
            .compare_exchange(old.into(), new.into())
            .map_err(|now| now as u32)
    }
}

/// A `umcg_task::state_ts`: no two values of it look the same.
pub(crate) struct StateTs(Word);

impl StateTs {
    pub(crate) fn new(word: StateWord) -> Self {
        Self(Word::new(word.bits()))
    }

    /// What a reader with acquire sees.
    pub(crate) fn read(&self) -> StateWord {
        StateWord::from_bits(self.load())
    }

    /// See [`Word::wait_until`].
    pub(crate) fn wait_until(&self, awaited: impl Fn(StateWord) -> bool) -> StateWord {
        StateWord::from_bits(
            self.0
                .wait_until(|bits| awaited(StateWord::from_bits(bits))),
        )
    }

    /// See [`Word::replace`].
    pub(crate) fn replace(&self, old: StateWord, new: StateWord) -> bool {
        assert_later(old.bits(), new.bits());
        self.0.replace(old.bits(), new.bits())
    }
}

impl SharedWord for StateTs {
    fn load(&self) -> u64 {
        self.0.load()
    }

    fn store(&self, _value: u64) {
        panic!("a state is changed by compare-exchange only");
    }

    fn exchange(&self, _new: u64) -> u64 {
        panic!("a state is changed by compare-exchange only");
    }

    fn compare_exchange(&self, old: u64, new: u64) -> Result<(), u64> {
        assert_later(old, new);
        self.0.compare_exchange(old, new)
    }
}

/// The clock of the models stands still, so each change has to add to the timestamp by itself.
fn assert_later(old: u64, new: u64) {
    assert_eq!(
        new >> UMCG_STATE_TIMESTAMP_SHIFT,
        (old >> UMCG_STATE_TIMESTAMP_SHIFT) + 1,
        "a state changed without its timestamp"
    );
}
