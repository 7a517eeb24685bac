// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The words of a thread: `struct umcg_task`.

use super::state::{self, State};
use crate::{
    atomic::{AtomicU32, AtomicU64, Ordering},
    sys::{abi, thread},
};
use core::sync::atomic::{compiler_fence, Ordering::SeqCst};

/// The words of a thread.
#[repr(C, align(64))]
pub(crate) struct Task {
    /// State, flags and timestamp: see [`State`].
    pub(super) state: AtomicU64,
    /// The thread to wake in the next call; of a worker that runs, its server.
    pub(super) next_tid: AtomicU32,
    pub(super) flags: AtomicU32,
    /// The next worker of the idle-worker list, while this one is on it.
    pub(super) idle_node: AtomicU64,
    pub(super) idle_server_tid_ptr: AtomicU64,
    /// The number of the server that `next_tid` names.
    pub(super) server_nr: AtomicU32,
    /// How many critical sections the worker is in.
    pub(super) critical: AtomicU32,
    pub(super) signals: AtomicU64,
    pub(super) reserved: [AtomicU64; 2],
}

impl Task {
    /// As a thread registers: in this state, and all else zero. The thread is not registered.
    pub(crate) fn prepare(&self, state: State, now_ns: u64) {
        // Relaxed, the first ones: the kernel reads them in the calling thread, when it registers.
        self.next_tid.store(0, Ordering::Relaxed);
        self.flags.store(0, Ordering::Relaxed);
        self.idle_node.store(0, Ordering::Relaxed);
        self.idle_server_tid_ptr.store(0, Ordering::Relaxed);
        self.server_nr.store(0, Ordering::Relaxed);
        self.critical.store(0, Ordering::Relaxed);
        self.signals.store(0, Ordering::Relaxed);
        for word in &self.reserved {
            word.store(0, Ordering::Relaxed);
        }
        // Release: pairs with the acquire of threads that look for the one that had these words
        // before: they see that it has left.
        self.state
            .store(state.first_word(now_ns), Ordering::Release);
    }

    pub(crate) fn state(&self) -> State {
        // Acquire: pairs with the release of the last change, by user space or the kernel: what was
        // written before it is seen.
        State::of(self.state.load(Ordering::Acquire))
    }

    /// For how long the state has been what it is.
    pub(crate) fn age_ns(&self, now_ns: u64) -> u64 {
        // Relaxed: no other data depends on the timestamp.
        state::age_ns(self.state.load(Ordering::Relaxed), now_ns)
    }

    /// Changes the state, if it is `from`.
    ///
    /// Release: pairs with the acquire of `state()` and of the kernel's look at the state, which
    /// see what the caller has written before. Acquire: pairs with the release of the change to
    /// `from`.
    pub(crate) fn change(&self, from: State, to: State, now_ns: u64) -> bool {
        // Relaxed: the exchange looks again.
        let mut word = self.state.load(Ordering::Relaxed);

        while State::of(word) == from {
            let new = to.word_after(word, now_ns);
            match self
                .state
                .compare_exchange(word, new, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Takes an idle worker, which the caller owns. Returns false if it is gone.
    pub(crate) fn claim(&self, now_ns: u64) -> bool {
        let claimed = State::RUNNING.locked();

        self.change(State::IDLE, claimed, now_ns)
            || self.change(State::IDLE.preempted(), claimed, now_ns)
    }

    /// Lets a claimed worker run under this server, as soon as it is woken. Returns false if it
    /// has ended: it never runs there.
    pub(crate) fn run_under(&self, server_tid: u32, server_nr: u32, now_ns: u64) -> bool {
        // Relaxed: no other thread uses them while the worker is locked. The change of the state
        // publishes them; pairs with the acquire of the kernel's look at the state.
        self.next_tid.store(server_tid, Ordering::Relaxed);
        self.server_nr.store(server_nr, Ordering::Relaxed);
        // Both fail if the worker is gone. Somebody may have kicked it, for how long it had run
        // before: it has a new slice.
        let locked = State::RUNNING.locked();
        let unlocked = self.change(locked, State::RUNNING, now_ns)
            || self.change(locked.preempted(), State::RUNNING, now_ns);
        debug_assert!(
            unlocked || self.state() == State::NONE,
            "a claimed worker is changed"
        );
        unlocked
    }

    /// The calling worker locks itself: the kernel no longer reports it to its server.
    pub(crate) fn lock_self(&self, now_ns: u64) {
        let locked = State::IDLE.locked();

        // It is RUNNING as long as it is in user mode. Somebody may ask it to give way in between.
        while !self.change(State::RUNNING, locked, now_ns)
            && !self.change(State::RUNNING.preempted(), locked, now_ns)
        {}
    }

    /// The thread that this one names.
    pub(crate) fn next_tid(&self) -> u32 {
        // Relaxed: callers that rely on it own the thread, or are it.
        self.next_tid.load(Ordering::Relaxed)
    }

    /// Names a thread: of a server, or of a worker that is locked.
    pub(crate) fn set_next_tid(&self, tid: u32) {
        // Relaxed: the kernel reads it in the next call of this thread.
        self.next_tid.store(tid, Ordering::Relaxed);
    }

    /// The number of the server that it names.
    pub(crate) fn server_nr(&self) -> u32 {
        // Relaxed: callers that rely on it own the thread, or are it.
        self.server_nr.load(Ordering::Relaxed)
    }

    /// The next one of the idle-worker list. Waits until the kernel has written it.
    pub(super) fn next_node(&self) -> u64 {
        loop {
            // Acquire: pairs with the release of the kernel's store.
            match self.idle_node.load(Ordering::Acquire) {
                abi::IDLE_NODE_PENDING => thread::yield_cpu(),
                node => return node,
            }
        }
    }

    /// Begins a critical section of the calling worker.
    #[inline]
    pub(crate) fn enter_section(&self) {
        // Relaxed: the kernel reads the word in the context of this thread, which alone writes it.
        let sections = self.critical.load(Ordering::Relaxed);

        // Relaxed: only this thread and the kernel in its context use the word. It does not
        // overflow before there are as many sections.
        self.critical
            .store(sections.wrapping_add(1), Ordering::Relaxed);
        // The section comes after it. The compiler has to know; the CPU shows a thread its own
        // order.
        compiler_fence(SeqCst);
    }

    /// Whether the worker is in a critical section. Its own thread alone can rely on the answer.
    pub(crate) fn is_in_section(&self) -> bool {
        // Relaxed: a hint, for others.
        self.critical.load(Ordering::Relaxed) != 0
    }

    /// Ends a critical section of the calling worker. Returns how many it is still in.
    #[inline]
    pub(crate) fn end_section(&self) -> u32 {
        // The section comes before it. Only the compiler could change that.
        compiler_fence(SeqCst);
        // Relaxed: as in `enter_section()`.
        let sections = self.critical.load(Ordering::Relaxed).saturating_sub(1);

        // Relaxed: as in `enter_section()`.
        self.critical.store(sections, Ordering::Relaxed);
        sections
    }

    /// Ends all critical sections of the calling worker.
    pub(crate) fn end_all_sections(&self) {
        compiler_fence(SeqCst);
        // Relaxed: as in `enter_section()`.
        self.critical.store(0, Ordering::Relaxed);
    }

    /// Whether the calling worker, which has just ended its last section, was kicked in it.
    #[inline]
    pub(crate) fn is_to_give_way(&self) -> bool {
        // A kick from here on finds no section. One before has left its flag, seen below.
        compiler_fence(SeqCst);
        // Relaxed: the flag is all that counts.
        State::of(self.state.load(Ordering::Relaxed)).is_preempted()
    }

    /// Ends a critical section of the calling worker. Returns whether it is to give way now.
    #[inline]
    pub(crate) fn leave_section(&self) -> bool {
        self.end_section() == 0 && self.is_to_give_way()
    }

    #[cfg(test)]
    pub(crate) fn sections(&self) -> u32 {
        // Relaxed: the caller owns the task.
        self.critical.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn task(state: State) -> Task {
        // SAFETY: All fields are atomic integers.
        let task: Task = unsafe { core::mem::zeroed() };

        task.prepare(state, 1600);
        task
    }

    #[test]
    fn change_needs_the_state_it_is_made_from() {
        let task = task(State::IDLE);

        assert!(!task.change(State::RUNNING, State::IDLE, 3200));
        assert!(task.change(State::IDLE, State::RUNNING, 3200));
        assert_eq!(task.state(), State::RUNNING);
        assert_eq!(task.age_ns(6400), 3200);
    }

    #[test]
    fn claim_drops_the_wish_to_preempt() {
        let task = task(State::IDLE.preempted());

        assert!(task.claim(3200));
        assert_eq!(task.state(), State::RUNNING.locked());
        assert!(!task.claim(3200), "claimed twice");
        assert!(task.run_under(7, 3, 3200));
        assert_eq!(task.state(), State::RUNNING);
        assert_eq!((task.next_tid(), task.server_nr()), (7, 3));
    }

    #[test]
    fn kick_of_a_claimed_worker_is_forgotten() {
        let task = task(State::IDLE);

        assert!(task.claim(3200));
        assert!(task.change(
            State::RUNNING.locked(),
            State::RUNNING.locked().preempted(),
            3200
        ));
        assert!(task.run_under(7, 3, 3200));
        assert_eq!(task.state(), State::RUNNING);
    }

    #[test]
    fn thread_that_is_gone_cannot_be_claimed() {
        assert!(!task(State::NONE).claim(3200));
        assert!(!task(State::BLOCKED).claim(3200));
    }

    #[test]
    fn worker_gives_way_at_the_end_of_the_outermost_section() {
        let task = task(State::RUNNING);

        task.enter_section();
        task.enter_section();
        assert!(task.change(State::RUNNING, State::RUNNING.preempted(), 3200));
        assert!(!task.leave_section());
        assert!(task.leave_section());
    }

    #[test]
    fn section_without_a_kick_ends_in_nothing() {
        let task = task(State::RUNNING);

        task.enter_section();
        assert!(!task.leave_section());
        assert!(!task.leave_section(), "one end too many");
    }
}
