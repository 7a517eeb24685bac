// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The word of an adaptive mutex: who has it, and whether threads sleep until it is free.
//!
//! A thread that unlocks while others sleep wakes one of them. The word is zero then, so that it
//! knows of no sleepers. That one takes care of the others: it takes the mutex with the flag set, or
//! sets it for whom has been faster, even if it gives up.

use crate::atomic::{AtomicU32, Ordering};

const FREE: u32 = 0;
/// Threads may sleep.
const SLEEPERS: u32 = 1 << 31;

/// The owner of a mutex, as its word has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(u32);

impl Owner {
    const UNKNOWN: u32 = SLEEPERS - 1;

    /// The thread with this slot, or one that has none.
    #[inline]
    pub(crate) const fn new(slot: Option<u32>) -> Self {
        match slot {
            Some(number) => Self(number + 1),
            None => Self(Self::UNKNOWN),
        }
    }

    /// Its slot, if it has one.
    #[inline]
    pub(crate) const fn slot(self) -> Option<u32> {
        if self.0 == Self::UNKNOWN {
            None
        } else {
            Some(self.0 - 1)
        }
    }
}

/// The word.
pub(crate) struct Word(AtomicU32);

impl Word {
    pub(crate) const fn new() -> Self {
        Self(AtomicU32::new(FREE))
    }

    /// Takes the mutex if it is free. Acquire: pairs with the release in `release()`.
    #[inline]
    fn take_as(&self, word: u32) -> bool {
        // Acquire: see above. If it fails nothing is read.
        self.0
            .compare_exchange(FREE, word, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Takes the mutex if it is free. For a thread that has not slept.
    #[inline]
    pub(crate) fn take(&self, owner: Owner) -> bool {
        self.take_as(owner.0)
    }

    /// The same for a thread that has slept: others may sleep still.
    pub(crate) fn take_after_sleep(&self, owner: Owner) -> bool {
        self.take_as(owner.0 | SLEEPERS)
    }

    /// Who has the mutex.
    #[inline]
    pub(crate) fn owner(&self) -> Option<Owner> {
        // Relaxed: a hint; who takes the mutex synchronises by that.
        let word = self.0.load(Ordering::Relaxed);

        (word != FREE).then_some(Owner(word & !SLEEPERS))
    }

    /// Says that a thread sleeps. Returns the value at which it may; `None` if the mutex is free.
    ///
    /// The futex compares again, and orders itself after a change by who unlocks: so all is relaxed.
    pub(crate) fn announce_sleeper(&self) -> Option<u32> {
        // Relaxed: the exchange looks again.
        let mut word = self.0.load(Ordering::Relaxed);

        while word != FREE && word & SLEEPERS == 0 {
            // Relaxed: see above.
            match self.0.compare_exchange(
                word,
                word | SLEEPERS,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Some(word | SLEEPERS),
                Err(now) => word = now,
            }
        }
        (word != FREE).then_some(word)
    }

    /// Gives the mutex back. Returns whether to wake a sleeper.
    #[inline]
    pub(crate) fn release(&self) -> bool {
        // Release: pairs with the acquire of the next owner, in `take_as()`.
        self.0.swap(FREE, Ordering::Release) & SLEEPERS != 0
    }

    /// What sleepers sleep on.
    pub(crate) fn futex(&self) -> &AtomicU32 {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn word_names_its_owner() {
        for slot in [Some(0), Some(32767), None] {
            let word = Word::new();
            let owner = Owner::new(slot);

            assert_eq!(word.owner(), None);
            assert!(word.take(owner));
            assert!(!word.take(Owner::new(Some(5))));
            assert_eq!(word.owner().map(Owner::slot), Some(slot));
            word.announce_sleeper().unwrap();
            assert_eq!(word.owner(), Some(owner));
            assert!(word.release());
            assert_eq!(word.owner(), None);
        }
    }

    #[test]
    fn only_a_thread_that_has_slept_leaves_others_to_wake() {
        let word = Word::new();
        let owner = Owner::new(Some(1));

        assert!(word.take(owner));
        assert!(!word.release());
        assert_eq!(word.announce_sleeper(), None);
        assert!(word.take_after_sleep(owner));
        assert_eq!(word.announce_sleeper(), word.announce_sleeper());
        assert!(word.release());
    }
}
