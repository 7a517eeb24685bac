// SPDX-License-Identifier: GPL-2.0
/*
 * Servers that die or do not serve: their workers can be seen, killed, and taken
 * by another server.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "hostile.h"

#define STACK_SIZE	(64 * 1024)
#define WORKERS		4
#define NAPS		5

/* The test is a server; the other one is a process that shares its memory. */
FIXTURE(bad_server) {
	struct umcg_thread server;
	struct umcg_thread other;
	struct umcg_group group;
	struct umcg_thread workers[WORKERS];
	pid_t pid;
	char stack[STACK_SIZE] __attribute__((aligned(64)));
};

FIXTURE_VARIANT(bad_server) {
	int (*body)(void *self);
	/* It dies when it has run the workers. */
	bool dies;
};

FIXTURE_SETUP(bad_server)
{
	memset(self, 0, sizeof(*self));
	umcg_test_begin(TEST_SECONDS);
	self->group = (struct umcg_group)UMCG_GROUP_INIT;
	self->other.group = &self->group;
	ASSERT_EQ(0, server_register(&self->server));
}

FIXTURE_TEARDOWN(bad_server)
{
	if (self->pid > 0)
		kill(self->pid, SIGKILL);
}

static void nap_often(struct umcg_thread *self)
{
	for (; self->phase < NAPS; self->phase++)
		sleep_ms(2);
	self->phase = -1;
}

/* Runs each worker until it blocks for the first time. */
static bool run_each_once(struct umcg_thread *self)
{
	for (int i = 0; i < WORKERS; i++) {
		struct umcg_thread *worker = server_next_worker(self, self->group);

		if (!worker || server_run(self, worker))
			return false;
	}
	return true;
}

/* Has workers, and does not run them any more. */
static int spin(void *argument)
{
	struct umcg_thread *self = argument;

	if (server_register(self) || !run_each_once(self))
		return 1;
	self->phase = 1;
	for (;;)
		self->result++;
}

/* Announces that it waits for workers, and does not run those it is started for. */
static int publish_and_spin(void *argument)
{
	struct umcg_thread *self = argument;

	if (server_register(self) || !run_each_once(self))
		return 1;
	state_must_change(&self->task, RUNNING, IDLE);
	self->group->idle_server_tid = self->tid;
	self->phase = 1;
	for (;;)
		self->result++;
}

/* Sleeps forever, and is not started by a worker. */
static int sleep_for_ever(void *argument)
{
	struct umcg_thread *self = argument;

	if (server_register(self) || !run_each_once(self))
		return 1;
	self->phase = 1;
	return pause();
}

FIXTURE_VARIANT_ADD(bad_server, that_spins) { .body = spin };
FIXTURE_VARIANT_ADD(bad_server, that_is_called_and_spins) { .body = publish_and_spin };
FIXTURE_VARIANT_ADD(bad_server, that_sleeps) { .body = sleep_for_ever };
FIXTURE_VARIANT_ADD(bad_server, that_is_killed) { .body = spin, .dies = true };

/* Leaves all workers to the other server, which does not run them. */
static bool let_down(FIXTURE_DATA(bad_server) *self, const FIXTURE_VARIANT(bad_server) *variant)
{
	for (int i = 0; i < WORKERS; i++)
		worker_start(&self->workers[i], &self->group, nap_often);
	self->pid = clone(variant->body, self->stack + STACK_SIZE, CLONE_VM | SIGCHLD,
			  &self->other);
	if (self->pid < 0 || !SOON(self->other.phase == 1))
		return false;
	if (variant->dies)
		kill(self->pid, SIGKILL);
	return true;
}

TEST_F(bad_server, leaves_its_workers_to_another_one)
{
	int left = WORKERS;

	ASSERT_TRUE(let_down(self, variant));
	while (left) {
		struct umcg_thread *worker = server_next_worker(&self->server, &self->group);

		ASSERT_NE(NULL, worker);
		ASSERT_EQ(0, server_run(&self->server, worker));
		left -= worker->phase == -1;
	}
	for (int i = 0; i < WORKERS; i++)
		EXPECT_TRUE(thread_ends(&self->workers[i]));
}

/* The fields in the /proc files of a thread are as expected. */
static bool is_held(const struct umcg_thread *worker)
{
	char path[64], text[4096];
	FILE *file;
	size_t length;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stack", worker->tid);
	file = fopen(path, "r");
	if (!file)
		return false;
	length = fread(text, 1, sizeof(text) - 1, file);
	text[length] = '\0';
	fclose(file);
	return thread_sleeps(worker->tid) && strstr(text, "[umcg]");
}

TEST_F(bad_server, has_workers_that_can_be_seen)
{
	ASSERT_TRUE(let_down(self, variant));
	for (int i = 0; i < WORKERS; i++)
		EXPECT_TRUE(SOON(is_held(&self->workers[i])));
	EXPECT_EQ(WORKERS, umcg_stat("workers"));
	EXPECT_TRUE(SOON(umcg_stat("servers") == (variant->dies ? 1 : 2)));
}

static int be_let_down(void *argument)
{
	static FIXTURE_DATA(bad_server) self;
	const FIXTURE_VARIANT(bad_server) *variant = argument;

	self.group = (struct umcg_group)UMCG_GROUP_INIT;
	self.other.group = &self.group;
	let_down(&self, variant);
	return pause();
}

TEST_F(bad_server, has_workers_that_can_be_killed)
{
	uint64_t since;
	int status;
	pid_t pid;

	adopt_orphans();
	ASSERT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
	pid = gang_start(be_let_down, (void *)variant);
	ASSERT_TRUE(SOON(umcg_stat("workers") == WORKERS &&
			 umcg_stat("servers") == (variant->dies ? 0 : 1)));
	sleep_ms(20);
	since = monotonic_ns();
	kill(pid, SIGTERM);
	EXPECT_TRUE(SOON(gang_leader_ended(pid)));
	EXPECT_GT(AT_ONCE_MS * NSEC_PER_MSEC, monotonic_ns() - since);
	EXPECT_TRUE(gang_kill(pid, &status));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	EXPECT_TRUE(nothing_is_left());
}

TEST_HARNESS_MAIN
