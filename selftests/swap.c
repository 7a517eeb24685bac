// SPDX-License-Identifier: GPL-2.0
/*
 * Servers that swap with each other.
 */
#define _GNU_SOURCE
#include <signal.h>

#include "kselftest_harness.h"
#include "umcg_test.h"

#define ROUNDS		100000
#define COUNTED_ROUNDS	3000
#define SIGNALS		20

/* The test is a server, and swaps with another one. */
FIXTURE(swap) {
	struct umcg_thread server;
	struct umcg_thread peer;
};

FIXTURE_SETUP(swap)
{
	umcg_test_begin(STRESS_SECONDS);
	ASSERT_EQ(0, server_register(&self->server));
	self->peer.arg = &self->server;
}

FIXTURE_TEARDOWN(swap)
{
}

/* Swaps back each time it runs, until its phase is negative. */
static void swap_back(struct umcg_thread *self)
{
	self->result = server_wait(self, 0);
	while (self->phase >= 0 && !self->result) {
		self->phase++;
		self->result = server_swap(self, self->arg);
	}
}

static bool start_peer(FIXTURE_DATA(swap) *self, void (*body)(struct umcg_thread *))
{
	server_start(&self->peer, body);
	return SOON(thread_waits(&self->peer));
}

static bool stop_peer(FIXTURE_DATA(swap) *self)
{
	if (!SOON(thread_waits(&self->peer)))
		return false;
	self->peer.phase = -1;
	return !server_wake(&self->server, &self->peer, 0) && thread_ends(&self->peer);
}

TEST_F_TIMEOUT(swap, two_servers_swap_100000_rounds, STRESS_SECONDS)
{
	ASSERT_TRUE(start_peer(self, swap_back));
	for (int i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, server_swap(&self->server, &self->peer));
		ASSERT_EQ(i + 1, self->peer.phase);
	}
	ASSERT_TRUE(stop_peer(self));
	EXPECT_EQ(0, self->peer.result);
}

TEST_F(swap, a_swap_is_one_sleep)
{
	long mine, theirs;

	ASSERT_TRUE(start_peer(self, swap_back));
	ASSERT_EQ(0, server_swap(&self->server, &self->peer));
	mine = thread_voluntary_switches(self->server.tid);
	theirs = thread_voluntary_switches(self->peer.tid);
	for (int i = 0; i < COUNTED_ROUNDS; i++)
		ASSERT_EQ(0, server_swap(&self->server, &self->peer));
	mine = thread_voluntary_switches(self->server.tid) - mine;
	theirs = thread_voluntary_switches(self->peer.tid) - theirs;
	/* A little more is allowed, for reading the counts. */
	EXPECT_GE(COUNTED_ROUNDS + COUNTED_ROUNDS / 10, mine);
	EXPECT_GE(COUNTED_ROUNDS + COUNTED_ROUNDS / 10, theirs);
	ASSERT_TRUE(stop_peer(self));
}

static void swap_with_timeout(struct umcg_thread *self)
{
	struct umcg_thread *next = self->arg;

	set_next_tid(&self->task, next->tid);
	state_must_change(&self->task, RUNNING, IDLE);
	self->result = umcg_wait(0, realtime_in_ms(100));
}

TEST_F(swap, a_swap_may_time_out_after_it_has_woken_its_target)
{
	struct umcg_thread swapper = { .arg = &self->peer };

	ASSERT_TRUE(start_peer(self, swap_back));
	self->peer.phase = -1;
	ASSERT_TRUE(state_change(&self->peer.task, IDLE, RUNNING));
	server_start(&swapper, swap_with_timeout);
	ASSERT_TRUE(thread_ends(&swapper));
	EXPECT_EQ(-ETIMEDOUT, swapper.result);
	EXPECT_EQ(IDLE, state_of(&swapper.task));
	EXPECT_TRUE(thread_ends(&self->peer));
}

static void swap_once(struct umcg_thread *self)
{
	self->result = server_swap(self, self->arg);
}

static void wait_twice(struct umcg_thread *self)
{
	self->result = server_wait(self, 0);
	self->phase = 1;
	if (!self->result)
		self->result = server_wait(self, 0);
}

/* Interrupts a thread that waits, and sees it handle the signal and wait again, many times. */
static bool signal_many_times(struct umcg_thread *thread)
{
	for (int i = 1; i <= SIGNALS; i++) {
		thread_signal(thread, SIGUSR1);
		if (!SOON(signals_handled == i && thread_waits(thread)))
			return false;
	}
	return true;
}

TEST_F(swap, a_restarted_swap_does_not_wake_its_target_twice)
{
	struct umcg_thread swapper = { .arg = &self->peer };
	long switches;

	count_signal(SIGUSR1, SA_RESTART);
	ASSERT_TRUE(start_peer(self, wait_twice));
	server_start(&swapper, swap_once);
	ASSERT_TRUE(SOON(self->peer.phase == 1 && thread_waits(&self->peer)));
	ASSERT_TRUE(SOON(thread_waits(&swapper)));

	switches = thread_voluntary_switches(self->peer.tid);
	ASSERT_TRUE(signal_many_times(&swapper));
	EXPECT_EQ(switches, thread_voluntary_switches(self->peer.tid));

	ASSERT_EQ(0, server_wake(&self->server, &self->peer, 0));
	ASSERT_EQ(0, server_wake(&self->server, &swapper, 0));
	EXPECT_TRUE(thread_ends(&self->peer));
	EXPECT_TRUE(thread_ends(&swapper));
	EXPECT_EQ(0, swapper.result);
}

static void wait_once(struct umcg_thread *self)
{
	self->result = server_wait(self, 0);
}

TEST_F(swap, a_restarted_swap_does_not_need_its_target)
{
	struct umcg_thread swapper = { .arg = &self->peer };

	count_signal(SIGUSR1, SA_RESTART);
	ASSERT_TRUE(start_peer(self, wait_once));
	server_start(&swapper, swap_once);
	ASSERT_TRUE(thread_ends(&self->peer));
	ASSERT_TRUE(SOON(thread_waits(&swapper)));
	EXPECT_TRUE(signal_many_times(&swapper));
	ASSERT_EQ(0, server_wake(&self->server, &swapper, 0));
	EXPECT_TRUE(thread_ends(&swapper));
	EXPECT_EQ(0, swapper.result);
}

TEST_F(swap, a_swap_is_interrupted_without_SA_RESTART)
{
	struct umcg_thread swapper = { .arg = &self->peer };

	count_signal(SIGUSR1, 0);
	ASSERT_TRUE(start_peer(self, wait_once));
	server_start(&swapper, swap_once);
	ASSERT_TRUE(thread_ends(&self->peer));
	ASSERT_TRUE(SOON(thread_waits(&swapper)));
	ASSERT_EQ(0, thread_signal(&swapper, SIGUSR1));
	EXPECT_TRUE(thread_ends(&swapper));
	EXPECT_EQ(-EINTR, swapper.result);
	EXPECT_EQ(IDLE, state_of(&swapper.task));
	EXPECT_EQ(0, self->peer.result)
		TH_LOG("its target has been woken");
}

TEST_HARNESS_MAIN
