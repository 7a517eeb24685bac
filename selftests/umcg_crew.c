// SPDX-License-Identifier: GPL-2.0
/*
 * Servers that run any idle worker, and the steps of workers that may be preempted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <unistd.h>

#include "umcg_crew.h"

#define IDLE_MS		5
/* A worker that has been idle for this long was missed by a server that waits for it. */
#define OVERLOOKED_NS	(NSEC_PER_SEC / 2 * slowness())

void crew_fault(struct umcg_crew *crew, const char *fault)
{
	const char *none = NULL;

	atomic_compare_exchange_strong(&crew->fault, &none, fault);
}

struct umcg_crew *crew_of(struct umcg_thread *self)
{
	return self->arg;
}

static unsigned int number_of(struct umcg_crew *crew, struct umcg_thread *worker)
{
	return worker - crew->workers;
}

/* The worker whose node this is, or NULL if it is none. */
static struct umcg_thread *worker_of_node(struct umcg_crew *crew, uint64_t node)
{
	const uint64_t first = (uintptr_t)&crew->workers[0].task.idle_workers_ptr;
	const uint64_t distance = node - first;

	if (distance % sizeof(crew->workers[0]) ||
	    distance / sizeof(crew->workers[0]) >= crew->worker_count)
		return NULL;
	return &crew->workers[distance / sizeof(crew->workers[0])];
}

/* Takes note of a worker that has come off the kernel's list. */
static void check_taken(struct umcg_crew *crew, struct umcg_thread *worker)
{
	const uint32_t state = state_of(&worker->task);

	if (state != IDLE && state != (IDLE | PREEMPTED))
		crew_fault(crew, "a worker on the list is not idle");
	if (atomic_exchange(&crew->taken[number_of(crew, worker)], true))
		crew_fault(crew, "a worker is on the list twice");
}

static void append(struct umcg_crew *crew, struct umcg_thread *workers)
{
	struct umcg_thread **end = &crew->group.taken;

	while (*end)
		end = &(*end)->next;
	*end = workers;
}

/* Moves the kernel's list, which has the latest one first, to the end of our own. */
static void take_list(struct umcg_crew *crew)
{
	uint64_t node = atomic_exchange(&crew->group.idle_workers, 0);
	struct umcg_thread *oldest = NULL;

	while (node) {
		_Atomic uint64_t *link = (_Atomic uint64_t *)(uintptr_t)node;
		struct umcg_thread *worker = worker_of_node(crew, node);

		if (!worker) {
			crew_fault(crew, "the list names something that is no worker");
			break;
		}
		/* Acquire: pairs with the release of the kernel's last store to the node. */
		while ((node = atomic_load_explicit(link, memory_order_acquire)) ==
		       UMCG_IDLE_NODE_PENDING)
			sched_yield();
		/* Relaxed: published by the change of state that runs the worker. */
		atomic_store_explicit(link, (uintptr_t)&crew->group.idle_workers,
				      memory_order_relaxed);
		check_taken(crew, worker);
		worker->next = oldest;
		oldest = worker;
	}
	append(crew, oldest);
}

struct umcg_thread *crew_take(struct umcg_crew *crew)
{
	struct umcg_thread *worker;

	pthread_mutex_lock(&crew->group.lock);
	if (!crew->group.taken)
		take_list(crew);
	worker = crew->group.taken;
	if (worker)
		crew->group.taken = worker->next;
	pthread_mutex_unlock(&crew->group.lock);
	return worker;
}

/* Prepares a worker that was taken: clears its preemption flag. */
static void prepare(struct umcg_crew *crew, struct umcg_thread *worker)
{
	state_may_change(&worker->task, IDLE | PREEMPTED, IDLE);
	crew->taken[number_of(crew, worker)] = false;
}

/* Kicks the worker that runs under this server; it may not be the one that was run. */
static void end_slice(struct umcg_thread *self)
{
	struct umcg_crew *crew = crew_of(self);

	for (unsigned int i = 0; i < crew->worker_count; i++) {
		if (crew->workers[i].server == self)
			worker_kick(&crew->workers[i]);
	}
}

static void run(struct umcg_thread *self, struct umcg_thread *worker)
{
	struct umcg_crew *crew = crew_of(self);
	int err;

	prepare(crew, worker);
	if (!server_prepare_run(self, worker)) {
		crew_fault(crew, "a worker that was taken cannot be run");
		return;
	}
	for (;;) {
		err = umcg_wait(0, crew->slice_ms ? realtime_in_ms(crew->slice_ms(self)) : 0);
		if (err != -ETIMEDOUT)
			break;
		end_slice(self);
	}
	/*
	 * A worker that unregisters starts this server first, and may be gone if the
	 * server has not slept.
	 */
	if (err && err != -ESRCH)
		crew_fault(crew, "a server cannot wait for its worker");
	else if (state_of(&self->task) != RUNNING)
		crew_fault(crew, "a server that continues is not RUNNING");
}

/* Whether a worker is on the list for which the idle server should have been started. */
static bool overlooked(struct umcg_crew *crew)
{
	const uint64_t node = atomic_load(&crew->group.idle_workers);
	struct umcg_thread *worker = node ? worker_of_node(crew, node) : NULL;
	uint64_t since;

	/* A preempted worker starts its own server. */
	if (!worker || state_of(&worker->task) != IDLE)
		return false;
	since = state_stamp(&worker->task) << UMCG_STATE_TIMESTAMP_GRANULARITY;
	return since + OVERLOOKED_NS < monotonic_ns();
}

/* Waits as the idle server of the group. */
static void wait_published(struct umcg_thread *self, int ms)
{
	struct umcg_crew *crew = crew_of(self);
	uint32_t published = self->tid;
	int err = 0;

	/*
	 * The exchange by which we have published the TID is fully ordered: either we see the
	 * worker on the list, or it sees our TID. Pairs with the kernel's two exchanges.
	 */
	if (!atomic_load(&crew->group.idle_workers) && !crew->over)
		err = umcg_wait(0, realtime_in_ms(ms));
	if (err == -ETIMEDOUT && crew->group.idle_server_tid == (uint32_t)self->tid &&
	    overlooked(crew))
		crew_fault(crew, "the idle server was not started for a worker");
	/* If the TID has been taken out, the kernel starts us. */
	if (atomic_compare_exchange_strong(&crew->group.idle_server_tid, &published, 0))
		state_may_change(&self->task, IDLE, RUNNING);
	else if (state_of(&self->task) == IDLE && umcg_wait(0, realtime_in_ms(SOON_MS)))
		crew_fault(crew, "the idle server was taken out and not started");
}

static void wait_for_worker(struct umcg_thread *self)
{
	struct umcg_crew *crew = crew_of(self);
	const int ms = crew->idle_ms ? crew->idle_ms(self) : IDLE_MS;
	uint32_t nobody = 0;

	set_next_tid(&self->task, 0);
	state_must_change(&self->task, RUNNING, IDLE);
	if (atomic_compare_exchange_strong(&crew->group.idle_server_tid, &nobody, self->tid)) {
		wait_published(self, ms);
	} else {
		umcg_wait(0, realtime_in_ms(ms));
		state_may_change(&self->task, IDLE, RUNNING);
	}
}

static void serve(struct umcg_thread *self)
{
	struct umcg_crew *crew = crew_of(self);
	struct umcg_thread *worker;

	while (!crew->over) {
		worker = crew_take(crew);
		if (worker)
			run(self, worker);
		else
			wait_for_worker(self);
	}
}

void crew_start(struct umcg_crew *crew, unsigned int servers, unsigned int workers,
		void (*body)(struct umcg_thread *self))
{
	crew->group = (struct umcg_group)UMCG_GROUP_INIT;
	crew->server_count = servers;
	crew->worker_count = workers;
	for (unsigned int i = 0; i < workers; i++) {
		crew->workers[i].arg = crew;
		worker_start(&crew->workers[i], &crew->group, body);
	}
	for (unsigned int i = 0; i < servers; i++) {
		crew->servers[i].arg = crew;
		server_start(&crew->servers[i], serve);
	}
}

bool crew_ends(struct umcg_crew *crew)
{
	bool end = true;

	for (unsigned int i = 0; i < crew->worker_count; i++)
		end &= thread_ends(&crew->workers[i]);
	crew->over = true;
	for (unsigned int i = 0; i < crew->server_count; i++)
		end &= thread_ends(&crew->servers[i]);
	return end;
}

int crew_yield(struct umcg_thread *self)
{
	struct umcg_crew *crew = crew_of(self);

	worker_lock(self);
	self->next = NULL;
	pthread_mutex_lock(&crew->group.lock);
	append(crew, self);
	pthread_mutex_unlock(&crew->group.lock);
	return worker_yield_locked(self, 0);
}

int crew_sleep(struct umcg_thread *self, int ms)
{
	worker_lock(self);
	return worker_yield_locked(self, realtime_in_ms(ms));
}

int crew_swap(struct umcg_thread *self)
{
	struct umcg_crew *crew = crew_of(self);
	struct umcg_thread *next;

	worker_lock(self);
	next = crew_take(crew);
	if (!next) {
		worker_unlock(self);
		return 0;
	}
	prepare(crew, next);
	self->next = NULL;
	pthread_mutex_lock(&crew->group.lock);
	append(crew, self);
	pthread_mutex_unlock(&crew->group.lock);
	/* It may be about to sleep. There is no circular wait: it was queued before this worker. */
	if (!state_change_soon(&next->task, IDLE, RUNNING | LOCKED)) {
		crew_fault(crew, "a worker that was taken does not come to rest");
		return -EBUSY;
	}
	set_next_tid(&self->task, next->tid);
	server_finish_run(self->server, next);
	return umcg_wait(0, 0);
}

void crew_take_turn(struct umcg_thread *self)
{
	switch (self->phase++ % 4) {
	case 0:
		sleep_ms(1);
		break;
	case 1:
		self->result |= crew_yield(self);
		break;
	case 2:
		self->result |= crew_swap(self);
		break;
	case 3:
		self->result |= crew_sleep(self, 1) != -ETIMEDOUT;
		break;
	}
}

int worker_kick(struct umcg_thread *worker)
{
	struct umcg_kick_args args = {
		.size = sizeof(args),
		.tid = worker->tid,
	};

	return umcg_ioctl(UMCG_IOC_KICK, &args);
}

int worker_preempt(struct umcg_thread *worker, int signal)
{
	if (!state_change(&worker->task, RUNNING, RUNNING | PREEMPTED))
		return -EAGAIN;
	return thread_signal(worker, signal);
}
