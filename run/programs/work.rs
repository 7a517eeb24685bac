// SPDX-License-Identifier: GPL-2.0

//! Threads of std with its locks, barriers and channels. Prints "right" if all sums are right.

use std::{
    process::ExitCode,
    sync::{mpsc, Barrier, Condvar, Mutex, RwLock},
    thread,
    time::Duration,
};

const THREADS: u64 = 12;
const ROUNDS: u64 = 300;

/// In each round all threads meet, read what one of them has written, and add it to a sum.
fn rounds_with_barriers() -> u64 {
    let (barrier, shared, sum) = (
        Barrier::new(THREADS as usize),
        RwLock::new(0),
        Mutex::new(0),
    );

    thread::scope(|scope| {
        for index in 0..THREADS {
            let (barrier, shared, sum) = (&barrier, &shared, &sum);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    if round % THREADS == index {
                        *shared.write().unwrap() = round;
                    }
                    barrier.wait();
                    *sum.lock().unwrap() += *shared.read().unwrap();
                    barrier.wait();
                }
            });
        }
    });
    sum.into_inner().unwrap()
}

/// Each thread sends numbers, and sleeps now and then.
fn sum_of_messages() -> u64 {
    let (sender, receiver) = mpsc::sync_channel(4);

    for _ in 0..THREADS {
        let sender = sender.clone();
        thread::spawn(move || {
            for round in 0..ROUNDS {
                sender.send(round).unwrap();
                if round % 32 == 0 {
                    thread::sleep(Duration::from_millis(1));
                }
            }
        });
    }
    drop(sender);
    receiver.iter().sum()
}

/// Threads pass a turn around.
fn turns() -> u64 {
    let (turn, changed) = (Mutex::new(0), Condvar::new());

    thread::scope(|scope| {
        for index in 0..THREADS {
            let (turn, changed) = (&turn, &changed);
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    let mut turn = changed
                        .wait_while(turn.lock().unwrap(), |turn| *turn % THREADS != index)
                        .unwrap();
                    *turn += 1;
                    changed.notify_all();
                }
            });
        }
    });
    turn.into_inner().unwrap()
}

fn main() -> ExitCode {
    let all_rounds = THREADS * ROUNDS * (ROUNDS - 1) / 2;
    let right = rounds_with_barriers() == all_rounds
        && sum_of_messages() == all_rounds
        && turns() == THREADS * ROUNDS;

    println!("{}", if right { "right" } else { "wrong" });
    ExitCode::from(u8::from(!right))
}
