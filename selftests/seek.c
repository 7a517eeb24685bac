// SPDX-License-Identifier: GPL-2.0
/*
 * The short form of UMCG_IOC_WAIT: lseek(fd, flags, SEEK_SET).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "umcg_test.h"

#define ROUNDS 1000

/* The test is a server, and all waits without a timeout are short. */
FIXTURE(seek) {
	struct umcg_thread server;
	struct umcg_thread peer;
	struct umcg_thread worker;
	struct umcg_group group;
};

FIXTURE_SETUP(seek)
{
	umcg_test_begin(TEST_SECONDS);
	umcg_waits_by_seek = true;
	ASSERT_EQ(0, server_register(&self->server));
	self->peer.arg = &self->server;
}

FIXTURE_TEARDOWN(seek)
{
}

static long seek_errno(off_t offset, int whence)
{
	return lseek(umcg_fd, offset, whence) < 0 ? -errno : 0;
}

static void wait_once(struct umcg_thread *self)
{
	self->result = server_wait(self, 0);
}

TEST_F(seek, the_version_tells_of_it)
{
	struct umcg_version_args args = { .size = sizeof(args) };

	ASSERT_EQ(0, umcg_ioctl(UMCG_IOC_VERSION, &args));
	EXPECT_TRUE(args.features & UMCG_FEATURE_SEEK);
}

static void seek_unregistered(struct umcg_thread *self)
{
	self->result = seek_errno(0, SEEK_SET);
}

TEST_F(seek, a_thread_that_is_not_registered_is_EINVAL)
{
	thread_start(&self->peer, seek_unregistered);
	ASSERT_TRUE(thread_ends(&self->peer));
	EXPECT_EQ(-EINVAL, self->peer.result);
}

TEST_F(seek, only_offsets_from_the_start_that_are_flags_are_valid)
{
	const off_t refused[] = {
		UMCG_WAIT_WF_CURRENT_CPU, 4, -1, 1LL << 31, 1LL << 32, INT64_MIN, INT64_MAX,
	};

	set_next_tid(&self->server.task, gettid());
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		EXPECT_EQ(-EINVAL, seek_errno(refused[i], SEEK_SET))
			TH_LOG("offset %#lx", refused[i]);
	}
	/* One that runs does not wait: the offset is right. */
	set_next_tid(&self->server.task, 0);
	for (int whence = SEEK_SET; whence <= SEEK_HOLE; whence++)
		EXPECT_EQ(whence == SEEK_SET ? 0 : -EINVAL, seek_errno(0, whence));
}

TEST_F(seek, errors_are_those_of_the_ioctl)
{
	set_next_tid(&self->server.task, 0);
	EXPECT_EQ(-EINVAL, umcg_wait(UMCG_WAIT_WAKE_ONLY, 0));
	set_next_tid(&self->server.task, INT32_MAX);
	EXPECT_EQ(-ESRCH, umcg_wait(UMCG_WAIT_WAKE_ONLY, 0));
	EXPECT_EQ(-ESRCH, umcg_wait(0, 0));
	set_next_tid(&self->server.task, getppid());
	EXPECT_EQ(-EPERM, umcg_wait(UMCG_WAIT_WAKE_ONLY, 0));
}

TEST_F(seek, a_server_wakes_another_one)
{
	server_start(&self->peer, wait_once);
	ASSERT_TRUE(SOON(thread_waits(&self->peer)));
	EXPECT_EQ(0, server_wake(&self->server, &self->peer, UMCG_WAIT_WF_CURRENT_CPU));
	ASSERT_TRUE(thread_ends(&self->peer));
	EXPECT_EQ(0, self->peer.result);
}

static void swap_back(struct umcg_thread *self)
{
	self->result = server_wait(self, 0);
	while (++self->phase < ROUNDS && !self->result)
		self->result = server_swap(self, self->arg);
	if (!self->result)
		self->result = server_wake(self, self->arg, 0);
}

TEST_F(seek, servers_swap)
{
	server_start(&self->peer, swap_back);
	ASSERT_TRUE(SOON(thread_waits(&self->peer)));
	for (int i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, server_swap(&self->server, &self->peer));
		ASSERT_EQ(i + 1, self->peer.phase);
	}
	ASSERT_TRUE(thread_ends(&self->peer));
	EXPECT_EQ(0, self->peer.result);
}

static void yield_many_times(struct umcg_thread *self)
{
	for (int i = 0; i < ROUNDS && !self->result; i++)
		self->result = worker_yield(self, 0);
}

TEST_F(seek, a_worker_yields)
{
	worker_start(&self->worker, &self->group, yield_many_times);
	ASSERT_EQ(&self->worker, server_next_worker(&self->server, &self->group));
	for (int i = 0; i <= ROUNDS; i++)
		ASSERT_EQ(0, server_run(&self->server, &self->worker));
	ASSERT_TRUE(thread_ends(&self->worker));
	EXPECT_EQ(0, self->worker.result);
}

static void interrupted_wait(FIXTURE_DATA(seek) *self, struct __test_metadata *_metadata,
			     int sa_flags)
{
	count_signal(SIGUSR1, sa_flags);
	server_start(&self->peer, wait_once);
	ASSERT_TRUE(SOON(thread_waits(&self->peer)));
	ASSERT_EQ(0, thread_signal(&self->peer, SIGUSR1));
	ASSERT_TRUE(SOON(signals_handled == 1));
}

TEST_F(seek, a_signal_interrupts)
{
	interrupted_wait(self, _metadata, 0);
	ASSERT_TRUE(thread_ends(&self->peer));
	EXPECT_EQ(-EINTR, self->peer.result);
}

TEST_F(seek, a_signal_restarts)
{
	interrupted_wait(self, _metadata, SA_RESTART);
	ASSERT_TRUE(SOON(thread_waits(&self->peer)));
	EXPECT_EQ(0, server_wake(&self->server, &self->peer, 0));
	ASSERT_TRUE(thread_ends(&self->peer));
	EXPECT_EQ(0, self->peer.result);
}

TEST_HARNESS_MAIN
