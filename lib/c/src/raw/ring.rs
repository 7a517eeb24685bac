// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The ring of workers to be run next, in a group in direct mode. Any thread may push and pop, and
//! so does the kernel.
//!
//! A position is filled and popped by an exchange of its word, and counted in the ends after that,
//! by the first thread to get there. All accesses are sequentially consistent: a thread that queues
//! a worker checks the set of servers after that, and one that puts a server into the set checks the
//! ring after that.

use super::direct::DirectGroup;
use crate::{
    atomic::{before_look, AtomicU64, Ordering},
    sys::abi,
};

const PLACES: u32 = abi::SERVERS as u32;

/// Head and tail of the ring.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ends(u64);

impl Ends {
    const fn head(self) -> u32 {
        // CAST: The low half.
        self.0 as u32
    }

    const fn tail(self) -> u32 {
        (self.0 >> 32) as u32
    }

    const fn with_one_filled(self) -> Self {
        Self(self.0.wrapping_add(1 << 32))
    }

    /// The head does not carry over into the tail.
    const fn with_one_popped(self) -> Self {
        Self((self.0 & !0xffff_ffff) | self.head().wrapping_add(1) as u64)
    }
}

/// The word of a position, with this TID or none. The turn says which position it is valid for.
const fn place(position: u32, tid: u32) -> u64 {
    (((position / PLACES) as u64) << 32) | tid as u64
}

const fn is_of_turn(word: u64, position: u32) -> bool {
    word >> 32 == (position / PLACES) as u64
}

impl DirectGroup {
    fn ends(&self) -> Ends {
        before_look();
        // SeqCst: see above.
        Ends(self.ready_ends.load(Ordering::SeqCst))
    }

    fn word_of(&self, position: u32) -> &AtomicU64 {
        &self.ready[(position % PLACES) as usize]
    }

    /// Changes the ends from what was `seen`, unless another thread has. Returns what they are.
    fn count(&self, seen: Ends, next: Ends) -> Ends {
        // SeqCst: see above.
        match self
            .ready_ends
            .compare_exchange(seen.0, next.0, Ordering::SeqCst, Ordering::SeqCst)
        {
            Ok(_) => next,
            Err(now) => Ends(now),
        }
    }

    pub(crate) fn has_ready(&self) -> bool {
        let ends = self.ends();

        ends.head() != ends.tail()
    }

    /// Appends a worker, which is IDLE, not LOCKED, and in no list. Returns false if the ring is
    /// full. The caller looks at the set of servers after that.
    pub(crate) fn push_ready(&self, tid: u32) -> bool {
        let mut ends = self.ends();

        loop {
            let tail = ends.tail();
            // SeqCst: see above.
            let word = self.word_of(tail).load(Ordering::SeqCst);

            if word == place(tail, 0) {
                // SeqCst: see above.
                let filled = self.word_of(tail).compare_exchange(
                    word,
                    place(tail, tid),
                    Ordering::SeqCst,
                    Ordering::SeqCst,
                );
                if filled.is_err() {
                    continue;
                }
                while ends.tail() == tail {
                    ends = self.count(ends, ends.with_one_filled());
                }
                return true;
            }
            if is_of_turn(word, tail) || is_of_turn(word, tail.wrapping_add(PLACES)) {
                // Filled, and perhaps popped, but not counted.
                ends = self.count(ends, ends.with_one_filled());
                continue;
            }
            let now = self.ends();
            if now == ends {
                return false;
            }
            ends = now;
        }
    }

    /// Takes the first worker out: its TID, which may be any number. The caller owns the worker.
    pub(crate) fn pop_ready(&self) -> Option<u32> {
        let mut ends = self.ends();

        while ends.head() != ends.tail() {
            let head = ends.head();
            // SeqCst: see above.
            let word = self.word_of(head).load(Ordering::SeqCst);

            if word == place(head, 0) {
                return None;
            }
            if !is_of_turn(word, head) {
                // Popped, but not counted.
                ends = self.count(ends, ends.with_one_popped());
                continue;
            }
            // SeqCst: see above.
            let popped = self.word_of(head).compare_exchange(
                word,
                place(head.wrapping_add(PLACES), 0),
                Ordering::SeqCst,
                Ordering::SeqCst,
            );
            if popped.is_err() {
                continue;
            }
            while ends.head() == head {
                ends = self.count(ends, ends.with_one_popped());
            }
            // CAST: The low half.
            return Some(word as u32);
        }
        None
    }
}
