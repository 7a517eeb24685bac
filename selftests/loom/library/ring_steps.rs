// SPDX-License-Identifier: GPL-2.0

//! Each worker in the ring is popped once: in every order of the steps of pushing and popping
//! threads.

use super::direct::DirectGroup;
use crate::explore::{clean, explore, Bug, WHOLE};
use loom::{sync::Arc, thread};
use std::vec::Vec;

fn pop_all(ring: &DirectGroup) -> Vec<u32> {
    core::iter::from_fn(|| ring.pop_ready()).collect()
}

pub(crate) fn two_pushes(bug: Bug) {
    explore(WHOLE, bug, || {
        let ring = Arc::new(DirectGroup::default());
        let other = Arc::clone(&ring);

        let other = thread::spawn(move || assert!(other.push_ready(1)));
        assert!(ring.push_ready(2));
        other.join().unwrap();
        let mut popped = pop_all(&ring);
        popped.sort_unstable();
        assert_eq!(popped, [1, 2], "popped twice, or never");
        assert!(!ring.has_ready());
    });
}

pub(crate) fn two_pops(bug: Bug) {
    explore(WHOLE, bug, || {
        let ring = Arc::new(DirectGroup::default());
        let other = Arc::clone(&ring);

        assert!(ring.push_ready(1) && ring.push_ready(2));
        let other = thread::spawn(move || other.pop_ready());
        let mut popped = Vec::from([ring.pop_ready(), other.join().unwrap()]);
        popped.sort_unstable();
        assert_eq!(popped, [Some(1), Some(2)], "popped twice, or never");
        assert_eq!(ring.pop_ready(), None);
    });
}

pub(crate) fn push_against_pop(bug: Bug) {
    explore(WHOLE, bug, || {
        let ring = Arc::new(DirectGroup::default());
        let other = Arc::clone(&ring);

        assert!(ring.push_ready(1));
        let other = thread::spawn(move || {
            assert!(other.push_ready(2));
            other.pop_ready()
        });
        let mut popped = pop_all(&ring);
        popped.extend(other.join().unwrap());
        popped.extend(pop_all(&ring));
        popped.sort_unstable();
        assert_eq!(popped, [1, 2], "popped twice, or never");
    });
}

clean! {
    two_that_push_fill_two_places: two_pushes;
    two_that_pop_get_one_worker_each: two_pops;
    worker_that_is_pushed_meanwhile_is_popped_now_or_later: push_against_pop;
}
