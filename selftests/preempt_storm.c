// SPDX-License-Identifier: GPL-2.0
/*
 * Preemption by many threads at once.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "umcg_crew.h"

#define KICKS		10000
#define USER_BITS	0x2a000U

FIXTURE(storm) {
	struct umcg_crew crew;
	_Atomic int kicks;
	_Atomic int hits;
	int pipe_ends[2];
};

/* The threads of a storm know nothing but their crew. */
static FIXTURE_DATA(storm) *storm;

FIXTURE_SETUP(storm)
{
	umcg_test_begin(STRESS_SECONDS);
	count_signal(SIGUSR1, SA_RESTART);
	memset(self, 0, sizeof(*self));
	storm = self;
}

FIXTURE_TEARDOWN(storm)
{
}

/* Spins, blocks, yields; its user bits are its own. */
static void weather(struct umcg_thread *self)
{
	_Atomic uint64_t *word = (_Atomic uint64_t *)&self->task.state_ts;

	atomic_fetch_or(word, USER_BITS);
	while (storm->kicks < KICKS) {
		for (volatile int i = 0; i < 2000; i++)
			;
		if (self->phase % 8 == 0)
			sleep_ms(1);
		if (self->phase % 4 == 1)
			self->result |= crew_yield(self);
		if ((state_word(&self->task) & UMCG_TASK_USER_MASK) != USER_BITS)
			self->result |= 1;
		/* However a kick and a block meet: no worker is in user mode before it is run. */
		if ((state_of(&self->task) & ~PREEMPTED) != RUNNING)
			self->result |= 2;
		self->phase++;
	}
}

static void kick_all(struct umcg_thread *self)
{
	while (storm->kicks++ < KICKS) {
		for (unsigned int i = 0; i < storm->crew.worker_count; i++) {
			long err = worker_kick(&storm->crew.workers[i]);

			if (!err)
				storm->hits++;
			else if (err != -EAGAIN && storm->kicks < KICKS)
				self->result = err;
		}
		if (storm->kicks % 8 == 0)
			sched_yield();
	}
}

static void signal_all(struct umcg_thread *self)
{
	while (storm->kicks < KICKS) {
		for (unsigned int i = 0; i < storm->crew.worker_count; i++) {
			long err = worker_preempt(&storm->crew.workers[i], SIGUSR1);

			if (err && err != -EAGAIN)
				self->result = err;
		}
		sleep_ms(1);
	}
}

TEST_F_TIMEOUT(storm, concurrent_kicks_do_no_harm, STRESS_SECONDS)
{
	const long killed[] = { umcg_stat("killed_state"), umcg_stat("killed_server"),
				umcg_stat("killed_memory") };
	struct umcg_thread kickers[3] = {};

	crew_start(&self->crew, 2, 3, weather);
	for (unsigned int i = 0; i < self->crew.worker_count; i++) {
		ASSERT_TRUE(SOON(self->crew.workers[i].phase > 0))
			TH_LOG("worker %u is %#x; %s", i, state_of(&self->crew.workers[i].task),
			       self->crew.fault ?: "no fault of the crew");
	}
	thread_start(&kickers[0], kick_all);
	thread_start(&kickers[1], kick_all);
	thread_start(&kickers[2], signal_all);
	for (size_t i = 0; i < ARRAY_SIZE(kickers); i++) {
		/* Only while the storm lasts. */
		while (self->kicks < KICKS)
			sleep_ms(10);
		ASSERT_TRUE(thread_ends(&kickers[i]));
		EXPECT_EQ(0, kickers[i].result);
	}
	ASSERT_TRUE(crew_ends(&self->crew));
	EXPECT_EQ(NULL, self->crew.fault)
		TH_LOG("%s", self->crew.fault);
	for (unsigned int i = 0; i < self->crew.worker_count; i++) {
		EXPECT_EQ(0, self->crew.workers[i].result);
		EXPECT_LT(10, self->crew.workers[i].phase);
	}
	EXPECT_LT(KICKS / 100, self->hits)
		TH_LOG("%d kicks found a worker that ran", self->hits);
	EXPECT_LT(0, signals_handled);
	EXPECT_EQ(killed[0], umcg_stat("killed_state"));
	EXPECT_EQ(killed[1], umcg_stat("killed_server"));
	EXPECT_EQ(killed[2], umcg_stat("killed_memory"));
}

TEST_HARNESS_MAIN
