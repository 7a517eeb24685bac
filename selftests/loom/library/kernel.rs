// SPDX-License-Identifier: GPL-2.0

//! The module below a library, and the kernel below that: the callers of `umcg/protocol.rs` and
//! `umcg/direct.rs`, over the words that the library has registered.
//!
//! Signals are left out. The model fails where the process would be killed, and if a thread sleeps
//! for ever: loom reports a deadlock.
//!
//! A worker executes user code where a scenario calls [`runs`]; interrupts reach it there.

use crate::{
    module::{
        abi::{UMCG_DIRECT_FIFO, UMCG_DIRECT_LEND, UMCG_DIRECT_OVERTAKE},
        direct::{self, GroupWords, Server},
        protocol::{self, Block, OnTimeout, Resume, SharedWord},
        state::{State, StateWord},
    },
    raw::{direct::DirectGroup, task::Task},
};
use loom::{
    cell::UnsafeCell,
    sync::atomic::{
        fence, AtomicBool,
        Ordering::{Acquire, Relaxed, Release, SeqCst},
    },
    thread::{self, ThreadId},
};
use std::{
    any::Any,
    cell::{Cell, OnceCell, RefCell},
};

mod calls;
pub(crate) mod words;
pub(crate) use calls::*;
use words::{GroupView, Word};

pub(crate) type Tid = u32;

/// The number of TIDs. loom supports one thread less; the last one is of a worker that never runs.
const THREADS: usize = 5;

/// The clock stands still: the worst case for timestamps.
pub(crate) const NOW: u64 = 0;

/// The registration of a thread.
#[derive(Clone, Copy)]
struct Registration {
    words: &'static Task,
    group: Option<&'static DirectGroup>,
    server_nr: u32,
    is_worker: bool,
    /// The flags of its group.
    options: u32,
    has_sections: bool,
}

impl Registration {
    fn has_option(&self, option: u32) -> bool {
        self.options & option != 0
    }

    fn is_in_section(&self) -> bool {
        self.has_sections && self.words.is_in_section()
    }
}

/// A thread of the process.
struct Thread {
    /// Whether it is marked as asleep: `task_struct::__state`.
    asleep: AtomicBool,
    /// For wake-ups. Set before it first sleeps.
    handle: OnceCell<thread::Thread>,
    /// For nudges, while it is parked for one: loom does not expect them elsewhere.
    parked: RefCell<Option<thread::Thread>>,
    /// Whether task work is queued for its return to user mode.
    work: AtomicBool,
    registration: Cell<Option<Registration>>,
    /// Whether the lookup by its TID finds it.
    is_known: AtomicBool,
    /// Whether the event that a worker waits for in user mode may have happened, or it was kicked.
    is_nudged: AtomicBool,
    /// Whether it is legitimately idle, see `umcg/worker.rs`.
    idles: Cell<bool>,
    /// Whether it is preempted in a critical section as well.
    insisted: Cell<bool>,
    /// Of a server: used in user mode by the server, or by the worker under it. loom reports a race
    /// if both are in user mode at the same time, or if one might not see the writes of the other.
    seat: UnsafeCell<()>,
}

impl Thread {
    /// Called right after the check on which the thread sleeps.
    fn park(&self) {
        self.parked.replace(Some(thread::current()));
        thread::park();
        self.parked.take();
    }

    fn unpark(&self) {
        if let Some(thread) = self.parked.take() {
            thread.unpark();
        }
    }
}

/// One execution of a model.
pub(crate) struct Kernel {
    threads: [Thread; THREADS],
    tids: RefCell<Vec<(ThreadId, Tid)>>,
    /// The futex words, by address, and the threads that sleep on them.
    futexes: RefCell<Vec<(usize, thread::Thread)>>,
    /// See [`of_process`].
    process: Cell<Option<&'static dyn Any>>,
    /// The events: the acting thread, what it did, the other thread.
    log: RefCell<Vec<(Tid, &'static str, Tid)>>,
    /// The thread that ends slices; see [`futex_wait`].
    ticker: Cell<Option<Tid>>,
    /// Whether the scenario is being prepared: a worker does not sleep yet; see [`prepares`].
    is_setup: Cell<bool>,
    /// Memory that libraries never free.
    memory: RefCell<Vec<Box<dyn Any>>>,
    /// The users of that memory.
    scenes: RefCell<Vec<Box<dyn Any>>>,
}

std::thread_local! {
    /// loom runs all its threads on one of the system's.
    static KERNEL: Cell<Option<&'static Kernel>> = const { Cell::new(None) };
}

/// The kernel of this execution.
pub(crate) fn kernel() -> &'static Kernel {
    KERNEL.get().expect("there is no execution")
}

/// Begins an execution.
pub(crate) fn begin() {
    let kernel = Kernel {
        threads: std::array::from_fn(|_| Thread {
            asleep: AtomicBool::new(false),
            handle: OnceCell::new(),
            parked: RefCell::default(),
            work: AtomicBool::new(false),
            registration: Cell::new(None),
            is_known: AtomicBool::new(false),
            is_nudged: AtomicBool::new(false),
            idles: Cell::new(false),
            insisted: Cell::new(false),
            seat: UnsafeCell::new(()),
        }),
        tids: RefCell::default(),
        futexes: RefCell::default(),
        process: Cell::new(None),
        log: RefCell::default(),
        ticker: Cell::new(None),
        is_setup: Cell::new(false),
        memory: RefCell::default(),
        scenes: RefCell::default(),
    };

    // After a seeded bug the last one is leaked: its objects belong to an execution that has
    // failed.
    KERNEL.set(Some(Box::leak(Box::new(kernel))));
}

/// Ends it.
pub(crate) fn end() {
    let kernel = KERNEL.take().expect("there is no execution");

    drop(kernel.scenes.take());
    // SAFETY: It comes from a box, and its threads have ended.
    drop(unsafe { Box::from_raw(std::ptr::from_ref(kernel).cast_mut()) });
}

/// The events of an execution that has failed, one line each.
pub(crate) fn story() -> String {
    let log = KERNEL.get().map(|kernel| kernel.log.take());
    let lines = log.into_iter().flatten();

    lines
        .map(|(me, what, other)| format!("{me}: {what} {other}\n"))
        .collect()
}

/// The calling thread.
pub(crate) fn tid() -> Tid {
    let id = thread::current().id();
    let kernel = kernel();
    let tids = kernel.tids.borrow();

    tids.iter()
        .rev()
        .find_map(|&(thread, tid)| (thread == id).then_some(tid))
        .expect("a thread without a TID")
}

/// The calling thread does this as the thread `tid`.
pub(crate) fn as_thread<R>(tid: Tid, work: impl FnOnce() -> R) -> R {
    let kernel = kernel();

    kernel.tids.borrow_mut().push((thread::current().id(), tid));
    let result = work();
    let mut tids = kernel.tids.borrow_mut();
    let mine = tids.iter().rposition(|&(_, other)| other == tid);
    tids.remove(mine.expect("the TID is gone"));
    result
}

/// The same before the threads begin. A worker that has to sleep does so when its thread calls
/// [`runs`].
pub(crate) fn prepares<R>(tid: Tid, work: impl FnOnce() -> R) -> R {
    kernel().is_setup.set(true);
    let result = as_thread(tid, work);
    kernel().is_setup.set(false);
    result
}

/// This thread ends slices.
pub(crate) fn set_ticker(tid: Tid) {
    kernel().ticker.set(Some(tid));
}

/// Runs the functions of these threads concurrently, until all have returned.
pub(crate) fn run<T: 'static, const N: usize>(shared: T, threads: [(Tid, fn(&'static T)); N]) {
    let shared = share(shared);
    let ((first_tid, first), others) = (threads[0], &threads[1..]);
    let others: Vec<_> = others
        .iter()
        .map(|&(tid, work)| thread::spawn(move || as_thread(tid, || work(shared))))
        .collect();

    // loom counts this thread as well.
    as_thread(first_tid, || first(shared));
    for other in others {
        other.join().unwrap();
    }
}

/// Keeps the data that the threads of a scenario share until the execution ends. It is leaked if
/// the execution fails, because it cannot be dropped outside of one.
pub(crate) fn share<T: 'static>(value: T) -> &'static T {
    let value = Box::new(value);
    let address = std::ptr::from_ref(&*value);

    kernel().scenes.borrow_mut().push(value);
    // SAFETY: The box is dropped in `end()`, when the threads have ended.
    unsafe { &*address }
}

/// A value that exists once in a process.
#[allow(dead_code, reason = "the crate has no such thing")]
pub(crate) fn of_process<T: 'static>(new: impl FnOnce() -> T) -> &'static T {
    let process = &kernel().process;

    if process.get().is_none() {
        process.set(Some(&keep(Box::new([new()]))[0]));
    }
    let process: Option<&'static dyn Any> = process.get();
    process
        .and_then(|any| any.downcast_ref())
        .expect("it has another type")
}

/// Keeps memory until the execution ends.
pub(crate) fn keep<T: 'static>(values: Box<[T]>) -> &'static [T] {
    let address = std::ptr::from_ref(&*values);

    kernel().memory.borrow_mut().push(Box::new(values));
    // SAFETY: The box is dropped in `end()`, after all its users.
    unsafe { &*address }
}

/// `sys/wake.rs` and `sys/sleep.rs`.
impl Kernel {
    fn thread(&self, tid: Tid) -> &Thread {
        &self.threads[tid as usize - 1]
    }

    fn registered(&self, tid: Tid) -> Result<Registration, i32> {
        let thread = (tid as usize).checked_sub(1);
        let thread = thread.and_then(|index| self.threads.get(index));

        thread
            .filter(|thread| thread.is_known.load(Acquire))
            .and_then(|thread| thread.registration.get())
            .ok_or(libc::ESRCH)
    }

    /// `try_to_wake_up()`: a full barrier, then a check of the state of the target.
    fn wake(&self, tid: Tid) {
        let target = self.thread(tid);

        self.log(self::tid(), "wakes", tid);
        fence(SeqCst);
        if target.asleep.load(Relaxed) && target.asleep.swap(false, Relaxed) {
            target
                .handle
                .get()
                .expect("asleep before it has run")
                .unpark();
        }
    }

    fn log(&self, me: Tid, what: &'static str, other: Tid) {
        self.log.borrow_mut().push((me, what, other));
    }

    /// Time passes for the ticker.
    fn time_passes(&self) {
        if let Some(ticker) = self.ticker.get() {
            self.nudge(ticker);
        }
    }

    fn wake_named(&self, tid: Tid) -> Result<(), i32> {
        self.registered(tid)?;
        self.wake(tid);
        Ok(())
    }

    /// `set_current_state()`: the mark, and a full barrier. An exchange, since loom does not
    /// order the stores of two threads.
    fn mark_asleep(thread: &Thread) {
        thread.handle.get_or_init(thread::current);
        thread.asleep.swap(true, Relaxed);
        fence(SeqCst);
    }

    /// Sleeps until it is `done`; returns false if the timeout has expired before. It expires as
    /// soon as the thread sleeps: for the others that is any moment, as they may be anywhere by
    /// then.
    fn sleep_until(&self, me: Tid, has_timeout: bool, done: impl Fn() -> bool) -> bool {
        let thread = self.thread(me);
        let mut expired = false;

        let is_done = loop {
            Self::mark_asleep(thread);
            if done() {
                break true;
            }
            if expired {
                break false;
            }
            if has_timeout {
                expired = true;
                continue;
            }
            while thread.asleep.load(Relaxed) {
                thread::park();
            }
        };
        thread.asleep.swap(false, Relaxed);
        is_done
    }
}

/// `umcg/registry.rs` and `umcg/direct_worker.rs`.
impl Kernel {
    /// Starts a thread that may be IDLE. Returns false if it is gone.
    fn start(&self, tid: Tid) -> bool {
        let Some(server) = self.registered(tid).ok().filter(|server| !server.is_worker) else {
            return false;
        };

        match protocol::start_server(&Word(server.words.state_word()), NOW) {
            Some(true) => self.wake(tid),
            Some(false) => {}
            None => panic!("a word keeps changing"),
        }
        true
    }

    fn gives_up_server(&self, words: &'static DirectGroup, server: Server) {
        let group = &GroupView::of(words);

        if group.server_tid(server.nr).load() == server.tid {
            while let Some(next) = direct::pop_ready(group) {
                group.set_running(server.nr, next);
                if self.run_ready(words, next, server) {
                    return;
                }
            }
            if direct::put_back(group, server.nr) {
                return;
            }
        }
        self.start(server.tid);
    }

    /// Runs a worker of the ring.
    fn run_ready(&self, group: &'static DirectGroup, tid: Tid, server: Server) -> bool {
        let is_its = |worker: &Registration| {
            worker.is_worker && worker.group.is_some_and(|its| std::ptr::eq(its, group))
        };
        let Some(worker) = self.registered(tid).ok().filter(is_its) else {
            return false;
        };
        let state = Word(worker.words.state_word());

        if !protocol::may_run_ready(&state) {
            return false;
        }
        worker.words.set_server(server.tid, server.nr);
        if protocol::run_ready(&state, NOW) != Some(true) {
            return false;
        }
        self.wake(tid);
        true
    }

    fn start_idle_server(&self, group: &GroupView) {
        while let Some(tid) = direct::take_server(group)
            .map(|server| server.tid)
            .or_else(|| direct::take_watcher(group))
        {
            if self.start(tid) {
                return;
            }
        }
    }

    /// `direct_worker::queue()`.
    fn queue_directly(&self, me: Tid, own: Registration, seen: StateWord, preempted: bool) {
        let group = GroupView::of(own.group.expect("not in direct mode"));
        let own_server = own.words.named_tid();

        if !preempted {
            if let Some(server) =
                direct::take_server_to_run_under(&group, own.has_option(UMCG_DIRECT_OVERTAKE))
            {
                own.words.set_server(server.tid, server.nr);
                assert_eq!(
                    group.running(server.nr).0.fetch_add(0, Relaxed),
                    0,
                    "a server has a worker already"
                );
                group.set_running(server.nr, me);
                self.log(me, "adopts", server.tid);
                assert!(
                    protocol::adopt(&Word(own.words.state_word()), seen, NOW),
                    "killed: its word changed while it was blocked"
                );
                if direct::leaves_others_queued(&group) {
                    self.start_idle_server(&group);
                }
                return;
            }
        }
        if !protocol::become_idle(&Word(own.words.state_word()), seen, NOW) {
            return;
        }
        self.log(me, "is queued", 0);
        self.thread(me).idles.set(true);
        if !(own.has_option(UMCG_DIRECT_FIFO) && direct::queue_ready(&group, me)) {
            let node = own.words.node_word();
            protocol::push_idle(
                &Word(node),
                group.idle_workers(),
                std::ptr::from_ref(node).expose_provenance() as u64,
            );
        }
        if preempted {
            self.thread(me).insisted.set(false);
            if self.start(own_server) {
                return;
            }
        }
        self.start_idle_server(&group);
    }

    /// The same for a worker that is not in direct mode.
    fn queue(&self, me: Tid, own: Registration, seen: StateWord, preempted: bool) {
        if own.group.is_some() {
            return self.queue_directly(me, own, seen, preempted);
        }
        let (node, list) = (own.words.node_word(), own.words.list());
        let own_server = own.words.named_tid();

        if !protocol::become_idle(&Word(own.words.state_word()), seen, NOW) {
            return;
        }
        self.log(me, "is queued", 0);
        self.thread(me).idles.set(true);
        let address = std::ptr::from_ref(node).expose_provenance() as u64;
        protocol::push_idle(&Word(node), &Word(list), address);
        let server = if preempted {
            own_server
        } else {
            Word(own.words.idle_server()).exchange(0)
        };
        if server != 0 {
            self.log(me, "takes the announced", server);
            self.start(server);
        }
    }
}

/// `umcg/worker.rs`: events of workers outside of calls.
impl Kernel {
    fn verdict(&self, me: Tid, own: Registration) -> Resume {
        let thread = self.thread(me);
        let goes_on = || own.is_in_section() && !thread.insisted.get();

        protocol::resume(
            &Word(own.words.state_word()),
            thread.idles.get(),
            || own.words.named_tid() != 0,
            goes_on,
        )
    }

    /// Wake detection. A new worker goes through it as well.
    fn settle(&self, me: Tid, own: Registration) {
        loop {
            match self.verdict(me, own) {
                Resume::Run => break,
                // Its thread sleeps in `runs()`.
                Resume::Hold if self.is_setup.get() => {
                    self.thread(me).work.swap(true, SeqCst);
                    return;
                }
                Resume::Hold => {
                    self.hold(me, own, false);
                }
                // If the word has changed, it is evaluated again.
                Resume::Queue { seen, preempted } => self.queue(me, own, seen, preempted),
                Resume::Broken => panic!("killed: its word is invalid"),
            }
        }
        self.thread(me).idles.set(false);
    }

    fn hold(&self, me: Tid, own: Registration, has_timeout: bool) -> bool {
        self.thread(me).idles.set(true);
        self.sleep_until(me, has_timeout, || {
            !protocol::should_idle(&Word(own.words.state_word()))
        })
    }

    fn returns_to_user(&self, me: Tid) {
        let thread = self.thread(me);
        let own = thread.registration.get().filter(|own| own.is_worker);

        if let Some(own) = own {
            if thread.work.swap(false, SeqCst) {
                self.settle(me, own);
            }
        }
    }
}
