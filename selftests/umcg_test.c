// SPDX-License-Identifier: GPL-2.0
/*
 * The calls, the state word and the steps of servers and workers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "umcg_test.h"

/* The thread that is waited for may be about to get there, on another CPU. */
#define SPINS	1000

bool umcg_waits_by_fadvise;
uint64_t immediate_signals;
int umcg_fd = -1;

static void die(const char *what)
{
	perror(what);
	abort();
}

void umcg_test_begin(unsigned int seconds)
{
	umcg_fd = open(UMCG_DEVICE, O_RDWR | O_CLOEXEC);
	if (umcg_fd < 0)
		die("cannot open " UMCG_DEVICE ": is umcg.ko loaded?");
	alarm(seconds);
}

int umcg_ioctl(unsigned int command, void *argument)
{
	return ioctl(umcg_fd, command, argument) ? -errno : 0;
}

int umcg_ctl(uint32_t flags, const void *self)
{
	struct umcg_ctl_args args = {
		.size = sizeof(args),
		.flags = flags,
		.self = (uintptr_t)self,
	};

	return umcg_ioctl(UMCG_IOC_CTL, &args);
}

int umcg_wait(uint32_t flags, uint64_t abs_timeout)
{
	struct umcg_wait_args args = {
		.size = sizeof(args),
		.flags = flags,
		.abs_timeout = abs_timeout,
	};

	if (umcg_waits_by_fadvise)
		return -posix_fadvise(umcg_fd, abs_timeout, flags, UMCG_FADVISE_WAIT);

	return umcg_ioctl(UMCG_IOC_WAIT, flags || abs_timeout ? &args : NULL);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

uint64_t monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t realtime_in_ms(int ms)
{
	return clock_ns(CLOCK_REALTIME) + ms * (int64_t)NSEC_PER_MSEC;
}

void sleep_ms(unsigned int ms)
{
	struct timespec left = {
		.tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * NSEC_PER_MSEC,
	};

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

static _Atomic uint64_t *word_of(struct umcg_task *task)
{
	return (_Atomic uint64_t *)&task->state_ts;
}

/* Pairs with the changes by compare-exchange, the kernel's and ours. */
uint64_t state_word(struct umcg_task *task)
{
	return atomic_load_explicit(word_of(task), memory_order_acquire);
}

uint64_t state_stamp(struct umcg_task *task)
{
	return state_word(task) >> UMCG_STATE_TIMESTAMP_SHIFT;
}

static uint64_t stamped(uint64_t old, uint32_t state)
{
	uint64_t before = old >> UMCG_STATE_TIMESTAMP_SHIFT;
	uint64_t stamp = monotonic_ns() >> UMCG_STATE_TIMESTAMP_GRANULARITY;

	if (stamp <= before)
		stamp = before + 1;
	return stamp << UMCG_STATE_TIMESTAMP_SHIFT | (old & UMCG_TASK_USER_MASK) | state;
}

static uint32_t state_in(uint64_t word)
{
	return word & (UMCG_TASK_STATE_MASK_FULL & ~UMCG_TASK_USER_MASK);
}

uint32_t state_of(struct umcg_task *task)
{
	return state_in(state_word(task));
}

/* Fully ordered: readers of the new state see next_tid, and the caller sees the idle workers. */
bool state_replace(struct umcg_task *task, uint64_t old, uint32_t to)
{
	return atomic_compare_exchange_strong(word_of(task), &old, stamped(old, to));
}

static bool try_change(struct umcg_task *task, uint32_t from, uint32_t to)
{
	uint64_t old = state_word(task);

	while (state_in(old) == from) {
		if (state_replace(task, old, to))
			return true;
		old = state_word(task);
	}
	return false;
}

bool state_change(struct umcg_task *task, uint32_t from, uint32_t to)
{
	return try_change(task, from, to);
}

static void die_of_state(struct umcg_task *task, uint32_t expected)
{
	fprintf(stderr, "# a state is %#x, and not %#x\n", state_of(task), expected);
	abort();
}

void state_must_change(struct umcg_task *task, uint32_t from, uint32_t to)
{
	if (!try_change(task, from, to))
		die_of_state(task, from);
}

void state_may_change(struct umcg_task *task, uint32_t from, uint32_t to)
{
	try_change(task, from, to);
}

bool state_change_soon(struct umcg_task *task, uint32_t from, uint32_t to)
{
	for (int i = 0; i < SPINS; i++) {
		if (state_change(task, from, to))
			return true;
	}
	return SOON(state_change(task, from, to));
}

void set_next_tid(struct umcg_task *task, uint32_t tid)
{
	/* Relaxed: published by the change of state that follows, or read by the own thread. */
	atomic_store_explicit((_Atomic uint32_t *)&task->next_tid, tid, memory_order_relaxed);
}

void server_task_init(struct umcg_task *task)
{
	*task = (struct umcg_task){ .state_ts = RUNNING };
}

void worker_task_init(struct umcg_task *task, struct umcg_group *group)
{
	*task = (struct umcg_task){
		.state_ts = BLOCKED,
		.idle_workers_ptr = (uintptr_t)&group->idle_workers,
		.idle_server_tid_ptr = (uintptr_t)&group->idle_server_tid,
		.signals = immediate_signals,
	};
}

int server_register(struct umcg_thread *self)
{
	self->tid = gettid();
	server_task_init(&self->task);
	return umcg_ctl(SERVER_FLAGS, &self->task);
}

static void *plain_main(void *argument)
{
	struct umcg_thread *self = argument;

	self->tid = gettid();
	self->body(self);
	return NULL;
}

static void *server_main(void *argument)
{
	struct umcg_thread *self = argument;

	self->result = server_register(self);
	if (self->result)
		return NULL;
	self->body(self);
	umcg_ctl(UMCG_CTL_UNREGISTER, NULL);
	return NULL;
}

static void *worker_main(void *argument)
{
	struct umcg_thread *self = argument;

	self->tid = gettid();
	worker_task_init(&self->task, self->group);
	if (self->idle_server_tid)
		self->task.idle_server_tid_ptr = (uintptr_t)self->idle_server_tid;
	self->result = umcg_ctl(WORKER_FLAGS | (immediate_signals ? UMCG_CTL_SIGNALS : 0),
				&self->task);
	if (self->result)
		return NULL;
	self->body(self);
	worker_leave(self);
	return NULL;
}

static void start(struct umcg_thread *self, void *(*entry)(void *),
		  void (*body)(struct umcg_thread *))
{
	self->body = body;
	if (pthread_create(&self->thread, NULL, entry, self))
		die("pthread_create");
}

void thread_start(struct umcg_thread *self, void (*body)(struct umcg_thread *))
{
	start(self, plain_main, body);
}

void server_start(struct umcg_thread *self, void (*body)(struct umcg_thread *))
{
	start(self, server_main, body);
}

void worker_start(struct umcg_thread *self, struct umcg_group *group,
		  void (*body)(struct umcg_thread *))
{
	self->group = group;
	start(self, worker_main, body);
}

void stay_until_told(struct umcg_thread *self)
{
	while (!told_to_go(self))
		syscall(SYS_futex, &self->told, FUTEX_WAIT_PRIVATE, false, NULL, NULL, 0);
}

bool told_to_go(struct umcg_thread *self)
{
	return self->told;
}

void tell_to_go(struct umcg_thread *thread)
{
	thread->told = true;
	syscall(SYS_futex, &thread->told, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

bool thread_ends(struct umcg_thread *self)
{
	const uint64_t end = realtime_in_ms(SOON_MS);
	const struct timespec deadline = {
		.tv_sec = end / NSEC_PER_SEC,
		.tv_nsec = end % NSEC_PER_SEC,
	};

	return !pthread_timedjoin_np(self->thread, NULL, &deadline);
}

int server_swap(struct umcg_thread *self, struct umcg_thread *next)
{
	state_must_change(&self->task, RUNNING, IDLE);
	if (!state_change_soon(&next->task, IDLE, RUNNING))
		return -EBUSY;
	set_next_tid(&self->task, next->tid);
	return umcg_wait(0, 0);
}

int server_wake(struct umcg_thread *self, struct umcg_thread *target, uint32_t flags)
{
	if (!state_change_soon(&target->task, IDLE, RUNNING))
		return -EBUSY;
	set_next_tid(&self->task, target->tid);
	return umcg_wait(UMCG_WAIT_WAKE_ONLY | flags, 0);
}

int server_wait(struct umcg_thread *self, uint64_t abs_timeout)
{
	int err;

	set_next_tid(&self->task, 0);
	state_must_change(&self->task, RUNNING, IDLE);
	err = umcg_wait(0, abs_timeout);
	/* Somebody may have started it since. */
	if (err)
		state_may_change(&self->task, IDLE, RUNNING);
	return err;
}

static struct umcg_thread *thread_of_node(uint64_t node)
{
	return (void *)(uintptr_t)(node - offsetof(struct umcg_thread, task.idle_workers_ptr));
}

/* Moves the kernel's list, which has the latest one first, to the end of our own. */
static void take_kernel_list(struct umcg_group *group)
{
	uint64_t node = atomic_exchange(&group->idle_workers, 0);
	struct umcg_thread **end = &group->taken;
	struct umcg_thread *oldest = NULL;

	while (node) {
		_Atomic uint64_t *link = (_Atomic uint64_t *)(uintptr_t)node;
		struct umcg_thread *worker = thread_of_node(node);

		/* Acquire: pairs with the release of the kernel's last store to the node. */
		while ((node = atomic_load_explicit(link, memory_order_acquire)) ==
		       UMCG_IDLE_NODE_PENDING)
			sched_yield();
		/* Relaxed: published by the change of state that runs the worker. */
		atomic_store_explicit(link, (uintptr_t)&group->idle_workers, memory_order_relaxed);
		worker->next = oldest;
		oldest = worker;
	}
	while (*end)
		end = &(*end)->next;
	*end = oldest;
}

struct umcg_thread *group_take_idle(struct umcg_group *group)
{
	struct umcg_thread *worker;

	pthread_mutex_lock(&group->lock);
	if (!group->taken)
		take_kernel_list(group);
	worker = group->taken;
	if (worker)
		group->taken = worker->next;
	pthread_mutex_unlock(&group->lock);
	return worker;
}

struct umcg_thread *server_next_worker(struct umcg_thread *self, struct umcg_group *group)
{
	_Atomic uint32_t *slot = self->idle_server_tid ?: &group->idle_server_tid;
	const uint64_t deadline = realtime_in_ms(SOON_MS);
	struct umcg_thread *worker;
	int err = 0;

	while (!(worker = group_take_idle(group)) && !group->closed && err != -ETIMEDOUT) {
		uint32_t published = self->tid;

		set_next_tid(&self->task, 0);
		state_must_change(&self->task, RUNNING, IDLE);
		/*
		 * Fully ordered: either we see the worker on the list, or it sees our TID. Pairs
		 * with the two exchanges by which the kernel queues a worker.
		 */
		atomic_store(slot, published);
		if (!atomic_load(&group->idle_workers))
			err = umcg_wait(0, deadline);
		/* If the TID has been taken out, the kernel starts us. */
		if (atomic_compare_exchange_strong(slot, &published, 0))
			state_may_change(&self->task, IDLE, RUNNING);
		else if (state_of(&self->task) == IDLE)
			umcg_wait(0, deadline);
	}
	return worker;
}

void server_finish_run(struct umcg_thread *self, struct umcg_thread *worker)
{
	worker->server = self;
	set_next_tid(&worker->task, self->tid);
	set_next_tid(&self->task, worker->tid);
	/* It may have been killed since it was claimed. */
	state_may_change(&worker->task, RUNNING | LOCKED, RUNNING);
}

bool server_prepare_run(struct umcg_thread *self, struct umcg_thread *worker)
{
	state_must_change(&self->task, RUNNING, IDLE);
	if (!state_change_soon(&worker->task, IDLE, RUNNING | LOCKED))
		return false;
	server_finish_run(self, worker);
	return true;
}

int server_run(struct umcg_thread *self, struct umcg_thread *worker)
{
	int err;

	if (!server_prepare_run(self, worker))
		return -EBUSY;
	err = umcg_wait(0, 0);
	/* A worker that was awake may have run, started the server and left before the call. */
	if (err == -ESRCH) {
		set_next_tid(&self->task, 0);
		err = umcg_wait(0, 0);
	}
	return err;
}

bool server_run_to_end(struct umcg_thread *self, struct umcg_group *group,
		       struct umcg_thread *worker)
{
	do {
		if (server_next_worker(self, group) != worker || server_run(self, worker))
			return false;
		/* This is how it leaves; blocked, it is never locked. */
	} while (state_of(&worker->task) != (IDLE | LOCKED));
	return thread_ends(worker);
}

void worker_lock(struct umcg_thread *self)
{
	uint32_t state;

	/* It is locked already if it has been so in a call that failed. */
	while ((state = state_of(&self->task)) != (IDLE | LOCKED)) {
		/* Somebody may add the flag meanwhile; what follows does what it asks for. */
		if ((state & ~PREEMPTED) != RUNNING)
			die_of_state(&self->task, RUNNING);
		state_may_change(&self->task, state, IDLE | LOCKED);
	}
}

void worker_unlock(struct umcg_thread *self)
{
	state_must_change(&self->task, IDLE | LOCKED, RUNNING);
}

/* Unless somebody has done so before: a server may be gone, or look for itself. */
static void start_own_server(struct umcg_thread *self)
{
	set_next_tid(&self->task, self->server->tid);
	state_may_change(&self->server->task, IDLE, RUNNING);
}

int worker_yield_locked(struct umcg_thread *self, uint64_t abs_timeout)
{
	start_own_server(self);
	return umcg_wait(0, abs_timeout);
}

int worker_yield(struct umcg_thread *self, uint64_t abs_timeout)
{
	worker_lock(self);
	return worker_yield_locked(self, abs_timeout);
}

int worker_swap(struct umcg_thread *self, struct umcg_thread *next)
{
	if (!state_change(&next->task, IDLE, RUNNING | LOCKED))
		return -EBUSY;
	worker_lock(self);
	next->server = self->server;
	set_next_tid(&next->task, self->server->tid);
	set_next_tid(&self->server->task, next->tid);
	set_next_tid(&self->task, next->tid);
	/* As in server_finish_run(). */
	state_may_change(&next->task, RUNNING | LOCKED, RUNNING);
	return umcg_wait(0, 0);
}

int worker_leave(struct umcg_thread *self)
{
	worker_lock(self);
	start_own_server(self);
	umcg_wait(UMCG_WAIT_WAKE_ONLY, 0);
	return umcg_ctl(UMCG_CTL_UNREGISTER, NULL);
}
