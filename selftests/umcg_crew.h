/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A crew: servers that run any idle worker of a group. It checks the workers that the
 * kernel queues, and its servers expect preempted workers.
 */
#ifndef UMCG_CREW_H
#define UMCG_CREW_H

#include "umcg_test.h"

#define CREW_SERVERS	4
#define CREW_WORKERS	16

struct umcg_crew {
	struct umcg_group group;
	struct umcg_thread servers[CREW_SERVERS];
	struct umcg_thread workers[CREW_WORKERS];
	unsigned int server_count;
	unsigned int worker_count;
	/* Which workers have been taken, and not been run yet. */
	_Atomic bool taken[CREW_WORKERS];
	/* The servers are to come to an end. */
	_Atomic bool over;
	/* How long a server waits for a worker, in milliseconds; 5 if it is NULL. */
	int (*idle_ms)(struct umcg_thread *server);
	/* How long a worker runs before it is preempted; for ever if it is NULL. */
	int (*slice_ms)(struct umcg_thread *server);
	/* The first thing that was wrong, or NULL. */
	const char *_Atomic fault;
};

/* Prepares a crew and starts its threads; the workers run the body. */
void crew_start(struct umcg_crew *crew, unsigned int servers, unsigned int workers,
		void (*body)(struct umcg_thread *self));
/* Whether all workers, and then the servers, end soon. */
bool crew_ends(struct umcg_crew *crew);

/* Notes the first thing that is wrong. */
void crew_fault(struct umcg_crew *crew, const char *fault);
/* The crew that a thread is of. */
struct umcg_crew *crew_of(struct umcg_thread *self);
/* Takes an idle worker that is not claimed, or NULL. Not for a worker that runs unlocked. */
struct umcg_thread *crew_take(struct umcg_crew *crew);

/* Yields to the server, behind all workers that were taken. */
int crew_yield(struct umcg_thread *self);
/* Waits until the timeout expires; it is on no list meanwhile. */
int crew_sleep(struct umcg_thread *self, int ms);
/* Switches to another worker, if one is idle. */
int crew_swap(struct umcg_thread *self);
/* Blocks, yields, swaps or waits: the next one of these. `phase` counts them, `result` is 0. */
void crew_take_turn(struct umcg_thread *self);

/* Preempts a worker, if it runs: 0 or -EAGAIN. */
int worker_kick(struct umcg_thread *worker);
/* The old way: the flag, and a handled signal. */
int worker_preempt(struct umcg_thread *worker, int signal);

#endif /* UMCG_CREW_H */
