// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that share a counter under an adaptive mutex, and then under one of the C
 * library. Most sections are short, some are long: then it pays to know whether the
 * owner runs.
 *
 *	adaptive_mutex [THREADS [SECONDS]]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "adaptive_mutex.h"

#define SHORT_TURNS	100
#define LONG_TURNS	7000

static struct adaptive_mutex adaptive;
static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;
static unsigned long counter;
static _Atomic unsigned long expected;
static _Atomic bool over;

static void work(unsigned int turn)
{
	const int turns = turn % 10 ? SHORT_TURNS : LONG_TURNS;

	counter++;
	for (int i = 0; i < turns; i++)
		atomic_signal_fence(memory_order_seq_cst);
}

static void *adaptive_main(void *argument)
{
	struct adaptive_thread self;
	unsigned int turn;

	(void)argument;
	if (!adaptive_thread_init(&self)) {
		perror("umcg_sched_state_register");
		exit(1);
	}
	for (turn = 0; !over; turn++) {
		adaptive_lock(&adaptive, &self);
		work(turn);
		adaptive_unlock(&adaptive);
	}
	expected += turn;
	return NULL;
}

static void *plain_main(void *argument)
{
	unsigned int turn;

	(void)argument;
	for (turn = 0; !over; turn++) {
		pthread_mutex_lock(&plain);
		work(turn);
		pthread_mutex_unlock(&plain);
	}
	expected += turn;
	return NULL;
}

static bool measure(const char *name, void *(*body)(void *), int threads, int seconds)
{
	pthread_t *ids = calloc(threads, sizeof(*ids));

	counter = 0;
	expected = 0;
	over = false;
	for (int i = 0; i < threads; i++) {
		if (!ids || pthread_create(&ids[i], NULL, body, NULL)) {
			fprintf(stderr, "cannot start %d threads\n", threads);
			exit(1);
		}
	}
	sleep(seconds);
	over = true;
	for (int i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	free(ids);
	printf("%-10s %12lu sections in %d s\n", name, counter, seconds);
	return counter == expected;
}

int main(int argc, char *argv[])
{
	const int threads = argc > 1 ? atoi(argv[1]) : 8;
	const int seconds = argc > 2 ? atoi(argv[2]) : 2;
	bool good;

	if (threads < 1 || seconds < 1) {
		fprintf(stderr, "usage: %s [THREADS [SECONDS]]\n", argv[0]);
		return 1;
	}
	good = measure("adaptive", adaptive_main, threads, seconds);
	good &= measure("pthread", plain_main, threads, seconds);
	if (!good)
		fprintf(stderr, "sections have overlapped\n");
	return !good;
}
