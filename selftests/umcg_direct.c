// SPDX-License-Identifier: GPL-2.0
/*
 * Servers and workers of a group in direct mode.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "umcg_direct.h"

/* A server that serves looks around so often, though nobody starts it. */
#define IDLE_MS		20

bool direct_init(struct direct *direct, uint32_t flags)
{
	*direct = (struct direct){ .lock = PTHREAD_MUTEX_INITIALIZER };
	direct->words = mmap(NULL, sizeof(*direct->words), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (direct->words == MAP_FAILED)
		return false;
	direct->words->size = sizeof(*direct->words);
	direct->words->flags = flags;
	return true;
}

void direct_fault(struct direct *direct, const char *fault)
{
	const char *none = NULL;

	atomic_compare_exchange_strong(&direct->fault, &none, fault);
}

int direct_ctl(uint32_t flags, const void *self, const void *group, uint32_t server_nr)
{
	struct umcg_ctl_args args = {
		.size = sizeof(args),
		.flags = flags,
		.self = (uintptr_t)self,
		.direct = (uintptr_t)group,
		.server_nr = server_nr,
	};

	return umcg_ioctl(UMCG_IOC_CTL, &args);
}

struct direct *direct_of(struct umcg_thread *self)
{
	/* Threads in direct mode have no other group. */
	return (struct direct *)self->group;
}

uint32_t direct_nr(struct umcg_thread *server)
{
	struct direct *direct = direct_of(server);

	for (uint32_t nr = 0; nr < UMCG_DIRECT_SERVERS; nr++) {
		if (direct->servers[nr] == server)
			return nr;
	}
	abort();
}

static void enlist(struct direct *direct, struct umcg_thread *self)
{
	for (int i = 0; i < DIRECT_THREADS; i++) {
		struct umcg_thread *nobody = NULL;

		if (atomic_compare_exchange_strong(&direct->threads[i], &nobody, self))
			return;
	}
	abort();
}

static void strike(struct direct *direct, struct umcg_thread *self)
{
	for (int i = 0; i < DIRECT_THREADS; i++) {
		struct umcg_thread *itself = self;

		if (atomic_compare_exchange_strong(&direct->threads[i], &itself, NULL))
			return;
	}
}

static struct umcg_thread *thread_of_tid(struct direct *direct, uint32_t tid)
{
	for (int i = 0; i < DIRECT_THREADS; i++) {
		struct umcg_thread *thread = direct->threads[i];

		if (thread && (uint32_t)thread->tid == tid)
			return thread;
	}
	return NULL;
}

int direct_server_register(struct umcg_thread *self, struct direct *direct, uint32_t nr)
{
	int err;

	self->tid = gettid();
	self->group = (struct umcg_group *)direct;
	server_task_init(&self->task);
	direct->servers[nr] = self;
	err = direct_ctl(DIRECT_SERVER_FLAGS, &self->task, direct->words, nr);
	if (err)
		direct->servers[nr] = NULL;
	return err;
}

int direct_worker_register(struct umcg_thread *self, struct direct *direct)
{
	self->tid = gettid();
	self->task = (struct umcg_task){ .state_ts = BLOCKED };
	self->group = (struct umcg_group *)direct;
	enlist(direct, self);
	return direct_ctl(DIRECT_WORKER_FLAGS | (direct->critical ? UMCG_CTL_CRITICAL : 0),
			  &self->task, direct->words, 0);
}

struct start {
	struct umcg_thread *self;
	struct direct *direct;
	uint32_t nr;
};

static void *server_main(void *argument)
{
	struct start start = *(struct start *)argument;
	struct umcg_thread *self = start.self;

	free(argument);
	self->result = direct_server_register(self, start.direct, start.nr);
	if (self->result)
		return NULL;
	self->body(self);
	umcg_ctl(UMCG_CTL_UNREGISTER, NULL);
	return NULL;
}

static void *worker_main(void *argument)
{
	struct start start = *(struct start *)argument;
	struct umcg_thread *self = start.self;

	free(argument);
	self->result = direct_worker_register(self, start.direct);
	if (!self->result) {
		self->begun = true;
		self->body(self);
		direct_worker_leave(self);
	}
	strike(start.direct, self);
	return NULL;
}

static void start_thread(struct umcg_thread *self, struct direct *direct, uint32_t nr,
			 void *(*entry)(void *), void (*body)(struct umcg_thread *))
{
	struct start *start = malloc(sizeof(*start));

	*start = (struct start){ self, direct, nr };
	self->body = body;
	if (pthread_create(&self->thread, NULL, entry, start))
		abort();
}

void direct_server_start(struct umcg_thread *self, struct direct *direct, uint32_t nr,
			 void (*body)(struct umcg_thread *self))
{
	start_thread(self, direct, nr, server_main, body);
}

void direct_worker_start(struct umcg_thread *self, struct direct *direct,
			 void (*body)(struct umcg_thread *self))
{
	self->begun = false;
	start_thread(self, direct, 0, worker_main, body);
}

struct umcg_thread *direct_running_thread(struct direct *direct, uint32_t nr)
{
	const uint32_t tid = direct_running(direct, nr);

	return tid ? thread_of_tid(direct, tid) : NULL;
}

static int wait_for_start(struct umcg_thread *self, uint64_t abs_timeout)
{
	set_next_tid(&self->task, 0);
	return umcg_wait(0, abs_timeout);
}

static void be_running(struct umcg_thread *self)
{
	if (!state_change(&self->task, IDLE, RUNNING))
		direct_fault(direct_of(self), "a server that is its own is not idle");
}

int direct_wait(struct umcg_thread *self, uint64_t abs_timeout)
{
	struct direct *direct = direct_of(self);
	const uint32_t nr = direct_nr(self);
	int err;

	if (!state_change(&self->task, RUNNING, IDLE))
		direct_fault(direct, "a server in user mode is not running");
	direct_put(direct, nr);
	/*
	 * The check follows the change of the set: pairs with queueing a worker and
	 * checking the set.
	 */
	if (direct_has_work(direct) && direct_take_back(direct, nr)) {
		be_running(self);
		return 0;
	}
	for (;;) {
		err = wait_for_start(self, abs_timeout);
		if (!err)
			return 0;
		if (direct_take_back(direct, nr)) {
			be_running(self);
			return err;
		}
		/* It has a worker, or is being started. */
		if (state_of(&self->task) == RUNNING)
			return 0;
		if (err == -ETIMEDOUT)
			abs_timeout = realtime_in_ms(20);
	}
}

static struct umcg_thread *thread_of_node(uint64_t node)
{
	return (void *)(uintptr_t)(node - offsetof(struct umcg_thread, task.idle_workers_ptr));
}

static unsigned int take_kernel_list(struct direct *direct)
{
	struct umcg_thread **end = &direct->taken;
	struct umcg_thread *oldest = NULL;
	unsigned int count = 0;
	uint64_t node;

	/* Before the list is emptied, so that the workers are visible all the time. */
	atomic_store(WORD32(direct->words->queued), 1);
	node = atomic_exchange(WORD64(direct->words->idle_workers), 0);
	while (node) {
		_Atomic uint64_t *link = (_Atomic uint64_t *)(uintptr_t)node;
		struct umcg_thread *worker = thread_of_node(node);

		/* Acquire: pairs with the release of the kernel's last store to the node. */
		while ((node = atomic_load_explicit(link, memory_order_acquire)) ==
		       UMCG_IDLE_NODE_PENDING)
			sched_yield();
		worker->next = oldest;
		oldest = worker;
	}
	while (*end)
		end = &(*end)->next;
	*end = oldest;
	for (struct umcg_thread *worker = direct->taken; worker; worker = worker->next)
		count++;
	return count;
}

struct umcg_thread *direct_take_worker(struct direct *direct)
{
	struct umcg_thread *worker;
	uint32_t tid;

	/* The ring is older than what it was filled from. */
	while ((tid = direct_pop(direct))) {
		worker = thread_of_tid(direct, tid);
		if (worker)
			return worker;
	}
	pthread_mutex_lock(&direct->lock);
	take_kernel_list(direct);
	worker = direct->taken;
	if (worker)
		direct->taken = worker->next;
	while (direct->fills_ring && direct->taken && direct_push(direct, direct->taken->tid))
		direct->taken = direct->taken->next;
	atomic_store(WORD32(direct->words->queued), direct->taken != NULL);
	pthread_mutex_unlock(&direct->lock);
	return worker;
}

struct umcg_thread *direct_next_worker(struct umcg_thread *self)
{
	const uint64_t end = realtime_in_ms(SOON_MS);
	struct umcg_thread *worker;

	while (!(worker = direct_take_worker(direct_of(self)))) {
		if (direct_wait(self, end))
			return NULL;
	}
	return worker;
}

/* Makes a worker RUNNING under a server, which is idle and has no worker; all but the wake-up. */
static bool give_worker(struct umcg_thread *server, struct umcg_thread *worker)
{
	struct direct *direct = direct_of(server);
	const uint32_t nr = direct_nr(server);
	const uint64_t end = monotonic_ns() + SOON_MS * NSEC_PER_MSEC;

	/* One that waits may be on its way to sleep, locked. */
	while (!state_change(&worker->task, IDLE, RUNNING | LOCKED) &&
	       !state_change(&worker->task, IDLE | PREEMPTED, RUNNING | LOCKED)) {
		if (monotonic_ns() > end)
			return false;
		sched_yield();
	}
	worker->server = server;
	set_next_tid(&worker->task, server->tid);
	worker->task.server_nr = nr;
	atomic_store_explicit(WORD32(direct->words->running[nr]), worker->tid,
			      memory_order_relaxed);
	return state_change(&worker->task, RUNNING | LOCKED, RUNNING);
}

int direct_run(struct umcg_thread *self, struct umcg_thread *worker)
{
	int err;

	if (!state_change(&self->task, RUNNING, IDLE))
		return -EINVAL;
	set_next_tid(&self->task, worker->tid);
	if (!give_worker(self, worker))
		return -EBUSY;
	do {
		err = umcg_wait(0, 0);
		/* A worker that was awake may have run and left before the call. */
		if (err == -ESRCH)
			set_next_tid(&self->task, 0);
	} while (err == -ESRCH || err == -EINTR);
	return err;
}

void direct_serve(struct umcg_thread *self)
{
	struct direct *direct = direct_of(self);

	while (!direct->over) {
		struct umcg_thread *worker = direct_take_worker(direct);
		struct umcg_thread *other;
		int err;

		if (!worker) {
			err = direct_wait(self, realtime_in_ms(direct->idle_ms ?: IDLE_MS));
			if (err && err != -ETIMEDOUT && err != -EINTR)
				direct_fault(direct, "a server cannot wait");
			continue;
		}
		/* The set is checked after the ring or a list was filled. */
		if (direct_has_work(direct) && (other = direct_take_server(direct))) {
			if (server_wake(self, other, 0))
				direct_fault(direct, "a server in the set cannot be started");
		}
		err = direct_run(self, worker);
		if (err)
			direct_fault(direct, "a worker cannot be run");
		else if (state_of(&self->task) != RUNNING)
			direct_fault(direct, "a server that continues is not RUNNING");
	}
}

/* The server of a worker that is locked: what the worker says is true then. */
static struct umcg_thread *server_of(struct umcg_thread *self)
{
	struct direct *direct = direct_of(self);
	struct umcg_thread *server = direct->servers[self->task.server_nr];

	return server && (uint32_t)server->tid == self->task.next_tid ? server : NULL;
}

/* Of a locked worker. It wakes the server that it names, if that is RUNNING because of it. */
static int unlock_and_wait(struct umcg_thread *self, bool starts_server, uint64_t abs_timeout)
{
	int err = -ESRCH;

	if (starts_server)
		err = umcg_wait(0, abs_timeout);
	/* A server that is RUNNING may return from its own wait, and leave, before it is woken. */
	if (err == -ESRCH) {
		set_next_tid(&self->task, 0);
		err = umcg_wait(0, abs_timeout);
	}
	return err;
}

int direct_worker_yield(struct umcg_thread *self, uint64_t abs_timeout)
{
	struct umcg_thread *server;

	worker_lock(self);
	server = server_of(self);
	return unlock_and_wait(self, server && state_change(&server->task, IDLE, RUNNING),
			       abs_timeout);
}

int direct_worker_wait(struct umcg_thread *self, uint64_t abs_timeout)
{
	struct direct *direct = direct_of(self);
	struct umcg_thread *server;
	bool starts_server = false;
	uint32_t nr;

	worker_lock(self);
	server = server_of(self);
	nr = self->task.server_nr;
	if (server) {
		direct_put(direct, nr);
		starts_server = direct_has_work(direct) && direct_take_back(direct, nr) &&
				state_change(&server->task, IDLE, RUNNING);
	}
	return unlock_and_wait(self, starts_server, abs_timeout);
}

bool direct_wake_worker(struct umcg_thread *self, struct umcg_thread *worker)
{
	struct direct *direct = direct_of(worker);
	struct umcg_thread *server = direct_take_server(direct);

	if (server) {
		if (!give_worker(server, worker))
			return false;
		set_next_tid(&self->task, worker->tid);
		return !umcg_wait(UMCG_WAIT_WAKE_ONLY, 0);
	}
	pthread_mutex_lock(&direct->lock);
	worker->next = direct->taken;
	direct->taken = worker;
	atomic_store(WORD32(direct->words->queued), 1);
	pthread_mutex_unlock(&direct->lock);
	server = direct_take_server(direct);
	return !server || !server_wake(self, server, 0);
}

int direct_worker_leave(struct umcg_thread *self)
{
	struct umcg_thread *server;

	worker_lock(self);
	server = server_of(self);
	if (server && state_change(&server->task, IDLE, RUNNING))
		umcg_wait(UMCG_WAIT_WAKE_ONLY, 0);
	return umcg_ctl(UMCG_CTL_UNREGISTER, NULL);
}

/* What threads of tests do, and where they are. */

void direct_reads(struct umcg_thread *self)
{
	const int *ends = self->arg;
	char byte = 0;

	while (byte != '.') {
		self->result = read(ends[0], &byte, 1);
		self->phase++;
	}
}

void direct_spins(struct umcg_thread *self)
{
	while (!told_to_go(self))
		self->result++;
}

void direct_waits_once(struct umcg_thread *self)
{
	self->result = direct_wait(self, 0);
	self->phase = 1;
	stay_until_told(self);
}

bool direct_sends(int ends[2], char byte)
{
	return write(ends[1], &byte, 1) == 1;
}

bool direct_blocks(struct umcg_thread *worker)
{
	/* A worker is BLOCKED while it registers, too, and may sleep there. */
	return worker->begun && state_of(&worker->task) == BLOCKED && thread_sleeps(worker->tid);
}

bool direct_gave_way(struct umcg_thread *worker)
{
	return state_of(&worker->task) == (IDLE | PREEMPTED) && thread_sleeps(worker->tid);
}

bool direct_is_idle(struct umcg_thread *server)
{
	return direct_idle_servers(direct_of(server)) & 1ULL << direct_nr(server) &&
	       thread_waits(server);
}

bool direct_start_idle_server(struct direct *direct, struct umcg_thread *server, uint32_t nr)
{
	direct_server_start(server, direct, nr, direct_waits_once);
	return SOON(direct->servers[nr] == server && direct_is_idle(server));
}

bool direct_dismiss(struct umcg_thread *server)
{
	struct umcg_thread self = {};
	bool end;

	if (server_register(&self))
		return false;
	if (direct_take_back(direct_of(server), direct_nr(server)) &&
	    server_wake(&self, server, 0))
		return false;
	end = SOON(server->phase == 1);
	tell_to_go(server);
	end &= thread_ends(server);
	return !umcg_ctl(UMCG_CTL_UNREGISTER, NULL) && end;
}

/* For a thread that is registered. */
static bool start_idle_servers(struct direct *direct, struct umcg_thread *self)
{
	struct umcg_thread *server;

	while ((server = direct_take_server(direct))) {
		if (server_wake(self, server, 0))
			return false;
	}
	return true;
}

bool direct_end(struct direct *direct)
{
	struct umcg_thread self = {};
	bool end = true;

	direct->over = true;
	if (server_register(&self))
		return false;
	for (uint32_t nr = 0; nr < UMCG_DIRECT_SERVERS; nr++) {
		struct umcg_thread *server = direct->servers[nr];

		/* One whose worker was adopted by another server waits in the set, without a timeout. */
		if (server)
			end &= SOON(start_idle_servers(direct, &self) &&
				    !pthread_tryjoin_np(server->thread, NULL));
	}
	return !umcg_ctl(UMCG_CTL_UNREGISTER, NULL) && end;
}
