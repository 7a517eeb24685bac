// SPDX-License-Identifier: GPL-2.0

//! The steps of the calling thread: the calls of the module, and its other events.

use super::*;
use crate::module::abi::{
    UMCG_CTL_CRITICAL, UMCG_CTL_UNREGISTER, UMCG_CTL_WORKER, UMCG_WAIT_LOCK_ON_TIMEOUT,
    UMCG_WAIT_WAKE_ONLY, UMCG_WAIT_WF_CURRENT_CPU,
};

const WAKE_ON_THIS_CPU: u32 = UMCG_WAIT_WAKE_ONLY | UMCG_WAIT_WF_CURRENT_CPU;

/// The calls.
impl Kernel {
    fn register(&self, me: Tid, own: Registration) -> Result<(), i32> {
        let thread = self.thread(me);

        assert!(thread.registration.get().is_none(), "registered twice");
        let state = StateWord::from_bits(own.words.state_word().load(Acquire));
        let expected = if own.is_worker {
            State::Blocked
        } else {
            State::Running
        };
        if !state.is_exactly(expected) || own.words.named_tid() != 0 {
            return Err(libc::EINVAL);
        }
        thread.registration.set(Some(own));
        thread.is_known.store(true, Release);
        thread.idles.set(false);
        thread.insisted.set(false);
        if own.is_worker {
            self.settle(me, own);
        } else if let Some(group) = own.group {
            let (nr, tid) = (own.server_nr, me);
            assert!(direct::enter(&GroupView::of(group), Server { nr, tid }));
        }
        Ok(())
    }

    fn unregister(&self, me: Tid) -> Result<(), i32> {
        let own = self.detach(me).ok_or(libc::EINVAL)?;

        self.log(me, "unregisters", 0);
        self.time_passes();
        assert!(
            !own.is_worker || !protocol::is_running(&Word(own.words.state_word())),
            "a worker that runs unregisters, and its server sleeps"
        );
        Ok(())
    }

    fn detach(&self, me: Tid) -> Option<Registration> {
        let own = self.thread(me).registration.get()?;

        if let Some(group) = own.group.filter(|_| !own.is_worker) {
            let (group, server) = (
                GroupView::of(group),
                Server {
                    nr: own.server_nr,
                    tid: me,
                },
            );
            if direct::leave(&group, server) {
                self.start_idle_server(&group);
            }
        }
        self.thread(me).is_known.store(false, Release);
        self.thread(me).registration.take()
    }

    fn wait(&self, me: Tid, flags: u32, has_timeout: bool) -> Result<(), i32> {
        let own = self.thread(me).registration.get().ok_or(libc::EINVAL)?;
        let next = own.words.named_tid();

        self.log(me, "calls, with the next TID", next);
        match flags {
            0 if own.is_worker => self.worker_waits(me, own, next, has_timeout, OnTimeout::Queue),
            0 => self.server_waits(me, own, next, has_timeout),
            UMCG_WAIT_LOCK_ON_TIMEOUT if own.is_worker && has_timeout => {
                self.worker_waits(me, own, next, true, OnTimeout::Lock)
            }
            UMCG_WAIT_WAKE_ONLY | WAKE_ON_THIS_CPU if next != 0 && !has_timeout => {
                self.wake_named(next)
            }
            _ => Err(libc::EINVAL),
        }
    }

    fn server_waits(
        &self,
        me: Tid,
        own: Registration,
        next: Tid,
        has_timeout: bool,
    ) -> Result<(), i32> {
        let state = Word(own.words.state_word());

        if next != 0 {
            self.wake_named(next)?;
        }
        let is_done = self.sleep_until(me, has_timeout, || {
            !protocol::should_idle_or(&state, || panic!("a server waits with an invalid word"))
        });
        if protocol::is_running(&state) {
            self.take_seat(me);
        }
        is_done.then_some(()).ok_or(libc::ETIMEDOUT)
    }

    fn worker_waits(
        &self,
        me: Tid,
        own: Registration,
        next: Tid,
        has_timeout: bool,
        then: OnTimeout,
    ) -> Result<(), i32> {
        let state = Word(own.words.state_word());

        if next != 0 {
            self.registered(next)?;
        }
        assert!(protocol::unlock(&state, NOW));
        if next != 0 {
            self.wake(next);
        }
        // If a server has begun to run the worker, it was not too late.
        let is_late = !self.hold(me, own, has_timeout) && protocol::time_out(&state, then, NOW);
        if self.verdict(me, own) == Resume::Run {
            self.thread(me).idles.set(false);
        } else {
            self.thread(me).work.swap(true, SeqCst);
        }
        if is_late {
            return Err(libc::ETIMEDOUT);
        }
        Ok(())
    }

    fn kick(&self, tid: Tid, insists: bool) -> Result<(), i32> {
        let worker = self.registered(tid)?;
        let state = Word(worker.words.state_word());

        if !worker.is_worker {
            return Err(libc::EINVAL);
        }
        self.log(self::tid(), "kicks", tid);
        let was_kicked = protocol::is_preempted(&state);
        if !protocol::preempt(&state, NOW).expect("a word keeps changing") {
            return Err(libc::EAGAIN);
        }
        let thread = self.thread(tid);
        if insists || !was_kicked {
            thread.insisted.set(insists);
        }
        thread.work.swap(true, SeqCst);
        self.nudge(tid);
        Ok(())
    }

    /// A server has returned to user mode, or a worker under it is there.
    fn take_seat(&self, server: Tid) {
        self.thread(server).seat.with_mut(|_| ());
    }
}

/// `UMCG_IOC_CTL`. Returns to user mode.
pub(crate) fn ctl(
    flags: u32,
    words: u64,
    direct: Option<&'static DirectGroup>,
    server_nr: u32,
) -> Result<(), i32> {
    let (kernel, me) = (kernel(), tid());

    if flags & UMCG_CTL_UNREGISTER != 0 {
        return kernel.unregister(me);
    }
    // SAFETY: The library passes the address of words that it keeps until the execution ends.
    let words = unsafe { &*std::ptr::with_exposed_provenance::<Task>(words as usize) };
    kernel.register(
        me,
        Registration {
            words,
            group: direct,
            server_nr,
            is_worker: flags & UMCG_CTL_WORKER != 0,
            options: direct.map_or(0, DirectGroup::options),
            has_sections: flags & UMCG_CTL_CRITICAL != 0,
        },
    )
}

/// `UMCG_IOC_WAIT`. Returns to user mode.
pub(crate) fn wait(flags: u32, timeout: u64) -> Result<(), i32> {
    let (kernel, me) = (kernel(), tid());
    let result = kernel.wait(me, flags, timeout != 0);

    kernel.returns_to_user(me);
    result
}

/// `UMCG_IOC_KICK`. Returns to user mode.
pub(crate) fn kick(tid: Tid, insists: bool) -> Result<(), i32> {
    let (kernel, me) = (kernel(), self::tid());
    let result = kernel.kick(tid, insists);

    kernel.returns_to_user(me);
    result
}

/// The calling worker blocks in the kernel, and wakes.
pub(crate) fn blocks() {
    let (kernel, me) = (kernel(), tid());

    kernel.falls_asleep(me);
    kernel.returns_to_user(me);
}

/// The scheduler preempts the calling worker, which lends its server if its group does so.
pub(crate) fn lends() {
    let (kernel, me) = (kernel(), tid());

    kernel.lends_server(me);
    kernel.returns_to_user(me);
}

impl Kernel {
    fn worker(&self, me: Tid) -> Registration {
        let own = self.thread(me).registration.get();

        own.filter(|own| own.is_worker).expect("no worker")
    }

    fn falls_asleep(&self, me: Tid) {
        self.block_and(me, |own, server| match own.group {
            Some(group) => self.gives_up_server(group, server),
            None => {
                self.start(server.tid);
            }
        });
    }

    fn lends_server(&self, me: Tid) {
        let own = self.worker(me);
        let group = GroupView::of(own.group.expect("not in direct mode"));

        if !own.has_option(UMCG_DIRECT_LEND) || direct::has_work(&group) || own.is_in_section() {
            return;
        }
        self.block_and(me, |_, server| {
            let is_its = group.server_tid(server.nr).load() == server.tid;
            if !is_its || !direct::put_back(&group, server.nr) {
                self.start(server.tid);
            }
        });
    }

    fn block_and(&self, me: Tid, give_up: impl FnOnce(Registration, Server)) {
        let own = self.worker(me);
        // Read before the state changes, as in the module.
        let server = Server {
            nr: own.words.server_nr_word().load(Relaxed),
            tid: own.words.named_tid(),
        };

        self.log(me, "blocks under", server.tid);
        if server.tid == 0 {
            return;
        }
        match protocol::block(&Word(own.words.state_word()), NOW) {
            Block::Unreported => {}
            Block::Reported => {
                self.thread(me).work.swap(true, SeqCst);
                give_up(own, server);
            }
            Block::Broken => panic!("killed: its word changed while it ran"),
        }
    }
}

/// The calling worker is in user mode: it runs under a server, which is not. Interrupts reach it.
pub(crate) fn runs() {
    let (kernel, me) = (kernel(), tid());

    kernel.returns_to_user(me);
    let own = kernel.worker(me);
    assert!(
        protocol::is_running(&Word(own.words.state_word())),
        "a worker is in user mode that is not RUNNING"
    );
    let server = own.words.named_tid();
    kernel.log(me, "runs under", server);
    kernel.take_seat(server);
    let server = kernel.registered(server).expect("the server is gone");
    let state = server.words.state_word().fetch_add(0, Relaxed);
    assert!(
        StateWord::from_bits(state).is(State::Idle),
        "a worker runs under a server that is RUNNING, too"
    );
}

/// The calling worker spins in user mode until it is kicked, or another thread calls
/// [`Kernel::nudge`].
pub(crate) fn spins() {
    let (kernel, me) = (kernel(), tid());
    let thread = kernel.thread(me);

    kernel.log(me, "spins", 0);
    kernel.time_passes();
    while !thread.is_nudged.swap(false, SeqCst) {
        thread.park();
    }
    runs();
}

impl Kernel {
    /// The event that a worker waits for in user mode may have happened.
    pub(crate) fn nudge(&self, tid: Tid) {
        let thread = self.thread(tid);

        thread.is_nudged.swap(true, SeqCst);
        thread.unpark();
    }
}

/// The calling thread exits where it is.
pub(crate) fn exits() {
    let (kernel, me) = (kernel(), tid());
    let Some(own) = kernel.detach(me) else {
        return;
    };

    kernel.log(me, "exits", 0);
    kernel.time_passes();
    let server = protocol::leave(&Word(own.words.state_word()), NOW, || own.words.named_tid());
    if let Some(server @ 1..) = server.filter(|_| own.is_worker) {
        kernel.start(server);
    }
}

/// Sleeps if the futex has this value. Only the ticker has a timeout, which expires when a worker
/// has been in user mode for long, or a thread has left: no slice ends before that.
pub(crate) fn futex_wait(word: &loom::sync::atomic::AtomicU32, value: u32, has_timeout: bool) {
    let address = std::ptr::from_ref(word).addr();

    let kernel = kernel();
    if has_timeout {
        let thread = kernel.thread(kernel.ticker.get().expect("a timeout without a ticker"));

        while word.fetch_add(0, Relaxed) == value && !thread.is_nudged.swap(false, SeqCst) {
            thread.park();
        }
        return;
    }
    // The check and the entry are one step under the lock of the bucket: so it reads the latest
    // value.
    if word.fetch_add(0, Relaxed) == value {
        kernel
            .futexes
            .borrow_mut()
            .push((address, thread::current()));
        while kernel.sleeps_on(address) {
            thread::park();
        }
    }
}

/// Wakes at most this number of threads that sleep on the futex.
pub(crate) fn futex_wake(word: &loom::sync::atomic::AtomicU32, threads: i32) {
    let address = std::ptr::from_ref(word).addr();
    let kernel = kernel();

    kernel.log(tid(), "wakes sleepers on a word", 0);
    kernel.time_passes();
    for _ in 0..threads {
        let mut futexes = kernel.futexes.borrow_mut();
        let Some(first) = futexes.iter().position(|&(other, _)| other == address) else {
            return;
        };
        let (_, thread) = futexes.remove(first);
        drop(futexes);
        thread.unpark();
    }
}

impl Kernel {
    fn sleeps_on(&self, address: usize) -> bool {
        let me = thread::current().id();

        self.futexes
            .borrow()
            .iter()
            .any(|(other, thread)| *other == address && thread.id() == me)
    }
}
