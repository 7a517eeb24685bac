// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that share a mutex: one that sleeps on a futex when it is taken, and one
 * that spins as long as its owner is on a CPU. Sections of 300 ns, the same with one of
 * 20 us among ten, and these with as much work outside as there is inside. A third one
 * spins in the same way, but is told that every owner is on a CPU.
 *
 * The mutexes take turns, for short rounds, and each round is compared with the two of
 * the futex beside it: so what disturbs the machine disturbs all. The time of a round is
 * taken by the threads that contend, because others may not get a CPU meanwhile.
 */
#define _GNU_SOURCE
#include <stdio.h>

#include "../examples/adaptive_mutex.h"
#include "bench.h"
#include "mutex.h"

#define THREADS		8
#define ROUNDS		31
#define ROUND_US	20000
#define SHORT_NS	300
#define LONG_NS		20000
/* Between two sections of the last kind: the mean of those. */
#define OUTSIDE_NS	2270

enum lock { FUTEX, ADAPTIVE, BLIND, LOCKS };
enum sections { SHORT, MIXED, APART, SECTIONS };

static const char *const lock_names[LOCKS] = {
	[FUTEX] = "futex", [ADAPTIVE] = "adaptive", [BLIND] = "blind",
};
static const char *const section_names[SECTIONS] = {
	[SHORT] = "short", [MIXED] = "mixed", [APART] = "apart",
};

struct contest {
	_Alignas(64) _Atomic uint32_t futex;
	_Alignas(64) struct adaptive_mutex adaptive;
	_Alignas(64) _Atomic bool over;
	enum lock lock;
	enum sections sections;
	pthread_barrier_t begin;
	/* What the threads have done together, the least of them, and from when to when. */
	pthread_mutex_t result;
	unsigned long total;
	unsigned long least;
	uint64_t first;
	uint64_t last;
};

static struct umcg_sched_state all_run[THREADS + 1];
static double turns_per_ns;

static void turn(unsigned long count)
{
	while (count--)
		atomic_signal_fence(memory_order_seq_cst);
}

/* The fastest of some attempts, in which no other thread ran on the CPU. */
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

static void add_result(struct contest *contest, unsigned long count, uint64_t begin, uint64_t end)
{
	pthread_mutex_lock(&contest->result);
	contest->total += count;
	if (count < contest->least)
		contest->least = count;
	if (begin < contest->first)
		contest->first = begin;
	if (end > contest->last)
		contest->last = end;
	pthread_mutex_unlock(&contest->result);
}

static void *contender(void *argument)
{
	struct contest *contest = argument;
	const unsigned long short_turns = SHORT_NS * turns_per_ns;
	const unsigned long long_turns = LONG_NS * turns_per_ns;
	const unsigned long outside = contest->sections == APART ? OUTSIDE_NS * turns_per_ns : 0;
	struct adaptive_thread self = {};
	unsigned long count = 0;
	uint64_t begin;

	if (contest->lock != FUTEX && !adaptive_thread_init(&self))
		bench_die("umcg_sched_state_register() fails");
	if (contest->lock == BLIND)
		self.slots = all_run;
	pthread_barrier_wait(&contest->begin);
	begin = bench_clock();
	/* Once at least, so that there is something to divide by. */
	do {
		const bool is_long = contest->sections != SHORT && count % 10 == 0;

		if (contest->lock == FUTEX)
			futex_lock(&contest->futex);
		else
			adaptive_lock(&contest->adaptive, &self);
		turn(is_long ? long_turns : short_turns);
		if (contest->lock == FUTEX)
			futex_unlock(&contest->futex);
		else
			adaptive_unlock(&contest->adaptive);
		turn(outside);
		count++;
	} while (!contest->over);
	add_result(contest, count, begin, bench_clock());
	return NULL;
}

/*
 * Nanoseconds for a section of any of the threads. To @least comes, if it is not NULL,
 * how much of its fair share the thread has had that has had least.
 */
static double hold_contest(enum sections sections, enum lock lock, int threads, double *least)
{
	struct contest contest = {
		.lock = lock,
		.sections = sections,
		.result = PTHREAD_MUTEX_INITIALIZER,
		.least = -1UL,
		.first = -1UL,
	};
	pthread_t ids[THREADS];

	pthread_barrier_init(&contest.begin, NULL, threads + 1);
	for (int i = 0; i < threads; i++)
		ids[i] = bench_thread(contender, &contest);
	pthread_barrier_wait(&contest.begin);
	sleep_us(ROUND_US);
	contest.over = true;
	for (int i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	pthread_barrier_destroy(&contest.begin);
	if (least)
		*least = (double)contest.least * threads / contest.total;
	return (double)(contest.last - contest.first) / contest.total;
}

/* What the rounds of some sections have shown. */
struct findings {
	struct samples times[LOCKS];
	struct samples least[LOCKS];
	struct samples ratios[LOCKS];
	struct samples alone;
};

static double hold_round(struct findings *findings, enum sections sections, enum lock lock)
{
	double least;
	const double time = hold_contest(sections, lock, THREADS, &least);

	samples_add(&findings->times[lock], time);
	samples_add(&findings->least[lock], least);
	return time;
}

struct name {
	char text[64];
};

static struct name row_name(enum sections sections, const char *of)
{
	struct name name;

	snprintf(name.text, sizeof(name.text), "mutex_%s_%s", section_names[sections], of);
	return name;
}

static struct name ratio_name(enum sections sections, enum lock lock)
{
	struct name name;

	snprintf(name.text, sizeof(name.text), "%s_mutex_vs_futex%s%s", lock_names[lock],
		 sections == MIXED ? "" : "_", sections == MIXED ? "" : section_names[sections]);
	return name;
}

static void report(struct findings *findings, enum sections sections)
{
	samples_report(&findings->alone, row_name(sections, "alone").text, 1);
	for (int lock = 0; lock < LOCKS; lock++) {
		const struct name row = row_name(sections, lock_names[lock]);
		struct name least;

		samples_report(&findings->times[lock], row.text, 1);
		snprintf(least.text, sizeof(least.text), "%.50s_least", row.text);
		samples_report_ratio(&findings->least[lock], least.text);
		if (lock != FUTEX)
			samples_report_ratio(&findings->ratios[lock],
					     ratio_name(sections, lock).text);
	}
}

static void measure_sections(enum sections sections)
{
	static struct findings findings;
	double before = hold_round(&findings, sections, FUTEX);

	for (int round = 0; round < ROUNDS; round++) {
		for (enum lock lock = FUTEX + 1; lock < LOCKS; lock++) {
			const double time = hold_round(&findings, sections, lock);
			const double after = hold_round(&findings, sections, FUTEX);

			/* Of throughputs, so more is better. */
			samples_add(&findings.ratios[lock], (before + after) / 2 / time);
			before = after;
		}
		samples_add(&findings.alone, hold_contest(sections, FUTEX, 1, NULL));
	}
	report(&findings, sections);
}

void mutex_measure(void)
{
	calibrate();
	for (int i = 0; i <= THREADS; i++)
		all_run[i].state = UMCG_SCHED_ON_CPU;
	for (enum sections sections = 0; sections < SECTIONS; sections++) {
		if (bench_wants(row_name(sections, lock_names[ADAPTIVE]).text))
			measure_sections(sections);
	}
}
