// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that share a mutex: one that sleeps on a futex when it is taken, and one
 * that spins as long as its owner is on a CPU. Sections of 300 ns, and the same with
 * one of 20 us among ten: the first kind leaves nothing to be gained. The two mutexes
 * take turns, so that what disturbs the machine disturbs both.
 */
#define _GNU_SOURCE
#include <stdio.h>

#include "../examples/adaptive_mutex.h"
#include "bench.h"
#include "mutex.h"

#define THREADS		8
#define ROUNDS		15
#define ROUND_US	100000
#define SHORT_NS	300
#define LONG_NS		20000

enum lock { FUTEX, ADAPTIVE, LOCKS };
enum sections { SHORT, MIXED, SECTIONS };

static const char *const rows[SECTIONS][LOCKS] = {
	[SHORT] = { "mutex_short_futex", "mutex_short_adaptive" },
	[MIXED] = { "mutex_mixed_futex", "mutex_mixed_adaptive" },
};

struct contest {
	_Alignas(64) _Atomic uint32_t futex;
	_Alignas(64) struct adaptive_mutex adaptive;
	_Alignas(64) _Atomic bool over;
	_Atomic unsigned long turns;
	enum lock lock;
	enum sections sections;
	pthread_barrier_t begin;
};

static double turns_per_ns;

static void turn(unsigned long count)
{
	while (count--)
		atomic_signal_fence(memory_order_seq_cst);
}

/* The fastest of some tries: nobody else was on the CPU then. */
static void calibrate(void)
{
	const unsigned long count = 200000;

	for (int try = 0; try < 20; try++) {
		const uint64_t begin = bench_clock();
		double found;

		turn(count);
		found = count / (double)(bench_clock() - begin);
		if (found > turns_per_ns)
			turns_per_ns = found;
	}
}

/* Values of the word: free, taken, taken and perhaps waited for. */
static void futex_lock(_Atomic uint32_t *word)
{
	uint32_t seen = 0;

	if (atomic_compare_exchange_strong(word, &seen, 1))
		return;
	while (atomic_exchange(word, 2))
		futex_wait(word, 2);
}

static void futex_unlock(_Atomic uint32_t *word)
{
	if (atomic_exchange(word, 0) == 2)
		futex_wake(word);
}

static void *contender(void *argument)
{
	struct contest *contest = argument;
	const unsigned long short_turns = SHORT_NS * turns_per_ns;
	const unsigned long long_turns = LONG_NS * turns_per_ns;
	struct adaptive_thread self = {};
	unsigned long count = 0;

	if (contest->lock == ADAPTIVE && !adaptive_thread_init(&self))
		bench_die("umcg_sched_state_register() fails");
	pthread_barrier_wait(&contest->begin);
	/* Once at least, so that there is something to divide by. */
	do {
		const bool is_long = contest->sections == MIXED && count % 10 == 0;

		if (contest->lock == FUTEX)
			futex_lock(&contest->futex);
		else
			adaptive_lock(&contest->adaptive, &self);
		turn(is_long ? long_turns : short_turns);
		if (contest->lock == FUTEX)
			futex_unlock(&contest->futex);
		else
			adaptive_unlock(&contest->adaptive);
		count++;
	} while (!contest->over);
	contest->turns += count;
	return NULL;
}

/* Nanoseconds for a turn of any of the threads. */
static double hold_contest(enum sections sections, enum lock lock)
{
	struct contest contest = { .lock = lock, .sections = sections };
	pthread_t threads[THREADS];
	uint64_t begin, end;

	pthread_barrier_init(&contest.begin, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		threads[i] = bench_thread(contender, &contest);
	pthread_barrier_wait(&contest.begin);
	begin = bench_clock();
	sleep_us(ROUND_US);
	contest.over = true;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	end = bench_clock();
	pthread_barrier_destroy(&contest.begin);
	return (double)(end - begin) / contest.turns;
}

void mutex_measure(void)
{
	static struct samples samples[SECTIONS][LOCKS];

	calibrate();
	for (int round = 0; round < ROUNDS; round++) {
		for (int sections = 0; sections < SECTIONS; sections++) {
			for (int lock = 0; lock < LOCKS; lock++) {
				if (bench_wants(rows[sections][lock]))
					samples_add(&samples[sections][lock],
						    hold_contest(sections, lock));
			}
		}
	}
	for (int sections = 0; sections < SECTIONS; sections++) {
		for (int lock = 0; lock < LOCKS; lock++) {
			if (samples[sections][lock].count)
				samples_report(&samples[sections][lock], rows[sections][lock], 1);
		}
	}
}
