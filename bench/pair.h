/* SPDX-License-Identifier: GPL-2.0 */
/* Two threads that alternate by various mechanisms, each implemented efficiently. */
#ifndef PAIR_H
#define PAIR_H

#include "bench.h"

struct pair;

/* One of the two threads of a pair. */
struct side {
	struct pair *pair;
	struct side *peer;
	const struct pair_kind *kind;
	/* What the kind needs. */
	void *data;
	pthread_t thread;
	/* The number of its turns. */
	unsigned long turns;
	bool is_first;
};

/*
 * A way for two threads to take turns. @enter, @swap and @leave are called by the
 * side itself, the other ones by the thread that starts both.
 */
struct pair_kind {
	const char *row;
	/* Makes what both sides need. Returns false if this kernel does not have it. */
	bool (*open)(struct side *first, struct side *second);
	/* Prepares; returns when it is the side's turn. @first always begins. */
	void (*enter)(struct side *side);
	/* Gives the turn to the peer and waits until it comes back. */
	void (*swap)(struct side *side);
	/*
	 * Ends it. The first side has its turn, and gives it to the peer; the second side
	 * has it from there.
	 */
	void (*leave)(struct side *side);
	/* What that thread does meanwhile; NULL if nothing. */
	void (*host)(struct side *first, struct side *second);
	void (*close)(struct side *first, struct side *second);
};

extern const struct pair_kind yield_pair, futex_pair, pipe_pair, eventfd_pair, condvar_pair;
extern const struct pair_kind seccomp_pair, io_uring_pair;
extern const struct pair_kind server_swap_pair, worker_swap_pair, run_yield_pair;

/* Measures one switch of a kind; adds samples. Returns false if the kernel does not support it. */
bool pair_measure(const struct pair_kind *kind, struct samples *samples);

/* Waits until the peer is here too. */
void pair_meet(struct side *side);

#endif
