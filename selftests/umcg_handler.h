/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A server and a worker for which SIGUSR1 is an immediate signal, with a handler defined
 * by the test.
 */
#ifndef UMCG_HANDLER_H
#define UMCG_HANDLER_H

#include "umcg_crew.h"

/* How often a test sends a signal. */
#define SIGNALS		100
/* How long to wait for a thread that must not run. */
#define STILL_MS	50

/* The server is the test. */
struct handler_test {
	struct umcg_group group;
	struct umcg_thread server;
	struct umcg_thread worker;
};

/* The current test, for the handler. */
extern struct handler_test *tested;
/* What the handler does in addition to counting. */
extern void (*_Atomic in_handler)(void);
extern _Atomic int handlers_begun, handlers_done;
/* A worker whose body is count() comes to its end. */
extern _Atomic bool counted_enough;

/* Registers the server. */
bool handler_test_begin(struct handler_test *test);

/* Bodies of the worker: its phase tells what it has done. */
void count(struct umcg_thread *self);
void note_that_it_runs(struct umcg_thread *self);
void yield(struct umcg_thread *self);
/* Its result is -ETIMEDOUT if it was not run, and not too early. */
void wait_with_timeout(struct umcg_thread *self);

/* Starts the worker; it is on the list then, and executes the body when it is run. */
bool worker_is_queued(struct handler_test *test, void (*body)(struct umcg_thread *));
/* Takes the worker off the list, and runs it until it blocks or waits. */
bool worker_is_run(struct handler_test *test);
/* The same, and the server does not wait for that: the worker is in user mode. */
bool worker_is_let_run(struct handler_test *test);
/* Then takes it off its server; it is on the list. */
bool worker_is_preempted(struct handler_test *test);
/* Runs a worker that is on the list, perhaps preempted, until it has ended. */
bool worker_ends(struct handler_test *test);

/* Sends the signal, and whether it is handled for this time, and nothing else is done. */
bool handles_signal(struct umcg_thread *worker, int times);
/* Whether the worker sleeps soon, and does not count any more. */
bool comes_to_rest(struct umcg_thread *worker);

#endif /* UMCG_HANDLER_H */
