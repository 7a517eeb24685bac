// SPDX-License-Identifier: GPL-2.0
/*
 * The CPU on which a task runs after a wake-up: half of the cost of a switch. The flag
 * that requests the waker's CPU is private to the scheduler, so this test verifies that
 * the module uses the right value.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/sysinfo.h>

#include "kselftest_harness.h"
#include "umcg_test.h"

#define TRIES	200
/* A busy machine moves tasks now and then. */
#define MOST	(TRIES * 4 / 5)
#define HALF	(TRIES / 2)

/* Reports the CPU where it wakes up. The waker runs on one CPU, and makes it sleep on the other. */
FIXTURE(placement) {
	struct umcg_thread waker;
	struct umcg_thread target;
};

FIXTURE_SETUP(placement)
{
	if (get_nprocs() < 2)
		SKIP(return, "there is only one CPU");
	umcg_test_begin(TEST_SECONDS);
	ASSERT_EQ(0, server_register(&self->waker));
}

FIXTURE_TEARDOWN(placement)
{
}

static int waker_cpu(int try)
{
	return try % 2;
}

static void tell_cpus(struct umcg_thread *self)
{
	struct umcg_thread *waker = self->arg;

	for (int try = 0; try < TRIES && !self->result; try++) {
		const int cpu = 1 - waker_cpu(try);

		allow_cpus(0, cpu, cpu);
		self->result = server_wait(self, 0);
		self->phase = sched_getcpu();
		if (!self->result)
			self->result = server_wake(self, waker, 0);
	}
}

enum way { WAKE, WAKE_ON_CURRENT_CPU, SWAP };

static int wake_target(FIXTURE_DATA(placement) *self, enum way way)
{
	int err;

	if (way == SWAP)
		return server_swap(&self->waker, &self->target);
	err = server_wake(&self->waker, &self->target,
			  way == WAKE_ON_CURRENT_CPU ? UMCG_WAIT_WF_CURRENT_CPU : 0);
	return err ?: server_wait(&self->waker, 0);
}

/* How often the target has run on the CPU of the waker, or a negative errno. */
static int tries_on_waker_cpu(FIXTURE_DATA(placement) *self, enum way way)
{
	int count = 0;

	self->target.arg = &self->waker;
	server_start(&self->target, tell_cpus);
	for (int try = 0; try < TRIES; try++) {
		const int cpu = waker_cpu(try);
		int err;

		allow_cpus(0, cpu, cpu);
		if (!SOON(thread_waits(&self->target)))
			return -EBUSY;
		allow_cpus(self->target.tid, 0, 1);
		err = wake_target(self, way);
		if (err)
			return err;
		count += self->target.phase == cpu;
	}
	return thread_ends(&self->target) ? count : -EBUSY;
}

TEST_F(placement, wake_on_current_cpu_places_the_target_there)
{
	const int count = tries_on_waker_cpu(self, WAKE_ON_CURRENT_CPU);

	TH_LOG("%d of %d", count, TRIES);
	EXPECT_LE(MOST, count);
}

TEST_F(placement, a_swap_places_the_target_on_the_current_cpu)
{
	const int count = tries_on_waker_cpu(self, SWAP);

	TH_LOG("%d of %d", count, TRIES);
	EXPECT_LE(MOST, count);
}

TEST_F(placement, a_plain_wake_leaves_the_target_where_it_was)
{
	const int count = tries_on_waker_cpu(self, WAKE);

	TH_LOG("%d of %d", count, TRIES);
	EXPECT_LE(0, count);
	EXPECT_GT(HALF, count);
}

TEST_HARNESS_MAIN
