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
#include "fake_task.h"

#define MAX_TASKS	512
#define PREEMPT_SIGNAL	SIGUSR1

static struct fake_task tasks[MAX_TASKS];
static _Thread_local struct fake_task *_Atomic current;
static _Thread_local uint32_t noise;

void fake_dawdle(void)
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

_Noreturn void fake_broken(const char *what)
{
	printf("# protocol violation: %s\n", what);
	fflush(stdout);
	_exit(1);
}

uint64_t fake_state_of(struct fake_task *task)
{
	return atomic_load(&task->words->state_ts);
}

bool fake_is(uint64_t word, uint32_t state)
{
	return (word & UMCG_TASK_STATE_MASK) == state;
}

bool fake_runs(uint64_t word)
{
	return fake_is(word, RUNNING) && !(word & LOCKED);
}

/* Replaces state and flags, and keeps the bits of the user. */
bool fake_replace(struct fake_task *task, uint64_t old, uint32_t state, uint32_t flags)
{
	uint64_t stamp = (old >> UMCG_STATE_TIMESTAMP_SHIFT) + 1;
	uint64_t new = stamp << UMCG_STATE_TIMESTAMP_SHIFT | (old & UMCG_TASK_USER_MASK) | flags |
		       state;

	return atomic_compare_exchange_strong(&task->words->state_ts, &old, new);
}

uint32_t fake_flags_of(uint64_t word)
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

struct fake_task *fake_find(pid_t tid)
{
	for (int i = 0; i < MAX_TASKS; i++) {
		if (tid && atomic_load(&tasks[i].tid) == tid)
			return &tasks[i];
	}

	return NULL;
}

bool fake_wake(pid_t tid)
{
	struct fake_task *task = fake_find(tid);

	if (!task)
		return false;
	fake_dawdle();
	atomic_fetch_add(&task->wakes, 1);
	syscall(SYS_futex, &task->wakes, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX);

	return true;
}

void fake_start_server(pid_t tid)
{
	struct fake_task *server = fake_find(tid);
	uint64_t old;

	if (!server)
		return;
	do {
		old = fake_state_of(server);
		if (!fake_is(old, IDLE))
			return;
	} while (!fake_replace(server, old, RUNNING, fake_flags_of(old)));
	fake_wake(tid);
}

static bool should_idle(uint64_t word)
{
	return fake_is(word, RUNNING) ? word & LOCKED : fake_is(word, IDLE) && !(word & LOCKED);
}

/* Sleeps until the state says otherwise. Returns false at the timeout. */
static bool sleep_idle(struct fake_task *self, uint64_t timeout)
{
	bool is_late = false;

	for (;;) {
		uint32_t wakes = atomic_load(&self->wakes);

		if (!should_idle(fake_state_of(self)))
			return true;
		if (is_late)
			return false;
		is_late = futex(&self->wakes, FUTEX_WAIT_BITSET, wakes, timeout) &&
			  errno == ETIMEDOUT;
	}
}

/* Appends the worker to a list of idle ones. */
void fake_push(struct fake_task *self, _Atomic uint64_t *head)
{
	_Atomic uint64_t *node = &self->words->idle_workers_ptr;
	uint64_t first;

	fake_dawdle();
	atomic_store(node, UMCG_IDLE_NODE_PENDING);
	fake_dawdle();
	first = atomic_exchange(head, (uintptr_t)node);
	fake_dawdle();
	atomic_store_explicit(node, first, memory_order_release);
	fake_dawdle();
}

static void queue(struct fake_task *self, uint64_t seen)
{
	struct task_words *words = self->words;
	_Atomic uint64_t *head = (void *)atomic_load(&words->idle_workers_ptr);
	bool is_preempted = fake_runs(seen);
	pid_t server = words->next_tid;

	if (!fake_replace(self, seen, IDLE, fake_flags_of(seen)))
		return;
	self->idles = true;
	fake_push(self, head);
	if (!is_preempted)
		server = atomic_exchange((_Atomic uint32_t *)words->idle_server_tid_ptr, 0);
	fake_dawdle();
	if (server)
		fake_start_server(server);
}

static bool is_critical(struct fake_task *self)
{
	return self->has_sections &&
	       atomic_load_explicit(&self->words->critical, memory_order_relaxed);
}

static bool is_to_give_way(struct fake_task *self, uint64_t word)
{
	return fake_runs(word) && word & PREEMPTED && !is_critical(self);
}

/* Wake detection. */
static void settle(struct fake_task *self)
{
	for (;;) {
		uint64_t word = fake_state_of(self);

		if (fake_is(word, BLOCKED) || is_to_give_way(self, word)) {
			if (self->direct)
				fake_direct_queue(self, word);
			else
				queue(self, word);
		} else if (fake_runs(word) && self->direct && !is_critical(self) &&
			   fake_direct_lends(self, word)) {
			continue;
		} else if (fake_runs(word)) {
			if (!self->words->next_tid)
				fake_broken("a worker runs without a server");
			self->idles = false;
			return;
		} else if (fake_is(word, IDLE) && word & LOCKED) {
			return;
		} else if (fake_is(word, RUNNING) || (fake_is(word, IDLE) && self->idles)) {
			sleep_idle(self, 0);
		} else {
			fake_broken("a worker is in a state that cannot be");
		}
	}
}

static struct fake_task *enter(void)
{
	struct fake_task *self = current;

	if (self)
		atomic_store(&self->in_kernel, true);
	fake_dawdle();

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
	fake_dawdle();
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
	uint64_t word = fake_state_of(self);

	if (self->kind != WORKER || !fake_runs(word))
		return;
	fake_dawdle();
	if (!fake_replace(self, word, BLOCKED, fake_flags_of(word))) {
		word = fake_state_of(self);
		if (!fake_runs(word) || !fake_replace(self, word, BLOCKED, fake_flags_of(word)))
			fake_broken("the state of a running worker has changed");
	}
	atomic_store(&self->work, true);
	if (self->direct)
		fake_direct_gives_up_server(self);
	else
		fake_start_server(self->words->next_tid);
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
	fake_broken("more threads than expected");
}

static bool is_old;

void fake_kernel_is_old(void)
{
	is_old = true;
}

bool umcg_sys_has_features(uint64_t features)
{
	(void)features;
	if (is_old)
		errno = EPROTO;

	return !is_old;
}

int umcg_sys_ctl(uint32_t flags, void *words, void *direct, uint32_t server_nr)
{
	struct fake_task *self = enter();
	bool is_worker = flags & UMCG_CTL_WORKER;

	if (!self == (flags == UMCG_CTL_UNREGISTER))
		return fail(self, EINVAL);
	if (self) {
		current = NULL;
		if (self->direct && self->kind == SERVER)
			fake_direct_leave(self);
		atomic_store(&self->tid, 0);
		return 0;
	}

	self = add_task(words);
	if (!fake_is(fake_state_of(self), is_worker ? BLOCKED : RUNNING))
		fake_broken("a task registers in the wrong state");
	atomic_store(&self->kind, is_worker ? WORKER : SERVER);
	self->direct = direct;
	self->nr = server_nr;
	self->has_sections = flags & UMCG_CTL_CRITICAL;
	if (!direct != !(flags & UMCG_CTL_DIRECT))
		fake_broken("a group in direct mode without the flag, or the other way round");
	if (direct && !is_worker)
		fake_direct_enter(self);
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
		word = fake_state_of(self);
	} while (word & LOCKED && !fake_replace(self, word, word & UMCG_TASK_STATE_MASK,
					   word & PREEMPTED));
}

/* Locks a worker whose timeout has expired, unless it is being run. */
static bool lock(struct fake_task *self)
{
	uint64_t word;

	do {
		word = fake_state_of(self);
		if (!fake_is(word, IDLE) || word & LOCKED)
			return false;
	} while (!fake_replace(self, word, IDLE, fake_flags_of(word) | LOCKED));

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
		return fake_wake(next) ? leave(self, 0) : fail(self, ESRCH);
	if (next && !fake_find(next))
		return fail(self, ESRCH);

	if (self->kind == WORKER)
		unlock(self);
	if (next)
		fake_wake(next);
	fake_dawdle();
	self->idles = true;
	if (self->kind == WORKER && !timeout != !(flags & UMCG_WAIT_LOCK_ON_TIMEOUT))
		fake_broken("a worker waits with a timeout that would queue it");
	if (!sleep_idle(self, timeout)) {
		fake_dawdle();
		if (self->kind != WORKER || lock(self))
			return fail(self, ETIMEDOUT);
	}
	atomic_store(&self->work, true);

	return leave(self, 0);
}

int umcg_sys_kick(pid_t tid)
{
	struct fake_task *self = enter();
	struct fake_task *target = fake_find(tid);
	uint64_t word;

	if (!target)
		return fail(self, ESRCH);
	if (target->kind != WORKER)
		return fail(self, EINVAL);
	do {
		word = fake_state_of(target);
		if (!fake_runs(word))
			return fail(self, EAGAIN);
	} while (!(word & PREEMPTED) && !fake_replace(target, word, RUNNING, PREEMPTED));
	fake_dawdle();
	atomic_store(&target->work, true);
	tgkill(getpid(), tid, PREEMPT_SIGNAL);

	return leave(self, 0);
}

