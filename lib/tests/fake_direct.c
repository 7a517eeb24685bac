// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The kernel's side of direct mode. The ring and the set are the library's own: what is under test
 * is what it does with them. That they are those of the module is for the selftests to show.
 */
#include <stdlib.h>

#include "fake_task.h"

void fake_direct_enter(struct fake_task *server)
{
	uint32_t nobody = 0;

	if (!atomic_compare_exchange_strong(&server->direct->server_tid[server->nr], &nobody,
					    gettid()))
		fake_broken("two servers have one number");
}

static bool start_idle_server(struct direct_words *group)
{
	int nr = take_server(group);

	fake_dawdle();
	if (nr < 0)
		return false;
	fake_start_server(group->server_tid[nr]);

	return true;
}

void fake_direct_leave(struct fake_task *server)
{
	struct direct_words *group = server->direct;
	bool was_taken = !take_server_back(group, server->nr);

	atomic_store(&group->server_tid[server->nr], 0);
	if (was_taken && has_queued(group))
		start_idle_server(group);
}

static void name_server(struct fake_task *worker, uint32_t nr)
{
	struct direct_words *group = worker->direct;

	worker->words->next_tid = group->server_tid[nr];
	worker->words->server_nr = nr;
	group->running[nr] = worker->tid;
}

/* A worker of the ring takes the place of another one. */
static bool run_next_ready(struct direct_words *group, uint32_t nr)
{
	uint32_t tid;

	while ((tid = umcg_ring_pop(group))) {
		struct fake_task *worker = fake_find(tid);
		uint64_t word = worker ? fake_state_of(worker) : 0;

		fake_dawdle();
		if (!worker || worker->direct != group || worker->kind != WORKER ||
		    !fake_is(word, IDLE) || word & LOCKED)
			fake_broken("a worker in the ring cannot be run");
		if (word & (TAKEN | WAITS | QUEUED))
			fake_broken("a worker in the ring is not left to the kernel");
		name_server(worker, nr);
		if (!fake_replace(worker, word, RUNNING, 0))
			fake_broken("a worker in the ring is changed");
		fake_wake(tid);
		return true;
	}

	return false;
}

static void put_back_or_start(struct direct_words *group, uint32_t nr, pid_t server)
{
	put_server(group, nr);
	fake_dawdle();
	if (has_queued(group) && take_server_back(group, nr))
		fake_start_server(server);
}

void fake_direct_gives_up_server(struct fake_task *self)
{
	struct direct_words *group = self->direct;
	const uint32_t nr = self->words->server_nr;

	if (group->server_tid[nr] != self->words->next_tid)
		fake_broken("a worker names a server that is not there");
	if (!run_next_ready(group, nr))
		put_back_or_start(group, nr, self->words->next_tid);
}

bool fake_direct_lends(struct fake_task *self, uint64_t seen)
{
	struct direct_words *group = self->direct;
	const uint32_t nr = self->words->server_nr;
	static _Thread_local unsigned int seed;

	if (!(group->flags & UMCG_DIRECT_LEND) || has_queued(group) || rand_r(&seed) % 4 ||
	    !fake_replace(self, seen, BLOCKED, fake_flags_of(seen)))
		return false;
	fake_dawdle();
	put_back_or_start(group, nr, self->words->next_tid);

	return true;
}

static bool is_adopted(struct fake_task *self, uint64_t seen)
{
	struct direct_words *group = self->direct;
	int nr;

	if (!(group->flags & UMCG_DIRECT_OVERTAKE) && has_queued(group))
		return false;
	nr = take_server(group);
	if (nr < 0)
		return false;
	fake_dawdle();
	name_server(self, nr);
	if (!fake_replace(self, seen, RUNNING, 0))
		fake_broken("the state of a blocked worker has changed");

	return true;
}

void fake_direct_queue(struct fake_task *self, uint64_t seen)
{
	struct direct_words *group = self->direct;
	const bool is_preempted = fake_runs(seen);
	const pid_t server = self->words->next_tid;

	if (!is_preempted && is_adopted(self, seen))
		return;
	if (!fake_replace(self, seen, IDLE, fake_flags_of(seen)))
		return;
	self->idles = true;
	fake_dawdle();
	if (!(group->flags & UMCG_DIRECT_FIFO) || group->idle_workers || group->queued ||
	    !umcg_ring_push(group, self->tid))
		fake_push(self, &group->idle_workers);
	fake_dawdle();
	if (is_preempted)
		fake_start_server(server);
	else
		start_idle_server(group);
}
