// SPDX-License-Identifier: GPL-2.0
/*
 * A server and a worker with an immediate signal.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "umcg_handler.h"

/* How long a worker waits at most. */
#define TIMEOUT_MS	(300 * slowness())

struct handler_test *tested;
void (*_Atomic in_handler)(void);
_Atomic int handlers_begun, handlers_done;
_Atomic bool counted_enough;

static void handle(int signal)
{
	void (*const act)(void) = in_handler;
	const int saved = errno;

	(void)signal;
	handlers_begun++;
	if (act)
		act();
	handlers_done++;
	errno = saved;
}

bool handler_test_begin(struct handler_test *test)
{
	const struct sigaction action = { .sa_handler = handle, .sa_flags = SA_RESTART };

	memset(test, 0, sizeof(*test));
	test->group = (struct umcg_group)UMCG_GROUP_INIT;
	tested = test;
	in_handler = NULL;
	handlers_begun = 0;
	handlers_done = 0;
	counted_enough = false;
	sigaction(SIGUSR1, &action, NULL);
	immediate_signals = SIGNAL_BIT(SIGUSR1);
	return !server_register(&test->server);
}

void count(struct umcg_thread *self)
{
	while (!counted_enough)
		self->phase++;
}

void note_that_it_runs(struct umcg_thread *self)
{
	self->phase++;
}

void yield(struct umcg_thread *self)
{
	self->result = worker_yield(self, 0);
	self->phase++;
}

bool worker_is_queued(struct handler_test *test, void (*body)(struct umcg_thread *))
{
	worker_start(&test->worker, &test->group, body);
	return SOON(thread_waits(&test->worker));
}

void wait_with_timeout(struct umcg_thread *self)
{
	const uint64_t deadline = realtime_in_ms(TIMEOUT_MS);

	self->result = worker_yield(self, deadline);
	if (realtime_in_ms(0) < deadline)
		self->result = -EBADE;
	self->phase++;
}

static bool worker_is_taken(struct handler_test *test)
{
	return server_next_worker(&test->server, &test->group) == &test->worker;
}

bool worker_is_run(struct handler_test *test)
{
	return worker_is_taken(test) && !server_run(&test->server, &test->worker);
}

bool worker_is_let_run(struct handler_test *test)
{
	return worker_is_taken(test) && server_prepare_run(&test->server, &test->worker) &&
	       !umcg_wait(UMCG_WAIT_WAKE_ONLY, 0) && SOON(test->worker.phase);
}

bool worker_is_preempted(struct handler_test *test)
{
	return worker_is_let_run(test) && !worker_kick(&test->worker) &&
	       SOON(state_of(&test->server.task) == RUNNING) &&
	       SOON(thread_sleeps(test->worker.tid));
}

bool worker_ends(struct handler_test *test)
{
	if (state_of(&test->worker.task) == (IDLE | PREEMPTED))
		state_must_change(&test->worker.task, IDLE | PREEMPTED, IDLE);
	return server_run_to_end(&test->server, &test->group, &test->worker);
}

bool handles_signal(struct umcg_thread *worker, int times)
{
	const uint64_t word = state_word(&worker->task);
	const int phase = worker->phase;

	thread_signal(worker, SIGUSR1);
	return SOON(handlers_done == times) && SOON(thread_sleeps(worker->tid)) &&
	       state_word(&worker->task) == word && worker->phase == phase;
}

bool comes_to_rest(struct umcg_thread *worker)
{
	return SOON(({
		const int phase = worker->phase;

		sleep_ms(STILL_MS);
		phase == worker->phase && thread_sleeps(worker->tid);
	}));
}
