// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The word of an adaptive mutex: its owner, and whether waiters sleep.
//!
//! A thread that unlocks the mutex while others sleep wakes one of them, and clears the flag for
//! sleepers with the rest of the word. The woken thread sets it again for the others: it takes the
//! mutex with the flag, or adds the flag to the word of a faster owner, even if it times out.

use crate::atomic::{AtomicU32, Ordering};

const FREE: u32 = 0;
/// Waiters may sleep.
const SLEEPERS: u32 = 1 << 31;

/// The owner in the word of a mutex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(u32);

impl Owner {
    const UNKNOWN: u32 = SLEEPERS - 1;

    /// The thread with this slot, or a thread without a slot.
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

    /// The same for a thread that has slept: others may still sleep.
    pub(crate) fn take_after_sleep(&self, owner: Owner) -> bool {
        self.take_as(owner.0 | SLEEPERS)
    }

    /// The owner of the mutex.
    #[inline]
    pub(crate) fn owner(&self) -> Option<Owner> {
        // Relaxed: a hint; taking the mutex synchronizes.
        let word = self.0.load(Ordering::Relaxed);

        (word != FREE).then_some(Owner(word & !SLEEPERS))
    }

    /// Announces that the caller is about to sleep. Returns the value of the word for the futex;
    /// `None` if the mutex is free.
    ///
    /// The futex compares the word again, ordered with the wake-up by the unlocking thread: so all
    /// accesses are relaxed.
    pub(crate) fn announce_sleeper(&self) -> Option<u32> {
        // Relaxed: the exchange checks it again.
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

    /// Releases the mutex. Returns whether a sleeper has to be woken.
    #[inline]
    pub(crate) fn release(&self) -> bool {
        // Release: pairs with the acquire of the next owner, in `take_as()`.
        self.0.swap(FREE, Ordering::Release) & SLEEPERS != 0
    }

    /// The futex on which waiters sleep.
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
    fn thread_that_has_slept_wakes_another_sleeper() {
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
