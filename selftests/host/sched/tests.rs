// SPDX-License-Identifier: GPL-2.0

//! Tests of slots and of sets of numbers: what is written, and what readers see meanwhile.

use super::{
    numbers::{
        give,
        insert,
        lowest_free,
        lowest_free_of,
        remove,
        take,
        PER_WORD, //
    },
    slot::{
        begin,
        end,
        switch_in,
        switch_out,
        SlotWords, //
    },
};
use crate::abi::*;
use std::{
    collections::HashSet,
    mem::offset_of,
    sync::{
        atomic::{
            fence, AtomicBool, AtomicU32, AtomicU64,
            Ordering::{
                Acquire,
                Relaxed,
                Release,
                SeqCst, //
            },
        },
        Mutex, //
    },
    thread, //
};

/// A slot of words of 32 bits; a wider one is two of them, which shows readers that tear it.
#[derive(Default)]
struct FakeSlot([AtomicU32; 16]);

impl FakeSlot {
    fn word(&self, offset: usize) -> &AtomicU32 {
        &self.0[offset / size_of::<u32>()]
    }

    fn read32(&self, offset: usize) -> u32 {
        self.word(offset).load(Relaxed)
    }

    fn read64(&self, offset: usize) -> u64 {
        u64::from(self.read32(offset)) | u64::from(self.read32(offset + 4)) << 32
    }

    fn seq(&self) -> u32 {
        self.word(offset_of!(umcg_sched_state, seq)).load(Acquire)
    }

    fn state(&self) -> u32 {
        self.read32(offset_of!(umcg_sched_state, state))
    }

    /// The fields, if they were consistent.
    fn snapshot(&self) -> Option<umcg_sched_state> {
        let seq = self.seq();
        let copy = umcg_sched_state {
            version: self.read32(offset_of!(umcg_sched_state, version)),
            state: self.state(),
            tid: self.read32(offset_of!(umcg_sched_state, tid)),
            seq,
            off_ns: self.read64(offset_of!(umcg_sched_state, off_ns)),
            on_ns: self.read64(offset_of!(umcg_sched_state, on_ns)),
            cpu: self.read32(offset_of!(umcg_sched_state, cpu)),
            vcpu: self.read32(offset_of!(umcg_sched_state, vcpu)),
            ..Default::default()
        };
        fence(Acquire);

        (seq % 2 == 0 && self.seq() == seq).then_some(copy)
    }
}

impl SlotWords for FakeSlot {
    fn get32(&self, offset: usize) -> u32 {
        self.read32(offset)
    }

    fn set32(&self, offset: usize, value: u32) {
        self.word(offset).store(value, Release);
    }

    fn set64(&self, offset: usize, value: u64) {
        self.set32(offset, value as u32);
        self.set32(offset + 4, (value >> 32) as u32);
    }
}

#[test]
fn a_slot_tells_the_life_of_its_thread() {
    let slot = FakeSlot::default();

    begin(&slot, 77, 1000, 3, UMCG_SCHED_NO_VCPU);
    let copy = slot.snapshot().unwrap();
    assert_eq!(copy.version, UMCG_SCHED_STATE_VERSION);
    assert_eq!((copy.tid, copy.state), (77, UMCG_SCHED_ON_CPU));
    assert_eq!((copy.off_ns, copy.on_ns), (1000, 1000));
    assert_eq!((copy.cpu, copy.vcpu), (3, UMCG_SCHED_NO_VCPU));

    switch_out(&slot, 2000, true);
    let copy = slot.snapshot().unwrap();
    assert_eq!((copy.state, copy.off_ns), (UMCG_SCHED_BLOCKED, 2000));

    switch_in(&slot, 3000, 1, 0);
    let copy = slot.snapshot().unwrap();
    assert_eq!((copy.state, copy.on_ns), (UMCG_SCHED_ON_CPU, 3000));
    assert_eq!((copy.cpu, copy.vcpu, copy.off_ns), (1, 0, 2000));

    switch_out(&slot, 4000, false);
    assert_eq!(slot.state(), UMCG_SCHED_PREEMPTED);

    end(&slot, 5000, UMCG_SCHED_EXITED);
    let copy = slot.snapshot().unwrap();
    assert_eq!((copy.state, copy.off_ns), (UMCG_SCHED_EXITED, 5000));
    assert_eq!((copy.tid, copy.seq), (77, 10));
}

#[test]
fn the_count_of_changes_wraps() {
    let slot = FakeSlot::default();

    slot.set32(offset_of!(umcg_sched_state, seq), u32::MAX - 1);
    switch_out(&slot, 1, true);
    assert_eq!(slot.seq(), 0);
    assert_eq!(slot.state(), UMCG_SCHED_BLOCKED);
}

#[test]
fn fields_of_two_moments_are_never_taken_for_one() {
    const CHANGES: u64 = 200_000;
    let slot = FakeSlot::default();
    let over = AtomicBool::new(false);
    let seen = AtomicU64::new(0);

    // Both halves of a time, the CPU and the virtual CPU say the same.
    let time = |n: u64| n | n << 32;
    begin(&slot, 1, time(0), 0, 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Acquire) {
                let Some(copy) = slot.snapshot() else {
                    continue;
                };
                seen.fetch_add(1, Relaxed);
                for ns in [copy.off_ns, copy.on_ns] {
                    assert_eq!(ns >> 32, ns & u64::from(u32::MAX));
                }
                assert_eq!(copy.cpu, copy.vcpu);
                assert_eq!(u64::from(copy.cpu), copy.on_ns >> 32);
                if copy.state == UMCG_SCHED_ON_CPU {
                    assert!(copy.off_ns <= copy.on_ns);
                } else {
                    assert!(copy.off_ns > copy.on_ns);
                }
            }
        });
        // The reader may not have run yet when the last one is due.
        let enough = |n| n >= CHANGES && seen.load(Relaxed) > 0;
        for n in (0..1000 * CHANGES).take_while(|&n| !enough(n)) {
            switch_out(&slot, time(2 * n + 1), n % 2 == 0);
            switch_in(&slot, time(2 * n + 2), 2 * n as u32 + 2, 2 * n as u32 + 2);
            if n % 64 == 0 {
                thread::yield_now();
            }
        }
        over.store(true, Release);
    });
    assert!(seen.load(Relaxed) > 0);
}

#[test]
fn the_lowest_number_that_is_free_is_found() {
    assert_eq!(lowest_free(0), Some(0));
    assert_eq!(lowest_free(0b1011), Some(2));
    assert_eq!(lowest_free(u64::MAX >> 1), Some(63));
    assert_eq!(lowest_free(u64::MAX), None);
}

#[test]
fn a_set_of_several_words_gives_its_lowest_free_number() {
    let mut words = [0; 4];

    for number in 0..4 * PER_WORD {
        assert_eq!(lowest_free_of(&words), Some(number));
        insert(&mut words, number);
    }
    assert_eq!(lowest_free_of(&words), None);
    for number in [3 * PER_WORD, 2 * PER_WORD - 1, PER_WORD] {
        remove(&mut words, number);
        assert_eq!(lowest_free_of(&words), Some(number));
    }
    assert_eq!(
        words,
        [u64::MAX, u64::MAX - 1 - (1 << 63), u64::MAX, u64::MAX - 1]
    );
}

#[test]
fn numbers_are_dense_and_come_back() {
    let words = [AtomicU64::new(0), AtomicU64::new(0)];

    for expected in 0..2 * PER_WORD {
        assert_eq!(take(&words), Some(expected));
    }
    assert_eq!(take(&words), None);
    for number in [100, 5, 64] {
        give(&words, number);
    }
    for expected in [5, 64, 100] {
        assert_eq!(take(&words), Some(expected));
    }
    assert_eq!(take(&words), None);
}

#[test]
fn no_number_is_taken_twice_at_a_time() {
    const THREADS: usize = 4;
    const TURNS: usize = 20_000;
    let words = [AtomicU64::new(0)];
    let held = Mutex::new(HashSet::new());

    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..TURNS {
                    let number = take(&words).unwrap();
                    assert!(number < THREADS);
                    assert!(held.lock().unwrap().insert(number));
                    held.lock().unwrap().remove(&number);
                    give(&words, number);
                }
            });
        }
    });
    assert_eq!(words[0].load(SeqCst), 0);
}
