// SPDX-License-Identifier: GPL-2.0

//! An adaptive mutex has one owner at a time, which sees the writes of the last one, and no thread
//! sleeps while it is free: in every order of the steps.

use super::{Ordering, Owner, Word};
use loom::{
    cell::UnsafeCell,
    sync::{Arc, Condvar, Mutex},
    thread,
};

/// A mutex with a futex that has no spurious wake-ups, and the value that it protects.
struct Model {
    word: Word,
    /// Wake-ups of sleeping threads, and these threads.
    futex: Mutex<Futex>,
    changed: Condvar,
    value: UnsafeCell<u32>,
}

#[derive(Default)]
struct Futex {
    sleeping: u32,
    wakeups: u32,
}

// SAFETY: The value is used by the owner of the mutex, which the model checks.
unsafe impl Sync for Model {}
// SAFETY: Nothing in it belongs to a thread.
unsafe impl Send for Model {}

impl Model {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            word: Word::new(),
            futex: Mutex::new(Futex::default()),
            changed: Condvar::new(),
            value: UnsafeCell::new(0),
        })
    }

    /// Sleeps while the word has this value.
    fn sleep(&self, value: u32) {
        let mut futex = self.futex.lock().unwrap();

        // Relaxed: the lock orders it, as that of the kernel's bucket does.
        if self.word.futex().load(Ordering::Relaxed) != value {
            return;
        }
        futex.sleeping += 1;
        while futex.wakeups == 0 {
            futex = self.changed.wait(futex).unwrap();
        }
        futex.wakeups -= 1;
    }

    fn wake(&self) {
        let mut futex = self.futex.lock().unwrap();

        if futex.sleeping > 0 {
            futex.sleeping -= 1;
            futex.wakeups += 1;
            self.changed.notify_one();
        }
    }

    /// As `RawMutex::lock()`, without spinning. With `patience` it gives up after that many sleeps.
    fn lock(&self, owner: Owner, patience: u32) -> bool {
        if self.word.take(owner) {
            return true;
        }
        let mut sleeps = 0;
        loop {
            if let Some(value) = self.word.announce_sleeper() {
                if sleeps == patience {
                    return false;
                }
                self.sleep(value);
                sleeps += 1;
            }
            if self.word.take_after_sleep(owner) {
                return true;
            }
        }
    }

    fn add(&self) {
        // SAFETY: The caller holds the mutex, which is what loom checks.
        self.value.with_mut(|value| unsafe { *value += 1 });
    }

    fn unlock(&self) {
        if self.word.release() {
            self.wake();
        }
    }

    fn add_locked(&self, number: u32, patience: u32) -> u32 {
        if !self.lock(Owner::new(Some(number)), patience) {
            return 0;
        }
        self.add();
        self.unlock();
        1
    }
}

fn run(patience: &'static [u32]) {
    let mut builder = loom::model::Builder::new();

    builder.preemption_bound = Some(3);
    builder.check(move || {
        let model = Model::new();
        let threads: Vec<_> = (1..)
            .zip(&patience[1..])
            .map(|(number, &patience)| {
                let model = Arc::clone(&model);
                thread::spawn(move || model.add_locked(number, patience))
            })
            .collect();

        let mut added = model.add_locked(0, patience[0]);
        for thread in threads {
            added += thread.join().unwrap();
        }
        // SAFETY: The other threads have ended.
        assert_eq!(model.value.with(|value| unsafe { *value }), added);
        assert!(model.word.owner().is_none());
    });
}

const NEVER: u32 = u32::MAX;

#[test]
fn two_threads_lock_in_turn_and_none_sleeps_for_good() {
    run(&[NEVER, NEVER]);
}

#[test]
fn three_threads_lock_in_turn_and_none_sleeps_for_good() {
    run(&[NEVER, NEVER, NEVER]);
}

/// A woken thread gives up: the mutex may have been taken again meanwhile.
#[test]
fn thread_that_gives_up_leaves_no_other_one_asleep() {
    run(&[NEVER, NEVER, 1]);
}
