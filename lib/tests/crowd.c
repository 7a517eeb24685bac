// SPDX-License-Identifier: GPL-2.0 OR MIT
#include <stdlib.h>

#include "crowd.h"

struct member workers[WORKERS];
_Atomic int tokens[WORKERS];
_Atomic bool is_over;

/* A run of the tests in groups of another kind. */
__attribute__((constructor)) static void take_group_flags(void)
{
	const char *flags = getenv("CREW_GROUP_FLAGS");

	if (flags)
		crew_group_flags = atoi(flags);
}

unsigned int random_number(void)
{
	static _Thread_local unsigned int seed;

	if (!seed)
		seed = (uintptr_t)&seed >> 6;
	return rand_r(&seed);
}

void start_workers(int count, void (*body)(struct member *))
{
	is_over = false;
	for (int i = 0; i < count; i++) {
		workers[i] = (struct member){ .body = body };
		tokens[i] = 0;
	}
	for (int i = 0; i < count; i++)
		start_worker(&workers[i]);
}

long join_workers(int count)
{
	long done = 0;

	for (int i = 0; i < count; i++) {
		join(&workers[i]);
		done += workers[i].done;
	}
	is_over = true;

	return done;
}
