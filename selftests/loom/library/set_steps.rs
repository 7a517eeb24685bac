// SPDX-License-Identifier: GPL-2.0

//! No worker stays queued while a server sleeps: in every order of the steps of both.

use super::direct::DirectGroup;
use crate::{
    atomic::Ordering,
    raw::{
        members::Members,
        offers::{Offers, Seen},
    },
};
use loom::{sync::Arc, sync::Mutex, thread};

const SERVER: u32 = 1;
const NODE: u64 = 64;

impl DirectGroup {
    /// The kernel's steps when the worker of the server blocks. Returns whether it starts the
    /// server.
    fn kernel_puts_back(&self) -> bool {
        self.put(1 << SERVER);
        let is_needed = self.has_new_workers()
            || self.queued.load(Ordering::SeqCst) != 0
                && self.refused_servers.load(Ordering::SeqCst) & (1 << SERVER) == 0;
        is_needed && self.take_back(SERVER)
    }

    /// The kernel's steps when a worker is queued. Returns whether it starts a server.
    fn kernel_queues(&self) -> bool {
        self.idle_workers.swap(NODE, Ordering::SeqCst);
        self.take_server(0).is_some()
    }
}

/// A server finds nothing to do, as in `engine::server`. Returns whether it sleeps in the set.
fn server_goes_idle(group: &DirectGroup, is_needed: impl FnOnce() -> bool) -> bool {
    !group.put_unless(SERVER, is_needed)
}

#[test]
fn server_does_not_sleep_while_the_kernel_has_queued_a_worker() {
    loom::model(|| {
        let group = Arc::new(DirectGroup::default());
        let kernel = Arc::clone(&group);

        let kernel = thread::spawn(move || kernel.kernel_queues());
        let sleeps = server_goes_idle(&group, || group.has_new_workers());
        let started = kernel.join().unwrap();
        // It is awake, or is started.
        assert!(
            !sleeps || started,
            "a worker is queued while the server sleeps"
        );
    });
}

#[test]
fn leaving_worker_gives_its_server_to_one_that_is_queued() {
    loom::model(|| {
        let group = Arc::new(DirectGroup::default());
        let kernel = Arc::clone(&group);

        let kernel = thread::spawn(move || kernel.kernel_queues());
        let started_by_leaver = group.put_unless(SERVER, || group.has_work());
        let started_by_kernel = kernel.join().unwrap();
        assert!(
            started_by_leaver ^ started_by_kernel,
            "the server is not started, or twice"
        );
    });
}

/// The number of workers that the policy has is under the lock of the scheduler.
struct Scheduler {
    group: DirectGroup,
    offers: Offers,
    workers: Mutex<u32>,
}

impl Scheduler {
    /// As `Shared::next_worker()`: takes a worker, or returns the offers that were seen when there
    /// was none.
    fn next_worker(&self) -> Option<Seen> {
        let mut workers = self.workers.lock().unwrap();

        if self.group.take_list() != 0 {
            *workers += 2;
            self.offers.add();
        }
        let seen = (*workers == 0).then(|| self.offers.seen());
        *workers = workers.saturating_sub(1);
        self.group.set_queued(*workers);
        seen
    }
}

#[test]
fn server_does_not_sleep_while_another_one_has_a_worker_too_many() {
    loom::model(|| {
        let shared = Arc::new(Scheduler {
            group: DirectGroup::default(),
            offers: Offers::default(),
            workers: Mutex::new(0),
        });
        let other = Arc::clone(&shared);

        let other = thread::spawn(move || {
            // The kernel queues two workers, of which this server takes one.
            other.group.idle_workers.swap(NODE, Ordering::SeqCst);
            other.next_worker();
            // It supplies others.
            other.group.queued() != 0 && other.group.take_server(0).is_some()
        });
        let sleeps = shared.next_worker().is_some_and(|seen| {
            server_goes_idle(&shared.group, || {
                shared.group.has_new_workers() || shared.offers.changed_since(seen)
            })
        });
        let supplied = other.join().unwrap();
        let left = *shared.workers.lock().unwrap();
        assert!(
            left == 0 || !sleeps || supplied,
            "a worker is queued while the server sleeps"
        );
    });
}

#[test]
fn server_that_has_refused_others_does_not_sleep_while_a_worker_is_offered() {
    loom::model(|| {
        let group = Arc::new(DirectGroup::default());
        group.set_queued(1);
        group.refuse_server(SERVER);
        let kernel = Arc::clone(&group);

        let kernel = thread::spawn(move || kernel.kernel_puts_back());
        // As `Shared::take_in()` and `Server::supply_others()`.
        group.refuse_no_server();
        group.set_queued(2);
        let supplied = group.take_server(group.refused_servers()).is_some();
        let started = kernel.join().unwrap();
        assert!(started ^ supplied, "the server is not started, or twice");
    });
}

#[test]
fn server_does_not_sleep_when_the_group_is_over() {
    loom::model(|| {
        let shared = Arc::new((DirectGroup::default(), Members::default()));
        let closer = Arc::clone(&shared);

        let closer = thread::spawn(move || {
            closer.1.close_if_empty().unwrap();
            closer.0.take_server(0).is_some()
        });
        let (group, members) = &*shared;
        let sleeps = server_goes_idle(group, || members.is_over());
        let started = closer.join().unwrap();
        assert!(!sleeps || started, "a server sleeps for ever");
    });
}

#[test]
fn last_worker_of_a_closed_group_leaves_no_server_asleep() {
    loom::model(|| {
        let shared = Arc::new((DirectGroup::default(), Members::default()));
        shared.1.enter().unwrap();
        let closer = Arc::clone(&shared);

        // All handles are dropped while the last worker leaves.
        let closer = thread::spawn(move || {
            closer.1.close();
            closer.1.is_over() && closer.0.take_server(0).is_some()
        });
        let (group, members) = &*shared;
        members.leave();
        let started_by_leaver = group.put_unless(SERVER, || members.is_over());
        let started_by_closer = closer.join().unwrap();
        assert!(
            started_by_leaver ^ started_by_closer,
            "the server is not started, or twice"
        );
    });
}

#[test]
fn ticker_does_not_sleep_while_a_worker_is_queued() {
    loom::model(|| {
        let group = Arc::new(DirectGroup::default());
        let server = Arc::clone(&group);

        let server = thread::spawn(move || {
            // It cannot run all workers that it has taken in.
            server.set_queued(1);
            server.queued() != 0 && server.take_watcher()
        });
        group.arm_watcher(7);
        let goes_on = group.has_work() && group.take_watcher();
        let started = server.join().unwrap();
        assert!(goes_on ^ started, "the ticker is not started, or twice");
    });
}

#[test]
fn one_of_two_takes_a_server() {
    loom::model(|| {
        let group = Arc::new(DirectGroup::default());
        group.put(1 << SERVER);
        let other = Arc::clone(&group);

        let other = thread::spawn(move || other.take_server(0));
        let taken = group.take_back(SERVER);
        assert!(taken ^ (other.join().unwrap() == Some(SERVER)));
    });
}
