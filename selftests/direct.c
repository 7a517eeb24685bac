// SPDX-License-Identifier: GPL-2.0
/*
 * Direct mode: what workers do with servers when they block and wake, step by step.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "umcg_direct.h"

#define SERVERS	3
#define WORKERS	4

/* The test is no server: those that it starts wait in the set until they are started. */
FIXTURE(direct) {
	struct direct direct;
	struct umcg_thread servers[SERVERS];
	struct umcg_thread workers[WORKERS];
	int pipes[WORKERS][2];
};

FIXTURE_VARIANT(direct) {
	uint32_t flags;
};

FIXTURE_VARIANT_ADD(direct, list) {
	.flags = 0,
};

FIXTURE_VARIANT_ADD(direct, fifo) {
	.flags = UMCG_DIRECT_FIFO,
};

FIXTURE_SETUP(direct)
{
	umcg_test_begin(TEST_SECONDS);
	ASSERT_TRUE(direct_init(&self->direct, variant->flags));
	for (int i = 0; i < WORKERS; i++) {
		ASSERT_EQ(0, pipe(self->pipes[i]));
		self->workers[i].arg = self->pipes[i];
	}
}

FIXTURE_TEARDOWN(direct)
{
	const char *fault = self->direct.fault;

	EXPECT_EQ(NULL, fault) TH_LOG("%s", fault);
}

TEST_F(direct, woken_worker_continues_under_an_idle_server_that_stays_asleep)
{
	struct umcg_thread *server = &self->servers[0], *worker = &self->workers[0];
	long switches;

	ASSERT_TRUE(direct_start_idle_server(&self->direct, server, 5));
	switches = thread_voluntary_switches(server->tid);
	direct_worker_start(worker, &self->direct, direct_reads);
	for (int i = 0; i < 20; i++) {
		/* It has blocked, and the server is idle as before. */
		ASSERT_TRUE(SOON(direct_blocks(worker)));
		ASSERT_EQ(1ULL << 5, direct_idle_servers(&self->direct));
		ASSERT_EQ(0, direct_running(&self->direct, 5));
		ASSERT_EQ(i, worker->phase);
		ASSERT_TRUE(direct_sends(self->pipes[0], 'x'));
		ASSERT_TRUE(SOON(worker->phase == i + 1));
	}
	EXPECT_EQ(switches, thread_voluntary_switches(server->tid));
	EXPECT_EQ(0, server->phase);
	EXPECT_EQ(server->tid, worker->task.next_tid);
	EXPECT_EQ(5, worker->task.server_nr);
	/* When it leaves, its server is started. */
	ASSERT_TRUE(direct_sends(self->pipes[0], '.'));
	ASSERT_TRUE(thread_ends(worker));
	ASSERT_TRUE(SOON(server->phase == 1));
	EXPECT_EQ(0, server->result);
	tell_to_go(server);
	ASSERT_TRUE(thread_ends(server));
	EXPECT_EQ(0, self->direct.words->server_tid[5]);
}

TEST_F(direct, adopted_worker_is_published_as_running)
{
	struct umcg_thread *server = &self->servers[0], *worker = &self->workers[0];

	ASSERT_TRUE(direct_start_idle_server(&self->direct, server, 63));
	direct_worker_start(worker, &self->direct, direct_spins);
	ASSERT_TRUE(SOON(worker->result > 0));
	EXPECT_EQ(worker->tid, direct_running(&self->direct, 63));
	EXPECT_EQ(0, direct_idle_servers(&self->direct));
	EXPECT_EQ(RUNNING, state_of(&worker->task));
	EXPECT_EQ(IDLE, state_of(&server->task));
	tell_to_go(worker);
	ASSERT_TRUE(thread_ends(worker));
	ASSERT_TRUE(SOON(server->phase == 1));
	tell_to_go(server);
	ASSERT_TRUE(thread_ends(server));
}

TEST_F(direct, worker_is_queued_while_no_server_is_idle)
{
	struct umcg_thread *server = &self->servers[0];

	ASSERT_TRUE(direct_start_idle_server(&self->direct, server, 0));
	direct_worker_start(&self->workers[0], &self->direct, direct_spins);
	ASSERT_TRUE(SOON(self->workers[0].result > 0));
	direct_worker_start(&self->workers[1], &self->direct, direct_spins);
	ASSERT_TRUE(SOON(thread_waits(&self->workers[1])));
	EXPECT_TRUE(direct_has_work(&self->direct));
	EXPECT_EQ(0, server->phase);
	/* The first one leaves, its server runs and finds the other one. */
	tell_to_go(&self->workers[0]);
	ASSERT_TRUE(thread_ends(&self->workers[0]));
	ASSERT_TRUE(SOON(server->phase == 1));
	EXPECT_EQ(&self->workers[1], direct_take_worker(&self->direct));
	EXPECT_FALSE(direct_has_work(&self->direct));
	tell_to_go(server);
	ASSERT_TRUE(thread_ends(server));
}

/* A server runs several workers, each of which blocks, and all of them finish. */
TEST_F(direct, servers_run_workers_that_block)
{
	self->direct.fills_ring = !variant->flags;
	for (int i = 0; i < 2; i++)
		direct_server_start(&self->servers[i], &self->direct, i, direct_serve);
	for (int i = 0; i < WORKERS; i++)
		direct_worker_start(&self->workers[i], &self->direct, direct_reads);
	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < WORKERS; i++)
			ASSERT_TRUE(direct_sends(self->pipes[i], round < 99 ? 'x' : '.'));
	}
	for (int i = 0; i < WORKERS; i++) {
		ASSERT_TRUE(thread_ends(&self->workers[i]));
		EXPECT_EQ(100, self->workers[i].phase);
	}
	ASSERT_TRUE(direct_end(&self->direct));
	EXPECT_FALSE(direct_has_work(&self->direct));
	EXPECT_EQ(0, direct_idle_servers(&self->direct));
}

/* Starts a server and a worker that spins under it. */
static bool start_busy_server(FIXTURE_DATA(direct) *self, int number)
{
	if (!direct_start_idle_server(&self->direct, &self->servers[number], number))
		return false;
	direct_worker_start(&self->workers[number], &self->direct, direct_spins);
	return SOON(self->workers[number].result > 0);
}

TEST_F(direct, worker_that_blocks_starts_its_server_if_another_one_is_queued)
{
	struct umcg_thread *blocks = &self->workers[2];

	ASSERT_TRUE(direct_start_idle_server(&self->direct, &self->servers[0], 0));
	direct_worker_start(blocks, &self->direct, direct_reads);
	ASSERT_TRUE(SOON(direct_blocks(blocks)));
	/* Queued by user space: not for the kernel to run. */
	self->direct.words->queued = 1;
	ASSERT_TRUE(direct_sends(self->pipes[2], 'x'));
	/* It does not overtake, so the server is started. */
	ASSERT_TRUE(SOON(self->servers[0].phase == 1));
	ASSERT_TRUE(SOON(thread_waits(blocks)));
	EXPECT_EQ(0, blocks->phase);
	self->direct.words->queued = 0;
	EXPECT_EQ(blocks, direct_take_worker(&self->direct));
	tell_to_go(&self->servers[0]);
	ASSERT_TRUE(thread_ends(&self->servers[0]));
}

TEST_F(direct, server_is_not_started_for_workers_that_it_refuses)
{
	struct umcg_thread *blocks = &self->workers[2];

	self->direct.words->flags |= UMCG_DIRECT_OVERTAKE;
	ASSERT_TRUE(direct_start_idle_server(&self->direct, &self->servers[0], 0));
	ASSERT_TRUE(direct_start_idle_server(&self->direct, &self->servers[1], 1));
	/* The second server would run what is queued below. */
	self->direct.words->refused_servers = 1;
	direct_worker_start(blocks, &self->direct, direct_reads);
	ASSERT_TRUE(SOON(direct_blocks(blocks)));
	self->direct.words->queued = 1;
	ASSERT_TRUE(direct_sends(self->pipes[2], 'x'));
	ASSERT_TRUE(SOON(blocks->phase == 1 && direct_blocks(blocks)));
	ASSERT_TRUE(SOON(direct_idle_servers(&self->direct) == 3));
	EXPECT_EQ(0, self->servers[0].phase);
	/* Now the first one would run it, too. */
	self->direct.words->refused_servers = 0;
	ASSERT_TRUE(direct_sends(self->pipes[2], 'x'));
	ASSERT_TRUE(SOON(self->servers[0].phase == 1));
	EXPECT_EQ(0, self->servers[1].phase);
	self->direct.words->queued = 0;
	ASSERT_TRUE(direct_sends(self->pipes[2], '.'));
	ASSERT_TRUE(thread_ends(blocks));
	tell_to_go(&self->servers[0]);
	ASSERT_TRUE(thread_ends(&self->servers[0]));
}

TEST_F(direct, kicked_worker_is_queued_and_its_own_server_started)
{
	struct umcg_kick_args kick = { .size = sizeof(kick) };

	ASSERT_TRUE(start_busy_server(self, 0));
	ASSERT_TRUE(direct_start_idle_server(&self->direct, &self->servers[1], 1));
	kick.tid = self->workers[0].tid;
	ASSERT_EQ(0, umcg_ioctl(UMCG_IOC_KICK, &kick));
	ASSERT_TRUE(SOON(self->servers[0].phase == 1));
	ASSERT_TRUE(SOON(direct_gave_way(&self->workers[0])));
	EXPECT_TRUE(direct_is_idle(&self->servers[1]));
	EXPECT_EQ(&self->workers[0], direct_take_worker(&self->direct));
	tell_to_go(&self->servers[0]);
	ASSERT_TRUE(thread_ends(&self->servers[0]));
	ASSERT_TRUE(direct_dismiss(&self->servers[1]));
}

TEST_F(direct, kicked_worker_of_an_exited_server_starts_another_one)
{
	struct umcg_kick_args kick = { .size = sizeof(kick) };

	ASSERT_TRUE(start_busy_server(self, 0));
	/* The server exits although it has a worker, as by a signal. */
	ASSERT_TRUE(state_change(&self->servers[0].task, IDLE, RUNNING));
	{
		struct umcg_thread me = {};

		ASSERT_EQ(0, server_register(&me));
		set_next_tid(&me.task, self->servers[0].tid);
		ASSERT_EQ(0, umcg_wait(UMCG_WAIT_WAKE_ONLY, 0));
		ASSERT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
	}
	ASSERT_TRUE(SOON(self->servers[0].phase == 1));
	tell_to_go(&self->servers[0]);
	ASSERT_TRUE(thread_ends(&self->servers[0]));
	ASSERT_TRUE(direct_start_idle_server(&self->direct, &self->servers[1], 1));
	kick.tid = self->workers[0].tid;
	ASSERT_EQ(0, umcg_ioctl(UMCG_IOC_KICK, &kick));
	ASSERT_TRUE(SOON(self->servers[1].phase == 1));
	ASSERT_TRUE(SOON(direct_gave_way(&self->workers[0])));
	tell_to_go(&self->servers[1]);
	ASSERT_TRUE(thread_ends(&self->servers[1]));
}

/* Registered, but no server of the group: a watcher. */
static void watches(struct umcg_thread *self)
{
	struct direct *direct = self->arg;

	state_must_change(&self->task, RUNNING, IDLE);
	atomic_store((_Atomic uint32_t *)&direct->words->watcher_tid, self->tid);
	self->result = umcg_wait(0, 0);
	self->phase = 1;
}

TEST_F(direct, watcher_is_started_when_a_worker_is_queued_and_no_server_is_idle)
{
	struct umcg_thread watcher = { .arg = &self->direct };

	ASSERT_TRUE(start_busy_server(self, 0));
	server_start(&watcher, watches);
	ASSERT_TRUE(SOON(self->direct.words->watcher_tid == (uint32_t)watcher.tid));
	ASSERT_TRUE(SOON(thread_waits(&watcher)));
	direct_worker_start(&self->workers[1], &self->direct, direct_spins);
	ASSERT_TRUE(thread_ends(&watcher));
	EXPECT_EQ(1, watcher.phase);
	EXPECT_EQ(0, watcher.result);
	EXPECT_EQ(0, self->direct.words->watcher_tid);
	EXPECT_EQ(0, self->servers[0].phase);
}

/* The watcher has seen a server in the set, and relies on it. */
TEST_F(direct, watcher_is_started_when_a_worker_takes_a_server_past_one_that_is_queued)
{
	struct umcg_thread watcher = { .arg = &self->direct };

	self->direct.words->flags |= UMCG_DIRECT_OVERTAKE;
	ASSERT_TRUE(direct_start_idle_server(&self->direct, &self->servers[0], 0));
	server_start(&watcher, watches);
	ASSERT_TRUE(SOON(self->direct.words->watcher_tid == (uint32_t)watcher.tid));
	ASSERT_TRUE(SOON(thread_waits(&watcher)));
	self->direct.words->queued = 1;
	direct_worker_start(&self->workers[0], &self->direct, direct_spins);
	ASSERT_TRUE(SOON(self->workers[0].result > 0));
	ASSERT_TRUE(thread_ends(&watcher));
	EXPECT_EQ(0, watcher.result);
	EXPECT_EQ(0, self->direct.words->watcher_tid);
	EXPECT_EQ(0, self->servers[0].phase);
}

TEST_F(direct, registration_checks_the_group)
{
	struct umcg_direct_group *words = self->direct.words;
	struct umcg_thread thread = {};
	char *end = (char *)words + sysconf(_SC_PAGESIZE);

	server_task_init(&thread.task);
#define REGISTERS(err, group, nr) \
	EXPECT_EQ(err, direct_ctl(DIRECT_SERVER_FLAGS, &thread.task, group, nr))
	REGISTERS(-EINVAL, NULL, 0);
	REGISTERS(-EINVAL, (char *)words + 8, 0);
	REGISTERS(-EINVAL, end - 1024, 0);
	REGISTERS(-EINVAL, words, 64);
	REGISTERS(-EFAULT, (void *)4096, 0);
	words->size--;
	REGISTERS(-EINVAL, words, 0);
	words->size += 2;
	REGISTERS(-E2BIG, words, 0);
	words->size--;
	words->flags |= 0x80000000;
	REGISTERS(-EINVAL, words, 0);
	words->flags = variant->flags;
	words->reserved[1] = 1;
	REGISTERS(-EINVAL, words, 0);
	words->reserved[1] = 0;
	thread.task.reserved[0] = 1;
	REGISTERS(-EINVAL, words, 0);
	thread.task.reserved[0] = 0;
	EXPECT_EQ(-EINVAL, direct_ctl(SERVER_FLAGS, &thread.task, words, 0));
	EXPECT_EQ(-EINVAL, direct_ctl(SERVER_FLAGS, &thread.task, NULL, 1));
	EXPECT_EQ(-EINVAL, direct_ctl(DIRECT_SERVER_FLAGS | UMCG_CTL_CRITICAL, &thread.task,
				      words, 0));
	EXPECT_EQ(-EINVAL, direct_ctl(DIRECT_WORKER_FLAGS, &thread.task, words, 0));
	thread.task.state_ts = BLOCKED;
	EXPECT_EQ(-EINVAL, direct_ctl(DIRECT_WORKER_FLAGS, &thread.task, words, 1));
	thread.task.idle_workers_ptr = (uintptr_t)&words->idle_workers;
	thread.task.idle_server_tid_ptr = (uintptr_t)&words->watcher_tid;
	EXPECT_EQ(-EINVAL, direct_ctl(DIRECT_WORKER_FLAGS, &thread.task, words, 0));
	server_task_init(&thread.task);
	REGISTERS(0, words, 9);
	EXPECT_EQ(gettid(), words->server_tid[9]);
	EXPECT_EQ(-EINVAL, direct_ctl(UMCG_CTL_UNREGISTER | UMCG_CTL_DIRECT, NULL, words, 0));
	EXPECT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
	EXPECT_EQ(0, words->server_tid[9]);
	words->server_tid[9] = 1;
	server_task_init(&thread.task);
	REGISTERS(-EEXIST, words, 9);
	words->server_tid[9] = 0;
	REGISTERS(0, words, 9);
#undef REGISTERS
	EXPECT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
	EXPECT_TRUE(nothing_is_left());
}

TEST_HARNESS_MAIN
