// SPDX-License-Identifier: GPL-2.0
/* Measures two threads that take turns. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdatomic.h>

#include "bench.h"
#include "pair.h"

/* Turns of one side that the other one may have missed: at the beginning and at the end. */
#define TURNS_MISSED 4

struct pair {
	struct side first;
	struct side second;
	struct samples *samples;
	pthread_barrier_t barrier;
	_Atomic bool stopping;
};

void pair_meet(struct side *side)
{
	pthread_barrier_wait(&side->pair->barrier);
}

static void *second_main(void *argument)
{
	struct side *side = argument;

	bench_pin();
	side->kind->enter(side);
	while (!atomic_load_explicit(&side->pair->stopping, memory_order_acquire)) {
		side->turns++;
		side->kind->swap(side);
	}
	side->kind->leave(side);
	return NULL;
}

static void *first_main(void *argument)
{
	struct side *side = argument;
	struct pair *pair = side->pair;
	const unsigned int batches = WARM_UP + (bench_mode == TIME ? TIME_BATCHES : BATCHES);

	bench_pin();
	side->kind->enter(side);
	for (unsigned int batch = 0; batch < batches; batch++) {
		uint64_t begin = bench_batch_begin(), end;

		for (unsigned int i = 0; i < BATCH; i++)
			side->kind->swap(side);
		end = bench_batch_end();
		if (batch >= WARM_UP)
			samples_add(pair->samples, (double)(end - begin) / (2 * BATCH));
	}
	side->turns = batches * BATCH;
	atomic_store_explicit(&pair->stopping, true, memory_order_release);
	side->kind->leave(side);
	return NULL;
}

static void check_that_turns_were_taken(struct pair *pair)
{
	long missed = pair->first.turns - pair->second.turns;

	if (bench_mode != TIME && (missed < -TURNS_MISSED || missed > TURNS_MISSED))
		bench_die("%s: %lu turns of one side, %lu of the other", pair->first.kind->row,
			  pair->first.turns, pair->second.turns);
}

bool pair_measure(const struct pair_kind *kind, struct samples *samples)
{
	struct pair pair = {
		.first = { .pair = &pair, .peer = &pair.second, .kind = kind, .is_first = true },
		.second = { .pair = &pair, .peer = &pair.first, .kind = kind },
		.samples = samples,
	};

	if (!kind->open(&pair.first, &pair.second))
		return false;
	pthread_barrier_init(&pair.barrier, NULL, 2);
	pair.second.thread = bench_thread(second_main, &pair.second);
	pair.first.thread = bench_thread(first_main, &pair.first);
	if (kind->host)
		kind->host(&pair.first, &pair.second);
	pthread_join(pair.first.thread, NULL);
	pthread_join(pair.second.thread, NULL);
	pthread_barrier_destroy(&pair.barrier);
	kind->close(&pair.first, &pair.second);
	check_that_turns_were_taken(&pair);
	return true;
}
