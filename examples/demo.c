// SPDX-License-Identifier: GPL-2.0
/*
 * Two servers schedule sixteen workers that block in six ways.
 *
 * A worker is an ordinary thread with ordinary system calls. Whenever it blocks, its
 * server is woken, and runs another worker meanwhile.
 */
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "demo.h"
#include "start.h"

struct server {
	int index;
	pthread_t thread;
	_Atomic umcg_tid tid;
	struct events events;
};

static umcg_t group;
static struct server servers[SERVERS];
static struct worker workers[WORKERS];
static _Atomic bool all_work_is_done;

uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void found_idle(struct server *server, struct worker *worker, umcg_tid tid)
{
	struct event event = {
		.worker = worker->index,
		.server = server->index,
		.state = UMCG_TASK_IDLE,
	};

	event.ns = umcg_get_task_since(tid);
	log_event(&server->events, event);
	event.ns = monotonic_ns();
	event.state = UMCG_TASK_RUNNING;
	log_event(&server->events, event);
}

/* The server runs from the moment at which its worker has stopped. */
static void got_back(struct server *server, struct worker *worker, umcg_tid tid)
{
	struct event event = {
		.worker = worker->index,
		.server = server->index,
		.state = UMCG_TASK_NONE,
	};

	if (tid != UMCG_NONE) {
		event.state = UMCG_TASK_BLOCKED;
		event.kind = atomic_load(&worker->blocks_in);
		event.seen = (umcg_get_task_state(tid) & UMCG_TASK_STATE_MASK) ==
			     UMCG_TASK_BLOCKED;
	}
	event.ns = umcg_get_task_since(umcg_get_utid());
	log_event(&server->events, event);
}

static void *serve(void *arg)
{
	struct server *server = arg;
	umcg_tid tid = umcg_register_server(group, server->index);

	if (tid == UMCG_NONE)
		err(1, "a server cannot register");
	atomic_store(&server->tid, tid);

	while (!atomic_load(&all_work_is_done)) {
		umcg_tid idle = umcg_get_idle_worker(true);
		struct worker *worker;
		umcg_tid stopped;

		/* This server was woken to check its instructions. */
		if (idle == UMCG_NONE)
			continue;

		worker = (struct worker *)umcg_get_task_tag(idle);
		found_idle(server, worker, idle);
		stopped = umcg_run_worker(idle);
		if (stopped == UMCG_NONE && errno)
			err(1, "a worker cannot run");
		got_back(server, worker, stopped);
	}

	umcg_unregister_task();
	return NULL;
}

static void *work(void *arg)
{
	struct worker *worker = arg;

	if (umcg_register_worker(group, (intptr_t)worker) == UMCG_NONE)
		err(1, "a worker cannot register");
	do_work(worker);
	umcg_unregister_task();

	return NULL;
}

static void start_servers(void)
{
	for (int i = 0; i < SERVERS; i++) {
		servers[i].index = i;
		servers[i].thread = start_thread(serve, &servers[i]);
	}
	for (int i = 0; i < SERVERS; i++) {
		while (atomic_load(&servers[i].tid) == UMCG_NONE)
			usleep(1000);
	}
}

static void stop_servers(void)
{
	atomic_store(&all_work_is_done, true);
	for (int i = 0; i < SERVERS; i++)
		umcg_wake(atomic_load(&servers[i].tid), false);
	for (int i = 0; i < SERVERS; i++)
		pthread_join(servers[i].thread, NULL);
}

/* The caller is a basic task: only tasks can wake servers. */
static void run_all(void)
{
	pthread_t threads[WORKERS];

	group = umcg_create_group(0);
	if (group == UMCG_NONE || umcg_register_basic_task(0) == UMCG_NONE)
		err(1, "no group");

	start_servers();
	for (int i = 0; i < WORKERS; i++)
		threads[i] = start_thread(work, &workers[i]);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(threads[i], NULL);
	stop_servers();

	umcg_unregister_task();
	if (umcg_destroy_group(group))
		err(1, "the group is not empty");
}

static bool report(const char *directory)
{
	struct events events = { 0 };
	char path[4096];
	bool good;

	for (int i = 0; i < SERVERS; i++)
		merge_events(&events, &servers[i].events);
	sort_events(&events);
	print_events(&events);

	good = print_tables(&events, workers);
	good = check_events(&events) && good;
	good = check_work(workers) && good;

	snprintf(path, sizeof(path), "%s/timeline.svg", directory);
	return write_timeline(path, &events, workers) && good;
}

static void usage(FILE *stream)
{
	fprintf(stream,
		"usage: demo [-o DIR] [-f FILE]\n"
		"  -o DIR   write timeline.svg there (default: .)\n"
		"  -f FILE  the file or disk to read from, 64 MiB or more, not written to\n"
		"           (default: /dev/vda, else a temporary file)\n");
}

int main(int argc, char **argv)
{
	const char *directory = ".";
	const char *file = NULL;
	int option;

	while ((option = getopt(argc, argv, "o:f:h")) != -1) {
		switch (option) {
		case 'o':
			directory = optarg;
			break;
		case 'f':
			file = optarg;
			break;
		default:
			usage(option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : 2;
		}
	}

	if (!umcg_enabled()) {
		fprintf(stderr, "demo: %s: %s%s\n", UMCG_DEVICE, strerror(errno),
			errno == ENOENT ? ": load the module first (insmod umcg.ko)" : "");
		return 1;
	}
	if (!open_source(file) || !prepare_work(workers))
		return 1;

	run_all();
	if (!report(directory))
		return 1;

	printf("demo: all work was done; each of the %d kinds was seen BLOCKED\n", KINDS);
	return 0;
}
