// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that compute, and threads that sleep until a moment and then have a little to do: how
 * late are those, and how much is computed? With a third argument those that compute are so nice.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "workload.h"

#define BATCH		32U
#define SLEEPERS	8U
#define PERIOD_US	5000U
#define SHORT_US	50U
#define CHUNK_US	100U

static uint64_t chunks[BATCH];
static struct waits late[SLEEPERS];
static int batch_nice;

static void *compute(uintptr_t number)
{
	pthread_setname_np(pthread_self(), "batch");
	/* Linux has one for each thread. */
	if (batch_nice && setpriority(PRIO_PROCESS, gettid(), batch_nice))
		workload_die("cannot set the nice value");
	workload_ready();
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		work_us(CHUNK_US);
		chunks[number]++;
	}
	return NULL;
}

static void *sleep_and_work(struct waits *own)
{
	uint64_t seed = 88172645463325252ULL + (own - late), due;

	pthread_setname_np(pthread_self(), "sleeper");
	workload_ready();
	due = now_ns();
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		struct timespec moment;
		uint64_t now;

		due += PERIOD_US * 500ULL + next_random(&seed) % (PERIOD_US * 1000ULL);
		moment = (struct timespec) { due / 1000000000, due % 1000000000 };
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &moment, NULL);
		now = now_ns();
		waits_add(own, now - due);
		work_us(SHORT_US);
		/* One that is later than its next moment does not have to catch up. */
		if (due < now)
			due = now;
	}
	return NULL;
}

static void *either(void *number)
{
	const uintptr_t index = (uintptr_t)number;

	return index < BATCH ? compute(index) : sleep_and_work(&late[index - BATCH]);
}

int main(int argc, char *argv[])
{
	struct waits *waits[SLEEPERS];
	uint64_t computed = 0;
	size_t count;
	double seconds;

	workload_begin(argc, argv);
	if (argc > 3)
		batch_nice = atoi(argv[3]);
	workload_start(BATCH + SLEEPERS, either);
	seconds = workload_wait();
	for (unsigned int i = 0; i < BATCH; i++)
		computed += chunks[i];
	for (unsigned int i = 0; i < SLEEPERS; i++)
		waits[i] = &late[i];
	count = waits_print("late", waits, SLEEPERS);
	printf("wakeups_per_s %.1f\n", count / seconds);
	/* In percent of what two CPUs could do. */
	printf("work_percent %.2f\n", (computed * CHUNK_US + count * SHORT_US) / seconds / 2e4);
	return 0;
}
