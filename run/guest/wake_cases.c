// SPDX-License-Identifier: GPL-2.0
/* Threads that wake while others compute. */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cases.h"
#include "subject.h"

#define COMPUTING 3

static pthread_mutex_t locks[COMPUTING] = {
	PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER
};
static atomic_int started, gave_way, computing, sleeper_tid;
static atomic_bool sleeper_has_run;
static int ends[2];

static long own_sleeps(void)
{
	struct rusage usage;

	CHECK(!getrusage(RUSAGE_THREAD, &usage));
	return usage.ru_nvcsw;
}

static void *sleep_and_run(void *argument)
{
	char byte;

	sleeper_tid = gettid();
	CHECK(read(ends[0], &byte, 1) == 1);
	sleeper_has_run = true;
	return argument;
}

/*
 * Once all have yielded, as many run as the group allows: unless one has blocked since, as it might in
 * a page fault while main() maps the stack of the next one; or has lent its server and taken the spare
 * one, which it does not do while it holds a lock.
 */
static void *compute_until_it_has_run(void *own_lock)
{
	bool is_counted = false;
	long sleeps;

	pthread_mutex_lock(own_lock);
	started++;
	while (started < COMPUTING)
		sched_yield();
	sleeps = own_sleeps();
	while (gave_way < COMPUTING) {
		sched_yield();
		if (!is_counted && own_sleeps() > sleeps) {
			is_counted = true;
			gave_way++;
		}
	}
	computing++;
	while (!sleeper_has_run)
		;
	pthread_mutex_unlock(own_lock);
	return own_lock;
}

/* The sleeper runs while others compute, which do not yield before. */
static int wakes(char **arguments)
{
	pthread_t sleeper, all[COMPUTING];

	(void)arguments;
	CHECK(!pipe(ends));
	sleeper = start(sleep_and_run, NULL);
	WAIT_FOR(sleeper_tid && is_in_state(sleeper_tid, "BLOCKED"));
	for (int i = 0; i < COMPUTING; i++)
		all[i] = start(compute_until_it_has_run, &locks[i]);
	WAIT_FOR(computing);
	CHECK(write(ends[1], "", 1) == 1);
	join(sleeper);
	for (int i = 0; i < COMPUTING; i++)
		join(all[i]);
	return 0;
}

const struct subject_case wake_cases[] = {
	{ "wakes", wakes },
	{ NULL, NULL },
};
