// SPDX-License-Identifier: GPL-2.0
/*
 * Workers that give their place to the next one, in a ring: does a switch cost more
 * where more are registered? Where the ring is larger, the scheduler has other work
 * too; so the same ring is measured among few and among many.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "steps.h"

#define RING	10
#define MANY	10000

struct ring_worker {
	struct umcg_thread thread;
	struct ring_worker *next;
	pthread_t pthread;
	bool has_left;
};

static struct umcg_group group;
static struct umcg_thread server;
static struct samples samples;

/* One worker runs at a time, so all of this is plain. */
static unsigned long swaps, swaps_to_warm_up;
static uint64_t batch_begin;
static bool stopping;

static void count_swap(void)
{
	if (++swaps % BATCH)
		return;
	if (swaps > swaps_to_warm_up)
		samples_add(&samples, (double)(bench_batch_end() - batch_begin) / BATCH);
	stopping = samples.count == BATCHES;
	if (swaps >= swaps_to_warm_up && !stopping)
		batch_begin = bench_batch_begin();
}

static void *ring_worker_main(void *argument)
{
	struct ring_worker *self = argument;

	bench_pin();
	worker_register(&self->thread, &group);
	while (!stopping) {
		count_swap();
		worker_swap(&self->thread, &self->next->thread);
	}
	self->has_left = true;
	worker_leave(&self->thread);
	return NULL;
}

/* Of each @registered / @size workers in a row one is in the ring, the other ones wait. */
static struct ring_worker *make_ring(struct ring_worker *workers, unsigned int registered,
				     unsigned int size)
{
	unsigned int distance = registered / size;
	struct ring_worker *first = &workers[random() % distance], *last = first;

	for (unsigned int i = 1; i < size; i++) {
		last->next = &workers[i * distance + random() % distance];
		last = last->next;
	}
	last->next = first;
	return first;
}

static void run_to_end(struct ring_worker *worker)
{
	while (!worker->has_left)
		server_run(&server, &worker->thread);
}

static void measure_ring(const char *row, unsigned int registered, unsigned int size)
{
	struct ring_worker *workers, *first;
	struct umcg_thread **idle;

	if (!bench_wants(row))
		return;
	workers = aligned_alloc(64, registered * sizeof(*workers));
	idle = calloc(registered, sizeof(*idle));
	if (!workers || !idle)
		bench_die("no memory");
	first = make_ring(workers, registered, size);
	stopping = false;
	swaps = 0;
	/* Each worker must have left the call by which it has registered. */
	swaps_to_warm_up = (size / BATCH + WARM_UP) * BATCH;
	server_register(&server);
	for (unsigned int i = 0; i < registered; i++) {
		workers[i].has_left = false;
		workers[i].pthread = bench_thread(ring_worker_main, &workers[i]);
	}
	await_idle_workers(&group, idle, registered);
	run_to_end(first);
	for (unsigned int i = 0; i < registered; i++)
		run_to_end(&workers[i]);
	umcg_unregister();
	for (unsigned int i = 0; i < registered; i++)
		pthread_join(workers[i].pthread, NULL);
	samples_report(&samples, row, BATCH);
	free(idle);
	free(workers);
}

/* The same ring with futexes: the scheduler does as much for it. */

struct futex_member {
	_Alignas(64) _Atomic uint32_t is_my_turn;
	struct futex_member *next;
	pthread_t pthread;
};

static void *futex_member_main(void *argument)
{
	struct futex_member *self = argument;
	bool leaves;

	bench_pin();
	do {
		while (!atomic_load_explicit(&self->is_my_turn, memory_order_acquire))
			futex_wait(&self->is_my_turn, 0);
		atomic_store_explicit(&self->is_my_turn, 0, memory_order_relaxed);
		leaves = stopping;
		if (!leaves)
			count_swap();
		/* Release: pairs with the acquire above. */
		atomic_store_explicit(&self->next->is_my_turn, 1, memory_order_release);
		futex_wake(&self->next->is_my_turn);
	} while (!leaves);
	return NULL;
}

static void measure_futex_ring(const char *row)
{
	static struct futex_member ring[RING];

	if (!bench_wants(row))
		return;
	stopping = false;
	swaps = 0;
	swaps_to_warm_up = WARM_UP * BATCH;
	ring[0].is_my_turn = 1;
	for (unsigned int i = 0; i < RING; i++) {
		ring[i].next = &ring[(i + 1) % RING];
		ring[i].pthread = bench_thread(futex_member_main, &ring[i]);
	}
	for (unsigned int i = 0; i < RING; i++)
		pthread_join(ring[i].pthread, NULL);
	samples_report(&samples, row, BATCH);
}

int main(int argc, char *argv[])
{
	const struct rlimit no_limit = { RLIM_INFINITY, RLIM_INFINITY };

	bench_begin(argc, argv);
	if (setrlimit(RLIMIT_MEMLOCK, &no_limit))
		bench_die_errno("RLIMIT_MEMLOCK", errno);
	bench_pin();
	umcg_open();
	measure_futex_ring("futex_ring_of_10");
	measure_ring("ring_of_10_in_10", RING, RING);
	measure_ring("ring_of_10_in_10000", MANY, RING);
	measure_ring("ring_of_10000_in_10000", MANY, MANY);
	return 0;
}
