// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fake_kernel.h"
#include "internal.h"

#define MAX_TASKS	512
#define PREEMPT_SIGNAL	SIGUSR1

/**
 * struct fake_task - a registered thread
 * @tid: its TID, or 0
 * @words: its struct umcg_task
 * @kind: a worker, or anything else
 * @wakes: counts the times it was woken, as a futex
 * @work: whether it has to go through wake detection
 * @idles: whether it is idle by the rules
 * @in_kernel: whether it is in a call, so that a signal has to wait for the end
 */
static struct fake_task {
	_Atomic pid_t tid;
	struct task_words *_Atomic words;
	_Atomic(enum thread_kind) kind;
	_Atomic uint32_t wakes;
	_Atomic bool work;
	bool idles;
	_Atomic bool in_kernel;
} tasks[MAX_TASKS];

static _Thread_local struct fake_task *_Atomic current;
static _Thread_local uint32_t noise;

/* Gives the other side of a race some time. */
static void dawdle(void)
{
	if (!noise)
		noise = gettid();
	noise ^= noise << 13;
	noise ^= noise >> 17;
	noise ^= noise << 5;
	if (noise % 64 == 0)
		usleep(noise % 100);
	else if (noise % 4 == 0)
		sched_yield();
}

static _Noreturn void broken(const char *what)
{
	printf("# protocol violation: %s\n", what);
	fflush(stdout);
	_exit(1);
}

static uint64_t state_of(struct fake_task *task)
{
	return atomic_load(&task->words->state_ts);
}

static bool is(uint64_t word, uint32_t state)
{
	return (word & UMCG_TASK_STATE_MASK) == state;
}

static bool runs(uint64_t word)
{
	return is(word, RUNNING) && !(word & LOCKED);
}

/* Replaces state and flags, and keeps the bits of the user. */
static bool replace(struct fake_task *task, uint64_t old, uint32_t state, uint32_t flags)
{
	uint64_t stamp = (old >> UMCG_STATE_TIMESTAMP_SHIFT) + 1;
	uint64_t new = stamp << UMCG_STATE_TIMESTAMP_SHIFT | (old & UMCG_TASK_USER_MASK) | flags |
		       state;

	return atomic_compare_exchange_strong(&task->words->state_ts, &old, new);
}

static uint32_t flags_of(uint64_t word)
{
	return word & (LOCKED | PREEMPTED);
}

static long futex(_Atomic uint32_t *word, int operation, uint32_t value, uint64_t timeout)
{
	const struct timespec until = {
		.tv_sec = timeout / 1000000000,
		.tv_nsec = timeout % 1000000000,
	};

	return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME,
		       value, timeout ? &until : NULL, NULL, FUTEX_BITSET_MATCH_ANY);
}

static struct fake_task *find(pid_t tid)
{
	for (int i = 0; i < MAX_TASKS; i++) {
		if (tid && atomic_load(&tasks[i].tid) == tid)
			return &tasks[i];
	}

	return NULL;
}

static bool wake(pid_t tid)
{
	struct fake_task *task = find(tid);

	if (!task)
		return false;
	dawdle();
	atomic_fetch_add(&task->wakes, 1);
	syscall(SYS_futex, &task->wakes, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX);

	return true;
}

static void start_server(pid_t tid)
{
	struct fake_task *server = find(tid);
	uint64_t old;

	if (!server)
		return;
	do {
		old = state_of(server);
		if (!is(old, IDLE))
			return;
	} while (!replace(server, old, RUNNING, flags_of(old)));
	wake(tid);
}

static bool should_idle(uint64_t word)
{
	return is(word, RUNNING) ? word & LOCKED : is(word, IDLE) && !(word & LOCKED);
}

/* Sleeps until the state says otherwise. Returns false at the timeout. */
static bool sleep_idle(struct fake_task *self, uint64_t timeout)
{
	bool is_late = false;

	for (;;) {
		uint32_t wakes = atomic_load(&self->wakes);

		if (!should_idle(state_of(self)))
			return true;
		if (is_late)
			return false;
		is_late = futex(&self->wakes, FUTEX_WAIT_BITSET, wakes, timeout) &&
			  errno == ETIMEDOUT;
	}
}

static void queue(struct fake_task *self, uint64_t seen)
{
	struct task_words *words = self->words;
	_Atomic uint64_t *node = &words->idle_workers_ptr;
	_Atomic uint64_t *head = (void *)atomic_load(node);
	bool is_preempted = runs(seen);
	pid_t server = words->next_tid;
	uint64_t first;

	if (!replace(self, seen, IDLE, flags_of(seen)))
		return;
	self->idles = true;
	dawdle();
	atomic_store(node, UMCG_IDLE_NODE_PENDING);
	dawdle();
	first = atomic_exchange(head, (uintptr_t)node);
	dawdle();
	atomic_store_explicit(node, first, memory_order_release);
	dawdle();
	if (!is_preempted)
		server = atomic_exchange((_Atomic uint32_t *)words->idle_server_tid_ptr, 0);
	dawdle();
	if (server)
		start_server(server);
}

/* Wake detection. */
static void settle(struct fake_task *self)
{
	for (;;) {
		uint64_t word = state_of(self);

		if (is(word, BLOCKED) || (runs(word) && word & PREEMPTED)) {
			queue(self, word);
		} else if (runs(word)) {
			if (!self->words->next_tid)
				broken("a worker runs without a server");
			self->idles = false;
			return;
		} else if (is(word, IDLE) && word & LOCKED) {
			return;
		} else if (is(word, RUNNING) || (is(word, IDLE) && self->idles)) {
			sleep_idle(self, 0);
		} else {
			broken("a worker is in a state that cannot be");
		}
	}
}

static struct fake_task *enter(void)
{
	struct fake_task *self = current;

	if (self)
		atomic_store(&self->in_kernel, true);
	dawdle();

	return self;
}

/* A signal that arrives after the last check finds the thread out of the kernel. */
static int leave(struct fake_task *self, int result)
{
	const int error = errno;

	if (self) {
		do {
			if (atomic_exchange(&self->work, false) && self->kind == WORKER)
				settle(self);
			atomic_store(&self->in_kernel, false);
		} while (atomic_load(&self->work) && !atomic_exchange(&self->in_kernel, true));
	}
	dawdle();
	errno = error;

	return result;
}

static int fail(struct fake_task *self, int error)
{
	errno = error;
	return leave(self, -1);
}

/* Block detection: only a preemption may change the word meanwhile, and only once. */
static void block(struct fake_task *self)
{
	uint64_t word = state_of(self);

	if (self->kind != WORKER || !runs(word))
		return;
	dawdle();
	if (!replace(self, word, BLOCKED, flags_of(word))) {
		word = state_of(self);
		if (!runs(word) || !replace(self, word, BLOCKED, flags_of(word)))
			broken("the state of a running worker has changed");
	}
	atomic_store(&self->work, true);
	start_server(self->words->next_tid);
}

static void preempted(int signal)
{
	struct fake_task *self = current;
	const int error = errno;

	(void)signal;
	if (self && !atomic_exchange(&self->in_kernel, true))
		leave(self, 0);
	errno = error;
}

void fake_kernel_start(void)
{
	struct sigaction action = { .sa_handler = preempted, .sa_flags = SA_RESTART };

	sigaction(PREEMPT_SIGNAL, &action, NULL);
}

void fake_block(unsigned int us)
{
	struct fake_task *self = enter();

	block(self);
	usleep(us);
	leave(self, 0);
}

void umcg_sys_close(void)
{
}

bool umcg_sys_clock_offset(int64_t *offset)
{
	*offset = 0;
	return true;
}

bool umcg_enabled(void)
{
	return true;
}

static struct fake_task *add_task(struct task_words *words)
{
	for (int i = 0; i < MAX_TASKS; i++) {
		pid_t none = 0;

		if (atomic_compare_exchange_strong(&tasks[i].tid, &none, -1)) {
			atomic_store(&tasks[i].words, words);
			tasks[i].idles = false;
			return &tasks[i];
		}
	}
	broken("more threads than expected");
}

int umcg_sys_ctl(uint32_t flags, void *words)
{
	struct fake_task *self = enter();
	bool is_worker = flags & UMCG_CTL_WORKER;

	if (!self == (flags == UMCG_CTL_UNREGISTER))
		return fail(self, EINVAL);
	if (self) {
		current = NULL;
		atomic_store(&self->tid, 0);
		return 0;
	}

	self = add_task(words);
	if (!is(state_of(self), is_worker ? BLOCKED : RUNNING))
		broken("a task registers in the wrong state");
	atomic_store(&self->kind, is_worker ? WORKER : SERVER);
	atomic_store(&self->in_kernel, true);
	atomic_store(&self->work, is_worker);
	current = self;
	atomic_store(&self->tid, gettid());

	return leave(self, 0);
}

static void unlock(struct fake_task *self)
{
	uint64_t word;

	do {
		word = state_of(self);
	} while (word & LOCKED && !replace(self, word, word & UMCG_TASK_STATE_MASK,
					   word & PREEMPTED));
}

/* Locks a worker whose timeout has expired, unless it is being run. */
static bool lock(struct fake_task *self)
{
	uint64_t word;

	do {
		word = state_of(self);
		if (!is(word, IDLE) || word & LOCKED)
			return false;
	} while (!replace(self, word, IDLE, flags_of(word) | LOCKED));

	return true;
}

int umcg_sys_wait(uint32_t flags, uint64_t timeout)
{
	struct fake_task *self = enter();
	pid_t next;

	if (!self)
		return fail(self, EINVAL);
	next = self->words->next_tid;
	if (flags & UMCG_WAIT_WAKE_ONLY)
		return wake(next) ? leave(self, 0) : fail(self, ESRCH);
	if (next && !find(next))
		return fail(self, ESRCH);

	if (self->kind == WORKER)
		unlock(self);
	if (next)
		wake(next);
	dawdle();
	self->idles = true;
	if (self->kind == WORKER && !timeout != !(flags & UMCG_WAIT_LOCK_ON_TIMEOUT))
		broken("a worker waits with a timeout that would queue it");
	if (!sleep_idle(self, timeout)) {
		dawdle();
		if (self->kind != WORKER || lock(self))
			return fail(self, ETIMEDOUT);
	}
	atomic_store(&self->work, true);

	return leave(self, 0);
}

int umcg_sys_kick(pid_t tid)
{
	struct fake_task *self = enter();
	struct fake_task *target = find(tid);
	uint64_t word;

	if (!target)
		return fail(self, ESRCH);
	if (target->kind != WORKER)
		return fail(self, EINVAL);
	do {
		word = state_of(target);
		if (!runs(word))
			return fail(self, EAGAIN);
	} while (!(word & PREEMPTED) && !replace(target, word, RUNNING, PREEMPTED));
	dawdle();
	atomic_store(&target->work, true);
	tgkill(getpid(), tid, PREEMPT_SIGNAL);

	return leave(self, 0);
}

