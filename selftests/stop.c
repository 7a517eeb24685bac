// SPDX-License-Identifier: GPL-2.0
/*
 * Workers that are stopped, traced and frozen, in every place, and continue.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "umcg_cgroup.h"
#include "umcg_crew.h"
#include "umcg_scene.h"

/* How long to wait for a thread that must not run. */
#define STILL_MS	50
#define STEPS		50
#define STOPS		50

FIXTURE(stop) {
	struct scene *scene;
};

FIXTURE_VARIANT(stop) {
	enum place place;
};

FIXTURE_VARIANT_ADD(stop, running) { .place = RUNS };
FIXTURE_VARIANT_ADD(stop, blocked) { .place = BLOCKS };
FIXTURE_VARIANT_ADD(stop, queued) { .place = QUEUED };
FIXTURE_VARIANT_ADD(stop, waiting) { .place = WAITS };
FIXTURE_VARIANT_ADD(stop, waiting_with_timeout) { .place = WAITS_FOR_LONG };
FIXTURE_VARIANT_ADD(stop, locked) { .place = IS_LOCKED };
FIXTURE_VARIANT_ADD(stop, in_handler) { .place = IN_HANDLER };

FIXTURE_SETUP(stop)
{
	umcg_test_begin(TEST_SECONDS);
	self->scene = scene_begin(variant->place);
	ASSERT_NE(NULL, self->scene);
}

FIXTURE_TEARDOWN(stop)
{
}

/* The status of a child that changes its state at once, or -1. */
static int changes_at_once(pid_t pid, int options)
{
	const uint64_t end = monotonic_ns() + AT_ONCE_MS * NSEC_PER_MSEC;
	int status;

	while (waitpid(pid, &status, options | WNOHANG | __WALL) != pid) {
		if (monotonic_ns() > end)
			return -1;
		sleep_ms(1);
	}
	return status;
}

static bool stops_at_once(pid_t pid)
{
	int status;

	kill(pid, SIGSTOP);
	status = changes_at_once(pid, WUNTRACED);
	return WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP;
}

/* Not for a process that may end as soon as it does. */
static bool goes_on_at_once(pid_t pid)
{
	int status;

	kill(pid, SIGCONT);
	status = changes_at_once(pid, WCONTINUED);
	return WIFCONTINUED(status);
}

/* Whether the worker does not run for a while. */
static bool is_still(struct scene *scene)
{
	const int phase = scene->worker.phase;

	sleep_ms(STILL_MS);
	return scene->worker.phase == phase;
}

TEST_F(stop, a_process_is_stopped_at_once_and_continues)
{
	for (int i = 0; i < 3; i++) {
		ASSERT_TRUE(stops_at_once(self->scene->pid));
		EXPECT_TRUE(is_still(self->scene));
		ASSERT_TRUE(goes_on_at_once(self->scene->pid));
	}
	EXPECT_TRUE(scene_ends(self->scene));
}

TEST_F(stop, a_stopped_process_is_killed_at_once)
{
	int status;

	ASSERT_TRUE(stops_at_once(self->scene->pid));
	kill(self->scene->pid, SIGKILL);
	status = changes_at_once(self->scene->pid, 0);
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	EXPECT_TRUE(nothing_is_left());
}

/* The registers of a stopped thread; how many bytes. */
static size_t registers(pid_t tid, void *buffer, size_t size)
{
	struct iovec registers = { .iov_base = buffer, .iov_len = size };

	if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &registers))
		return 0;
	return registers.iov_len;
}

/* Checks a worker that a tracer has stopped, and lets it go. */
static void look_and_detach(struct __test_metadata *_metadata, FIXTURE_DATA(stop) *self)
{
	const pid_t tid = self->scene->worker.tid;
	const uint64_t word = state_word(&self->scene->worker.task);
	char buffer[4096];

	EXPECT_LT(0, registers(tid, buffer, sizeof(buffer)));
	EXPECT_TRUE(is_still(self->scene));
	EXPECT_EQ(word, state_word(&self->scene->worker.task));
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, tid, NULL, NULL));
}

TEST_F(stop, a_tracer_seizes_and_interrupts_a_worker)
{
	const pid_t tid = self->scene->worker.tid;

	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, ptrace(PTRACE_SEIZE, tid, NULL, NULL));
		ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, tid, NULL, NULL));
		ASSERT_TRUE(WIFSTOPPED(changes_at_once(tid, 0)));
		look_and_detach(_metadata, self);
	}
	EXPECT_TRUE(scene_ends(self->scene));
}

TEST_F(stop, a_tracer_attaches_to_a_worker)
{
	const pid_t tid = self->scene->worker.tid;

	for (int i = 0; i < 3; i++) {
		int status;

		ASSERT_EQ(0, ptrace(PTRACE_ATTACH, tid, NULL, NULL));
		status = changes_at_once(tid, 0);
		ASSERT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
		look_and_detach(_metadata, self);
	}
	EXPECT_TRUE(scene_ends(self->scene));
}

/* Steps of a server while the worker is stopped take effect when it continues. */
TEST_F(stop, a_worker_that_is_run_while_a_tracer_has_it_runs_later)
{
	const pid_t tid = self->scene->worker.tid;

	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, tid, NULL, NULL));
	ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, tid, NULL, NULL));
	ASSERT_TRUE(WIFSTOPPED(changes_at_once(tid, 0)));
	self->scene->go = true;
	EXPECT_TRUE(is_still(self->scene));
	EXPECT_EQ(0, waitpid(self->scene->pid, NULL, WNOHANG));
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, tid, NULL, NULL));
	EXPECT_TRUE(scene_ends(self->scene));
}

static bool gets_at_once(const struct cgroup *cgroup, const char *event)
{
	const uint64_t since = monotonic_ns();

	return SOON(cgroup_has(cgroup, "cgroup.events", event)) &&
	       monotonic_ns() - since < AT_ONCE_MS * NSEC_PER_MSEC;
}

TEST_F(stop, the_freezer_freezes_a_process_and_thaws_it)
{
	struct cgroup cgroup;
	char pid[16];
	int err;

	err = cgroup_create(&cgroup);
	if (err)
		SKIP(return, "no cgroup2: %s", strerror(-err));
	snprintf(pid, sizeof(pid), "%d", self->scene->pid);
	EXPECT_TRUE(cgroup_write(&cgroup, "cgroup.procs", pid));
	for (int i = 0; i < 3; i++) {
		EXPECT_TRUE(cgroup_write(&cgroup, "cgroup.freeze", "1"));
		EXPECT_TRUE(gets_at_once(&cgroup, "frozen 1"));
		EXPECT_TRUE(is_still(self->scene));
		EXPECT_TRUE(cgroup_write(&cgroup, "cgroup.freeze", "0"));
		EXPECT_TRUE(gets_at_once(&cgroup, "frozen 0"));
	}
	EXPECT_TRUE(scene_ends(self->scene));
	EXPECT_TRUE(gets_at_once(&cgroup, "populated 0"));
	EXPECT_TRUE(cgroup_remove(&cgroup));
}

FIXTURE(stopped) {
	struct umcg_crew *crew;
	/* The workers are to finish. */
	_Atomic bool *enough;
};

FIXTURE_SETUP(stopped)
{
	const size_t size = sizeof(*self->crew) + sizeof(*self->enough);

	umcg_test_begin(STRESS_SECONDS);
	self->crew = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->crew);
	self->enough = (_Atomic bool *)(self->crew + 1);
}

FIXTURE_TEARDOWN(stopped)
{
}

TEST_F(stopped, a_worker_that_spins_is_single_stepped)
{
	struct scene *scene = scene_begin(RUNS);
	const pid_t tid = scene ? scene->worker.tid : 0;
	char before[4096] = {}, after[4096] = {};
	int phase;

	ASSERT_NE(NULL, scene);
	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, tid, NULL, NULL));
	ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, tid, NULL, NULL));
	ASSERT_TRUE(WIFSTOPPED(changes_at_once(tid, 0)));
	phase = scene->worker.phase;
	for (int i = 0; i < STEPS; i++) {
		int status;

		ASSERT_LT(0, registers(tid, before, sizeof(before)));
		ASSERT_EQ(0, ptrace(PTRACE_SINGLESTEP, tid, NULL, NULL));
		status = changes_at_once(tid, 0);
		ASSERT_TRUE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP);
		ASSERT_LT(0, registers(tid, after, sizeof(after)));
		EXPECT_NE(0, memcmp(before, after, sizeof(before)))
			TH_LOG("no instruction was run");
	}
	EXPECT_NE(phase, scene->worker.phase);
	EXPECT_GE(phase + STEPS, scene->worker.phase);
	EXPECT_EQ(RUNNING, state_of(&scene->worker.task));
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, tid, NULL, NULL));
	EXPECT_TRUE(scene_ends(scene));
}

static _Atomic bool *worker_enough(struct umcg_thread *self)
{
	return (_Atomic bool *)(crew_of(self) + 1);
}

static void keep_busy(struct umcg_thread *self)
{
	while (!*worker_enough(self))
		crew_take_turn(self);
}

static int run_crew(void *argument)
{
	struct umcg_crew *crew = argument;

	alarm(STRESS_SECONDS);
	crew_start(crew, 2, 6, keep_busy);
	while (!*(_Atomic bool *)(crew + 1))
		sleep_ms(5);
	return crew_ends(crew) ? 0 : 1;
}

TEST_F_TIMEOUT(stopped, a_working_group_survives_50_stops, STRESS_SECONDS)
{
	const pid_t pid = process_start(run_crew, self->crew);
	int status;

	for (int i = 0; i < 6; i++)
		ASSERT_TRUE(SOON(self->crew->workers[i].phase > 4));
	for (int i = 0; i < STOPS; i++) {
		const int phase = self->crew->workers[i % 6].phase;

		ASSERT_TRUE(stops_at_once(pid));
		sleep_ms(i % 4);
		ASSERT_TRUE(goes_on_at_once(pid));
		ASSERT_TRUE(SOON(self->crew->workers[i % 6].phase != phase))
			TH_LOG("a worker was lost at stop %d", i);
	}
	*self->enough = true;
	status = process_ends(pid);
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	EXPECT_EQ(NULL, self->crew->fault);
	for (int i = 0; i < 6; i++) {
		EXPECT_EQ(0, self->crew->workers[i].result);
	}
}

#define TIMEOUT_MS	(500 * slowness())

/* The worker waits with a timeout and is on no list; the result is the exit status. */
static void wait_with_timeout(struct umcg_thread *self)
{
	self->phase = 1;
	self->result = worker_yield(self, realtime_in_ms(TIMEOUT_MS));
}

static int time_out_under_stops(void *argument)
{
	struct umcg_crew *crew = argument;
	struct umcg_thread *server = &crew->servers[0];
	struct umcg_thread *worker = &crew->workers[0];

	crew->group = (struct umcg_group)UMCG_GROUP_INIT;
	if (server_register(server))
		return 1;
	worker_start(worker, &crew->group, wait_with_timeout);
	if (server_next_worker(server, &crew->group) != worker || server_run(server, worker))
		return 2;
	worker->phase = 2;
	if (server_next_worker(server, &crew->group) != worker || server_run(server, worker))
		return 3;
	if (!thread_ends(worker))
		return 4;
	return worker->result == -ETIMEDOUT ? 0 : 5;
}

/* The same with a timeout that locks the worker: it has a server again when that runs it. */
static void wait_and_be_locked(struct umcg_thread *self)
{
	self->phase = 1;
	set_next_tid(&self->task, self->server->tid);
	state_must_change(&self->task, RUNNING, IDLE | LOCKED);
	state_must_change(&self->server->task, IDLE, RUNNING);
	self->result = umcg_wait(UMCG_WAIT_LOCK_ON_TIMEOUT, realtime_in_ms(TIMEOUT_MS));
	self->phase = state_of(&self->task) == (IDLE | LOCKED) ? 3 : 4;
	set_next_tid(&self->task, 0);
	umcg_wait(0, 0);
}

static int be_locked_under_stops(void *argument)
{
	struct umcg_crew *crew = argument;
	struct umcg_thread *server = &crew->servers[0];
	struct umcg_thread *worker = &crew->workers[0];

	crew->group = (struct umcg_group)UMCG_GROUP_INIT;
	if (server_register(server))
		return 1;
	worker_start(worker, &crew->group, wait_and_be_locked);
	if (server_next_worker(server, &crew->group) != worker || server_run(server, worker))
		return 2;
	worker->phase = 2;
	if (!SOON(worker->phase == 3 && state_of(&worker->task) == IDLE))
		return 3;
	if (server_run(server, worker) || !thread_ends(worker))
		return 4;
	return worker->result == -ETIMEDOUT && !crew->group.idle_workers ? 0 : 5;
}

TEST_F(stopped, the_timeout_of_a_worker_counts_after_a_stop)
{
	int (*const bodies[])(void *) = { time_out_under_stops, be_locked_under_stops };
	/* The timeout expires while the process is stopped, or after that. */
	const unsigned int stop_ms[] = { 2 * TIMEOUT_MS, 100 };

	for (size_t i = 0; i < 2 * ARRAY_SIZE(stop_ms); i++) {
		struct umcg_thread *worker = &self->crew->workers[0];
		pid_t pid;
		int status;

		memset(self->crew, 0, sizeof(*self->crew));
		pid = process_start(bodies[i % 2], self->crew);
		ASSERT_TRUE(SOON(worker->phase == 2 && state_of(&worker->task) == IDLE));
		ASSERT_TRUE(stops_at_once(pid));
		sleep_ms(stop_ms[i / 2]);
		/* It may exit before it can be seen to continue. */
		ASSERT_EQ(0, kill(pid, SIGCONT));
		status = process_ends(pid);
		EXPECT_TRUE(WIFEXITED(status));
		EXPECT_EQ(0, WEXITSTATUS(status));
	}
}

TEST_HARNESS_MAIN
