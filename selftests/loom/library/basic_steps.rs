// SPDX-License-Identifier: GPL-2.0

//! No wake-up is lost, and each ends one wait: in every order of the steps.

use super::*;
use loom::{
    cell::UnsafeCell,
    sync::{Arc, Condvar, Mutex},
    thread,
};

struct Model {
    task: Task,
    wakeups: Wakeups,
    /// Written before the wake-up.
    value: UnsafeCell<u32>,
    /// The lock of the kernel under which a thread goes to sleep.
    kernel: Mutex<()>,
    wakes: Condvar,
}

// SAFETY: The value is used by one thread before it wakes the other one, which the model checks.
unsafe impl Sync for Model {}
// SAFETY: Nothing in it belongs to a thread.
unsafe impl Send for Model {}

fn model() -> Arc<Model> {
    let model = Arc::new(Model {
        task: Task::default(),
        wakeups: Wakeups::new(),
        value: UnsafeCell::new(0),
        kernel: Mutex::new(()),
        wakes: Condvar::new(),
    });

    model.task.prepare(State::RUNNING, 1600);
    model
}

impl Model {
    /// Waits once, or with a timeout that expires at once. Returns whether it was woken.
    fn wait(&self, has_timeout: bool) -> bool {
        begin(&self.task, 1600);
        if is_woken(&self.task, &self.wakeups, 1600) {
            return true;
        }
        if has_timeout {
            return end(&self.task, 1600);
        }
        let mut kernel = self.kernel.lock().unwrap();
        // Relaxed: the lock orders it, as in the kernel.
        while State::of(self.task.state_word().load(Ordering::Relaxed)) != State::RUNNING {
            kernel = self.wakes.wait(kernel).unwrap();
        }
        drop(kernel);
        end(&self.task, 1600)
    }

    fn wake(&self) {
        if let_run(&self.task, &self.wakeups, 1600) {
            let _kernel = self.kernel.lock().unwrap();
            self.wakes.notify_one();
        }
    }
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();

    builder.preemption_bound = Some(3);
    builder.check(model);
}

#[test]
fn waiting_task_is_woken() {
    check(|| {
        let model = model();
        let other = Arc::clone(&model);
        let wakes = thread::spawn(move || {
            // SAFETY: The other thread reads it after it was woken.
            other.value.with_mut(|value| unsafe { *value = 7 });
            other.wake();
        });

        assert!(model.wait(false));
        // SAFETY: The other thread has written it before the wake-up.
        assert_eq!(model.value.with(|value| unsafe { *value }), 7);
        wakes.join().unwrap();
        assert!(!model.wakeups.take(), "one wake-up has ended no wait");
    });
}

#[test]
fn two_wakeups_end_two_waits() {
    check(|| {
        let model = model();
        let wakers = [(); 2].map(|()| {
            let model = Arc::clone(&model);
            thread::spawn(move || model.wake())
        });

        assert!(model.wait(false));
        assert!(model.wait(false));
        wakers.map(|waker| waker.join().unwrap());
        assert!(!model.wakeups.take(), "two wake-ups have ended one wait");
    });
}

#[test]
fn wakeup_is_not_lost_when_the_timeout_expires() {
    check(|| {
        let model = model();
        let other = Arc::clone(&model);
        let wakes = thread::spawn(move || other.wake());

        let woken = model.wait(true);
        wakes.join().unwrap();
        assert_eq!(model.task.state(), State::RUNNING);
        assert_ne!(woken, model.wakeups.take(), "lost, or used twice");
    });
}
