// SPDX-License-Identifier: GPL-2.0
/*
 * Workers and servers that fork, exec and exit while their group works. The registration
 * itself is tested in exit and process.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "umcg_crew.h"
#include "umcg_scene.h"

#define NAPS		10
/* Tells this program that it was executed by a test. */
#define EXECUTED	"UMCG_EXECUTED"

/* The test is the server. */
FIXTURE(lifetime) {
	struct umcg_thread server;
	struct umcg_group group;
	struct umcg_thread worker;
	struct umcg_thread other;
};

FIXTURE_SETUP(lifetime)
{
	umcg_test_begin(TEST_SECONDS);
	self->group = (struct umcg_group)UMCG_GROUP_INIT;
	ASSERT_EQ(0, server_register(&self->server));
}

FIXTURE_TEARDOWN(lifetime)
{
}

static bool start_worker(FIXTURE_DATA(lifetime) *self, void (*body)(struct umcg_thread *))
{
	worker_start(&self->worker, &self->group, body);
	return server_next_worker(&self->server, &self->group) == &self->worker;
}

/* Runs the worker, which has been taken, each time that it comes back, until its phase is -1. */
static bool run_to_end(FIXTURE_DATA(lifetime) *self)
{
	while (!server_run(&self->server, &self->worker)) {
		if (self->worker.phase == -1)
			return thread_ends(&self->worker);
		if (server_next_worker(&self->server, &self->group) != &self->worker)
			return false;
	}
	return false;
}

/* A copy of the words is ignored by the kernel, whatever is written there. */
static int scribble(void *argument)
{
	struct umcg_thread *self = argument;
	char byte;

	memset(&self->task, 0xff, sizeof(self->task));
	memset(self->group, 0xff, sizeof(self->group->idle_workers));
	return read(*(int *)self->arg, &byte, 1) != 1;
}

static void fork_and_go_on(struct umcg_thread *self)
{
	int pipe_ends[2];
	pid_t pid;

	if (pipe(pipe_ends))
		return;
	self->arg = &pipe_ends[0];
	pid = process_start(scribble, self);
	for (int i = 0; i < NAPS; i++) {
		sleep_ms(1);
		self->phase++;
	}
	self->result = write(pipe_ends[1], "x", 1) == 1 && process_ends(pid) == 0;
	self->phase = -1;
}

TEST_F(lifetime, a_worker_keeps_its_words_while_its_fork_exists)
{
	ASSERT_TRUE(start_worker(self, fork_and_go_on));
	ASSERT_TRUE(run_to_end(self));
	EXPECT_EQ(1, self->worker.result);
}

TEST_F(lifetime, a_server_keeps_its_words_while_its_fork_exists)
{
	int pipe_ends[2];
	pid_t pid;

	ASSERT_EQ(0, pipe(pipe_ends));
	self->server.arg = &pipe_ends[0];
	self->server.group = &self->group;
	pid = process_start(scribble, &self->server);
	ASSERT_TRUE(start_worker(self, fork_and_go_on));
	ASSERT_TRUE(run_to_end(self));
	ASSERT_EQ(1, write(pipe_ends[1], "x", 1));
	EXPECT_EQ(0, process_ends(pid));
}

/* What the child of vfork() has seen: it shares our memory. */
static volatile int vfork_wait, vfork_ctl;

static void vfork_once(struct umcg_thread *self)
{
	const int *pipe_end = self->arg;
	char byte;
	pid_t pid;

	pid = vfork();
	if (!pid) {
		vfork_wait = umcg_wait(0, 0);
		vfork_ctl = umcg_ctl(UMCG_CTL_UNREGISTER, NULL);
		_exit(read(*pipe_end, &byte, 1) != 1);
	}
	self->result = process_ends(pid);
	self->phase = -1;
}

TEST_F(lifetime, a_worker_that_vforks_is_blocked_and_the_child_is_unregistered)
{
	int pipe_ends[2];

	ASSERT_EQ(0, pipe(pipe_ends));
	self->worker.arg = &pipe_ends[0];
	ASSERT_TRUE(start_worker(self, vfork_once));
	ASSERT_EQ(0, server_run(&self->server, &self->worker));
	EXPECT_EQ(BLOCKED, state_of(&self->worker.task));
	EXPECT_EQ(1, umcg_stat("workers"));
	ASSERT_EQ(1, write(pipe_ends[1], "x", 1));
	ASSERT_EQ(&self->worker, server_next_worker(&self->server, &self->group));
	EXPECT_EQ(-EINVAL, vfork_wait);
	EXPECT_EQ(-EINVAL, vfork_ctl);
	ASSERT_TRUE(run_to_end(self));
	EXPECT_EQ(0, self->worker.result);
}

/* This program, executed by a test: it must not be registered now. */
static void __attribute__((constructor)) after_exec(void)
{
	struct umcg_thread server = {};

	if (!getenv(EXECUTED))
		return;
	umcg_test_begin(TEST_SECONDS);
	if (umcg_wait(0, 0) != -EINVAL || umcg_ctl(UMCG_CTL_UNREGISTER, NULL) != -EINVAL)
		_exit(10);
	if (server_register(&server) || umcg_wait(0, 0))
		_exit(11);
	_exit(0);
}

static void execute(const char *path)
{
	char *const arguments[] = { "executed", NULL };
	char *const environment[] = { EXECUTED "=1", NULL };

	execve(path, arguments, environment);
}

/* The first worker executes in the middle of things. */
static void work_until_exec(struct umcg_thread *self)
{
	for (;;) {
		sleep_ms(1);
		crew_yield(self);
		crew_swap(self);
		if (self->phase++ == 10 && self == crew_of(self)->workers)
			execute("/proc/self/exe");
	}
}

static int exec_in_a_crew(void *argument)
{
	static struct umcg_crew crew;

	(void)argument;
	crew_start(&crew, 2, 5, work_until_exec);
	pause();
	return 12;
}

TEST_F(lifetime, exec_by_a_worker_of_a_busy_group)
{
	ASSERT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
	for (int i = 0; i < 5; i++) {
		int status = process_ends(process_start(exec_in_a_crew, NULL));

		EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
			TH_LOG("wait status %#x", status);
	}
	EXPECT_TRUE(nothing_is_left());
}

/* A missing file or one that is no program changes nothing. */
static void execute_in_vain(struct umcg_thread *self)
{
	const char *path = self->arg;

	execute("/there/is/no/such/program");
	self->result = errno == ENOENT;
	execute(path);
	self->result += errno == ENOEXEC;
	sleep_ms(1);
	self->phase = -1;
}

TEST_F(lifetime, a_worker_whose_exec_fails_continues)
{
	char path[] = "/tmp/no-program-XXXXXX";
	int fd = mkstemp(path);

	ASSERT_LE(0, fd);
	ASSERT_EQ(4, write(fd, "none", 4));
	ASSERT_EQ(0, fchmod(fd, 0700));
	close(fd);
	self->worker.arg = path;
	ASSERT_TRUE(start_worker(self, execute_in_vain));
	ASSERT_TRUE(run_to_end(self));
	EXPECT_EQ(2, self->worker.result);
	unlink(path);
}

/* Starts the worker of `arg`, does not wait for it, and exits. */
static void start_and_unregister(struct umcg_thread *self)
{
	server_prepare_run(self, self->arg);
	self->result = umcg_wait(UMCG_WAIT_WAKE_ONLY, 0);
}

static void start_and_exit(struct umcg_thread *self)
{
	start_and_unregister(self);
	pthread_exit(NULL);
}

/* Starts the worker, whose server exits while it runs. */
static bool run_without_server(FIXTURE_DATA(lifetime) *self, void (*body)(struct umcg_thread *),
			       void (*server)(struct umcg_thread *))
{
	self->worker = (struct umcg_thread){};
	self->other = (struct umcg_thread){ .arg = &self->worker };
	if (!start_worker(self, body))
		return false;
	server_start(&self->other, server);
	return thread_ends(&self->other) && !self->other.result;
}

static void spin_until_told(struct umcg_thread *self)
{
	self->phase = 1;
	while (self->phase == 1)
		self->result++;
	self->phase = -1;
}

static void (*const ways_to_go[])(struct umcg_thread *) = { start_and_unregister, start_and_exit };

TEST_F(lifetime, a_worker_without_its_server_can_be_preempted)
{
	for (size_t i = 0; i < ARRAY_SIZE(ways_to_go); i++) {
		struct umcg_thread *taken;

		ASSERT_TRUE(run_without_server(self, spin_until_told, ways_to_go[i]));
		ASSERT_TRUE(SOON(self->worker.phase == 1));
		EXPECT_EQ(RUNNING, state_of(&self->worker.task));
		ASSERT_EQ(0, worker_kick(&self->worker));
		/* No server is started: its own has exited. */
		ASSERT_TRUE(SOON((taken = group_take_idle(&self->group))));
		ASSERT_EQ(&self->worker, taken);
		EXPECT_EQ(IDLE | PREEMPTED, state_of(&self->worker.task));
		state_must_change(&self->worker.task, IDLE | PREEMPTED, IDLE);
		self->worker.phase = 2;
		ASSERT_TRUE(run_to_end(self));
	}
}

/* There is no server to yield to. A wait with an expired timeout puts the worker on the list. */
static void yield_without_server(struct umcg_thread *self)
{
	self->phase = 1;
	while (self->phase == 1)
		;
	self->result = worker_yield(self, 0);
	self->phase = state_of(&self->task);
	set_next_tid(&self->task, 0);
	if (umcg_wait(0, 1) != -ETIMEDOUT)
		self->result = 0;
	if (state_of(&self->task) != RUNNING)
		self->result = 0;
}

TEST_F(lifetime, a_worker_without_a_server_can_queue_itself)
{
	for (size_t i = 0; i < ARRAY_SIZE(ways_to_go); i++) {
		ASSERT_TRUE(run_without_server(self, yield_without_server, ways_to_go[i]));
		ASSERT_TRUE(SOON(self->worker.phase == 1));
		self->worker.phase = 2;
		ASSERT_EQ(&self->worker, server_next_worker(&self->server, &self->group));
		EXPECT_EQ(IDLE | LOCKED, self->worker.phase);
		EXPECT_EQ(-ESRCH, self->worker.result);
		ASSERT_EQ(0, server_run(&self->server, &self->worker));
		ASSERT_TRUE(thread_ends(&self->worker));
		EXPECT_EQ(-ESRCH, self->worker.result);
	}
}

static void block_and_yield(struct umcg_thread *self)
{
	for (int i = 0; i < NAPS; i++) {
		sleep_ms(1);
		self->result |= crew_yield(self);
		self->phase++;
	}
}

/* Whether the main thread, as a server, has run a worker. */
static _Atomic bool main_has_run_one;

/*
 * Its server may have exited: it cannot yield, but finds another server by blocking. Continues
 * while the main thread waits for a worker that no other thread has finished.
 */
static void block_only(struct umcg_thread *self)
{
	for (; self->phase < NAPS || !main_has_run_one; self->phase++)
		sleep_ms(1);
}

static void exit_when_workers_have(struct umcg_thread *self)
{
	struct umcg_crew *crew = self->arg;

	_exit(crew_ends(crew) && !crew->fault ? 0 : 1);
}

/* The main thread is unregistered, or a server that has just started a worker. */
static int go_as_main_thread(void *is_server)
{
	static struct umcg_thread reaper, server;
	static struct umcg_crew crew;
	struct umcg_thread *worker;

	crew_start(&crew, 2, 4, *(bool *)is_server ? block_only : block_and_yield);
	if (*(bool *)is_server) {
		if (server_register(&server))
			return 2;
		while (!(worker = crew_take(&crew)))
			sleep_ms(1);
		crew.taken[worker - crew.workers] = false;
		server_prepare_run(&server, worker);
		umcg_wait(UMCG_WAIT_WAKE_ONLY, 0);
		main_has_run_one = true;
	}
	reaper.arg = &crew;
	thread_start(&reaper, exit_when_workers_have);
	syscall(SYS_exit, 0);
	return 3;
}

TEST_F(lifetime, a_group_works_without_the_main_thread)
{
	for (int i = 0; i < 10; i++) {
		bool is_server = i % 2;
		int status = process_ends(process_start(go_as_main_thread, &is_server));

		EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
			TH_LOG("wait status %#x, server %d", status, is_server);
	}
}

FIXTURE(abandoned) {
	struct scene *scene;
};

FIXTURE_VARIANT(abandoned) {
	enum place place;
};

FIXTURE_VARIANT_ADD(abandoned, blocked) { .place = BLOCKS };
FIXTURE_VARIANT_ADD(abandoned, queued) { .place = QUEUED };
FIXTURE_VARIANT_ADD(abandoned, waiting) { .place = WAITS };
FIXTURE_VARIANT_ADD(abandoned, waiting_with_timeout) { .place = WAITS_FOR_LONG };
FIXTURE_VARIANT_ADD(abandoned, locked) { .place = IS_LOCKED };

FIXTURE_SETUP(abandoned)
{
	umcg_test_begin(TEST_SECONDS);
	self->scene = scene_begin(variant->place);
	ASSERT_NE(NULL, self->scene);
}

FIXTURE_TEARDOWN(abandoned)
{
}

TEST_F(abandoned, an_abandoned_worker_is_killed_at_once)
{
	uint64_t since;
	int status;

	self->scene->abandon = true;
	ASSERT_TRUE(SOON(umcg_stat("servers") == 0));
	EXPECT_EQ(1, umcg_stat("workers"));
	since = monotonic_ns();
	kill(self->scene->pid, SIGTERM);
	status = process_ends(self->scene->pid);
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	EXPECT_GT(AT_ONCE_MS * NSEC_PER_MSEC, monotonic_ns() - since);
	EXPECT_TRUE(nothing_is_left());
}

TEST_HARNESS_MAIN
