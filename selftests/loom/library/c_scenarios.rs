// SPDX-License-Identifier: GPL-2.0

//! Scenarios of libumcg. At the end all threads have ended; loom reports a deadlock if one sleeps
//! for ever.

pub(crate) use crate::raw::ring_steps::{two_pops, two_pushes};
use crate::{
    explore::{clean, explore, Bug},
    kernel::{self, Tid},
    raw::{
        process,
        record::{Group, Kind, Thread, DIRECT, FIFO},
    },
    register, server,
    sys::errno::Errno,
    wait,
};
use loom::sync::atomic::{
    AtomicU32,
    Ordering::{Relaxed, SeqCst},
};

const S1: Tid = 1;
const W1: Tid = 3;
const W2: Tid = 4;
/// No thread has this TID.
const GONE: Tid = 7;

const TIMED_OUT: Result<(), Errno> = Err(Errno(libc::ETIMEDOUT));

/// Shared by the threads of a scenario.
struct Scene {
    group: &'static Group,
    threads: [&'static Thread; 4],
    /// The number of workers that have left.
    left: AtomicU32,
    /// Written by a waker before it wakes.
    written: AtomicU32,
}

impl Scene {
    /// A group with these flags.
    fn new(flags: u32) -> Self {
        let thread = |_| process::process().unwrap().take_thread().unwrap();

        Self {
            group: register::create_group(flags).unwrap(),
            threads: [0; 4].map(thread),
            left: AtomicU32::new(0),
            written: AtomicU32::new(0),
        }
    }

    /// The same, with a server.
    fn served(flags: u32) -> Self {
        Self::new(flags).with(S1, Kind::Server)
    }

    /// This thread has registered. A worker runs under a server that was idle, or is queued.
    fn with(self, tid: Tid, kind: Kind) -> Self {
        let group = (kind != Kind::BasicTask).then_some(self.group);

        kernel::prepares(tid, || {
            register::register(self.of(tid), kind, group, 0).unwrap()
        });
        self
    }

    fn with_tasks(self, tids: &[Tid]) -> Self {
        tids.iter()
            .fold(self, |scene, &tid| scene.with(tid, Kind::BasicTask))
    }

    /// Fills an empty ring with workers that are gone.
    fn fills_ring(&self) -> bool {
        self.group.direct.push_ready(GONE) && self.group.direct.push_ready(GONE)
    }

    fn of(&self, tid: Tid) -> &'static Thread {
        self.threads[tid as usize - 1]
    }

    fn me(&self) -> &'static Thread {
        self.of(kernel::tid())
    }

    fn waits(&self, timeout: u64) -> Result<(), Errno> {
        wait::wait(self.me(), timeout)
    }

    fn wakes(&self, tid: Tid) {
        wait::wake(self.me(), self.of(tid), false).unwrap();
    }

    /// Serves until it is woken.
    fn serves(&self) {
        server::serve(self.group, self.me()).unwrap();
    }

    /// The calling thread becomes a worker.
    fn enters(&self) {
        register::register(self.me(), Kind::Worker, Some(self.group), 0).unwrap();
    }

    /// The calling worker leaves. The last one of this number wakes the first server.
    fn leaves(&self, workers: u32) {
        kernel::runs();
        register::unregister(self.me()).unwrap();
        if self.left.fetch_add(1, SeqCst) + 1 == workers {
            register::register(self.me(), Kind::BasicTask, None, 0).unwrap();
            self.wakes(S1);
        }
    }
}

/// Two tasks wake a third one, which waits twice.
pub(crate) fn wait_against_wakes(bug: Bug) {
    explore(3, bug, || {
        kernel::run(
            Scene::new(0).with_tasks(&[W1, W2, S1]),
            [
                (W1, |scene| {
                    scene.waits(0).unwrap();
                    scene.waits(0).unwrap();
                }),
                (W2, |scene| scene.wakes(W1)),
                (S1, |scene| scene.wakes(W1)),
            ],
        );
    });
}

/// A wait times out while the task is woken: then the wake-up is for the next wait.
pub(crate) fn timeout_against_wake(bug: Bug) {
    explore(5, bug, || {
        kernel::run(
            Scene::new(0).with_tasks(&[W1, W2]),
            [
                (W1, |scene| {
                    let result = scene.waits(1);
                    if result == TIMED_OUT {
                        scene.waits(0).unwrap();
                    }
                    // At once: other operations of the library are barriers.
                    assert_eq!(scene.written.load(Relaxed), 1, "the waker is not seen");
                    assert!(!scene.me().has_wakeup(), "a wake-up is left");
                }),
                (W2, |scene| {
                    scene.written.store(1, Relaxed);
                    scene.wakes(W1);
                }),
            ],
        );
    });
}

/// Two tasks swap with each other.
pub(crate) fn swaps(bug: Bug) {
    explore(4, bug, || {
        kernel::run(
            Scene::new(0).with_tasks(&[W1, W2]),
            [
                (W1, |scene| {
                    wait::swap(scene.me(), scene.of(W2), 0).unwrap();
                    wait::swap(scene.me(), scene.of(W2), 0).unwrap();
                }),
                (W2, |scene| {
                    scene.waits(0).unwrap();
                    wait::swap(scene.me(), scene.of(W1), 0).unwrap();
                    scene.wakes(W1);
                }),
            ],
        );
    });
}

/// A worker waits, and is woken.
fn wait_of_worker_against_wake<const TIMEOUT: u64>(flags: u32) {
    kernel::run(
        Scene::served(flags)
            .with(W1, Kind::Worker)
            .with_tasks(&[W2]),
        [
            (S1, Scene::serves),
            (W1, |scene| {
                kernel::runs();
                scene
                    .waits(TIMEOUT)
                    .or_else(|error| {
                        assert_eq!(Err(error), TIMED_OUT);
                        kernel::runs();
                        scene.waits(0)
                    })
                    .unwrap();
                scene.leaves(1);
            }),
            (W2, |scene| scene.wakes(W1)),
        ],
    );
}

pub(crate) fn worker_against_wake(bug: Bug) {
    explore(2, bug, || wait_of_worker_against_wake::<0>(DIRECT));
}

pub(crate) fn worker_against_wake_through_lists(bug: Bug) {
    explore(2, bug, || wait_of_worker_against_wake::<0>(0));
}

pub(crate) fn worker_with_timeout_against_wake(bug: Bug) {
    explore(2, bug, || wait_of_worker_against_wake::<1>(DIRECT));
}

/// Two workers of one server, one of which blocks.
fn block_and_leave(scene: Scene) {
    kernel::run(
        scene.with(W1, Kind::Worker).with(W2, Kind::Worker),
        [
            (S1, Scene::serves),
            (W1, |scene| {
                kernel::runs();
                kernel::blocks();
                scene.leaves(2);
            }),
            (W2, |scene| scene.leaves(2)),
        ],
    );
}

pub(crate) fn direct_mode(bug: Bug) {
    explore(2, bug, || block_and_leave(Scene::served(DIRECT)));
}

pub(crate) fn ring(bug: Bug) {
    explore(2, bug, || block_and_leave(Scene::served(DIRECT | FIFO)));
}

pub(crate) fn lists(bug: Bug) {
    explore(2, bug, || block_and_leave(Scene::served(0)));
}

/// The ring is full: a worker that wakes is queued elsewhere.
pub(crate) fn full_ring(bug: Bug) {
    explore(2, bug, || {
        let scene = Scene::served(DIRECT | FIFO);

        assert!(scene.fills_ring());
        assert!(!scene.group.direct.push_ready(GONE), "the ring is not full");
        block_and_leave(scene);
    });
}

/// A worker leaves while it is woken, and its group is destroyed.
pub(crate) fn end_against_wake(bug: Bug) {
    explore(1, bug, || {
        kernel::run(
            Scene::served(DIRECT)
                .with(W1, Kind::Worker)
                .with_tasks(&[W2]),
            [
                (S1, |scene| {
                    scene.serves();
                    register::unregister(scene.me()).unwrap();
                    let result = register::destroy_group(scene.group, None);
                    assert_eq!(result, Ok(()), "a member is left");
                }),
                (W1, |scene| scene.leaves(1)),
                (W2, |scene| {
                    // It may have left, and be another kind of task.
                    let _ = wait::wake(scene.me(), scene.of(W1), false);
                }),
            ],
        );
    });
}

/// A server is woken when it goes to sleep.
fn serves_until_woken(flags: u32) {
    kernel::run(
        Scene::served(flags).with_tasks(&[W2]),
        [(S1, Scene::serves), (W2, |scene| scene.wakes(S1))],
    );
}

pub(crate) fn server_against_wake(bug: Bug) {
    explore(4, bug, || serves_until_woken(DIRECT));
}

pub(crate) fn server_against_wake_in_lists(bug: Bug) {
    explore(4, bug, || serves_until_woken(0));
}

/// A worker enters while the server goes to sleep.
pub(crate) fn late_worker_in_direct_mode(bug: Bug) {
    explore(3, bug, || {
        kernel::run(
            Scene::served(DIRECT),
            [
                (S1, Scene::serves),
                (W1, |scene| {
                    scene.enters();
                    scene.leaves(1);
                }),
            ],
        );
    });
}

/// A worker enters while the server takes another one.
pub(crate) fn late_worker_in_lists(bug: Bug) {
    explore(2, bug, || {
        kernel::run(
            Scene::served(0).with(W1, Kind::Worker),
            [
                (W2, |scene| {
                    scene.enters();
                    scene.leaves(2);
                }),
                (S1, Scene::serves),
                (W1, |scene| scene.leaves(2)),
            ],
        );
    });
}

/// A worker is woken when the ring is full.
pub(crate) fn wake_with_a_full_ring(bug: Bug) {
    explore(1, bug, || {
        kernel::run(
            Scene::served(DIRECT | FIFO)
                .with(W1, Kind::Worker)
                .with_tasks(&[W2]),
            [
                (W1, |scene| {
                    kernel::runs();
                    scene.waits(0).unwrap();
                    scene.leaves(1);
                }),
                (S1, Scene::serves),
                (W2, |scene| {
                    scene.fills_ring();
                    scene.wakes(W1);
                }),
            ],
        );
    });
}

/// The timeout of a worker expires, and no thread wakes it.
pub(crate) fn timeout_of_a_worker(bug: Bug) {
    explore(3, bug, || {
        kernel::run(
            Scene::served(DIRECT).with(W1, Kind::Worker),
            [
                (S1, Scene::serves),
                (W1, |scene| {
                    kernel::runs();
                    assert_eq!(scene.waits(1), TIMED_OUT);
                    scene.leaves(1);
                }),
            ],
        );
    });
}

/// A worker is killed while a server takes it.
fn queued_worker_dies(flags: u32) {
    let scene = Scene::served(flags)
        .with(W1, Kind::Worker)
        .with_tasks(&[W2]);
    let group = scene.group;

    kernel::run(
        scene,
        [
            (S1, Scene::serves),
            (W1, |_| kernel::exits()),
            (W2, |scene| scene.wakes(S1)),
        ],
    );
    assert!(
        group.direct.has_workers() || !group.direct.has_queued(),
        "a worker counts as queued"
    );
}

pub(crate) fn queued_worker_dies_in_direct_mode(bug: Bug) {
    explore(2, bug, || queued_worker_dies(DIRECT));
}

pub(crate) fn queued_worker_dies_in_lists(bug: Bug) {
    explore(2, bug, || queued_worker_dies(0));
}

/// A worker is killed while another one, which leaves, takes it from the ring.
pub(crate) fn worker_of_the_ring_dies(bug: Bug) {
    explore(2, bug, || {
        kernel::run(
            Scene::served(DIRECT | FIFO)
                .with(W2, Kind::Worker)
                .with(W1, Kind::Worker),
            [
                (S1, Scene::serves),
                (W2, |scene| scene.leaves(1)),
                (W1, |_| kernel::exits()),
            ],
        );
    });
}

/// A worker is killed while another one swaps with it.
fn target_of_a_swap_dies(flags: u32) {
    let scene = Scene::served(flags)
        .with(W1, Kind::Worker)
        .with(W2, Kind::Worker);

    for worker in [W1, W2] {
        let taken = kernel::as_thread(S1, || {
            server::next_worker(scene.group, scene.of(S1), false, 0).unwrap()
        });
        assert_eq!(taken.tid(), worker);
    }
    kernel::run(
        scene,
        [
            (S1, |scene| {
                server::run_worker(scene.group, scene.me(), scene.of(W2)).unwrap();
                scene.wakes(W2);
                scene.serves();
            }),
            (W2, |scene| {
                kernel::runs();
                wait::swap(scene.me(), scene.of(W1), 0).unwrap();
                scene.leaves(1);
            }),
            (W1, |_| kernel::exits()),
        ],
    );
}

pub(crate) fn target_of_a_swap_dies_in_direct_mode(bug: Bug) {
    explore(2, bug, || target_of_a_swap_dies(DIRECT));
}

pub(crate) fn target_of_a_swap_dies_in_lists(bug: Bug) {
    explore(2, bug, || target_of_a_swap_dies(0));
}

clean! {
    each_wake_up_ends_one_wait: wait_against_wakes;
    wake_up_that_comes_with_the_timeout_is_not_lost: timeout_against_wake;
    tasks_that_swap_wake_each_other: swaps;
    worker_that_waits_is_woken: worker_against_wake;
    worker_that_waits_is_woken_through_lists: worker_against_wake_through_lists;
    worker_whose_timeout_expires_is_woken_once: worker_with_timeout_against_wake;
    no_worker_is_lost_in_direct_mode: direct_mode;
    no_worker_is_lost_in_the_ring: ring;
    no_worker_is_lost_in_the_lists: lists;
    no_worker_is_lost_when_the_ring_is_full: full_ring;
    group_ends_while_its_worker_is_woken: end_against_wake;
    woken_server_returns: server_against_wake;
    server_that_waits_for_the_lists_is_woken: server_against_wake_in_lists;
    worker_that_enters_runs_in_direct_mode: late_worker_in_direct_mode;
    worker_that_enters_runs_through_lists: late_worker_in_lists;
    worker_that_is_woken_when_the_ring_is_full_is_queued: wake_with_a_full_ring;
    worker_whose_timeout_expires_is_queued: timeout_of_a_worker;
    server_forgets_a_queued_worker_that_dies_in_direct_mode: queued_worker_dies_in_direct_mode;
    server_forgets_a_queued_worker_that_dies_in_the_lists: queued_worker_dies_in_lists;
    server_is_not_given_to_a_worker_that_dies_in_the_ring: worker_of_the_ring_dies;
    server_is_started_if_the_target_of_a_swap_dies_in_direct_mode: target_of_a_swap_dies_in_direct_mode;
    server_is_started_if_the_target_of_a_swap_dies_in_lists: target_of_a_swap_dies_in_lists;
}
