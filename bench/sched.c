// SPDX-License-Identifier: GPL-2.0
/*
 * The cost of slots and deschedule notifications per switch: for threads with and without
 * them while others have some. In the time mode: the benefit of knowing whether the owner
 * of a mutex runs.
 */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include <umcg_sched.h>

#include "mutex.h"
#include "pair.h"

#define ALWAYS	(UMCG_DESCHED_ON_PREEMPT | UMCG_DESCHED_ON_BLOCK)

/* Two threads that yield to each other, and what each of them has. */
struct yielders {
	struct pair_kind kind;
	bool has_slot;
	uint32_t flags;
	unsigned int notifications;
};

static const struct yielders *yielders_of(struct side *side)
{
	return (const void *)((const char *)side->kind - offsetof(struct yielders, kind));
}

static void get_what_it_has(struct side *side)
{
	static _Thread_local uint64_t words[UMCG_DESCHED_MAX];
	const struct yielders *has = yielders_of(side);

	if (has->has_slot && !umcg_sched_state_register(has->flags))
		bench_die("umcg_sched_state_register() fails");
	for (unsigned int i = 0; i < has->notifications; i++) {
		if (umcg_desched_add(&words[i], ALWAYS, &words[i], sizeof(words[i]), 0))
			bench_die("umcg_desched_add() fails");
	}
	pair_meet(side);
}

static bool yielders_open(struct side *first, struct side *second)
{
	return yield_pair.open(first, second);
}

static void yielders_swap(struct side *side)
{
	yield_pair.swap(side);
}

static void yielders_leave(struct side *side)
{
	yield_pair.leave(side);
}

static void yielders_close(struct side *first, struct side *second)
{
	yield_pair.close(first, second);
}

#define YIELDERS(name, ...) {						\
	.kind = {							\
		.row = name,						\
		.open = yielders_open,					\
		.enter = get_what_it_has,				\
		.swap = yielders_swap,					\
		.leave = yielders_leave,				\
		.close = yielders_close,				\
	},								\
	__VA_ARGS__							\
}

static const struct yielders nothing = YIELDERS("yield_plain");
static const struct yielders elsewhere = YIELDERS("yield_slot_elsewhere");
static const struct yielders somethings[] = {
	YIELDERS("yield_slot", .has_slot = true),
	YIELDERS("yield_slot_vcpu", .has_slot = true, .flags = UMCG_SCHED_STATE_VCPU),
	YIELDERS("yield_desched_1", .notifications = 1),
	YIELDERS("yield_desched_8", .notifications = 8),
	YIELDERS("yield_slot_desched_1", .has_slot = true, .notifications = 1),
};

static void measure(const struct yielders *yielders)
{
	static struct samples samples;

	if (bench_wants(yielders->kind.row) && pair_measure(&yielders->kind, &samples))
		samples_report(&samples, yielders->kind.row, 2 * BATCH);
}

struct other {
	bool has_slot;
	/* Written to when it has. */
	int ready;
};

static void begin_other(void *argument)
{
	struct other *self = argument;
	char byte = 0;

	if ((self->has_slot && !umcg_sched_state_register(0)) || write(self->ready, &byte, 1) != 1)
		_exit(1);
}

/* Beside a process that sleeps, perhaps with a slot. */
static void measure_beside(const struct yielders *yielders, bool has_slot)
{
	struct other other = { .has_slot = has_slot };
	int ready[2];
	pid_t process;
	char byte;

	if (pipe(ready))
		bench_die("no pipe");
	other.ready = ready[1];
	process = bench_process(begin_other, &other);
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		bench_die("no other process");
	close(ready[0]);
	measure(yielders);
	bench_kill(process);
}

static void measure_switches(void)
{
	measure_beside(&nothing, false);
	measure_beside(&elsewhere, true);
	for (size_t i = 0; i < sizeof(somethings) / sizeof(somethings[0]); i++)
		measure(&somethings[i]);
}

int main(int argc, char *argv[])
{
	bench_begin(argc, argv);
	if (bench_mode == TIME)
		mutex_measure();
	else
		measure_switches();
	return 0;
}
