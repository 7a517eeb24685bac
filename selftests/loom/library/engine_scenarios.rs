// SPDX-License-Identifier: GPL-2.0

//! Scenarios of the crate `umcg`: groups from their first worker to their end. At the end all
//! threads have ended; loom reports a deadlock if one sleeps for ever.

use crate::{
    engine::{
        end::{self, Close},
        server, worker,
    },
    engine_scene::{
        closed, first_server, scene, second_server, ticks, works, NOBODY, S1, S2, W1, W2,
    },
    explore::{clean, explore, Bug},
    kernel::{self, as_thread, Tid},
    policy::{fifo::Fifo, interface::Policy, token::IdleWorker},
    raw::{record::Reason, state::State},
    sys::{errno::Errno, futex},
};
use loom::sync::atomic::Ordering::SeqCst;

/// A worker enters, blocks, lends its server, and leaves; then its thread ends the group.
pub(crate) fn whole_life(bug: Bug) {
    explore(4, bug, || {
        kernel::run(
            scene(1, 1, 0, Fifo::new()),
            [
                (S1, first_server),
                (W1, |scene| {
                    scene.shared.members.enter().unwrap();
                    scene.works(|_| {
                        kernel::blocks();
                        kernel::runs();
                        kernel::lends();
                    });
                    end::close(&scene.shared, Close::IfEmpty).unwrap();
                }),
            ],
        );
    });
}

/// Two workers of one server, one of which blocks.
pub(crate) fn two_workers(bug: Bug) {
    explore(2, bug, || {
        kernel::run(
            closed(1, 1, 2).with(W1),
            [
                (S1, first_server),
                (W1, |scene| scene.works(|_| kernel::blocks())),
                (W2, works),
            ],
        );
    });
}

/// Two workers of two servers, which have to run at the same time.
pub(crate) fn two_at_once(bug: Bug) {
    explore(1, bug, || {
        kernel::run(
            closed(2, 1, 2),
            [
                (S1, first_server),
                (S2, second_server),
                (W1, |scene| scene.works(|_| scene.spins_until_begun(2))),
                (W2, |scene| scene.works(|_| scene.spins_until_begun(2))),
            ],
        );
    });
}

/// Runs workers under the second server only.
#[derive(Default)]
struct SecondOnly(Fifo);

impl Policy for SecondOnly {
    fn wake(&mut self, worker: IdleWorker, reason: Reason) {
        self.0.wake(worker, reason);
    }

    fn next(&mut self, server: usize) -> Option<IdleWorker> {
        (server == 1).then(|| self.0.next(server)).flatten()
    }
}

/// The policy refuses the workers that one server takes in: another one has to run them.
pub(crate) fn refusing_policy(bug: Bug) {
    explore(2, bug, || {
        kernel::run(
            scene(2, 2, 1, SecondOnly::default()).closed(),
            [(S2, second_server), (W1, works), (S1, first_server)],
        );
    });
}

/// A worker yields to another one.
pub(crate) fn yielding(bug: Bug) {
    explore(3, bug, || {
        kernel::run(
            closed(1, 0, 2).with(W1),
            [
                (S1, first_server),
                (W1, |scene| {
                    scene.works(|record| {
                        let waits = scene.shared.words.has_work();
                        worker::yield_now(&scene.shared, record);
                        kernel::runs();
                        assert!(
                            !waits || scene.begun.load(SeqCst) == 2,
                            "it has not yielded"
                        );
                    });
                }),
                (W2, works),
            ],
        );
    });
}

/// A worker is kicked when it is about to block, or does.
pub(crate) fn kick_against_block(bug: Bug) {
    explore(2, bug, || {
        kernel::run(
            closed(1, 0, 1).with(W1),
            [
                (S1, first_server),
                (W1, |scene| {
                    scene.works(|_| {
                        kernel::blocks();
                        kernel::runs();
                    })
                }),
                (W2, |_| {
                    let _ = kernel::kick(W1, false);
                    let _ = kernel::kick(W1, false);
                }),
            ],
        );
    });
}

/// A worker is kicked in a critical section, and another one waits for its place.
pub(crate) fn kick_in_a_section(bug: Bug) {
    explore(2, bug, || {
        kernel::run(
            closed(1, 0, 2).with(W1),
            [
                (S1, first_server),
                (W1, |scene| {
                    scene.works(|record| {
                        if scene.begun.load(SeqCst) == 2 {
                            return;
                        }
                        worker::enter_section(record);
                        let begun = scene.begun.load(SeqCst);
                        let is_kicked = kernel::kick(W1, false).is_ok();
                        kernel::runs();
                        assert!(is_kicked, "a worker that runs cannot be kicked");
                        assert_eq!(
                            begun,
                            scene.begun.load(SeqCst),
                            "preempted in a critical section"
                        );
                        worker::leave_section(record);
                        assert!(!record.task.state().is_preempted(), "the kick is forgotten");
                    })
                }),
                (W2, works),
            ],
        );
    });
}

/// The ticker kicks a worker at the end of its slice.
pub(crate) fn slices(bug: Bug) {
    explore(1, bug, || {
        kernel::run(
            closed(1, 0, 2).with(W1).with(W2).with_ticker(),
            [
                (S1, first_server),
                (S2, ticks),
                (W1, |scene| {
                    scene.works(|_| {
                        scene.spins_until_begun(2);
                        scene.counts_begin();
                    })
                }),
                (W2, |scene| scene.works(|_| scene.spins_until_begun(3))),
            ],
        );
    });
}

/// A worker is queued when the ticker goes to sleep.
pub(crate) fn ticker_against_queue(bug: Bug) {
    explore(1, bug, || {
        kernel::run(
            closed(1, 0, 2).with(W1).with_ticker(),
            [
                (S2, ticks),
                (W2, works),
                (W1, |scene| scene.works(|_| scene.spins_until_begun(2))),
                (S1, first_server),
            ],
        );
    });
}

/// The ticker goes to sleep when the group ends.
pub(crate) fn ticker_against_end(bug: Bug) {
    explore(3, bug, || {
        kernel::run(
            scene(1, 1, 0, Fifo::new()).with_ticker(),
            [
                (S1, first_server),
                (S2, ticks),
                (W1, |scene| {
                    end::close(&scene.shared, Close::IfEmpty).unwrap();
                }),
            ],
        );
    });
}

/// A worker enters while the group is shut down: one of both fails.
pub(crate) fn enter_against_shutdown(bug: Bug) {
    explore(3, bug, || {
        kernel::run(
            scene(1, 0, 0, Fifo::new()),
            [
                (S1, first_server),
                (W1, |scene| match scene.shared.members.enter() {
                    Ok(()) => {
                        scene.works(|_| ());
                        if !scene.shared.members.is_closed() {
                            let _ = end::close(&scene.shared, Close::Always);
                        }
                    }
                    Err(error) => assert_eq!(error, Errno(libc::ESHUTDOWN)),
                }),
                (W2, |scene| {
                    if end::close(&scene.shared, Close::IfEmpty).is_ok() {
                        assert!(scene.shared.members.is_over(), "closed with a worker in it");
                    }
                }),
            ],
        );
    });
}

/// The last handle is dropped while the last worker leaves: one of both ends the group.
pub(crate) fn leave_against_close(bug: Bug) {
    explore(1, bug, || {
        kernel::run(
            scene(2, 2, 1, Fifo::new()),
            [
                (S1, first_server),
                (S2, second_server),
                (W1, works),
                (W2, |scene| {
                    end::close(&scene.shared, Close::Always).unwrap();
                }),
            ],
        );
    });
}

/// A thread waits until the workers have left, as `Group::shutdown_timeout()` does.
pub(crate) fn wait_for_workers(bug: Bug) {
    explore(4, bug, || {
        kernel::run(
            scene(1, 0, 1, Fifo::new()).with(W1),
            [
                (S1, first_server),
                (W1, works),
                (W2, |scene| {
                    while let Some((word, value)) = scene.shared.members.await_none() {
                        futex::wait(word, value, None);
                    }
                    end::close(&scene.shared, Close::IfEmpty).unwrap();
                }),
            ],
        );
    });
}

/// A worker exits without leaving, and another one runs.
pub(crate) fn worker_dies(bug: Bug) {
    explore(2, bug, || {
        kernel::run(
            scene(1, 0, 2, Fifo::new()).with(W1),
            [
                (S1, first_server),
                (W1, |scene| {
                    scene.enters();
                    kernel::exits();
                    // Lets the group end.
                    worker::count_leave(&scene.shared);
                    end::close(&scene.shared, Close::Always).unwrap();
                }),
                (W2, works),
            ],
        );
    });
}

/// A queued worker exits.
pub(crate) fn queued_worker_dies(bug: Bug) {
    explore(3, bug, || {
        kernel::run(
            scene(1, 1, 1, Fifo::new()).with(W1),
            [
                (S1, first_server),
                (W1, |scene| {
                    kernel::exits();
                    worker::count_leave(&scene.shared);
                    end::close(&scene.shared, Close::Always).unwrap();
                }),
            ],
        );
    });
}

/// The policy refuses a worker to the first server, which gives it to the second one, while another
/// worker wakes and takes that.
pub(crate) fn supply_against_wake(bug: Bug) {
    explore(1, bug, || {
        kernel::run(
            scene(2, 2, 2, SecondOnly::default())
                .with(W1)
                .with_second_idle(),
            [
                (S1, first_server),
                (S2, second_server),
                (W1, works),
                (W2, works),
            ],
        );
    });
}

/// A server that the policy has refused goes back to the set, while a worker is queued for it.
pub(crate) fn refused_before(bug: Bug) {
    explore(1, bug, || {
        let scene = scene(2, 1, 2, SecondOnly::default()).with(W1);

        let refused = as_thread(S1, || scene.shared.next_worker(1));
        assert!(refused.is_err(), "there is no worker yet");
        scene.shared.members.close();
        kernel::run(
            scene,
            [
                (S1, first_server),
                (S2, second_server),
                (W1, |scene| scene.works(|_| kernel::blocks())),
                (W2, works),
            ],
        );
    });
}

/// Runs one worker under no server.
struct AllBut(Tid, Fifo, Vec<IdleWorker>);

impl Policy for AllBut {
    fn wake(&mut self, worker: IdleWorker, reason: Reason) {
        if worker.id() == self.0 {
            self.2.push(worker);
        } else {
            self.1.wake(worker, reason);
        }
    }

    fn next(&mut self, server: usize) -> Option<IdleWorker> {
        self.1.next(server)
    }
}

/// A worker is queued while no server is in the set: the second one is out of it, to be refused the
/// worker that stays queued, and the first one goes on with a worker that waits for the new one.
pub(crate) fn refused_and_back(bug: Bug) {
    explore(1, bug, || {
        kernel::run(
            scene(2, 2, 2, AllBut(NOBODY, Fifo::new(), Vec::new()))
                .with(W1)
                .with(NOBODY)
                .with_second_idle(),
            [
                (S1, first_server),
                (S2, second_server),
                (W1, |scene| scene.works(|_| scene.spins_until_begun(2))),
                (W2, works),
            ],
        );
    });
}

/// The policy leaves a worker queued, while the ticker sleeps.
pub(crate) fn refused_worker_is_left(bug: Bug) {
    explore(3, bug, || {
        let scene = scene(1, 1, 0, SecondOnly::default()).with(W1).with_ticker();

        let ticker = scene.shared.ticker;
        assert!(ticker.task.change(State::RUNNING, State::IDLE, kernel::NOW));
        scene.shared.words.arm_watcher(S2);
        kernel::run(
            scene,
            [
                (S1, first_server),
                (S2, |scene| {
                    server::sleep(scene.shared.ticker);
                    end::unregister();
                    end::close(&scene.shared, Close::IfEmpty).unwrap();
                }),
            ],
        );
    });
}

clean! {
    server_serves_one_worker_and_ends_with_its_group: whole_life;
    no_worker_is_lost_when_another_one_blocks_or_leaves: two_workers;
    two_servers_run_two_workers_at_once: two_at_once;
    worker_that_is_refused_to_one_server_runs_under_another_one: refusing_policy;
    worker_that_yields_lets_another_one_run: yielding;
    worker_that_is_kicked_while_it_blocks_runs_on: kick_against_block;
    worker_that_is_kicked_in_a_section_gives_way_behind_it: kick_in_a_section;
    worker_that_spins_gives_way_at_the_end_of_its_slice: slices;
    ticker_does_not_sleep_while_a_worker_is_queued: ticker_against_queue;
    ticker_ends_with_its_group: ticker_against_end;
    worker_that_enters_while_the_group_is_shut_down_is_in_it_or_not: enter_against_shutdown;
    group_ends_when_the_last_worker_leaves_while_it_is_closed: leave_against_close;
    shutdown_waits_for_the_last_worker: wait_for_workers;
    worker_that_dies_leaves_its_server_to_others: worker_dies;
    server_forgets_a_queued_worker_that_dies: queued_worker_dies;
    server_gets_one_worker_of_two_that_take_it: supply_against_wake;
    server_that_was_refused_runs_a_worker_that_comes_later: refused_before;
    server_that_is_refused_a_worker_gets_one_that_came_meanwhile: refused_and_back;
    ticker_is_started_for_a_worker_that_the_policy_leaves_queued: refused_worker_is_left;
}
