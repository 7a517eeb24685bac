// SPDX-License-Identifier: GPL-2.0 OR MIT

//! The bits of a state word that the library changes.

use super::{
    state::{age_ns, time_after, State},
    task::Task,
};
use crate::{
    atomic::{before_look, Ordering},
    sys::{abi, thread},
};
use core::ops::BitOr;

/// State, lock and the library's bits. Without PREEMPTED: any thread may set it in RUNNING at any
/// time, and it changes nothing for the library.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Bits(u64);

pub(crate) const NONE: Bits = Bits(abi::TASK_NONE);
pub(crate) const RUNNING: Bits = Bits(abi::TASK_RUNNING);
pub(crate) const IDLE: Bits = Bits(abi::TASK_IDLE);
pub(crate) const LOCKED: Bits = Bits(abi::TF_LOCKED);

// Three of the five bits for user space have additional states of an idle task; the other two
// belong to the program, and are preserved.

/// A worker that was taken off the list of its group, to be run.
pub(crate) const TAKEN: Bits = Bits(1 << 15);
/// It is in `umcg_wait()` or `umcg_swap()`, and may be woken.
pub(crate) const WAITS: Bits = Bits(1 << 16);
/// A worker that was woken there, and is on the list of its group.
pub(crate) const QUEUED: Bits = Bits(1 << 17);
/// A server that is in `umcg_get_idle_worker()`.
pub(crate) const POLLS: Bits = Bits(1 << 17);

const PROGRAM_BITS: u64 = abi::TASK_USER_MASK & !(TAKEN.0 | WAITS.0 | QUEUED.0);
const LIBRARY_BITS: u64 = abi::TASK_STATE_MASK | LOCKED.0 | TAKEN.0 | WAITS.0 | QUEUED.0;
const KEEP_PREEMPTED: u64 = abi::TF_PREEMPTED;
const DROP_PREEMPTED: u64 = 0;

impl BitOr for Bits {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Bits {
    const fn of(word: u64) -> Self {
        Self(word & LIBRARY_BITS)
    }

    pub(crate) const fn has_any(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// Whether the thread has exited: the kernel leaves the bits of the library.
    pub(crate) const fn is_gone(self) -> bool {
        self.0 & abi::TASK_STATE_MASK == abi::TASK_NONE
    }

    pub(crate) const fn only(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    pub(crate) const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }
}

impl Task {
    /// Its bits. Sequentially consistent: if one side changes its word and then reads a second one,
    /// and the other side does the reverse, one of them sees the other's change. Pairs with the
    /// changes below, and with those of the kernel, which are fully ordered.
    pub(crate) fn bits(&self) -> Bits {
        before_look();
        // SeqCst: see above.
        Bits::of(self.state.load(Ordering::SeqCst))
    }

    /// Changes the word from `from` to `to` with the flags `kept`, or leaves it if it is not
    /// `from`.
    #[inline(always)]
    fn replace(&self, from: Bits, to: Bits, kept: u64) -> bool {
        // Relaxed: the exchange looks again.
        let mut old = self.state.load(Ordering::Relaxed);

        while Bits::of(old) == from {
            let new =
                time_after(old, thread::monotonic_ns()) | (old & (PROGRAM_BITS | kept)) | to.0;
            // SeqCst: see `bits()`.
            match self
                .state
                .compare_exchange_weak(old, new, Ordering::SeqCst, Ordering::Relaxed)
            {
                Ok(_) => return true,
                Err(now) => old = now,
            }
        }
        false
    }

    /// Changes the word from `from` to `to`, or leaves it if it is not `from`. PREEMPTED stays until
    /// the worker was preempted, whatever it does before. Sequentially consistent.
    #[inline(never)]
    pub(crate) fn turn(&self, from: Bits, to: Bits) -> bool {
        self.replace(from, to, KEEP_PREEMPTED)
    }

    /// The same, for what is called at each switch: it has the code in place.
    #[inline(always)]
    pub(crate) fn turn_fast(&self, from: Bits, to: Bits) -> bool {
        self.replace(from, to, KEEP_PREEMPTED)
    }

    /// Takes an idle worker, whose bits are `from`, to run it. The kernel holds it until it is
    /// RUNNING alone. It does not run any more, so PREEMPTED is cleared. Sequentially consistent.
    #[inline(always)]
    pub(crate) fn claim_from(&self, from: Bits) -> bool {
        self.replace(from, RUNNING | LOCKED, DROP_PREEMPTED)
    }

    /// The thread is no longer known to the kernel.
    pub(crate) fn retire(&self) {
        // Relaxed: nobody else changes the word then.
        let old = self.state.load(Ordering::Relaxed);
        let new = time_after(old, thread::monotonic_ns()) | (old & PROGRAM_BITS) | NONE.0;

        // Release: pairs with `bits()`.
        self.state.store(new, Ordering::Release);
    }

    /// Whether a worker was kicked, and was not run again since.
    pub(crate) fn is_preempted(&self) -> bool {
        before_look();
        // SeqCst: comes after the change of state by which the caller goes on; the kernel sets the
        // flag while the worker runs, or sees that it does not.
        State::of(self.state.load(Ordering::SeqCst)).is_preempted()
    }

    /// State and flags as programs see them, of a worker with WAITS; zero if it is not registered.
    pub(super) fn public_state(&self, is_worker: bool) -> u64 {
        let seen = abi::TASK_STATE_MASK | LOCKED.0 | abi::TF_PREEMPTED | PROGRAM_BITS;
        // Acquire: pairs with the release of the last change.
        let word = self.state.load(Ordering::Acquire);

        match word & abi::TASK_STATE_MASK {
            abi::TASK_NONE => abi::TASK_NONE,
            _ if is_worker => word & (seen | WAITS.0),
            _ => word & seen,
        }
    }

    /// When the state was changed, by the clock of the kernel, in its steps.
    pub(crate) fn since_ns(&self) -> u64 {
        let now = thread::monotonic_ns();
        let step = (1 << abi::TIMESTAMP_GRANULARITY) - 1;

        // Relaxed: no other data depends on the timestamp.
        (now & !step) - age_ns(self.state.load(Ordering::Relaxed), now)
    }

    /// The number of the server that it names.
    pub(crate) fn set_server_nr(&self, nr: u32) {
        // Relaxed: published by the change of the state.
        self.server_nr.store(nr, Ordering::Relaxed);
    }

    /// The immediate signals of a worker.
    pub(crate) fn set_signals(&self, signals: u64) {
        // Relaxed: the kernel reads it in the calling thread, when it registers.
        self.signals.store(signals, Ordering::Relaxed);
    }

    /// Where the kernel is to push the worker when it is idle next.
    pub(super) fn set_node(&self, node: u64) {
        // Relaxed: read only under the lock of the group, or by the kernel after the worker was
        // run.
        self.idle_node.store(node, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicU64;

    const PROGRAM_BIT: u64 = 1 << 13;
    const PREEMPTED: u64 = abi::TF_PREEMPTED;

    fn task(bits: Bits, flags: u64) -> Task {
        // SAFETY: All fields are atomic integers.
        let mut task: Task = unsafe { core::mem::zeroed() };

        task.state = AtomicU64::new(bits.0 | flags);
        task
    }

    fn word(task: &Task) -> u64 {
        task.state.load(Ordering::Relaxed)
    }

    #[test]
    fn change_needs_the_state_and_the_lock_as_they_were() {
        let task = task(RUNNING | LOCKED, 0);

        assert!(!task.turn(RUNNING, IDLE));
        assert!(word(&task) == (RUNNING | LOCKED).0);
        assert!(task.turn(RUNNING | LOCKED, IDLE | WAITS));
        assert_eq!(task.bits(), IDLE | WAITS);
        assert!(word(&task) >> abi::TIMESTAMP_SHIFT != 0);
        assert!(!task.turn(IDLE, RUNNING));
    }

    #[test]
    fn change_keeps_the_bits_of_the_program() {
        let task = task(RUNNING, PROGRAM_BIT);

        assert_eq!(task.bits(), RUNNING);
        assert!(task.turn(RUNNING, IDLE | LOCKED | QUEUED));
        assert!(task.turn(IDLE | LOCKED | QUEUED, IDLE | TAKEN));
        assert!(task.claim_from(IDLE | TAKEN));
        assert!(word(&task) & PROGRAM_BIT != 0);
    }

    #[test]
    fn preemption_stays_until_the_worker_is_taken() {
        let task = task(RUNNING, PREEMPTED);

        assert!(task.turn(RUNNING, IDLE | LOCKED));
        assert!(task.turn(IDLE | LOCKED, RUNNING));
        assert!(task.is_preempted());
        assert!(task.turn(RUNNING, IDLE | WAITS));
        assert!(task.claim_from(IDLE | WAITS));
        assert!(!task.is_preempted());
        assert_eq!(task.bits(), RUNNING | LOCKED);
    }

    #[test]
    fn who_leaves_leaves_no_flag() {
        let task = task(IDLE | LOCKED | WAITS, PREEMPTED | PROGRAM_BIT);

        task.retire();
        assert_eq!(word(&task) & 0x3ffff, PROGRAM_BIT);
        assert_eq!(task.public_state(true), abi::TASK_NONE);
    }

    #[test]
    fn programs_do_not_see_the_bits_of_the_library() {
        let task = task(IDLE | TAKEN | WAITS | QUEUED, PREEMPTED | PROGRAM_BIT);

        assert_eq!(task.public_state(false), IDLE.0 | PREEMPTED | PROGRAM_BIT);
        assert_eq!(
            task.public_state(true),
            (IDLE | WAITS).0 | PREEMPTED | PROGRAM_BIT
        );
    }
}
