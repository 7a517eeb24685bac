/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Common code of the hostile tests: gangs of processes that are killed together, and uninvolved
 * witnesses.
 */
#ifndef HOSTILE_H
#define HOSTILE_H

#include <stdio.h>

#include "umcg_random.h"
#include "umcg_test.h"

/* A killed process that has not exited after this many seconds is a bug of the kernel. */
#define GONE_SECONDS	(30 * slowness())

/* A line that is shown even if the test passes. */
#define FIGURE(format, ...) printf("# figure: " format "\n", ##__VA_ARGS__)

/* Memory that all processes share which are started from now on. */
void *shared_memory(size_t size);

/* Makes this process the subreaper of its descendants. */
void adopt_orphans(void);
/* Starts a process that leads a gang; all that it starts belong to it. */
pid_t gang_start(int (*body)(void *argument), void *argument);
/* Whether the leader has ended. */
bool gang_leader_ended(pid_t leader);
/* Kills the whole gang. Whether it exits soon; then *status is that of the leader. */
bool gang_kill(pid_t leader, int *status);

/* A process that follows the protocol, and counts its rounds. */
struct witness {
	pid_t pid;
	_Atomic bool enough;
	_Atomic unsigned long rounds;
	unsigned long rounds_seen;
	uint64_t seen_ns;
	/* Its threads, for others to aim at. */
	_Atomic pid_t tids[8];
	/* What was wrong, in words. */
	char fault[128];
};

/* Passes bytes through a pipe, and a token through a futex. */
struct witness *witness_with_pipe(void);
/* Workers that take turns under servers. */
struct witness *witness_with_workers(void);
/* Whether nothing is wrong, and the last round was not too long ago. */
bool witness_is_well(struct witness *witness);
/* Whether it comes to a good end soon. */
bool witness_ends(struct witness *witness);

#endif /* HOSTILE_H */
