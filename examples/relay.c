// SPDX-License-Identifier: GPL-2.0
/*
 * A ring of workers that pass tokens through pipes: in direct mode, where their server sleeps for
 * as long as there is nothing to decide, or without it.
 */
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "libumcg.h"
#include "start.h"

enum {
	RUNNERS = 8,
	ROUNDS = 100,
};

#define DIRECT	(UMCG_GROUP_DIRECT | UMCG_GROUP_FIFO | UMCG_GROUP_BATCH)

struct runner {
	pthread_t thread;
	int index;
	int in;
	int out;
};

static umcg_t group;
static struct runner runners[RUNNERS];
static _Atomic umcg_tid server;
static long server_sleeps;

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* How often the calling thread has gone to sleep. */
static long sleeps(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

static void *serve(void *arg)
{
	long before;

	server = umcg_register_server(group, 0);
	if (server == UMCG_NONE)
		err(1, "a server cannot register");
	before = sleeps();
	if (umcg_serve(group))
		err(1, "the server has stopped");
	server_sleeps = sleeps() - before;
	umcg_unregister_task();

	return arg;
}

/* The token is the number of rounds that are left. The reader of the last one closes the ring. */
static void *run(void *arg)
{
	struct runner *self = arg;
	char token;

	if (umcg_register_worker(group, 0) == UMCG_NONE)
		err(1, "a worker cannot register");
	while (read(self->in, &token, 1) == 1) {
		if (self->index == 0 && --token == 0)
			break;
		if (write(self->out, &token, 1) != 1)
			err(1, "a token is lost");
	}
	/* So that the next one reads no token any more. */
	close(self->out);
	umcg_unregister_task();

	return NULL;
}

static void connect_ring(void)
{
	for (int i = 0; i < RUNNERS; i++) {
		int ends[2];

		if (pipe(ends))
			err(1, "no pipe");
		runners[i].index = i;
		runners[i].out = ends[1];
		runners[(i + 1) % RUNNERS].in = ends[0];
	}
}

/* Direct mode is younger than the rest: a module may not have it. */
static bool make_group(bool direct)
{
	group = umcg_create_group(direct ? DIRECT : 0);
	if (group == UMCG_NONE && direct && errno == EPROTO) {
		fprintf(stderr, "relay: the module has no direct mode\n");
		direct = false;
		group = umcg_create_group(0);
	}
	if (group == UMCG_NONE)
		err(1, "no group");

	return direct;
}

int main(int argc, char **argv)
{
	const bool is_classic = argc == 2 && !strcmp(argv[1], "-c");
	char token = ROUNDS;
	pthread_t thread;
	bool direct;
	double start;

	if (argc > 1 && !is_classic) {
		fprintf(stderr, "usage: relay [-c]\n  -c  without direct mode\n");
		return 2;
	}
	if (umcg_register_basic_task(0) == UMCG_NONE)
		err(1, UMCG_DEVICE);
	direct = make_group(!is_classic);
	connect_ring();
	thread = start_thread(serve, NULL);
	for (int i = 0; i < RUNNERS; i++)
		runners[i].thread = start_thread(run, &runners[i]);

	start = seconds();
	if (write(runners[RUNNERS - 1].out, &token, 1) != 1)
		err(1, "no token");
	for (int i = 0; i < RUNNERS; i++)
		pthread_join(runners[i].thread, NULL);
	while (server == UMCG_NONE)
		usleep(1000);
	umcg_wake(server, false);
	pthread_join(thread, NULL);

	printf("relay: %s: %d steps in %.1f ms, the server slept %ld times\n",
	       direct ? "direct mode" : "without direct mode",
	       ROUNDS * RUNNERS, (seconds() - start) * 1e3, server_sleeps);
	umcg_unregister_task();
	return umcg_destroy_group(group) ? 1 : 0;
}
