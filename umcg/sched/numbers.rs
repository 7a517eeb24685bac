// SPDX-License-Identifier: GPL-2.0

//! Allocation of the lowest free number from a bitmap. Pure, except for the words.

use super::super::protocol::SharedWord;

/// The number of bits in a word.
pub(crate) const PER_WORD: usize = u64::BITS as usize;

/// The lowest number that is not in `word`.
pub(crate) fn lowest_free(word: u64) -> Option<usize> {
    // CAST: Less than 64.
    (word != u64::MAX).then(|| word.trailing_ones() as usize)
}

/// The lowest number that is not in `words`.
pub(crate) fn lowest_free_of(words: &[u64]) -> Option<usize> {
    words
        .iter()
        .enumerate()
        .find_map(|(index, word)| Some(index * PER_WORD + lowest_free(*word)?))
}

/// Adds a number to `words`, which the caller has exclusively.
pub(crate) fn insert(words: &mut [u64], number: usize) {
    words[number / PER_WORD] |= 1 << (number % PER_WORD);
}

/// Removes a number from `words`, which the caller has exclusively.
pub(crate) fn remove(words: &mut [u64], number: usize) {
    words[number / PER_WORD] &= !(1 << (number % PER_WORD));
}

/// Takes the lowest free number of `words`, which others change concurrently. Lockless; everything
/// done by the previous owner of the number before it was released is visible after this.
pub(crate) fn take(words: &[impl SharedWord]) -> Option<usize> {
    for (index, word) in words.iter().enumerate() {
        let mut old = word.load();
        while let Some(free) = lowest_free(old) {
            match word.compare_exchange(old, old | 1 << free) {
                Ok(()) => return Some(index * PER_WORD + free),
                Err(now) => old = now,
            }
        }
    }

    None
}

/// Releases a number that [`take`] has taken.
pub(crate) fn give(words: &[impl SharedWord], number: usize) {
    let word = &words[number / PER_WORD];
    let mut old = word.load();

    while let Err(now) = word.compare_exchange(old, old & !(1 << (number % PER_WORD))) {
        old = now;
    }
}
