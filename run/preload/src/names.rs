// SPDX-License-Identifier: GPL-2.0

//! Classes of threads, by their names: what differs in a number at the end only is one, if it has
//! the same priority.

use std::sync::atomic::{AtomicU8, Ordering};
use umcg_run_options::DEFAULT_PRIORITY;

/// How many classes there are. If there are more names, the last class has the rest.
pub(crate) const CLASSES: usize = 256;

/// The last class.
const REST: u8 = u8::MAX;

/// The priority of each class, for the policy: it has to be there without a lock.
static PRIORITIES: [AtomicU8; CLASSES] = [const { AtomicU8::new(DEFAULT_PRIORITY) }; CLASSES];

/// The priority of a class.
pub(crate) fn priority_of(class: u8) -> u8 {
    // Relaxed: a worker that another thread has just named may be queued once more with what was
    // there before, as if it had been named a little later.
    PRIORITIES[usize::from(class)].load(Ordering::Relaxed)
}

/// The names of the classes, and their priorities.
#[derive(Default)]
pub(crate) struct Names(Vec<(String, u8)>);

impl Names {
    /// The class of threads with this name, which has this priority.
    pub(crate) fn class_of(&mut self, name: &str, priority: u8) -> u8 {
        let stem = stem(name);
        let known = self
            .0
            .iter()
            .position(|(other, level)| other == stem && *level == priority);

        let class = match known.unwrap_or(self.0.len()).try_into() {
            Ok(class) if class != REST => class,
            _ => return REST,
        };
        if known.is_none() {
            // Relaxed: see `priority_of()`.
            PRIORITIES[usize::from(class)].store(priority, Ordering::Relaxed);
            self.0.push((stem.to_owned(), priority));
        }
        class
    }

    /// The name of a class.
    pub(crate) fn of(&self, class: u8) -> &str {
        self.0
            .get(usize::from(class))
            .map_or("...", |(stem, _)| stem)
    }
}

/// A name without its number.
fn stem(name: &str) -> &str {
    let stem = name
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .trim_end_matches(['-', '_', ' ', '#', ':', '.', '/']);

    if stem.is_empty() {
        name
    } else {
        stem
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_make_no_class() {
        let mut names = Names::default();
        let class = names.class_of("worker-1", 16);

        assert_eq!(names.class_of("worker-27", 16), class);
        assert_eq!(names.class_of("worker", 16), class);
        assert_ne!(names.class_of("io", 16), class);
        assert_eq!(names.of(class), "worker");
        assert_eq!(stem("7"), "7");
    }

    #[test]
    fn threads_of_a_class_have_one_priority() {
        let mut names = Names::default();
        let (slow, fast) = (
            names.class_of("worker-1", 16),
            names.class_of("worker-2", 3),
        );

        assert_eq!((priority_of(slow), priority_of(fast)), (16, 3));
        assert_eq!((names.of(slow), names.of(fast)), ("worker", "worker"));
        assert_eq!(names.class_of("worker-3", 16), slow);
    }

    #[test]
    fn there_is_a_class_for_any_number_of_names() {
        let mut names = Names::default();
        let classes: Vec<u8> = (0..300)
            .map(|number| names.class_of(&format!("{number}x"), 16))
            .collect();

        assert_eq!(classes[254], 254);
        assert!(classes[255..].iter().all(|class| *class == REST));
        assert_eq!(names.of(REST), "...");
        assert_eq!(names.class_of("17x", 16), 17);
    }
}
