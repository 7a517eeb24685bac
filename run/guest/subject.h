/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the cases have in common. Each says with its exit status how it went: 0, or the check that
 * has failed is on standard error.
 */
#ifndef SUBJECT_H
#define SUBJECT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

/* Ends the program, and says where, if @condition is false. */
#define CHECK(condition) do {							\
	if (!(condition)) {							\
		dprintf(2, "%s:%d: %s\n", __FILE__, __LINE__, #condition);	\
		_exit(1);							\
	}									\
} while (0)

/* The length of slices that the tests choose, in nanoseconds. */
#define SLICE_NS	20000000ULL

/* Whether the thread with this TID is a worker. */
bool is_worker(pid_t tid);
/* Whether it is registered as this, "worker" or "server". */
bool has_role(pid_t tid, const char *role);
/* The state of a thread, as debugfs has it. */
bool is_in_state(pid_t tid, const char *state);
/* How many threads of this process are workers. */
int count_workers(void);
/* Waits until @condition is true. Not for workers. */
#define WAIT_FOR(condition) do {						\
	while (!(condition))							\
		usleep(1000);							\
} while (0)

/* CPU time of the calling thread. */
unsigned long long cpu_ns(void);
/* Computes for so long. */
void compute(unsigned long long ns);

pthread_t start(void *(*routine)(void *argument), void *argument);
void *join(pthread_t thread);
/* Runs a thread that checks that it is a worker. */
void check_threads_are_workers(void);

/*
 * A thread that does nothing but count, so that with one server it is seen whether others were
 * preempted.
 */
void rival_begin(void);
void rival_end(void);
unsigned long rival_count(void);

#endif
