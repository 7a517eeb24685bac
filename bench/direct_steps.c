// SPDX-License-Identifier: GPL-2.0
/* The steps of servers and workers in direct mode. */
#define _GNU_SOURCE
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "direct_steps.h"

#define WORD64(field) ((_Atomic uint64_t *)&(field))
#define WORD32(field) ((_Atomic uint32_t *)&(field))

void direct_init(struct direct_group *group, uint32_t flags)
{
	memset(group, 0, sizeof(*group));
	group->words.size = sizeof(group->words);
	group->words.flags = flags;
	pthread_mutex_init(&group->lock, NULL);
}

static void join(struct umcg_thread *self, struct direct_group *group, uint32_t flags,
		 uint32_t nr)
{
	struct umcg_ctl_args args = {
		.size = sizeof(args),
		.flags = flags | UMCG_CTL_DIRECT,
		.self = (uintptr_t)&self->task,
		.direct = (uintptr_t)&group->words,
		.server_nr = nr,
	};
	long error = syscall_of_3(SYS_ioctl, umcg_fd, UMCG_IOC_CTL, (long)&args);

	if (error)
		bench_die_errno("UMCG_IOC_CTL in direct mode", -error);
}

void direct_server_register(struct umcg_thread *self, struct direct_group *group, uint32_t nr)
{
	self->task = (struct umcg_task){ .state_ts = RUNNING };
	self->tid = gettid();
	group->servers[nr] = self;
	join(self, group, UMCG_CTL_REGISTER, nr);
}

void direct_worker_register(struct umcg_thread *self, struct direct_group *group)
{
	pthread_mutex_lock(&group->lock);
	group->workers[group->worker_count++] = self;
	pthread_mutex_unlock(&group->lock);
	self->task = (struct umcg_task){ .state_ts = BLOCKED };
	self->tid = gettid();
	join(self, group, UMCG_CTL_REGISTER | UMCG_CTL_WORKER, 0);
}

/* Its server is started, and sees that one more has left. */
void direct_worker_leave(struct umcg_thread *self, struct direct_group *group)
{
	change(self, RUNNING, IDLE | LOCKED, umcg_clock());
	group->left++;
	change(group->servers[self->task.server_nr], IDLE, RUNNING, umcg_clock());
	umcg_call_wake();
	umcg_unregister();
}

static uint64_t place(uint32_t position, uint32_t tid)
{
	return (uint64_t)(position / UMCG_DIRECT_RING) << 32 | tid;
}

static _Atomic uint64_t *ring(struct direct_group *group, uint32_t position)
{
	return WORD64(group->words.ready[position % UMCG_DIRECT_RING]);
}

/* Counts one more popped or filled, if the ends of the ring are as they were seen. */
static void count(struct direct_group *group, uint64_t *ends, uint64_t one)
{
	/* The head may not carry over into the tail. */
	const uint64_t next = one == 1 ? (*ends & ~0xffffffffULL) | (uint32_t)(*ends + 1) :
					 *ends + one;

	if (atomic_compare_exchange_strong(WORD64(group->words.ready_ends), ends, next))
		*ends = next;
}

/* The first word of the ring that is not popped yet; 0 if there is none. */
static uint64_t first_ready(struct direct_group *group, uint32_t *head)
{
	uint64_t ends = atomic_load(WORD64(group->words.ready_ends));

	while ((uint32_t)ends != ends >> 32) {
		uint64_t word = atomic_load(ring(group, ends));

		*head = ends;
		if (word >> 32 == *head / UMCG_DIRECT_RING)
			return (uint32_t)word ? word : 0;
		/* Popped, and not counted. */
		count(group, &ends, 1);
	}
	return 0;
}

static bool has_work(struct direct_group *group)
{
	uint32_t head;

	return atomic_load(WORD64(group->words.idle_workers)) ||
	       atomic_load(WORD32(group->words.queued)) || first_ready(group, &head);
}

static struct umcg_thread *pop(struct direct_group *group)
{
	uint32_t head;
	uint64_t word;

	while ((word = first_ready(group, &head))) {
		const uint32_t tid = word;
		uint64_t ends;

		if (!atomic_compare_exchange_strong(
			    ring(group, head), &word,
			    place(head + UMCG_DIRECT_RING, 0)))
			continue;
		ends = atomic_load(WORD64(group->words.ready_ends));
		while ((uint32_t)ends == head)
			count(group, &ends, 1);
		for (unsigned int i = 0; i < group->worker_count; i++) {
			if (group->workers[i]->tid == tid)
				return group->workers[i];
		}
	}
	return NULL;
}

/* Moves the kernel's list, which has the latest one first, behind those that were taken. */
static void drain_list(struct direct_group *group)
{
	struct umcg_thread *list[DIRECT_WORKERS];
	unsigned int count = 0;
	uint64_t node = atomic_exchange(WORD64(group->words.idle_workers), 0);

	while (node) {
		_Atomic uint64_t *link = (_Atomic uint64_t *)(uintptr_t)node;

		list[count++] = (void *)(uintptr_t)(node - offsetof(struct umcg_thread,
								     task.idle_workers_ptr));
		/* Acquire: pairs with the kernel's store of the link, the last of its push. */
		while ((node = atomic_load_explicit(link, memory_order_acquire)) ==
		       UMCG_IDLE_NODE_PENDING)
			sched_yield();
	}
	while (count)
		group->taken[group->last++ % DIRECT_WORKERS] = list[--count];
}

static struct umcg_thread *take_worker(struct direct_group *group)
{
	struct umcg_thread *worker = pop(group);

	if (worker)
		return worker;
	pthread_mutex_lock(&group->lock);
	/* Before the list is emptied, so that the workers are visible all the time. */
	atomic_store(WORD32(group->words.queued), 1);
	drain_list(group);
	if (group->first != group->last)
		worker = group->taken[group->first++ % DIRECT_WORKERS];
	atomic_store(WORD32(group->words.queued), group->first != group->last);
	pthread_mutex_unlock(&group->lock);
	return worker;
}

static bool take_back(struct direct_group *group, uint32_t nr)
{
	return atomic_fetch_and(WORD64(group->words.idle_servers), ~(1ULL << nr)) & 1ULL << nr;
}

static void start_idle_server(struct umcg_thread *self, struct direct_group *group)
{
	uint64_t set = atomic_load(WORD64(group->words.idle_servers));
	struct umcg_thread *other;

	while (set && !atomic_compare_exchange_strong(WORD64(group->words.idle_servers), &set,
						      set & (set - 1)))
		;
	if (!set)
		return;
	other = group->servers[__builtin_ctzll(set)];
	change(other, IDLE, RUNNING, umcg_clock());
	self->task.next_tid = other->tid;
	umcg_call_wake();
}

static void wait_in_set(struct umcg_thread *self, struct direct_group *group, uint32_t nr,
			unsigned int workers)
{
	self->task.next_tid = 0;
	change(self, RUNNING, IDLE, umcg_clock());
	group->words.running[nr] = 0;
	atomic_fetch_or(WORD64(group->words.idle_servers), 1ULL << nr);
	/* Checked after the change of the set: pairs with a thread that queues, and then checks the set. */
	if ((has_work(group) || group->left == workers) && take_back(group, nr))
		change(self, IDLE, RUNNING, umcg_clock());
	else
		umcg_call_wait();
}

static void run_worker(struct umcg_thread *self, struct direct_group *group, uint32_t nr,
		       struct umcg_thread *worker)
{
	uint64_t now = umcg_clock();

	change(self, RUNNING, IDLE, now);
	claim(worker, now);
	worker->task.next_tid = self->tid;
	worker->task.server_nr = nr;
	group->words.running[nr] = worker->tid;
	self->task.next_tid = worker->tid;
	change(worker, RUNNING | LOCKED, RUNNING, now);
	umcg_call_wait();
}

void direct_serve(struct umcg_thread *self, struct direct_group *group, uint32_t nr,
		  unsigned int workers)
{
	while (group->left < workers) {
		struct umcg_thread *worker = take_worker(group);

		if (!worker) {
			wait_in_set(self, group, nr, workers);
			continue;
		}
		if (has_work(group))
			start_idle_server(self, group);
		run_worker(self, group, nr, worker);
	}
	/* A thread that is started leaves, too. */
	start_idle_server(self, group);
}
