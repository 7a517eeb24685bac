// SPDX-License-Identifier: GPL-2.0
/*
 * The life of a worker: it is queued, run, yields, swaps, waits with a timeout, and
 * outlives its server.
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include "umcg_test.h"

#define MANY	5
#define ROUNDS	1000

/* The test is the server. */
FIXTURE(worker) {
	struct umcg_thread server;
	struct umcg_group group;
	struct umcg_thread first;
	struct umcg_thread second;
};

FIXTURE_SETUP(worker)
{
	umcg_test_begin(TEST_SECONDS);
	self->group = (struct umcg_group)UMCG_GROUP_INIT;
	ASSERT_EQ(0, server_register(&self->server));
}

FIXTURE_TEARDOWN(worker)
{
}

static void do_nothing(struct umcg_thread *self)
{
	self->phase = 1;
}

static struct umcg_thread *next_worker(FIXTURE_DATA(worker) *self)
{
	return server_next_worker(&self->server, &self->group);
}

/* Starts a worker, and takes it when it is idle. */
static bool start_worker(FIXTURE_DATA(worker) *self, struct umcg_thread *worker,
			 void (*body)(struct umcg_thread *))
{
	worker_start(worker, &self->group, body);
	return next_worker(self) == worker;
}

TEST_F(worker, a_new_worker_is_queued_and_waits_to_be_run)
{
	worker_start(&self->first, &self->group, do_nothing);
	ASSERT_TRUE(SOON(thread_waits(&self->first)));
	EXPECT_EQ(1, umcg_stat("workers"));
	EXPECT_EQ((uintptr_t)&self->first.task.idle_workers_ptr, self->group.idle_workers);
	EXPECT_EQ(0, self->first.task.idle_workers_ptr)
		TH_LOG("the last one of the list");
	sleep_ms(50);
	EXPECT_EQ(0, self->first.phase);
	EXPECT_TRUE(thread_waits(&self->first));

	ASSERT_EQ(&self->first, next_worker(self));
	EXPECT_EQ(0, self->group.idle_workers);
	ASSERT_EQ(0, server_run(&self->server, &self->first));
	EXPECT_EQ(RUNNING, state_of(&self->server.task));
	EXPECT_EQ(1, self->first.phase);
	ASSERT_TRUE(thread_ends(&self->first));
	EXPECT_EQ(0, umcg_stat("workers"));
}

TEST_F(worker, an_idle_server_is_taken_out_and_woken)
{
	set_next_tid(&self->server.task, 0);
	state_must_change(&self->server.task, RUNNING, IDLE);
	self->group.idle_server_tid = self->server.tid;
	worker_start(&self->first, &self->group, do_nothing);
	ASSERT_EQ(0, umcg_wait(0, realtime_in_ms(SOON_MS)));
	EXPECT_EQ(RUNNING, state_of(&self->server.task));
	EXPECT_EQ(0, self->group.idle_server_tid);
	EXPECT_EQ(IDLE, state_of(&self->first.task))
		TH_LOG("the worker is queued before the server is woken");
	EXPECT_EQ(&self->first, group_take_idle(&self->group));
	ASSERT_EQ(0, server_run(&self->server, &self->first));
	ASSERT_TRUE(thread_ends(&self->first));
}

TEST_F(worker, workers_are_queued_one_behind_the_other)
{
	struct umcg_thread workers[MANY] = {};

	for (int i = 0; i < MANY; i++) {
		const uint64_t head = self->group.idle_workers;

		worker_start(&workers[i], &self->group, do_nothing);
		ASSERT_TRUE(SOON(thread_waits(&workers[i])));
		EXPECT_EQ((uintptr_t)&workers[i].task.idle_workers_ptr, self->group.idle_workers);
		EXPECT_EQ(head, workers[i].task.idle_workers_ptr);
	}
	for (int i = 0; i < MANY; i++) {
		ASSERT_EQ(&workers[i], next_worker(self));
		ASSERT_EQ(0, server_run(&self->server, &workers[i]));
		ASSERT_TRUE(thread_ends(&workers[i]));
	}
	EXPECT_EQ(NULL, group_take_idle(&self->group));
}

TEST_F(worker, a_claimed_worker_is_held_until_it_is_unlocked)
{
	ASSERT_TRUE(start_worker(self, &self->first, do_nothing));
	ASSERT_TRUE(state_change_soon(&self->first.task, IDLE, RUNNING | LOCKED));
	self->first.server = &self->server;
	set_next_tid(&self->first.task, self->server.tid);
	set_next_tid(&self->server.task, self->first.tid);
	ASSERT_EQ(0, umcg_wait(UMCG_WAIT_WAKE_ONLY, 0));
	/* It has been woken, and sleeps again. */
	ASSERT_TRUE(SOON(thread_sleeps(self->first.tid)));
	EXPECT_EQ(0, self->first.phase);
	EXPECT_EQ(RUNNING | LOCKED, state_of(&self->first.task));
	EXPECT_EQ(0, self->group.idle_workers)
		TH_LOG("not queued");
	state_must_change(&self->server.task, RUNNING, IDLE);
	ASSERT_TRUE(state_change(&self->first.task, RUNNING | LOCKED, RUNNING));
	ASSERT_EQ(0, umcg_wait(0, 0));
	ASSERT_TRUE(thread_ends(&self->first));
}

static void yield_many_times(struct umcg_thread *self)
{
	for (int i = 0; i < ROUNDS && !self->result; i++) {
		self->phase = i;
		self->result = worker_yield(self, 0);
	}
	self->phase = ROUNDS;
}

TEST_F(worker, a_worker_yields_and_is_run_again)
{
	ASSERT_TRUE(start_worker(self, &self->first, yield_many_times));
	for (int i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, server_run(&self->server, &self->first));
		ASSERT_EQ(i, self->first.phase);
		ASSERT_EQ(0, self->group.idle_workers)
			TH_LOG("the worker waits voluntarily");
		ASSERT_TRUE(SOON(state_of(&self->first.task) == IDLE))
			TH_LOG("the kernel unlocks it");
	}
	ASSERT_EQ(0, server_run(&self->server, &self->first));
	ASSERT_TRUE(thread_ends(&self->first));
	EXPECT_EQ(ROUNDS, self->first.phase);
	EXPECT_EQ(0, self->first.result);
}

/* The other one may be on its way to sleep, on another CPU. */
static int swap_when_off_cpu(struct umcg_thread *self, struct umcg_thread *other)
{
	int err;

	do {
		err = worker_swap(self, other);
	} while (err == -EBUSY);
	return err;
}

/* Swaps with the other worker; the first one of them to be through runs last. */
static void swap_many_times(struct umcg_thread *self)
{
	struct umcg_thread *other = self->arg;

	for (int i = 0; i < ROUNDS && !self->result; i++) {
		self->phase = i + 1;
		if (self->phase < other->phase || self->phase > other->phase + 1)
			self->result = 1000;
		else
			self->result = swap_when_off_cpu(self, other);
	}
}

TEST_F(worker, workers_swap_under_one_server)
{
	self->first.arg = &self->second;
	self->second.arg = &self->first;
	ASSERT_TRUE(start_worker(self, &self->first, swap_many_times));
	ASSERT_TRUE(start_worker(self, &self->second, swap_many_times));
	/* The first one swaps with the second until it is through, and leaves. */
	ASSERT_EQ(0, server_run(&self->server, &self->first));
	EXPECT_EQ(ROUNDS, self->first.phase);
	EXPECT_EQ(ROUNDS, self->second.phase);
	ASSERT_TRUE(thread_ends(&self->first));
	EXPECT_EQ(IDLE, state_of(&self->second.task));
	ASSERT_EQ(0, server_run(&self->server, &self->second));
	ASSERT_TRUE(thread_ends(&self->second));
	EXPECT_EQ(0, self->first.result);
	EXPECT_EQ(0, self->second.result);
}

static void swap_and_return(struct umcg_thread *self)
{
	self->result = worker_swap(self, self->arg);
}

/* Blocks until it is told; then the phase says whether it has been run. */
static void block_once(struct umcg_thread *self)
{
	self->phase = 1;
	stay_until_told(self);
	self->phase = 2;
}

TEST_F(worker, after_a_swap_the_other_worker_starts_the_server)
{
	self->first.arg = &self->second;
	ASSERT_TRUE(start_worker(self, &self->first, swap_and_return));
	ASSERT_TRUE(start_worker(self, &self->second, block_once));
	ASSERT_EQ(0, server_run(&self->server, &self->first));
	EXPECT_EQ(1, self->second.phase);
	EXPECT_EQ(BLOCKED, state_of(&self->second.task));
	EXPECT_EQ(IDLE, state_of(&self->first.task));
	tell_to_go(&self->second);
	ASSERT_EQ(&self->second, next_worker(self));
	ASSERT_EQ(0, server_run(&self->server, &self->second));
	ASSERT_EQ(0, server_run(&self->server, &self->first));
	ASSERT_TRUE(thread_ends(&self->first));
	ASSERT_TRUE(thread_ends(&self->second));
}

static void block_while_locked(struct umcg_thread *self)
{
	worker_lock(self);
	sleep_ms(50);
	self->phase = state_of(&self->task);
	worker_unlock(self);
	self->result = 1;
}

TEST_F(worker, a_locked_worker_that_blocks_is_not_reported)
{
	ASSERT_TRUE(start_worker(self, &self->first, block_while_locked));
	ASSERT_EQ(0, server_run(&self->server, &self->first));
	EXPECT_EQ(1, self->first.result)
		TH_LOG("the server has slept until the worker left");
	EXPECT_EQ(IDLE | LOCKED, self->first.phase);
	EXPECT_EQ(0, self->group.idle_workers);
	ASSERT_TRUE(thread_ends(&self->first));
}

static void block_without_a_server(struct umcg_thread *self)
{
	set_next_tid(&self->task, 0);
	sleep_ms(50);
	self->phase = state_of(&self->task);
	self->result = 1;
}

TEST_F(worker, a_worker_that_names_no_server_is_not_reported)
{
	ASSERT_TRUE(start_worker(self, &self->first, block_without_a_server));
	ASSERT_EQ(0, server_run(&self->server, &self->first));
	EXPECT_EQ(1, self->first.result);
	EXPECT_EQ(RUNNING, self->first.phase);
	EXPECT_EQ(0, self->group.idle_workers);
	ASSERT_TRUE(thread_ends(&self->first));
}

static void be_preempted_and_block(struct umcg_thread *self)
{
	state_must_change(&self->task, RUNNING, RUNNING | PREEMPTED);
	block_once(self);
}

TEST_F(worker, a_worker_that_blocks_keeps_the_preemption_flag)
{
	ASSERT_TRUE(start_worker(self, &self->first, be_preempted_and_block));
	ASSERT_EQ(0, server_run(&self->server, &self->first));
	EXPECT_EQ(BLOCKED | PREEMPTED, state_of(&self->first.task));
	tell_to_go(&self->first);
	ASSERT_EQ(&self->first, next_worker(self));
	EXPECT_EQ(IDLE | PREEMPTED, state_of(&self->first.task));
	EXPECT_TRUE(told_to_go(&self->first));
	ASSERT_TRUE(state_change(&self->first.task, IDLE | PREEMPTED, IDLE));
	ASSERT_EQ(0, server_run(&self->server, &self->first));
	ASSERT_TRUE(thread_ends(&self->first));
	EXPECT_EQ(2, self->first.phase);
}

static void wait_with_timeout(struct umcg_thread *self)
{
	const int *ms = self->arg;

	self->result = worker_yield(self, realtime_in_ms(*ms));
	self->phase = 1;
}

TEST_F(worker, a_worker_is_queued_on_timeout)
{
	int timeouts[] = { 100, 0, -1000 };

	for (size_t i = 0; i < ARRAY_SIZE(timeouts); i++) {
		self->first = (struct umcg_thread){ .arg = &timeouts[i] };
		ASSERT_TRUE(start_worker(self, &self->first, wait_with_timeout));
		ASSERT_EQ(0, server_run(&self->server, &self->first));
		ASSERT_EQ(&self->first, next_worker(self));
		EXPECT_EQ(IDLE, state_of(&self->first.task));
		EXPECT_EQ(0, self->first.phase)
			TH_LOG("it does not run before a server runs it");
		ASSERT_EQ(0, server_run(&self->server, &self->first));
		ASSERT_TRUE(thread_ends(&self->first));
		EXPECT_EQ(-ETIMEDOUT, self->first.result)
			TH_LOG("timeout of %d ms", timeouts[i]);
	}
}

/* Waits with a timeout that locks, then without one, as a worker that is on no list. */
static void wait_and_be_locked(struct umcg_thread *self)
{
	const int *ms = self->arg;

	set_next_tid(&self->task, self->server->tid);
	state_must_change(&self->task, RUNNING, IDLE | LOCKED);
	state_must_change(&self->server->task, IDLE, RUNNING);
	self->result = umcg_wait(UMCG_WAIT_LOCK_ON_TIMEOUT, realtime_in_ms(*ms));
	if (self->result) {
		self->phase = state_of(&self->task);
		set_next_tid(&self->task, 0);
		umcg_wait(0, 0);
	}
}

TEST_F(worker, a_worker_is_locked_on_timeout_on_request)
{
	int timeouts[] = { 100, 0, -1000 };

	for (size_t i = 0; i < ARRAY_SIZE(timeouts); i++) {
		self->first = (struct umcg_thread){ .arg = &timeouts[i] };
		ASSERT_TRUE(start_worker(self, &self->first, wait_and_be_locked));
		ASSERT_EQ(0, server_run(&self->server, &self->first));
		/* No server runs it, and it is not on the list. */
		ASSERT_TRUE(SOON(self->first.phase));
		EXPECT_EQ(-ETIMEDOUT, self->first.result);
		EXPECT_EQ((int)(IDLE | LOCKED), self->first.phase);
		ASSERT_TRUE(SOON(state_of(&self->first.task) == IDLE));
		EXPECT_EQ(0, self->group.idle_workers);
		EXPECT_EQ((uintptr_t)&self->group.idle_workers, self->first.task.idle_workers_ptr);
		ASSERT_EQ(0, server_run(&self->server, &self->first));
		ASSERT_TRUE(thread_ends(&self->first));
	}
}

TEST_F(worker, a_worker_that_is_run_in_time_is_not_locked)
{
	int timeout = SOON_MS;

	self->first.arg = &timeout;
	ASSERT_TRUE(start_worker(self, &self->first, wait_and_be_locked));
	ASSERT_EQ(0, server_run(&self->server, &self->first));
	ASSERT_EQ(0, server_run(&self->server, &self->first));
	ASSERT_TRUE(thread_ends(&self->first));
	EXPECT_EQ(0, self->first.result);
	EXPECT_EQ(0, self->first.phase);
	EXPECT_EQ(0, self->group.idle_workers);
}

TEST_F(worker, a_worker_that_is_run_in_time_is_not_queued)
{
	int timeout = SOON_MS;

	self->first.arg = &timeout;
	ASSERT_TRUE(start_worker(self, &self->first, wait_with_timeout));
	ASSERT_EQ(0, server_run(&self->server, &self->first));
	ASSERT_EQ(0, server_run(&self->server, &self->first));
	ASSERT_TRUE(thread_ends(&self->first));
	EXPECT_EQ(0, self->first.result);
	EXPECT_EQ(0, self->group.idle_workers);
}

#define TIMED_ROUNDS	200
#define TIMEOUT_MS	(5 * slowness())

/* Waits repeatedly; the deadline is in `arg`, and the result in `result`. */
static void wait_with_timeout_many_times(struct umcg_thread *self)
{
	uint64_t *deadline = self->arg;

	for (int i = 0; i < TIMED_ROUNDS; i++) {
		*deadline = realtime_in_ms(TIMEOUT_MS);
		self->result = worker_yield(self, *deadline);
	}
}

/* Runs a worker that waits voluntarily, unless its word has changed. */
static bool run_if_unchanged(struct umcg_thread *server, struct umcg_thread *worker, uint64_t word)
{
	int err;

	state_must_change(&server->task, RUNNING, IDLE);
	if (!state_replace(&worker->task, word, RUNNING | LOCKED)) {
		state_must_change(&server->task, IDLE, RUNNING);
		return false;
	}
	server_finish_run(server, worker);
	err = umcg_wait(0, 0);
	/* In its last round it may have started the server and left before the call. */
	return !err || err == -ESRCH;
}

TEST_F(worker, either_the_server_or_the_timeout_wins)
{
	struct umcg_thread *worker = &self->first;
	int in_time = 0, late = 0;
	uint64_t deadline;

	worker->arg = &deadline;
	ASSERT_TRUE(start_worker(self, worker, wait_with_timeout_many_times));
	ASSERT_EQ(0, server_run(&self->server, worker));
	for (int i = 0; i < TIMED_ROUNDS; i++) {
		/* From long before the end to after it. */
		const uint64_t end = deadline + (i % 50 - 40) * 100000LL;
		uint64_t word;
		bool waits;

		while (state_of(&worker->task) & LOCKED)
			sched_yield();
		word = state_word(&worker->task);
		/* A state seen before the deadline may still change at the deadline. */
		waits = realtime_in_ms(0) < deadline;
		while (waits && realtime_in_ms(0) < end)
			;
		if (waits && run_if_unchanged(&self->server, worker, word)) {
			in_time++;
			ASSERT_EQ(0, worker->result);
		} else {
			late++;
			ASSERT_EQ(worker, next_worker(self));
			ASSERT_EQ(0, server_run(&self->server, worker));
			ASSERT_EQ(-ETIMEDOUT, worker->result);
		}
	}
	ASSERT_TRUE(thread_ends(worker));
	EXPECT_EQ(0, self->group.idle_workers);
	EXPECT_LT(0, in_time);
	EXPECT_LT(0, late);
}

/* Runs the worker of `arg` until it blocks, and exits. */
static void run_and_leave(struct umcg_thread *self)
{
	self->result = server_run(self, self->arg);
}

static void run_and_exit(struct umcg_thread *self)
{
	self->result = server_run(self, self->arg);
	pthread_exit(NULL);
}

TEST_F(worker, a_blocked_worker_whose_server_has_exited_is_queued)
{
	void (*const bodies[])(struct umcg_thread *) = { run_and_leave, run_and_exit };

	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		struct umcg_thread other = { .arg = &self->first };

		self->first = (struct umcg_thread){};
		ASSERT_TRUE(start_worker(self, &self->first, block_once));
		server_start(&other, bodies[i]);
		ASSERT_TRUE(thread_ends(&other));
		EXPECT_EQ(0, other.result);
		EXPECT_EQ(BLOCKED, state_of(&self->first.task));
		tell_to_go(&self->first);
		ASSERT_EQ(&self->first, next_worker(self));
		EXPECT_TRUE(told_to_go(&self->first));
		ASSERT_EQ(0, server_run(&self->server, &self->first));
		ASSERT_TRUE(thread_ends(&self->first));
		EXPECT_EQ(2, self->first.phase);
	}
}

/* Starts the worker of `arg` and exits without waiting for it. */
static void start_and_leave(struct umcg_thread *self)
{
	server_prepare_run(self, self->arg);
	self->result = umcg_wait(UMCG_WAIT_WAKE_ONLY, 0);
}

static void block_when_told(struct umcg_thread *self)
{
	while (self->phase != 1)
		;
	sleep_ms(50);
	self->phase = 2;
}

TEST_F(worker, a_worker_whose_server_has_exited_may_block)
{
	const long killed = umcg_stat("killed_server");
	struct umcg_thread other = { .arg = &self->first };

	ASSERT_TRUE(start_worker(self, &self->first, block_when_told));
	server_start(&other, start_and_leave);
	ASSERT_TRUE(thread_ends(&other));
	EXPECT_EQ(0, other.result);
	EXPECT_EQ(RUNNING, state_of(&self->first.task));
	self->first.phase = 1;
	ASSERT_EQ(&self->first, next_worker(self));
	ASSERT_EQ(0, server_run(&self->server, &self->first));
	ASSERT_TRUE(thread_ends(&self->first));
	EXPECT_EQ(2, self->first.phase);
	EXPECT_EQ(killed, umcg_stat("killed_server"));
}

TEST_HARNESS_MAIN
