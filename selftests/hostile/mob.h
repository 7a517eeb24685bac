/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Mobs: groups of servers and workers that follow the protocol until they are killed.
 */
#ifndef MOB_H
#define MOB_H

#include "hostile.h"

#define MOB_SERVERS	2
#define MOB_WORKERS	5
#define MOB_MEMBERS	(MOB_SERVERS + MOB_WORKERS)

/* In memory shared with the judge. */
struct mob {
	/* The members are processes that share their memory, not threads: each can be killed. */
	bool of_processes;
	/* They are in direct mode, with these flags of the group. */
	bool direct;
	uint32_t direct_flags;
	uint64_t seed;
	/* The judge's notes. */
	pid_t pid;
	uint64_t next_ns;
	unsigned int kills_left;
	_Atomic pid_t tids[MOB_MEMBERS];
	/* How often a worker was run. */
	_Atomic unsigned long runs;
};

/* The body of the process that leads the mob. Waits for the device if it is not there yet. */
int mob_run(void *mob);

#endif /* MOB_H */
