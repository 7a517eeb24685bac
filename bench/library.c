// SPDX-License-Identifier: GPL-2.0
/* What the calls of libumcg cost, in user space and in the kernel together. */
#define _GNU_SOURCE
#include <errno.h>

#include <libumcg.h>

#include "pair.h"

/* The threads of the two sides, and the server of workers, which may be one of them. */
static umcg_tid tids[2], server;
static umcg_t group;

static void must(bool done, const char *call)
{
	if (!done)
		bench_die_errno(call, errno);
}

static umcg_tid peer_of(struct side *side)
{
	return *(umcg_tid *)side->peer->data;
}

/* Before the thread registers: the other side can name it from then on. */
static void be_known(struct side *side)
{
	*(umcg_tid *)side->data = umcg_get_utid();
}

static bool open_in(uint32_t flags, struct side *first, struct side *second)
{
	first->data = &tids[0];
	second->data = &tids[1];
	group = umcg_create_group(flags);
	must(group != UMCG_NONE, "umcg_create_group");
	return true;
}

static bool open_plain(struct side *first, struct side *second)
{
	return open_in(0, first, second);
}

static bool open_direct(struct side *first, struct side *second)
{
	return open_in(UMCG_GROUP_DIRECT, first, second);
}

static void close_group(struct side *first, struct side *second)
{
	(void)first;
	(void)second;
	must(!umcg_destroy_group(group), "umcg_destroy_group");
}

static void swap(struct side *side)
{
	must(!umcg_swap(peer_of(side), 0), "umcg_swap");
}

static void wake_and_wait(struct side *side)
{
	must(!umcg_wake(peer_of(side), false), "umcg_wake");
	must(!umcg_wait(0), "umcg_wait");
}

/* Two basic tasks. */

static void task_enter(struct side *side)
{
	be_known(side);
	must(umcg_register_basic_task(0) != UMCG_NONE, "umcg_register_basic_task");
	pair_meet(side);
	if (!side->is_first)
		must(!umcg_wait(0), "umcg_wait");
}

static void task_leave(struct side *side)
{
	if (side->is_first)
		must(!umcg_wake(peer_of(side), false), "umcg_wake");
	must(!umcg_unregister_task(), "umcg_unregister_task");
}

/* Two workers that swap with each other; the thread that starts them is their server. */

static void worker_enter(struct side *side)
{
	be_known(side);
	must(umcg_register_worker(group, 0) != UMCG_NONE, "umcg_register_worker");
}

static void worker_leave(struct side *side)
{
	must(!umcg_wake(side->is_first ? peer_of(side) : server, false), "umcg_wake");
	must(!umcg_unregister_task(), "umcg_unregister_task");
}

/*
 * Both are taken before one of them runs, so that the first swap finds its target. In direct mode
 * a server that waits would run the one that comes first.
 */
static void host_workers(struct side *first, struct side *second)
{
	(void)second;
	bench_pin();
	server = umcg_register_server(group, 0);
	must(server != UMCG_NONE, "umcg_register_server");
	for (int i = 0; i < 2; i++) {
		while (umcg_get_idle_worker(false) == UMCG_NONE)
			sleep_us(100);
	}
	must(umcg_run_worker(*(umcg_tid *)first->data) != UMCG_NONE || !errno, "umcg_run_worker");
	must(!umcg_serve(group), "umcg_serve");
	must(!umcg_unregister_task(), "umcg_unregister_task");
}

/* A server, which is the first side, and its worker. */

static void run_enter(struct side *side)
{
	if (!side->is_first) {
		worker_enter(side);
		return;
	}
	must(umcg_register_server(group, 0) != UMCG_NONE, "umcg_register_server");
	must(umcg_get_idle_worker(true) != UMCG_NONE, "umcg_get_idle_worker");
}

static void run_swap(struct side *side)
{
	if (side->is_first)
		must(umcg_run_worker(peer_of(side)) != UMCG_NONE, "umcg_run_worker");
	else
		must(!umcg_wait(0), "umcg_wait");
}

static void wake_run_swap(struct side *side)
{
	if (side->is_first && side->peer->turns) {
		must(!umcg_wake(peer_of(side), false), "umcg_wake");
		must(umcg_get_idle_worker(false) != UMCG_NONE, "umcg_get_idle_worker");
	}
	run_swap(side);
}

static void run_leave(struct side *side)
{
	if (side->is_first)
		must(umcg_run_worker(peer_of(side)) == UMCG_NONE && !errno, "umcg_run_worker");
	must(!umcg_unregister_task(), "umcg_unregister_task");
}

#define KIND(name, how, what, turn, ...)	\
	{					\
		.row = name,			\
		.open = how,			\
		.enter = what##_enter,		\
		.swap = turn,			\
		.leave = what##_leave,		\
		.close = close_group,		\
		__VA_ARGS__			\
	}

static const struct pair_kind kinds[] = {
	KIND("lib_task_swap", open_plain, task, swap),
	KIND("lib_task_wake_wait", open_plain, task, wake_and_wait),
	KIND("lib_worker_swap", open_plain, worker, swap, .host = host_workers),
	KIND("lib_direct_swap", open_direct, worker, swap, .host = host_workers),
	KIND("lib_run_worker", open_plain, run, run_swap),
	KIND("lib_wake_run_worker", open_plain, run, wake_run_swap),
};

/* A wake-up that stays pending, and the wait that it ends: all in user space. */
static void wake_itself(void *argument)
{
	(void)argument;
	must(!umcg_wake(umcg_get_utid(), false), "umcg_wake");
	must(!umcg_wait(0), "umcg_wait");
}

static void *waking_task(void *argument)
{
	bench_pin();
	must(umcg_register_basic_task(0) != UMCG_NONE, "umcg_register_basic_task");
	bench_operation("lib_wake_pending", wake_itself, argument);
	must(!umcg_unregister_task(), "umcg_unregister_task");
	return NULL;
}

int main(int argc, char *argv[])
{
	static struct samples samples;

	bench_begin(argc, argv);
	if (bench_mode == TIME)
		bench_die("calls of the library are measured in instructions only");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (bench_wants(kinds[i].row) && pair_measure(&kinds[i], &samples))
			samples_report(&samples, kinds[i].row, 2 * BATCH);
	}
	pthread_join(bench_thread(waking_task, NULL), NULL);
	return 0;
}
