// SPDX-License-Identifier: GPL-2.0
/*
 * Signals sent to each thread by a sender that waits for all responses: the C library in
 * setresuid() and the like, and runtimes that stop all threads.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "umcg_crew.h"
#include "umcg_scene.h"

#define HANDSHAKES	5
#define STOPS		60
/* The C library's, by which it cancels threads. */
#define SIGCANCEL	32
/* How long to wait for a thread that must not run. */
#define STILL_MS	20

FIXTURE(setresuid) {
	struct scene *scene;
};

FIXTURE_VARIANT(setresuid) {
	enum place place;
};

FIXTURE_VARIANT_ADD(setresuid, blocked) { .place = BLOCKS };
FIXTURE_VARIANT_ADD(setresuid, queued) { .place = QUEUED };
FIXTURE_VARIANT_ADD(setresuid, waiting) { .place = WAITS };
FIXTURE_VARIANT_ADD(setresuid, waiting_with_timeout) { .place = WAITS_FOR_LONG };
FIXTURE_VARIANT_ADD(setresuid, locked) { .place = IS_LOCKED };
FIXTURE_VARIANT_ADD(setresuid, in_handler) { .place = IN_HANDLER };
FIXTURE_VARIANT_ADD(setresuid, preempted) { .place = PREEMPTED_THERE };

FIXTURE_SETUP(setresuid)
{
	umcg_test_begin(TEST_SECONDS);
	self->scene = scene_begin(variant->place);
	ASSERT_NE(NULL, self->scene);
}

FIXTURE_TEARDOWN(setresuid)
{
}

/* Whether the worker is, and stays, where it was. */
static bool is_in_place(struct scene *scene, enum place place, uint64_t word, int phase)
{
	switch (place) {
	case BLOCKS:
		/* The call restarts when a server has run the worker. */
		return state_of(&scene->worker.task) == IDLE;
	default:
		sleep_ms(STILL_MS);
		return state_word(&scene->worker.task) == word && scene->worker.phase == phase;
	}
}

static void change_ids(struct __test_metadata *_metadata, struct scene *scene, enum place place,
		       _Atomic bool *who)
{
	const uint64_t word = state_word(&scene->worker.task);
	const int phase = scene->worker.phase;

	for (int i = 1; i <= HANDSHAKES; i++) {
		*who = true;
		ASSERT_TRUE(SOON(!*who))
			TH_LOG("a thread does not answer");
		ASSERT_EQ(i, scene->changes);
		EXPECT_TRUE(is_in_place(scene, place, word, phase));
	}
}

TEST_F(setresuid, the_only_server_changes_the_ids_of_all_threads)
{
	change_ids(_metadata, self->scene, variant->place, &self->scene->server_changes_ids);
	/* The scene has it blocked, and then takes it from the list. */
	EXPECT_TRUE(scene_ends(self->scene));
}

TEST_F(setresuid, an_unregistered_thread_changes_the_ids_of_all_threads)
{
	change_ids(_metadata, self->scene, variant->place, &self->scene->bystander_changes_ids);
	EXPECT_TRUE(scene_ends(self->scene));
}

/* The test is a server. */
FIXTURE(signalled) {
	struct umcg_group group;
	struct umcg_thread server;
	struct umcg_thread workers[2];
};

FIXTURE_SETUP(signalled)
{
	umcg_test_begin(TEST_SECONDS);
	memset(self, 0, sizeof(*self));
	self->group = (struct umcg_group)UMCG_GROUP_INIT;
}

FIXTURE_TEARDOWN(signalled)
{
}

TEST_F(signalled, ids_are_changed_while_a_server_waits_for_its_worker)
{
	struct scene *scene = scene_begin(RUNS);

	ASSERT_NE(NULL, scene);
	for (int i = 1; i <= HANDSHAKES; i++) {
		scene->bystander_changes_ids = true;
		ASSERT_TRUE(SOON(scene->changes == i));
		EXPECT_EQ(RUNNING, state_of(&scene->worker.task));
	}
	EXPECT_TRUE(scene_ends(scene));
}

static void note_that_it_runs(struct umcg_thread *self)
{
	self->phase = 1;
}

TEST_F(signalled, ids_are_changed_before_there_is_a_server)
{
	worker_start(&self->workers[0], &self->group, note_that_it_runs);
	ASSERT_TRUE(SOON(thread_waits(&self->workers[0])));
	EXPECT_EQ(0, setresuid(-1, getuid(), -1));
	EXPECT_EQ(0, self->workers[0].phase);
	ASSERT_EQ(0, server_register(&self->server));
	EXPECT_TRUE(server_run_to_end(&self->server, &self->group, &self->workers[0]));
}

static void yield_once(struct umcg_thread *self)
{
	self->result = worker_yield(self, 0);
	self->phase = 1;
}

static void change_ids_in_worker(struct umcg_thread *self)
{
	self->result = setresuid(-1, getuid(), -1);
	self->phase = 1;
}

TEST_F(signalled, a_worker_changes_the_ids_while_another_one_waits)
{
	struct umcg_thread *waits = &self->workers[0], *changes = &self->workers[1];

	ASSERT_EQ(0, server_register(&self->server));
	worker_start(waits, &self->group, yield_once);
	ASSERT_EQ(waits, server_next_worker(&self->server, &self->group));
	ASSERT_EQ(0, server_run(&self->server, waits));
	ASSERT_TRUE(SOON(thread_waits(waits)));

	worker_start(changes, &self->group, change_ids_in_worker);
	EXPECT_TRUE(server_run_to_end(&self->server, &self->group, changes));
	EXPECT_EQ(0, changes->result);
	EXPECT_EQ(1, changes->phase);

	EXPECT_EQ(0, waits->phase);
	ASSERT_EQ(0, server_run(&self->server, waits));
	EXPECT_TRUE(thread_ends(waits));
	EXPECT_EQ(0, waits->result);
}

static void sleep_for_ever(struct umcg_thread *self)
{
	(void)self;
	for (;;)
		pause();
}

TEST_F(signalled, a_held_worker_is_cancelled)
{
	struct umcg_thread *worker = &self->workers[0];

	ASSERT_EQ(0, server_register(&self->server));
	worker_start(worker, &self->group, sleep_for_ever);
	ASSERT_EQ(worker, server_next_worker(&self->server, &self->group));
	ASSERT_EQ(0, server_run(&self->server, worker));
	ASSERT_EQ(0, pthread_cancel(worker->thread));
	ASSERT_TRUE(SOON(thread_waits(worker)));
	EXPECT_FALSE(thread_has_pending(worker->tid, SIGCANCEL));
	/* The end of its system call is where it ends; it may block on its way. */
	while (state_of(&worker->task) != NONE) {
		ASSERT_EQ(worker, server_next_worker(&self->server, &self->group));
		ASSERT_EQ(0, server_run(&self->server, worker));
	}
	EXPECT_TRUE(thread_ends(worker));
}

/*
 * A collector: each thread responds to a signal, and then sleeps in its handler until
 * another one arrives, and responds to that.
 */
FIXTURE(collector) {
	struct umcg_crew crew;
};

static struct {
	sem_t answers;
	_Atomic bool stopped;
	_Atomic bool enough;
} world;

static void stop_here(int signal)
{
	const int saved = errno;
	sigset_t all_but_go;

	(void)signal;
	sigfillset(&all_but_go);
	sigdelset(&all_but_go, SIGUSR2);
	sem_post(&world.answers);
	while (world.stopped)
		sigsuspend(&all_but_go);
	sem_post(&world.answers);
	errno = saved;
}

static void go_on(int signal)
{
	(void)signal;
}

FIXTURE_SETUP(collector)
{
	/* The second one is blocked but in sigsuspend(): it is not lost if it comes too early. */
	struct sigaction stop = { .sa_handler = stop_here, .sa_flags = SA_RESTART };
	struct sigaction go = { .sa_handler = go_on, .sa_flags = SA_RESTART };

	umcg_test_begin(STRESS_SECONDS);
	memset(self, 0, sizeof(*self));
	world.enough = false;
	sem_init(&world.answers, 0, 0);
	sigfillset(&stop.sa_mask);
	sigfillset(&go.sa_mask);
	sigaction(SIGUSR1, &stop, NULL);
	sigaction(SIGUSR2, &go, NULL);
	immediate_signals = SIGNAL_BIT(SIGUSR1) | SIGNAL_BIT(SIGUSR2);
}

FIXTURE_TEARDOWN(collector)
{
}

static void keep_busy(struct umcg_thread *self)
{
	while (!world.enough)
		crew_take_turn(self);
}

static struct umcg_thread *member(struct umcg_crew *crew, unsigned int i)
{
	return i < crew->worker_count ? &crew->workers[i] : &crew->servers[i - crew->worker_count];
}

/* Whether all threads of the crew respond soon. */
static bool all_answer(struct umcg_crew *crew, int signal)
{
	const unsigned int members = crew->worker_count + crew->server_count;
	const uint64_t end = realtime_in_ms(SOON_MS);
	const struct timespec deadline = {
		.tv_sec = end / NSEC_PER_SEC,
		.tv_nsec = end % NSEC_PER_SEC,
	};

	for (unsigned int i = 0; i < members; i++)
		thread_signal(member(crew, i), signal);
	for (unsigned int i = 0; i < members; i++) {
		while (sem_timedwait(&world.answers, &deadline)) {
			if (errno != EINTR)
				return false;
		}
	}
	return true;
}

static long steps(struct umcg_crew *crew)
{
	long sum = 0;

	for (unsigned int i = 0; i < crew->worker_count; i++)
		sum += crew->workers[i].phase;
	return sum;
}

TEST_F_TIMEOUT(collector, stops_and_continues_all_threads, STRESS_SECONDS)
{
	const long held_before = umcg_stat("handled");

	crew_start(&self->crew, 2, 6, keep_busy);
	for (int i = 0; i < 6; i++)
		ASSERT_TRUE(SOON(self->crew.workers[i].phase > 4));
	for (int i = 0; i < STOPS; i++) {
		long before;

		world.stopped = true;
		ASSERT_TRUE(all_answer(&self->crew, SIGUSR1))
			TH_LOG("stop %d is not answered", i);
		before = steps(&self->crew);
		sleep_ms(i % 4);
		EXPECT_EQ(before, steps(&self->crew));
		world.stopped = false;
		ASSERT_TRUE(all_answer(&self->crew, SIGUSR2))
			TH_LOG("the end of stop %d is not answered", i);
		ASSERT_TRUE(SOON(steps(&self->crew) != before));
	}
	world.enough = true;
	ASSERT_TRUE(crew_ends(&self->crew));
	EXPECT_EQ(NULL, self->crew.fault)
		TH_LOG("%s", self->crew.fault);
	for (int i = 0; i < 6; i++)
		EXPECT_EQ(0, self->crew.workers[i].result);
	EXPECT_LT(held_before, umcg_stat("handled"));
}

TEST_HARNESS_MAIN
