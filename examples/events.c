// SPDX-License-Identifier: GPL-2.0
/*
 * The events seen by the servers: recording, summary, and consistency check.
 */
#include <stdio.h>
#include <stdlib.h>

#include "demo.h"

static const char *const state_names[] = { "DONE", "RUNNING", "IDLE", "BLOCKED" };

void log_event(struct events *events, struct event event)
{
	if (events->count == events->capacity) {
		events->capacity = events->capacity ? 2 * events->capacity : 4096;
		events->first = realloc(events->first, events->capacity * sizeof(event));
		if (!events->first) {
			perror("demo: no memory for events");
			exit(1);
		}
	}
	events->first[events->count++] = event;
}

void merge_events(struct events *all, const struct events *more)
{
	for (size_t i = 0; i < more->count; i++)
		log_event(all, more->first[i]);
}

static int compare_events(const void *a, const void *b)
{
	const struct event *one = a;
	const struct event *other = b;

	return (one->ns > other->ns) - (one->ns < other->ns);
}

void sort_events(struct events *events)
{
	qsort(events->first, events->count, sizeof(*events->first), compare_events);
}

/* The states that may follow one another. */
static bool may_follow(int before, int after)
{
	switch (after) {
	case UMCG_TASK_IDLE:
		return before == UMCG_TASK_NONE || before == UMCG_TASK_BLOCKED;
	case UMCG_TASK_RUNNING:
		return before == UMCG_TASK_IDLE;
	default:
		return before == UMCG_TASK_RUNNING;
	}
}

/*
 * Whether each worker has gone from IDLE to RUNNING to BLOCKED and so on until
 * it was done, and each server has run one worker at a time.
 */
bool check_events(const struct events *events)
{
	short states[WORKERS] = { 0 };
	short runs[SERVERS];
	bool good = true;

	for (int i = 0; i < SERVERS; i++)
		runs[i] = -1;

	for (size_t i = 0; i < events->count && good; i++) {
		const struct event *event = &events->first[i];
		short *state = &states[event->worker];
		short *runs_worker = &runs[event->server];
		bool stops = event->state == UMCG_TASK_BLOCKED || event->state == UMCG_TASK_NONE;

		good = may_follow(*state, event->state);
		*state = event->state;
		if (event->state == UMCG_TASK_RUNNING) {
			good = good && *runs_worker == -1;
			*runs_worker = event->worker;
		} else if (stops) {
			good = good && *runs_worker == event->worker;
			*runs_worker = -1;
		}
		if (!good)
			printf("demo: FAILED: event %zu cannot follow what was before it\n", i);
	}
	for (int i = 0; i < WORKERS && good; i++) {
		good = states[i] == UMCG_TASK_NONE;
		if (!good)
			printf("demo: FAILED: worker %d was lost, it was %s last\n", i,
			       state_names[states[i]]);
	}

	return good;
}

void print_events(const struct events *events)
{
	uint64_t start = events->count ? events->first[0].ns : 0;

	printf("%12s  server  worker  state\n", "time/ms");
	for (size_t i = 0; i < events->count; i++) {
		const struct event *event = &events->first[i];
		bool is_idle = event->state == UMCG_TASK_IDLE;
		bool is_blocked = event->state == UMCG_TASK_BLOCKED;

		printf("%12.3f  %6.*s%.*d  %6d  %s%s%s\n", (event->ns - start) / 1e6,
		       is_idle ? 1 : 0, "-", is_idle ? 0 : 1, is_idle ? 0 : event->server,
		       event->worker, state_names[event->state], is_blocked ? " in " : "",
		       is_blocked ? kind_calls[event->kind] : "");
	}
}

/* What the events say about one worker. */
struct summary {
	int blocked[KINDS + 1];
	int seen[KINDS + 1];
	int times_blocked;
	int scheduled;
	uint64_t *waits;
};

static int compare_numbers(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a;
	uint64_t other = *(const uint64_t *)b;

	return (one > other) - (one < other);
}

static void summarize(struct summary *summary, const struct events *events, int worker)
{
	uint64_t idle_since = 0;

	*summary = (struct summary){ .waits = calloc(events->count + 1, sizeof(uint64_t)) };
	if (!summary->waits) {
		perror("demo: no memory for the table");
		exit(1);
	}

	for (size_t i = 0; i < events->count; i++) {
		const struct event *event = &events->first[i];

		if (event->worker != worker)
			continue;
		switch (event->state) {
		case UMCG_TASK_IDLE:
			idle_since = event->ns;
			break;
		case UMCG_TASK_RUNNING:
			summary->waits[summary->scheduled++] = event->ns - idle_since;
			break;
		case UMCG_TASK_BLOCKED:
			summary->times_blocked++;
			summary->blocked[event->kind]++;
			summary->seen[event->kind] += event->seen;
			break;
		}
	}
	qsort(summary->waits, summary->scheduled, sizeof(*summary->waits), compare_numbers);
}

static double median_ms(const struct summary *summary)
{
	return summary->waits[summary->scheduled / 2] / 1e6;
}

static double maximum_ms(const struct summary *summary)
{
	return summary->scheduled ? summary->waits[summary->scheduled - 1] / 1e6 : 0;
}

static bool print_kinds(const int *blocked, const int *seen)
{
	bool good = true;

	printf("\n%-12s %8s  %s\n", "kind", "blocked", "seen BLOCKED by the server");
	for (int kind = 0; kind <= KINDS; kind++)
		printf("%-12s %8d  %d\n", kind_names[kind], blocked[kind], seen[kind]);
	printf("\n");

	for (int kind = 0; kind < KINDS; kind++) {
		if (seen[kind])
			continue;
		printf("demo: FAILED: no worker was seen BLOCKED in %s\n", kind_calls[kind]);
		good = false;
	}

	return good;
}

/* Prints a line a worker and a line a kind. Returns whether each kind was seen BLOCKED. */
bool print_tables(const struct events *events, const struct worker *workers)
{
	int blocked[KINDS + 1] = { 0 };
	int seen[KINDS + 1] = { 0 };

	printf("\n%-6s  %-12s %7s %8s %10s   %s\n", "worker", "kind", "rounds", "blocked",
	       "scheduled", "idle until scheduled, median / max");
	for (int i = 0; i < WORKERS; i++) {
		struct summary summary;

		summarize(&summary, events, i);
		printf("%6d  %-12s %7d %8d %10d   %11.3f ms / %.3f ms\n", i,
		       kind_names[workers[i].kind], workers[i].rounds, summary.times_blocked,
		       summary.scheduled, median_ms(&summary), maximum_ms(&summary));
		for (int kind = 0; kind <= KINDS; kind++) {
			blocked[kind] += summary.blocked[kind];
			seen[kind] += summary.seen[kind];
		}
		free(summary.waits);
	}

	return print_kinds(blocked, seen);
}
