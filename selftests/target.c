// SPDX-License-Identifier: GPL-2.0
/*
 * Untrusted TIDs in next_tid.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "umcg_test.h"

#define INIT_PID	1
#define KTHREADD_PID	2

/* The test is a server, and another server waits. */
FIXTURE(target) {
	struct umcg_thread server;
	struct umcg_thread waiter;
	struct umcg_group group;
};

static void wait_for_ever(struct umcg_thread *self)
{
	self->result = server_wait(self, 0);
}

FIXTURE_SETUP(target)
{
	umcg_test_begin(TEST_SECONDS);
	self->group = (struct umcg_group)UMCG_GROUP_INIT;
	ASSERT_EQ(0, server_register(&self->server));
	server_start(&self->waiter, wait_for_ever);
	ASSERT_TRUE(SOON(thread_waits(&self->waiter)));
}

FIXTURE_TEARDOWN(target)
{
}

/*
 * The result of a wake, a wake on this CPU and a swap with this TID: the error if it is
 * the same for all and the word of the caller has not changed, else 1.
 */
static int error_of_target(struct umcg_thread *self, uint32_t tid)
{
	const uint32_t flags[] = {
		UMCG_WAIT_WAKE_ONLY, UMCG_WAIT_WAKE_ONLY | UMCG_WAIT_WF_CURRENT_CPU, 0,
	};
	int first = 1;

	set_next_tid(&self->task, tid);
	state_must_change(&self->task, RUNNING, IDLE);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		uint64_t word = state_word(&self->task);
		/* If the swap slept, it would end by the timeout. */
		int err = umcg_wait(flags[i], flags[i] ? 0 : realtime_in_ms(SOON_MS));

		if (i == 0)
			first = err;
		if (err != first || state_word(&self->task) != word)
			first = 1;
	}
	state_must_change(&self->task, IDLE, RUNNING);
	return first;
}

TEST_F(target, a_waiting_server_is_a_valid_target)
{
	EXPECT_EQ(0, server_wake(&self->server, &self->waiter, 0));
	EXPECT_TRUE(thread_ends(&self->waiter));
	EXPECT_EQ(0, self->waiter.result);
}

TEST_F(target, impossible_tids_are_ESRCH)
{
	const uint32_t tids[] = {
		4194304, 0x3fffffff, 0x40000001, INT32_MAX, 1U << 31, UINT32_MAX,
	};

	for (size_t i = 0; i < ARRAY_SIZE(tids); i++) {
		EXPECT_EQ(-ESRCH, error_of_target(&self->server, tids[i]))
			TH_LOG("TID %u", tids[i]);
	}
}

TEST_F(target, kernel_threads_are_EPERM)
{
	EXPECT_EQ(-EPERM, error_of_target(&self->server, KTHREADD_PID));
}

struct foreign {
	struct umcg_task task;
	_Atomic int ready;
	bool registers;
};

static int live_elsewhere(void *argument)
{
	struct foreign *foreign = argument;

	if (foreign->registers) {
		server_task_init(&foreign->task);
		if (umcg_ctl(SERVER_FLAGS, &foreign->task))
			return 1;
		state_must_change(&foreign->task, RUNNING, IDLE);
	}
	foreign->ready = 1;
	if (!foreign->registers)
		return sleep(TEST_SECONDS);
	return umcg_wait(0, 0) == 0 ? 0 : 2;
}

TEST_F(target, threads_of_other_processes_are_EPERM)
{
	struct foreign *foreign = mmap(NULL, 2 * sizeof(*foreign), PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	EXPECT_EQ(-EPERM, error_of_target(&self->server, INIT_PID));
	EXPECT_EQ(-EPERM, error_of_target(&self->server, getppid()));
	for (int i = 0; i < 2; i++) {
		uint64_t word;
		pid_t pid;

		foreign[i].registers = i;
		pid = process_start(live_elsewhere, &foreign[i]);
		ASSERT_TRUE(SOON(foreign[i].ready && thread_sleeps(pid)));
		word = state_word(&foreign[i].task);
		EXPECT_EQ(-EPERM, error_of_target(&self->server, pid))
			TH_LOG("registered: %d", i);
		/* Not even if its word, which is shared, says that it runs. */
		if (i) {
			state_must_change(&foreign[i].task, IDLE, RUNNING);
			word = state_word(&foreign[i].task);
			EXPECT_EQ(-EPERM, error_of_target(&self->server, pid));
			sleep_ms(50);
			EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
		}
		EXPECT_EQ(word, state_word(&foreign[i].task));
		kill(pid, SIGKILL);
		EXPECT_NE(-1, process_ends(pid));
	}
}

static void do_nothing(struct umcg_thread *self)
{
	(void)self;
}

static void stay_unregistered(struct umcg_thread *self)
{
	while (!self->phase)
		sleep_ms(1);
}

TEST_F(target, nonexistent_threads_are_ESRCH)
{
	struct umcg_thread other = {};

	server_start(&other, do_nothing);
	ASSERT_TRUE(thread_ends(&other));
	EXPECT_EQ(-ESRCH, error_of_target(&self->server, other.tid));
}

TEST_F(target, unregistered_threads_are_ESRCH)
{
	struct umcg_thread other = {};

	thread_start(&other, stay_unregistered);
	ASSERT_TRUE(SOON(other.tid));
	EXPECT_EQ(-ESRCH, error_of_target(&self->server, other.tid));
	other.phase = 1;
	ASSERT_TRUE(thread_ends(&other));
}

static void unregister_and_stay(struct umcg_thread *self)
{
	self->result = umcg_ctl(UMCG_CTL_UNREGISTER, NULL);
	self->phase = 1;
	while (self->phase == 1)
		sleep_ms(1);
}

TEST_F(target, threads_that_have_unregistered_are_ESRCH)
{
	struct umcg_thread other = {};

	server_start(&other, unregister_and_stay);
	ASSERT_TRUE(SOON(other.phase == 1));
	EXPECT_EQ(0, other.result);
	EXPECT_EQ(-ESRCH, error_of_target(&self->server, other.tid));
	other.phase = 2;
	ASSERT_TRUE(thread_ends(&other));
}

static void name_the_main_thread(struct umcg_thread *self)
{
	self->result = error_of_target(self, getpid());
}

TEST_F(target, the_main_thread_is_a_target_only_if_registered)
{
	struct umcg_thread other = {};

	ASSERT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
	server_start(&other, name_the_main_thread);
	ASSERT_TRUE(thread_ends(&other));
	EXPECT_EQ(-ESRCH, other.result);

	ASSERT_EQ(0, server_register(&self->server));
	ASSERT_EQ(0, server_wake(&self->server, &self->waiter, 0));
}

TEST_F(target, an_error_does_not_touch_the_target)
{
	const uint64_t word = state_word(&self->waiter.task);
	const long switches = thread_voluntary_switches(self->waiter.tid);

	set_next_tid(&self->server.task, self->waiter.tid);
	EXPECT_EQ(-EINVAL, umcg_wait(UMCG_WAIT_WAKE_ONLY, 1));
	EXPECT_EQ(-EINVAL, umcg_wait(UMCG_WAIT_WF_CURRENT_CPU, 0));
	EXPECT_EQ(-ESRCH, error_of_target(&self->server, INT32_MAX));
	EXPECT_EQ(-EPERM, error_of_target(&self->server, KTHREADD_PID));
	sleep_ms(50);
	EXPECT_EQ(word, state_word(&self->waiter.task));
	EXPECT_EQ(switches, thread_voluntary_switches(self->waiter.tid));
}

static void swap_with_wrong_targets(struct umcg_thread *self)
{
	const struct { uint32_t tid; int err; } targets[] = {
		{ INT32_MAX, -ESRCH }, { KTHREADD_PID, -EPERM }, { INIT_PID, -EPERM },
	};
	uint64_t word;

	worker_lock(self);
	word = state_word(&self->task);
	for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
		set_next_tid(&self->task, targets[i].tid);
		if (umcg_wait(0, 0) != targets[i].err)
			self->result = 1 + i;
		if (state_word(&self->task) != word)
			self->result = 10 + i;
	}
	set_next_tid(&self->task, self->server->tid);
	worker_unlock(self);
}

TEST_F(target, an_error_leaves_a_worker_locked)
{
	struct umcg_thread worker = {};

	worker_start(&worker, &self->group, swap_with_wrong_targets);
	ASSERT_EQ(&worker, server_next_worker(&self->server, &self->group));
	ASSERT_EQ(0, server_run(&self->server, &worker));
	ASSERT_TRUE(thread_ends(&worker));
	EXPECT_EQ(0, worker.result)
		TH_LOG("which target went wrong");
}

/* The TID of the calling thread in the PID namespace of /proc. */
static pid_t outer_tid(void)
{
	char link[64] = "";

	if (readlink("/proc/thread-self", link, sizeof(link) - 1) < 0)
		return -1;
	return atoi(strrchr(link, '/') + 1);
}

static void wait_and_tell_outer_tid(struct umcg_thread *self)
{
	self->phase = outer_tid();
	self->result = server_wait(self, 0);
}

/* In a new PID namespace. Returns the step that failed, or 0. */
static int name_threads_in_a_namespace(void *argument)
{
	struct umcg_thread server = {}, waiter = {};

	(void)argument;
	if (getpid() != 1 || server_register(&server))
		return 1;
	server_start(&waiter, wait_and_tell_outer_tid);
	if (!SOON(waiter.phase && state_of(&waiter.task) == IDLE))
		return 2;
	if (waiter.tid != 2 || waiter.phase <= waiter.tid)
		return 3;
	if (error_of_target(&server, waiter.phase) != -ESRCH)
		return 4;
	if (error_of_target(&server, outer_tid()) != -ESRCH)
		return 5;
	if (server_wake(&server, &waiter, 0) || !thread_ends(&waiter) || waiter.result)
		return 6;
	return 0;
}

static int enter_a_namespace(void *argument)
{
	int status;

	if (unshare(CLONE_NEWPID))
		return 10;
	status = process_ends(process_start(name_threads_in_a_namespace, argument));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 11;
}

TEST_F(target, tids_are_those_of_the_callers_namespace)
{
	int status = process_ends(process_start(enter_a_namespace, NULL));

	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status))
		TH_LOG("the step that went wrong");
}

TEST_HARNESS_MAIN
