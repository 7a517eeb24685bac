// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that unregister or exit while they are registered.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "umcg_crew.h"

#define USER_BITS	0x2a000U
#define TURNS		300

/* The test is a server. */
FIXTURE(leaving) {
	struct umcg_thread server;
	struct umcg_thread other;
	struct umcg_group group;
};

FIXTURE_SETUP(leaving)
{
	umcg_test_begin(TEST_SECONDS);
	self->group = (struct umcg_group)UMCG_GROUP_INIT;
	ASSERT_EQ(0, server_register(&self->server));
}

FIXTURE_TEARDOWN(leaving)
{
}

static void exit_without_a_word(struct umcg_thread *self)
{
	atomic_fetch_or((_Atomic uint64_t *)&self->task.state_ts, USER_BITS);
	syscall(SYS_exit, 0);
}

static void block_and_exit(struct umcg_thread *self)
{
	sleep_ms(20);
	exit_without_a_word(self);
}

TEST_F(leaving, a_worker_that_exits_starts_its_server)
{
	uint64_t stamp;

	worker_start(&self->other, &self->group, exit_without_a_word);
	ASSERT_EQ(&self->other, server_next_worker(&self->server, &self->group));
	stamp = state_stamp(&self->other.task);
	ASSERT_EQ(0, server_run(&self->server, &self->other));
	EXPECT_EQ(RUNNING, state_of(&self->server.task));
	EXPECT_EQ(NONE | USER_BITS, state_word(&self->other.task) & UMCG_TASK_STATE_MASK_FULL);
	EXPECT_LT(stamp, state_stamp(&self->other.task));
	ASSERT_TRUE(thread_ends(&self->other));
	EXPECT_EQ(0, self->group.idle_workers);
	EXPECT_EQ(0, umcg_stat("workers"));
}

TEST_F(leaving, a_worker_that_has_blocked_exits_as_well)
{
	worker_start(&self->other, &self->group, block_and_exit);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(&self->other, server_next_worker(&self->server, &self->group));
		ASSERT_EQ(0, server_run(&self->server, &self->other));
	}
	EXPECT_EQ(NONE, state_of(&self->other.task));
	ASSERT_TRUE(thread_ends(&self->other));
}

static void wait_and_exit(struct umcg_thread *self)
{
	self->result = server_wait(self, 0);
	exit_without_a_word(self);
}

TEST_F(leaving, an_exited_server_is_not_found)
{
	server_start(&self->other, wait_and_exit);
	ASSERT_TRUE(SOON(thread_waits(&self->other)));
	ASSERT_EQ(0, server_wake(&self->server, &self->other, 0));
	ASSERT_TRUE(thread_ends(&self->other));
	EXPECT_EQ(NONE | USER_BITS, state_word(&self->other.task) & UMCG_TASK_STATE_MASK_FULL);
	EXPECT_EQ(-ESRCH, umcg_wait(UMCG_WAIT_WAKE_ONLY, 0));
	EXPECT_TRUE(SOON(umcg_stat("records") == 1));
}

static void lock_and_exit(struct umcg_thread *self)
{
	/* As a worker that is about to unregister, and has started its server already. */
	worker_lock(self);
	state_must_change(&self->server->task, IDLE, RUNNING);
	set_next_tid(&self->task, self->server->tid);
	umcg_wait(UMCG_WAIT_WAKE_ONLY, 0);
	syscall(SYS_exit, 0);
}

TEST_F(leaving, a_locked_worker_that_exits_starts_no_server)
{
	uint64_t word;

	worker_start(&self->other, &self->group, lock_and_exit);
	ASSERT_EQ(&self->other, server_next_worker(&self->server, &self->group));
	ASSERT_EQ(0, server_run(&self->server, &self->other));
	word = state_word(&self->server.task);
	ASSERT_TRUE(thread_ends(&self->other));
	EXPECT_EQ(NONE, state_of(&self->other.task));
	EXPECT_EQ(word, state_word(&self->server.task));
}

static void come_and_go(struct umcg_thread *self)
{
	for (unsigned int i = 0; i < TURNS / slowness() && !self->result; i++) {
		self->result = server_register(self);
		/* Long enough to be met, short enough to be missed. */
		usleep(200);
		umcg_ctl(UMCG_CTL_UNREGISTER, NULL);
		usleep(200);
	}
	self->result = self->result ?: server_register(self);
	syscall(SYS_exit, 0);
}

TEST_F(leaving, wakes_of_an_exiting_thread_do_no_harm)
{
	int woken = 0;

	thread_start(&self->other, come_and_go);
	ASSERT_TRUE(SOON(self->other.tid));
	set_next_tid(&self->server.task, self->other.tid);
	while (pthread_tryjoin_np(self->other.thread, NULL)) {
		const int err = umcg_wait(UMCG_WAIT_WAKE_ONLY, 0);

		ASSERT_TRUE(err == 0 || err == -ESRCH)
			TH_LOG("error %d", err);
		woken += err == 0;
	}
	EXPECT_EQ(0, self->other.result);
	EXPECT_LT(0, woken);
	EXPECT_EQ(-ESRCH, umcg_wait(UMCG_WAIT_WAKE_ONLY, 0));
	EXPECT_TRUE(SOON(umcg_stat("records") == 1));
}

static void kick_without_end(struct umcg_thread *self)
{
	while (!self->phase) {
		/* A worker that is kicked all the time makes no progress. */
		if (!worker_kick(self->arg))
			sleep_ms(slowness());
		self->result++;
	}
}

/* A worker that leaves: what it finds in its word after that, it has written itself. */
static void leave_and_look(struct umcg_thread *self)
{
	struct umcg_thread *kicker = self->arg;

	for (unsigned int i = 0; i < TURNS / slowness() && !self->result; i++) {
		long kicks;

		worker_task_init(&self->task, self->group);
		self->result = umcg_ctl(WORKER_FLAGS, &self->task) ?: worker_leave(self);
		self->task.state_ts = RUNNING;
		/* A kick that had begun before has ended when the next one has. */
		kicks = kicker->result;
		while (kicker->result < kicks + 2)
			sched_yield();
		if (self->task.state_ts != RUNNING)
			self->result = -EBADE;
	}
	self->phase = 1;
}

TEST_F(leaving, a_late_kick_changes_nothing)
{
	struct umcg_thread kicker = { .arg = &self->other };

	allow_cpus(0, 0, 0);
	self->other.group = &self->group;
	self->other.arg = &kicker;
	thread_start(&self->other, leave_and_look);
	allow_cpus(0, 1, 1);
	thread_start(&kicker, kick_without_end);
	allow_cpus(0, 0, 0);
	while (!self->other.phase) {
		struct umcg_thread *worker = group_take_idle(&self->group);

		if (!worker) {
			sched_yield();
			continue;
		}
		state_may_change(&worker->task, IDLE | PREEMPTED, IDLE);
		ASSERT_EQ(0, server_run(&self->server, worker));
	}
	kicker.phase = 1;
	ASSERT_TRUE(thread_ends(&self->other));
	ASSERT_TRUE(thread_ends(&kicker));
	EXPECT_EQ(0, self->other.result);
}

/* Registers with memory that it unmaps. */
static void unmap_own_words(struct umcg_thread *self)
{
	const long page_size = sysconf(_SC_PAGESIZE);
	struct umcg_task *task = mmap(NULL, page_size, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	server_task_init(task);
	self->result = umcg_ctl(SERVER_FLAGS, task);
	munmap(task, page_size);
	self->phase = 1;
	while (self->phase == 1)
		sleep_ms(1);
	/* The page that the kernel has still says RUNNING. */
	self->result = self->result ?: umcg_wait(0, 0);
	self->result = self->result ?: umcg_ctl(UMCG_CTL_UNREGISTER, NULL);
}

TEST_F(leaving, unmapping_the_words_of_a_server_does_no_harm)
{
	thread_start(&self->other, unmap_own_words);
	ASSERT_TRUE(SOON(self->other.phase == 1));
	set_next_tid(&self->server.task, self->other.tid);
	EXPECT_EQ(0, umcg_wait(UMCG_WAIT_WAKE_ONLY, 0));
	self->other.phase = 2;
	ASSERT_TRUE(thread_ends(&self->other));
	EXPECT_EQ(0, self->other.result);
	EXPECT_TRUE(SOON(umcg_stat("records") == 1));
}

TEST_F(leaving, memory_that_is_mapped_again_belongs_to_the_process)
{
	const long page_size = sysconf(_SC_PAGESIZE);
	struct umcg_task *task = mmap(NULL, page_size, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
	server_task_init(task);
	ASSERT_EQ(0, umcg_ctl(SERVER_FLAGS, task));
	ASSERT_EQ((void *)task, mmap(task, page_size, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	/* The kernel goes by the page that it has: this one is not its own. */
	task->state_ts = IDLE;
	EXPECT_EQ(0, umcg_wait(0, realtime_in_ms(1000)));
	EXPECT_EQ(IDLE, task->state_ts);
	EXPECT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
	EXPECT_TRUE(nothing_is_left());
}

static void close_descriptor(struct umcg_thread *self)
{
	self->result = close(umcg_fd);
}

TEST_F(leaving, a_registration_outlives_its_descriptor)
{
	struct umcg_thread closer = {};

	server_start(&self->other, wait_and_exit);
	ASSERT_TRUE(SOON(thread_waits(&self->other)));
	thread_start(&closer, close_descriptor);
	ASSERT_TRUE(thread_ends(&closer));
	ASSERT_EQ(0, closer.result);
	EXPECT_EQ(-EBADF, umcg_wait(0, 0));
	EXPECT_EQ(2, umcg_stat("servers"));

	umcg_test_begin(TEST_SECONDS);
	EXPECT_EQ(0, server_wake(&self->server, &self->other, 0));
	EXPECT_TRUE(thread_ends(&self->other));
	EXPECT_EQ(0, self->other.result);
}

static void outlive_the_main_thread(struct umcg_thread *self)
{
	struct umcg_thread *main_thread = self->arg;

	/*
	 * The main thread has run this worker; it has exited, and the worker is told to
	 * continue.
	 */
	while (state_of(&main_thread->task) != NONE)
		sched_yield();
	self->phase = 1;
}

/* The main thread of a process leaves its worker running, and exits. */
static int leave_a_worker_alone(void *argument)
{
	static struct umcg_group group = UMCG_GROUP_INIT;
	static struct umcg_thread server, worker;

	(void)argument;
	worker.arg = &server;
	if (server_register(&server))
		return 1;
	worker_start(&worker, &group, outlive_the_main_thread);
	if (server_next_worker(&server, &group) != &worker || !server_prepare_run(&server, &worker))
		return 2;
	if (umcg_wait(UMCG_WAIT_WAKE_ONLY, 0))
		return 3;
	syscall(SYS_exit, 0);
	return 4;
}

TEST_F(leaving, workers_outlive_the_main_thread)
{
	int status = process_ends(process_start(leave_a_worker_alone, NULL));

	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
		TH_LOG("wait status %#x", status);
	EXPECT_TRUE(SOON(umcg_stat("records") == 1));
}

TEST_HARNESS_MAIN
