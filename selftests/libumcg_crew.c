// SPDX-License-Identifier: GPL-2.0
/*
 * Tasks of libumcg, and servers that run any idle worker.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "libumcg_crew.h"

#define MAX_SERVERS	8

umcg_t group;
uint32_t crew_group_flags;
bool crew_workers_leave;

static struct member servers[MAX_SERVERS];
static int server_count;
static _Atomic bool servers_stop;

_Noreturn void give_up(const char *what, const char *file, int line)
{
	printf("# %s:%d: not so: %s (%s)\n", file, line, what, strerror(errno));
	fflush(stdout);
	_exit(1);
}

uint64_t state_of(umcg_tid task)
{
	return umcg_get_task_state(task) & UMCG_TASK_STATE_MASK;
}

bool is_registered(struct member *member)
{
	return member->tid != UMCG_NONE && state_of(member->tid) != UMCG_TASK_NONE;
}

static void *worker_thread(void *arg)
{
	struct member *self = arg;

	self->tid = umcg_get_utid();
	MUST(umcg_register_worker(group, (intptr_t)self) == self->tid);
	self->body(self);
	MUST(!umcg_unregister_task());

	return NULL;
}

static void *basic_thread(void *arg)
{
	struct member *self = arg;

	self->tid = umcg_register_basic_task((intptr_t)self);
	MUST(self->tid != UMCG_NONE);
	self->body(self);
	MUST(!umcg_unregister_task());

	return NULL;
}

/* Runs workers until it is woken. */
static void run_workers(struct member *self)
{
	umcg_tid worker;

	while ((worker = umcg_get_idle_worker(true)) != UMCG_NONE) {
		self->done++;
		/* Another worker may have swapped to it first. */
		MUST(umcg_run_worker(worker) != UMCG_NONE || errno == 0 || errno == EAGAIN ||
		     (crew_workers_leave && errno == EINVAL));
	}
	MUST(errno == EINTR);
}

static void *server_thread(void *arg)
{
	struct member *self = arg;
	/* In direct mode every other one does it in one call. */
	const bool serves = crew_group_flags & UMCG_GROUP_DIRECT && (self - servers) % 2 == 0;

	self->tid = umcg_register_server(group, (intptr_t)self);
	MUST(self->tid != UMCG_NONE);
	/* Until it is woken for the end: not earlier, or there would be no server to wake. */
	do {
		if (serves)
			MUST(!umcg_serve(group));
		else
			run_workers(self);
	} while (!servers_stop);
	MUST(!umcg_unregister_task());

	return NULL;
}

static void start(struct member *member, void *(*thread)(void *))
{
	MUST(!pthread_create(&member->thread, NULL, thread, member));
	MUST(SOON(member->tid != UMCG_NONE));
}

void start_worker(struct member *member)
{
	start(member, worker_thread);
}

void start_basic_task(struct member *member)
{
	start(member, basic_thread);
}

void join(struct member *member)
{
	MUST(!pthread_join(member->thread, NULL));
}

static void make_group(uint32_t flags)
{
	group = umcg_create_group(flags | crew_group_flags);
	MUST(group);
}

void be_server(uint32_t group_flags)
{
	make_group(group_flags);
	MUST(umcg_register_server(group, 0) != UMCG_NONE);
}

void be_server_no_more(void)
{
	MUST(!umcg_unregister_task());
	MUST(!umcg_destroy_group(group));
}

void start_servers_in_group(int count)
{
	servers_stop = false;
	server_count = count;
	for (int i = 0; i < count; i++) {
		servers[i] = (struct member){ };
		start(&servers[i], server_thread);
	}
}

void start_servers(int count, uint32_t group_flags)
{
	make_group(group_flags);
	start_servers_in_group(count);
}

long stop_servers(void)
{
	bool was_registered = umcg_register_basic_task(0) == UMCG_NONE;
	long runs = 0;

	servers_stop = true;
	for (int i = 0; i < server_count; i++)
		MUST(!umcg_wake(servers[i].tid, false));
	for (int i = 0; i < server_count; i++) {
		join(&servers[i]);
		runs += servers[i].done;
	}
	if (!was_registered)
		MUST(!umcg_unregister_task());
	MUST(!umcg_destroy_group(group));

	return runs;
}
