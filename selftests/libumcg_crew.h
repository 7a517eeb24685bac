/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Common code of the tests of libumcg: its tasks, and servers that run any idle worker.
 */
#ifndef LIBUMCG_CREW_H
#define LIBUMCG_CREW_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "libumcg.h"
#include "slowness.h"

/* Timeout for events that must happen soon. */
#define SOON_NS			(8000000000ULL * slowness())

/* For any thread: ends the process, and with it the test. */
#define MUST(condition) ({						\
	if (!(condition))						\
		give_up(#condition, __FILE__, __LINE__);		\
})

/* Whether @condition comes true soon. Sleeps between two looks. */
#define SOON(condition) ({						\
	const uint64_t _end = umcg_get_time_ns() + SOON_NS;		\
	bool _true;							\
									\
	while (!(_true = (condition)) && umcg_get_time_ns() < _end)	\
		usleep(100);						\
	_true;								\
})

/* In the body of a test: the call fails with this error. */
#define EXPECT_FAILS(error, call)					\
	EXPECT_EQ(error, (call) == -1 ? errno : -1)

/* The same, of a call that returns a task; 0 is no error, but no task. */
#define EXPECT_NONE(error, call)					\
	EXPECT_EQ(error, (call) == UMCG_NONE ? errno : -1)

/**
 * struct member - a thread of a test
 * @tid: its ID, for workers before they are registered
 * @body: what it does
 * @arg: for @body
 * @step: how far it has come
 * @done: how often it has done what it is to do
 */
struct member {
	pthread_t thread;
	_Atomic umcg_tid tid;
	void (*body)(struct member *self);
	void *arg;
	_Atomic int step;
	_Atomic long done;
};

/* The group of the test. */
extern umcg_t group;

/* Flags that all groups have besides those that a test asks for. */
extern uint32_t crew_group_flags;
/* Whether a worker may have left before the server that has taken it runs it. */
extern bool crew_workers_leave;

_Noreturn void give_up(const char *what, const char *file, int line);

/* umcg_get_task_state() without the flags. */
uint64_t state_of(umcg_tid task);
bool is_registered(struct member *member);
/* Start a thread that registers, runs its body and unregisters. */
void start_worker(struct member *member);
void start_basic_task(struct member *member);
void join(struct member *member);

/* Makes the caller the server of a new group; frees both. */
void be_server(uint32_t group_flags);
void be_server_no_more(void);

/* Starts servers in a new group, or in the one there is. */
void start_servers(int count, uint32_t group_flags);
void start_servers_in_group(int count);
/*
 * Ends them and the group, which has no worker any more. Returns how often they ran workers; in
 * direct mode some of them do not count.
 */
long stop_servers(void);

#endif /* LIBUMCG_CREW_H */
