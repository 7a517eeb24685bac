// SPDX-License-Identifier: GPL-2.0
/*
 * Handlers of immediate signals: a held worker executes them, does nothing else,
 * and is held again.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "umcg_handler.h"

/* The test is a server, with one worker. */
FIXTURE(handler) {
	struct handler_test test;
};

FIXTURE_SETUP(handler)
{
	umcg_test_begin(TEST_SECONDS);
	ASSERT_TRUE(handler_test_begin(&self->test));
}

FIXTURE_TEARDOWN(handler)
{
}

TEST_F(handler, a_queued_worker_handles_signals_and_does_nothing_else)
{
	const long handled = umcg_stat("handled");

	ASSERT_TRUE(worker_is_queued(&self->test, note_that_it_runs));
	for (int i = 1; i <= SIGNALS; i++)
		ASSERT_TRUE(handles_signal(&self->test.worker, i));
	EXPECT_EQ(handled + SIGNALS, umcg_stat("handled"));
	EXPECT_TRUE(worker_ends(&self->test));
	EXPECT_EQ(1, self->test.worker.phase);
}

/* It is not in a system call: the kernel does not see what it does next. */
TEST_F(handler, a_preempted_worker_handles_signals_and_does_nothing_else)
{
	ASSERT_TRUE(worker_is_queued(&self->test, count));
	ASSERT_TRUE(worker_is_preempted(&self->test));
	for (int i = 1; i <= SIGNALS; i++)
		ASSERT_TRUE(handles_signal(&self->test.worker, i));
	counted_enough = true;
	EXPECT_TRUE(worker_ends(&self->test));
}

TEST_F(handler, a_waiting_worker_handles_signals_and_continues_to_wait)
{
	ASSERT_TRUE(worker_is_queued(&self->test, yield));
	ASSERT_TRUE(worker_is_run(&self->test));
	ASSERT_TRUE(SOON(thread_waits(&self->test.worker)));
	for (int i = 1; i <= SIGNALS; i++)
		ASSERT_TRUE(handles_signal(&self->test.worker, i));
	ASSERT_EQ(0, server_run(&self->test.server, &self->test.worker));
	EXPECT_TRUE(thread_ends(&self->test.worker));
	EXPECT_EQ(0, self->test.worker.result);
}

TEST_F(handler, a_wait_times_out_in_spite_of_signals)
{
	ASSERT_TRUE(worker_is_queued(&self->test, wait_with_timeout));
	ASSERT_TRUE(worker_is_run(&self->test));
	while (!self->test.group.idle_workers) {
		thread_signal(&self->test.worker, SIGUSR1);
		sleep_ms(1);
	}
	EXPECT_LT(0, handlers_done);
	EXPECT_TRUE(worker_ends(&self->test));
	EXPECT_EQ(-ETIMEDOUT, self->test.worker.result);
}

/* A server that has begun to run the worker continues when the handler has begun. */
static void be_run_in_handler(void)
{
	while (tested->worker.phase == 1)
		usleep(100);
}

TEST_F(handler, a_server_runs_a_worker_that_is_within_a_handler)
{
	ASSERT_TRUE(worker_is_queued(&self->test, note_that_it_runs));
	in_handler = be_run_in_handler;
	self->test.worker.phase = 1;
	thread_signal(&self->test.worker, SIGUSR1);
	ASSERT_TRUE(SOON(handlers_begun == 1));
	/* It sleeps there: so it is reported as blocked, as soon as it has a server. */
	ASSERT_TRUE(worker_is_run(&self->test));
	EXPECT_EQ(0, handlers_done);
	EXPECT_NE(RUNNING, state_of(&self->test.worker.task));
	self->test.worker.phase = 2;
	EXPECT_TRUE(worker_ends(&self->test));
	EXPECT_EQ(1, handlers_done);
	EXPECT_EQ(3, self->test.worker.phase);
}

static void sleep_until_told(void)
{
	stay_until_told(&tested->worker);
}

TEST_F(handler, a_handler_that_sleeps_when_its_worker_is_run_is_reported)
{
	ASSERT_TRUE(worker_is_queued(&self->test, note_that_it_runs));
	in_handler = sleep_until_told;
	thread_signal(&self->test.worker, SIGUSR1);
	ASSERT_TRUE(SOON(handlers_begun == 1) && SOON(thread_waits(&self->test.worker)));
	/* Nothing but the wake-up of this server ends the sleep, and it goes to sleep again. */
	ASSERT_TRUE(worker_is_run(&self->test));
	EXPECT_EQ(BLOCKED, state_of(&self->test.worker.task));
	tell_to_go(&self->test.worker);
	EXPECT_TRUE(worker_ends(&self->test));
	EXPECT_EQ(1, handlers_done);
}

/* A running worker that yields within the handler must respond nevertheless. */
static void give_way(void)
{
	worker_kick(&tested->worker);
}

TEST_F(handler, a_worker_that_yields_within_a_handler_finishes_it)
{
	ASSERT_TRUE(worker_is_queued(&self->test, count));
	ASSERT_TRUE(worker_is_let_run(&self->test));
	in_handler = give_way;
	thread_signal(&self->test.worker, SIGUSR1);
	ASSERT_TRUE(SOON(state_of(&self->test.server.task) == RUNNING));
	EXPECT_TRUE(SOON(handlers_done == 1));
	EXPECT_TRUE(SOON(thread_sleeps(self->test.worker.tid)));
	EXPECT_EQ(IDLE | PREEMPTED, state_of(&self->test.worker.task));
	counted_enough = true;
	EXPECT_TRUE(worker_ends(&self->test));
}

static void sleep_a_moment(void)
{
	sleep_ms(1);
}

TEST_F(handler, a_worker_that_blocks_within_a_handler_finishes_it)
{
	ASSERT_TRUE(worker_is_queued(&self->test, count));
	in_handler = sleep_a_moment;
	ASSERT_TRUE(worker_is_let_run(&self->test));
	thread_signal(&self->test.worker, SIGUSR1);
	EXPECT_TRUE(SOON(handlers_done == 1));
	EXPECT_TRUE(SOON(thread_waits(&self->test.worker)));
	counted_enough = true;
	EXPECT_TRUE(worker_ends(&self->test));
}

static _Atomic bool spin_on;

static void spin(void)
{
	while (spin_on)
		tested->worker.phase++;
}

TEST_F(handler, a_handler_that_does_not_end_is_held)
{
	ASSERT_TRUE(worker_is_queued(&self->test, note_that_it_runs));
	spin_on = true;
	in_handler = spin;
	thread_signal(&self->test.worker, SIGUSR1);
	ASSERT_TRUE(SOON(handlers_begun == 1));
	EXPECT_TRUE(comes_to_rest(&self->test.worker));
	EXPECT_EQ(0, handlers_done);
	EXPECT_EQ(IDLE, state_of(&self->test.worker.task));
	spin_on = false;
	EXPECT_TRUE(worker_ends(&self->test));
	EXPECT_EQ(1, handlers_done);
}

static _Atomic int others_handled;

static void count_other(int signal)
{
	(void)signal;
	others_handled++;
}

/* Signals with lower and higher numbers than the immediate one. */
TEST_F(handler, other_signals_stay_pending_until_a_server_runs_it)
{
	const int others[] = { SIGHUP, SIGUSR2, SIGRTMIN };
	const struct sigaction action = { .sa_handler = count_other };

	others_handled = 0;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		sigaction(others[i], &action, NULL);
	ASSERT_TRUE(worker_is_queued(&self->test, note_that_it_runs));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		thread_signal(&self->test.worker, others[i]);
		ASSERT_TRUE(handles_signal(&self->test.worker, i + 1));
	}
	sleep_ms(STILL_MS);
	EXPECT_EQ(0, others_handled);
	EXPECT_TRUE(worker_ends(&self->test));
	EXPECT_EQ(ARRAY_SIZE(others), others_handled);
}

/* Any signal that the kernel may use as the sentinel: usually it is the highest. */
TEST_F(handler, signals_that_are_sent_within_a_handler_are_not_lost)
{
	const struct sigaction action = { .sa_handler = count_other };
	int sent = 0;

	others_handled = 0;
	for (int signal = SIGRTMIN; signal <= SIGRTMAX; signal++)
		sigaction(signal, &action, NULL);
	ASSERT_TRUE(worker_is_queued(&self->test, note_that_it_runs));
	in_handler = sleep_until_told;
	thread_signal(&self->test.worker, SIGUSR1);
	ASSERT_TRUE(SOON(handlers_begun == 1 && thread_waits(&self->test.worker)));
	for (int signal = SIGRTMIN; signal <= SIGRTMAX; signal++)
		sent += !thread_signal(&self->test.worker, signal);
	tell_to_go(&self->test.worker);
	ASSERT_TRUE(SOON(handlers_done == 1));
	EXPECT_EQ(0, others_handled);
	EXPECT_TRUE(worker_ends(&self->test));
	EXPECT_EQ(SIGRTMAX - SIGRTMIN + 1, sent);
	EXPECT_EQ(sent, others_handled);
}

/* SIGUSR2 is immediate as well; it ends whatever the handler of SIGUSR1 waits for. */
static _Atomic int nested_handled;

static void handle_nested(int signal)
{
	(void)signal;
	nested_handled++;
}

static void handle_nested_at_once(void)
{
	const struct sigaction action = { .sa_handler = handle_nested };

	nested_handled = 0;
	sigaction(SIGUSR2, &action, NULL);
	immediate_signals |= SIGNAL_BIT(SIGUSR2);
}

/*
 * Nothing at all is blocked while it waits. The signal may have come before: as soon as the handler has
 * begun.
 */
static void wait_for_any_signal(void)
{
	sigset_t none, other;

	sigemptyset(&none);
	sigemptyset(&other);
	sigaddset(&other, SIGUSR2);
	sigprocmask(SIG_BLOCK, &other, NULL);
	while (nested_handled < handlers_begun)
		sigsuspend(&none);
}

TEST_F(handler, a_handler_waits_for_another_signal)
{
	int phase;

	handle_nested_at_once();
	ASSERT_TRUE(worker_is_queued(&self->test, count));
	ASSERT_TRUE(worker_is_preempted(&self->test));
	phase = self->test.worker.phase;
	in_handler = wait_for_any_signal;
	for (int i = 1; i <= SIGNALS; i++) {
		thread_signal(&self->test.worker, SIGUSR1);
		ASSERT_TRUE(SOON(handlers_begun == i));
		if (i % 2)
			ASSERT_TRUE(SOON(thread_sleeps(self->test.worker.tid)));
		ASSERT_TRUE(thread_signal(&self->test.worker, SIGUSR2) == 0 &&
			    SOON(handlers_done == i) && SOON(thread_sleeps(self->test.worker.tid)));
	}
	EXPECT_EQ(SIGNALS, nested_handled);
	EXPECT_EQ(phase, self->test.worker.phase);
	counted_enough = true;
	EXPECT_TRUE(worker_ends(&self->test));
}

TEST_F(handler, handlers_within_handlers_do_nothing_else)
{
	int phase;

	handle_nested_at_once();
	ASSERT_TRUE(worker_is_queued(&self->test, count));
	ASSERT_TRUE(worker_is_preempted(&self->test));
	phase = self->test.worker.phase;
	for (int i = 0; i < 20 * SIGNALS; i++)
		thread_signal(&self->test.worker, i % 3 ? SIGUSR1 : SIGUSR2);
	EXPECT_TRUE(SOON(handlers_done && nested_handled));
	EXPECT_TRUE(comes_to_rest(&self->test.worker));
	EXPECT_EQ(phase, self->test.worker.phase);
	counted_enough = true;
	EXPECT_TRUE(worker_ends(&self->test));
}

TEST_HARNESS_MAIN
