// SPDX-License-Identifier: GPL-2.0

//! How threads enter groups and leave them, and what comes of those that end.

use crate::harness::{fixture, Pipe};
use std::{
    cell::RefCell,
    sync::{
        atomic::{AtomicU32, Ordering::SeqCst},
        Arc,
    },
    thread,
    time::{Duration, Instant},
};
use umcg::{Error, Group, JoinError, Options};

fixture!(FIXTURE, "members":
    thread_enters_and_leaves,
    nested_enter_fails,
    guard_of_a_former_membership_is_nothing,
    thread_that_keeps_its_place_leaves_when_it_ends,
    destructors_of_a_thread_may_block,
    panic_comes_back_by_join,
    panicking_thread_leaves,
    join_gives_up_when_its_timeout_expires,
    options_of_a_worker_hold,
    name_that_is_none_is_refused,
);

fn group() -> Group {
    Group::builder().servers(1).build().unwrap()
}

fn thread_enters_and_leaves() {
    let group = group();

    assert!(!umcg::is_worker());
    assert_eq!(umcg::leave(), Err(Error::NotEntered));
    assert_eq!(umcg::set_class(1), Err(Error::NotEntered));
    for _ in 0..20 {
        let own = group.enter().unwrap();
        assert!(umcg::is_worker());
        assert_eq!(group.workers(), 1);
        assert_eq!(umcg::set_class(1), Ok(()));
        drop(own);
        assert!(!umcg::is_worker());
        assert_eq!(group.workers(), 0);
    }
    group.enter().unwrap().keep();
    assert_eq!(umcg::leave(), Ok(()));
    assert_eq!(umcg::leave(), Err(Error::NotEntered));
    group.shutdown().unwrap();
}

fn nested_enter_fails() {
    let (group, other) = (group(), group());
    let own = group.enter().unwrap();

    assert_eq!(group.enter().unwrap_err(), Error::AlreadyEntered);
    assert_eq!(other.enter().unwrap_err(), Error::AlreadyEntered);
    assert_eq!((group.workers(), other.workers()), (1, 0));
    assert!(umcg::is_worker());
    // A worker can end another group, and make workers in any.
    other.spawn(|| {}).unwrap().join().unwrap();
    other.shutdown().unwrap();
    drop(own);
    group.shutdown().unwrap();
}

fn guard_of_a_former_membership_is_nothing() {
    let group = group();
    let old = group.enter().unwrap();

    umcg::leave().unwrap();
    let own = group.enter().unwrap();
    drop(old);
    assert!(umcg::is_worker(), "the thread has left by its former guard");
    drop(own);
    group.shutdown().unwrap();
}

fn thread_that_keeps_its_place_leaves_when_it_ends() {
    let group = group();

    for _ in 0..20 {
        let entering = group.clone();
        thread::spawn(move || entering.enter().unwrap().keep())
            .join()
            .unwrap();
        assert_eq!(group.workers(), 0);
    }
    group.shutdown().unwrap();
}

/// Blocks when it is dropped, and counts whether it is in a worker.
struct Blocks {
    pipe: Arc<Pipe>,
    in_workers: Arc<AtomicU32>,
}

impl Drop for Blocks {
    fn drop(&mut self) {
        let was_worker = umcg::is_worker();

        self.pipe.read();
        umcg::yield_now();
        drop(umcg::no_preempt());
        assert_eq!(umcg::is_worker(), was_worker);
        self.in_workers.fetch_add(was_worker.into(), SeqCst);
    }
}

fn destructors_of_a_thread_may_block() {
    thread_local! {
        static BEFORE: RefCell<Option<Blocks>> = const { RefCell::new(None) };
        static AFTER: RefCell<Option<Blocks>> = const { RefCell::new(None) };
    }
    let group = group();
    let pipe = Arc::new(Pipe::new());
    let in_workers = Arc::new(AtomicU32::new(0));
    let blocks = || Blocks {
        pipe: Arc::clone(&pipe),
        in_workers: Arc::clone(&in_workers),
    };
    let (before, after) = (blocks(), blocks());

    let entering = group.clone();
    let ends = thread::spawn(move || {
        BEFORE.set(Some(before));
        entering.enter().unwrap().keep();
        AFTER.set(Some(after));
    });
    // Another worker runs meanwhile.
    let other_end = Arc::clone(&pipe);
    group
        .spawn(move || other_end.write(0))
        .unwrap()
        .join()
        .unwrap();
    pipe.write(0);
    ends.join().unwrap();
    assert_eq!(group.workers(), 0);
    // Whether the thread had entered when they were registered or not.
    assert_eq!(in_workers.load(SeqCst), 2);
    group.shutdown().unwrap();
}

fn panic_comes_back_by_join() {
    let group = group();
    let worker = group.spawn(|| panic!("on purpose")).unwrap();

    match worker.join().map(|()| ()) {
        Err(JoinError::Panicked(payload)) => {
            assert_eq!(payload.downcast_ref(), Some(&"on purpose"));
        }
        result => panic!("{result:?}"),
    }
    assert_eq!(group.workers(), 0);
    group.spawn(|| {}).unwrap().join().unwrap();
    group.shutdown().unwrap();
}

fn panicking_thread_leaves() {
    let group = group();
    let entering = group.clone();

    let result = thread::spawn(move || {
        let _own = entering.enter().unwrap();
        let _section = umcg::no_preempt();
        panic!("on purpose");
    })
    .join();
    assert!(result.is_err());
    group.shutdown().unwrap();
}

fn join_gives_up_when_its_timeout_expires() {
    let group = group();
    let pipe = Arc::new(Pipe::new());
    let other_end = Arc::clone(&pipe);

    let worker = group.spawn(move || pipe.read()).unwrap();
    let worker = worker.join_timeout(Duration::from_millis(5)).unwrap_err();
    let worker = worker.join_deadline(Instant::now()).unwrap_err();
    assert!(!worker.is_finished());
    other_end.write(9);
    match worker.join_timeout(Duration::MAX) {
        Ok(result) => assert_eq!(result.unwrap(), 9),
        Err(_) => panic!("the timeout has expired"),
    }
    group.shutdown().unwrap();
}

fn options_of_a_worker_hold() {
    let group = group();
    let options = Options::new().name("a-worker").stack_size(256 << 10);

    let worker = group.spawn_with(&options, || thread::current().name().map(str::to_owned));
    assert_eq!(worker.unwrap().join().unwrap().as_deref(), Some("a-worker"));
    group.shutdown().unwrap();
}

fn name_that_is_none_is_refused() {
    let group = group();
    let result = group.spawn_with(&Options::new().name("a\0b"), || {});

    assert_eq!(result.unwrap_err(), Error::Os(libc::EINVAL));
    // Its place is free again.
    group.shutdown().unwrap();
}
