// SPDX-License-Identifier: GPL-2.0
/* UMCG's mechanisms to switch between two threads. */
#define _GNU_SOURCE
#include <string.h>

#include "pair.h"
#include "steps.h"

/* The two threads, and the server of two workers. */
static struct umcg_thread threads[2], host;
static struct umcg_group group;

static bool umcg_pair_open(struct side *first, struct side *second)
{
	umcg_open();
	memset(threads, 0, sizeof(threads));
	memset(&group, 0, sizeof(group));
	first->data = &threads[0];
	second->data = &threads[1];
	return true;
}

static void umcg_pair_close(struct side *first, struct side *second)
{
	(void)first;
	(void)second;
	umcg_close();
}

/* Two servers, or basic tasks: UMCG's counterpart of a pair of futexes. */

static void server_pair_enter(struct side *side)
{
	struct umcg_thread *self = side->data, *peer = side->peer->data;

	server_register(self);
	if (!side->is_first)
		change(self, RUNNING, IDLE, umcg_clock());
	pair_meet(side);
	if (!side->is_first)
		umcg_call_wait();
	self->task.next_tid = peer->tid;
}

static void server_pair_swap(struct side *side)
{
	server_swap(side->data, side->peer->data);
}

static void server_pair_leave(struct side *side)
{
	if (side->is_first) {
		change(side->peer->data, IDLE, RUNNING, umcg_clock());
		umcg_call_wake();
	}
	umcg_unregister();
}

const struct pair_kind server_swap_pair = {
	.row = "server_swap",
	.open = umcg_pair_open,
	.enter = server_pair_enter,
	.swap = server_pair_swap,
	.leave = server_pair_leave,
	.close = umcg_pair_close,
};

/* Two workers that swap with each other. */

static void worker_pair_enter(struct side *side)
{
	worker_register(side->data, &group);
}

static void worker_pair_swap(struct side *side)
{
	worker_swap(side->data, side->peer->data);
}

static void worker_pair_leave(struct side *side)
{
	if (side->is_first)
		worker_pair_swap(side);
	worker_leave(side->data);
}

/* The server runs again when a worker unregisters. The second one is the first to do so. */
static void worker_pair_host(struct side *first, struct side *second)
{
	struct umcg_thread *idle[2];

	(void)second;
	bench_pin();
	server_register(&host);
	await_idle_workers(&group, idle, 2);
	server_run(&host, first->data);
	server_run(&host, first->data);
	umcg_unregister();
}

const struct pair_kind worker_swap_pair = {
	.row = "worker_swap",
	.open = umcg_pair_open,
	.enter = worker_pair_enter,
	.swap = worker_pair_swap,
	.leave = worker_pair_leave,
	.host = worker_pair_host,
	.close = umcg_pair_close,
};

/* A server runs its worker, which yields at once. */

static void run_yield_enter(struct side *side)
{
	struct umcg_thread *worker;

	if (side->is_first) {
		server_register(side->data);
		await_idle_workers(&group, &worker, 1);
	} else {
		worker_register(side->data, &group);
	}
}

static void run_yield_swap(struct side *side)
{
	if (side->is_first)
		server_run(side->data, side->peer->data);
	else
		worker_yield(side->data);
}

static void run_yield_leave(struct side *side)
{
	if (side->is_first) {
		run_yield_swap(side);
		umcg_unregister();
	} else {
		worker_leave(side->data);
	}
}

const struct pair_kind run_yield_pair = {
	.row = "run_yield",
	.open = umcg_pair_open,
	.enter = run_yield_enter,
	.swap = run_yield_swap,
	.leave = run_yield_leave,
	.close = umcg_pair_close,
};
