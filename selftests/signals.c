// SPDX-License-Identifier: GPL-2.0
/*
 * Signals for workers in every place: fatal ones, pending ones, and those that go to
 * other threads.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "umcg_crew.h"
#include "umcg_scene.h"

#define STORM_MS	(2000 * slowness())
/* How long to wait for a handler that must not run. */
#define STILL_MS	100

FIXTURE(signals) {
};

FIXTURE_VARIANT(signals) {
	enum place place;
};

FIXTURE_VARIANT_ADD(signals, running) { .place = RUNS };
FIXTURE_VARIANT_ADD(signals, blocked) { .place = BLOCKS };
FIXTURE_VARIANT_ADD(signals, queued) { .place = QUEUED };
FIXTURE_VARIANT_ADD(signals, waiting) { .place = WAITS };
FIXTURE_VARIANT_ADD(signals, waiting_with_timeout) { .place = WAITS_FOR_LONG };
FIXTURE_VARIANT_ADD(signals, locked) { .place = IS_LOCKED };
FIXTURE_VARIANT_ADD(signals, in_handler) { .place = IN_HANDLER };

FIXTURE_SETUP(signals)
{
	const struct rlimit no_core = {};

	umcg_test_begin(TEST_SECONDS);
	setrlimit(RLIMIT_CORE, &no_core);
}

FIXTURE_TEARDOWN(signals)
{
}

/* Whether the process dies of the signal at once. */
static bool dies_at_once(struct scene *scene, int signal, uint64_t since)
{
	const int status = process_ends(scene->pid);

	return WIFSIGNALED(status) && WTERMSIG(status) == signal &&
	       monotonic_ns() - since < AT_ONCE_MS * NSEC_PER_MSEC;
}

static bool fatal_for_process(struct scene *scene, int signal)
{
	const uint64_t now = monotonic_ns();

	kill(scene->pid, signal);
	return dies_at_once(scene, signal, now);
}

static bool fatal_for_worker(struct scene *scene, int signal)
{
	const uint64_t now = monotonic_ns();

	syscall(SYS_tgkill, scene->pid, scene->worker.tid, signal);
	return dies_at_once(scene, signal, now);
}

TEST_F(signals, a_signal_fatal_for_the_process_kills_at_once)
{
	static const int fatal[] = { SIGKILL, SIGTERM, SIGQUIT };

	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++) {
		struct scene *scene = scene_begin(variant->place);

		ASSERT_NE(NULL, scene);
		EXPECT_TRUE(fatal_for_process(scene, fatal[i]))
			TH_LOG("signal %d", fatal[i]);
	}
	EXPECT_TRUE(nothing_is_left());
}

TEST_F(signals, a_signal_fatal_for_the_worker_kills_at_once)
{
	static const int fatal[] = { SIGKILL, SIGTERM, SIGUSR2 };

	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++) {
		struct scene *scene = scene_begin(variant->place);

		ASSERT_NE(NULL, scene);
		EXPECT_TRUE(fatal_for_worker(scene, fatal[i]))
			TH_LOG("signal %d", fatal[i]);
	}
	EXPECT_TRUE(nothing_is_left());
}

/* The kernel does not kill the process directly for these: the thread must dequeue them. */
TEST_F(signals, a_core_dump_of_the_worker_kills_at_once)
{
	static const int fatal[] = { SIGQUIT, SIGABRT, SIGSEGV };

	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++) {
		struct scene *scene = scene_begin(variant->place);

		ASSERT_NE(NULL, scene);
		ASSERT_TRUE(fatal_for_worker(scene, fatal[i]))
			TH_LOG("signal %d", fatal[i]);
	}
	EXPECT_TRUE(nothing_is_left());
}

TEST_F(signals, a_signal_for_the_worker_is_handled_when_it_runs)
{
	struct scene *scene = scene_begin(variant->place);

	ASSERT_NE(NULL, scene);
	for (int i = 1; i <= 3; i++) {
		syscall(SYS_tgkill, scene->pid, scene->worker.tid, SIGUSR1);
		if (variant->place == RUNS)
			ASSERT_TRUE(SOON(scene->handled == i));
	}
	if (variant->place != RUNS) {
		sleep_ms(STILL_MS);
		EXPECT_EQ(0, scene->handled);
		EXPECT_NE(RUNNING, state_of(&scene->worker.task));
	}
	EXPECT_TRUE(scene_ends(scene))
		TH_LOG("the wait of the worker does not fail");
	EXPECT_LE(1, scene->handled);
	EXPECT_EQ(scene->worker.tid, scene->handled_by);
	EXPECT_FALSE(scene->worker_is_deaf)
		TH_LOG("its signal mask is as it was");
}

TEST_F(signals, a_signal_for_the_process_goes_to_another_thread)
{
	struct scene *scene = scene_begin_deaf(variant->place);

	ASSERT_NE(NULL, scene);
	for (int i = 1; i <= 3; i++) {
		kill(scene->pid, SIGUSR1);
		ASSERT_TRUE(SOON(scene->handled == i))
			TH_LOG("a worker that does not run has swallowed it");
		if (variant->place != RUNS) {
			EXPECT_EQ(scene->bystander.tid, scene->handled_by);
		}
	}
	EXPECT_TRUE(scene_ends(scene));
}

FIXTURE(group) {
	struct umcg_crew crew;
};

static _Atomic bool enough;

FIXTURE_SETUP(group)
{
	umcg_test_begin(TEST_SECONDS);
	memset(self, 0, sizeof(*self));
}

FIXTURE_TEARDOWN(group)
{
}

static void keep_busy(struct umcg_thread *self)
{
	while (!enough)
		crew_take_turn(self);
}

static void storm(struct __test_metadata *_metadata, FIXTURE_DATA(group) *self)
{
	const uint64_t end = monotonic_ns() + STORM_MS * NSEC_PER_MSEC;
	int sent = 0;

	count_signal(SIGUSR1, SA_RESTART);
	crew_start(&self->crew, 2, 6, keep_busy);
	while (monotonic_ns() < end) {
		const unsigned int i = rand() % 8;

		sent += !thread_signal(i < 6 ? &self->crew.workers[i] :
					       &self->crew.servers[i - 6], SIGUSR1);
		if (rand() % 4 == 0)
			sleep_ms(1);
	}
	enough = true;
	ASSERT_TRUE(crew_ends(&self->crew));
	EXPECT_EQ(NULL, self->crew.fault)
		TH_LOG("%s", self->crew.fault);
	EXPECT_LT(0, signals_handled);
	EXPECT_GE(sent, signals_handled);
	for (int i = 0; i < 6; i++) {
		EXPECT_EQ(0, self->crew.workers[i].result);
		EXPECT_LT(20, self->crew.workers[i].phase);
	}
	TH_LOG("%d signals sent, %d handled", sent, signals_handled);
}

TEST_F(group, a_storm_of_signals_loses_no_worker)
{
	storm(_metadata, self);
}

/* The same, where held workers handle them at once. */
TEST_F(group, a_storm_of_immediate_signals_loses_no_worker)
{
	immediate_signals = SIGNAL_BIT(SIGUSR1);
	storm(_metadata, self);
}

TEST_HARNESS_MAIN
