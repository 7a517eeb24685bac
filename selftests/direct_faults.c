// SPDX-License-Identifier: GPL-2.0
/*
 * Error handling in direct mode: servers that die, time out or get signals while they
 * wait or have a worker; a ring and words with wrong contents; unmapped memory; stops and
 * changes of credentials.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "umcg_direct.h"

#define SERVERS	2
#define WORKERS	3

FIXTURE(direct_faults) {
	struct direct direct;
	struct umcg_thread servers[SERVERS];
	struct umcg_thread workers[WORKERS];
	int pipes[WORKERS][2];
};

static void exit_thread(int signal)
{
	(void)signal;
	syscall(SYS_exit, 0);
}

FIXTURE_SETUP(direct_faults)
{
	const struct sigaction action = { .sa_handler = exit_thread };

	umcg_test_begin(TEST_SECONDS);
	ASSERT_EQ(0, sigaction(SIGUSR2, &action, NULL));
	ASSERT_TRUE(direct_init(&self->direct, 0));
	for (int i = 0; i < WORKERS; i++) {
		ASSERT_EQ(0, pipe(self->pipes[i]));
		self->workers[i].arg = self->pipes[i];
	}
}

FIXTURE_TEARDOWN(direct_faults)
{
	const char *fault = self->direct.fault;

	EXPECT_EQ(NULL, fault) TH_LOG("%s", fault);
}

static bool worker_blocks(FIXTURE_DATA(direct_faults) *self, int number)
{
	direct_worker_start(&self->workers[number], &self->direct, direct_reads);
	return SOON(direct_blocks(&self->workers[number]));
}

static bool worker_spins(FIXTURE_DATA(direct_faults) *self, int number)
{
	direct_worker_start(&self->workers[number], &self->direct, direct_spins);
	return SOON(self->workers[number].result > 0);
}

TEST_F(direct_faults, server_that_dies_in_the_set_is_removed)
{
	struct umcg_thread *worker = &self->workers[0];

	ASSERT_TRUE(direct_start_idle_server(&self->direct, &self->servers[0], 3));
	ASSERT_TRUE(direct_start_idle_server(&self->direct, &self->servers[1], 7));
	ASSERT_EQ(0, thread_signal(&self->servers[0], SIGUSR2));
	ASSERT_TRUE(thread_ends(&self->servers[0]));
	EXPECT_EQ(1ULL << 7, direct_idle_servers(&self->direct));
	EXPECT_EQ(0, self->direct.words->server_tid[3]);
	/* Its state says so, too. */
	EXPECT_EQ(NONE, state_of(&self->servers[0].task));
	ASSERT_TRUE(worker_blocks(self, 0));
	EXPECT_EQ(7, worker->task.server_nr);
	ASSERT_TRUE(direct_dismiss(&self->servers[1]));
}

TEST_F(direct_faults, server_that_dies_under_its_worker_leaves_it_running)
{
	struct umcg_thread *worker = &self->workers[0];
	long before;

	ASSERT_TRUE(direct_start_idle_server(&self->direct, &self->servers[0], 0));
	ASSERT_TRUE(worker_spins(self, 0));
	ASSERT_EQ(0, thread_signal(&self->servers[0], SIGUSR2));
	ASSERT_TRUE(thread_ends(&self->servers[0]));
	EXPECT_EQ(0, direct_idle_servers(&self->direct));
	EXPECT_EQ(0, self->direct.words->server_tid[0]);
	before = worker->result;
	ASSERT_TRUE(SOON(worker->result != before));
	/* It exits, and there is no server to start. */
	tell_to_go(worker);
	ASSERT_TRUE(thread_ends(worker));
	EXPECT_EQ(0, direct_idle_servers(&self->direct));
}

TEST_F(direct_faults, worker_of_a_dead_server_that_blocks_continues_under_another_one)
{
	struct umcg_thread *worker = &self->workers[0];

	ASSERT_TRUE(direct_start_idle_server(&self->direct, &self->servers[0], 0));
	ASSERT_TRUE(worker_blocks(self, 0));
	/* As if it still ran there: its server dies, and is put into the set by mistake. */
	ASSERT_EQ(0, thread_signal(&self->servers[0], SIGUSR2));
	ASSERT_TRUE(thread_ends(&self->servers[0]));
	direct_put(&self->direct, 0);
	ASSERT_TRUE(direct_start_idle_server(&self->direct, &self->servers[1], 1));
	ASSERT_TRUE(direct_sends(self->pipes[0], 'x'));
	ASSERT_TRUE(SOON(worker->phase == 1 && direct_blocks(worker)));
	EXPECT_EQ(1, worker->task.server_nr);
	EXPECT_EQ(1ULL << 1, direct_idle_servers(&self->direct));
	ASSERT_TRUE(direct_dismiss(&self->servers[1]));
}

static void waits_for_a_moment(struct umcg_thread *self)
{
	self->result = direct_wait(self, realtime_in_ms(1000));
	self->phase = 1;
	stay_until_told(self);
}

TEST_F(direct_faults, server_that_times_out_in_the_set_leaves_it)
{
	struct umcg_thread *server = &self->servers[0];

	direct_server_start(server, &self->direct, 0, waits_for_a_moment);
	ASSERT_TRUE(SOON(server->phase == 1));
	EXPECT_EQ(-ETIMEDOUT, server->result);
	EXPECT_EQ(0, direct_idle_servers(&self->direct));
	EXPECT_EQ(RUNNING, state_of(&server->task));
	tell_to_go(server);
	ASSERT_TRUE(thread_ends(server));
}

TEST_F(direct_faults, server_that_times_out_with_a_worker_stays_asleep)
{
	struct umcg_thread *server = &self->servers[0];

	direct_server_start(server, &self->direct, 0, waits_for_a_moment);
	direct_worker_start(&self->workers[0], &self->direct, direct_spins);
	/* On a busy machine the server may have given up before the worker is there. */
	ASSERT_TRUE(SOON(self->workers[0].result > 0 || server->phase == 1));
	if (self->workers[0].result > 0) {
		sleep_ms(1200);
		EXPECT_EQ(0, server->phase);
		tell_to_go(&self->workers[0]);
		ASSERT_TRUE(thread_ends(&self->workers[0]));
		ASSERT_TRUE(SOON(server->phase == 1));
		EXPECT_EQ(0, server->result);
	}
	tell_to_go(server);
	ASSERT_TRUE(thread_ends(server));
}

TEST_F(direct_faults, signal_to_a_server_in_the_set_is_EINTR_and_it_is_out)
{
	struct umcg_thread *server = &self->servers[0];

	count_signal(SIGUSR1, 0);
	ASSERT_TRUE(direct_start_idle_server(&self->direct, server, 0));
	ASSERT_EQ(0, thread_signal(server, SIGUSR1));
	ASSERT_TRUE(SOON(server->phase == 1));
	EXPECT_EQ(-EINTR, server->result);
	EXPECT_EQ(1, signals_handled);
	EXPECT_EQ(0, direct_idle_servers(&self->direct));
	tell_to_go(server);
	ASSERT_TRUE(thread_ends(server));
}

TEST_F(direct_faults, signal_that_restarts_leaves_a_server_in_the_set)
{
	struct umcg_thread *server = &self->servers[0];

	count_signal(SIGUSR1, SA_RESTART);
	ASSERT_TRUE(direct_start_idle_server(&self->direct, server, 0));
	ASSERT_EQ(0, thread_signal(server, SIGUSR1));
	ASSERT_TRUE(SOON(signals_handled == 1));
	ASSERT_TRUE(SOON(direct_is_idle(server)));
	/* It works as before. */
	ASSERT_TRUE(worker_blocks(self, 0));
	EXPECT_TRUE(direct_is_idle(server));
	EXPECT_EQ(0, server->phase);
	/* With a worker, too. */
	ASSERT_TRUE(worker_spins(self, 1));
	ASSERT_EQ(0, thread_signal(server, SIGUSR1));
	ASSERT_TRUE(SOON(signals_handled == 2));
	tell_to_go(&self->workers[1]);
	ASSERT_TRUE(thread_ends(&self->workers[1]));
	ASSERT_TRUE(SOON(server->phase == 1));
	tell_to_go(server);
	ASSERT_TRUE(thread_ends(server));
}

static void yields_once(struct umcg_thread *self)
{
	self->result = direct_worker_yield(self, 0);
	self->phase = 1;
	direct_spins(self);
}

static void spins_and_blocks(struct umcg_thread *self)
{
	const int *ends = self->arg;
	char byte;

	direct_spins(self);
	self->result = read(ends[0], &byte, 1);
}

/* A worker that blocks gives its server to the only one in the ring that can be run. */
TEST_F(direct_faults, ring_of_invalid_tids_is_skipped)
{
	struct umcg_thread *waits = &self->workers[1], *blocks = &self->workers[2];
	struct umcg_thread *server = &self->servers[0], *other = &self->servers[1];
	const pid_t pid = fork();

	if (!pid) {
		pause();
		_exit(0);
	}
	/* One waits: it has yielded to a server that is now in user mode. */
	ASSERT_TRUE(direct_start_idle_server(&self->direct, other, 1));
	direct_worker_start(waits, &self->direct, yields_once);
	ASSERT_TRUE(SOON(other->phase == 1 && thread_waits(waits)));
	ASSERT_TRUE(direct_start_idle_server(&self->direct, server, 0));
	ASSERT_TRUE(worker_blocks(self, 0));
	direct_worker_start(blocks, &self->direct, spins_and_blocks);
	ASSERT_TRUE(SOON(blocks->result > 0));
	/*
	 * Nobody; another process; a thread that is not registered; servers; one that has blocked;
	 * one that runs.
	 */
	const uint32_t tids[] = {
		0x7fffffff, ~0U, pid, gettid(), server->tid, other->tid, self->workers[0].tid,
		blocks->tid, waits->tid,
	};

	for (size_t i = 0; i < ARRAY_SIZE(tids); i++)
		ASSERT_TRUE(direct_push(&self->direct, tids[i]));
	tell_to_go(blocks);
	ASSERT_TRUE(SOON(waits->phase == 1));
	EXPECT_EQ(0, waits->task.server_nr);
	EXPECT_EQ(waits->tid, direct_running(&self->direct, 0));
	EXPECT_EQ(0, direct_pop(&self->direct));
	EXPECT_EQ(0, server->phase);
	EXPECT_TRUE(direct_blocks(&self->workers[0]));
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
}

/* A worker that is in the ring twice runs once, and its second entry does no harm later. */
TEST_F(direct_faults, worker_that_exits_in_the_ring_is_skipped)
{
	struct umcg_thread *waits = &self->workers[1], *blocks = &self->workers[2];
	struct umcg_thread *server = &self->servers[0], *other = &self->servers[1];

	ASSERT_TRUE(direct_start_idle_server(&self->direct, other, 1));
	direct_worker_start(waits, &self->direct, yields_once);
	ASSERT_TRUE(SOON(other->phase == 1 && thread_waits(waits)));
	ASSERT_TRUE(direct_start_idle_server(&self->direct, server, 0));
	direct_worker_start(blocks, &self->direct, spins_and_blocks);
	ASSERT_TRUE(SOON(blocks->result > 0));
	ASSERT_TRUE(direct_push(&self->direct, waits->tid));
	ASSERT_TRUE(direct_push(&self->direct, waits->tid));
	tell_to_go(blocks);
	ASSERT_TRUE(SOON(waits->phase == 1));
	tell_to_go(waits);
	ASSERT_TRUE(thread_ends(waits));
	ASSERT_TRUE(SOON(server->phase == 1));
	/* The other one has blocked, and the next one that blocks finds only an unused TID. */
	EXPECT_TRUE(direct_has_work(&self->direct));
	tell_to_go(server);
	ASSERT_TRUE(thread_ends(server));
	direct_server_start(&self->servers[0], &self->direct, 0, direct_serve);
	ASSERT_TRUE(direct_sends(self->pipes[2], 'x'));
	ASSERT_TRUE(thread_ends(blocks));
	EXPECT_FALSE(direct_has_work(&self->direct));
	tell_to_go(other);
	ASSERT_TRUE(direct_end(&self->direct));
}

static int scribble(void *argument)
{
	FIXTURE_DATA(direct_faults) *self = argument;
	const uint64_t end = monotonic_ns() + NSEC_PER_SEC / 2;
	_Atomic uint64_t *words = (_Atomic uint64_t *)self->direct.words;
	unsigned int seed = 1;

	for (int i = 0; i < SERVERS; i++)
		direct_server_start(&self->servers[i], &self->direct, i, direct_serve);
	for (int i = 0; i < WORKERS; i++)
		direct_worker_start(&self->workers[i], &self->direct, direct_reads);
	while (monotonic_ns() < end) {
		for (int i = 0; i < WORKERS; i++) {
			if (write(self->pipes[i][1], "x", 1) != 1)
				return 1;
		}
		for (int i = 0; i < 20; i++) {
			size_t word = rand_r(&seed) % (sizeof(*self->direct.words) / 8);
			uint64_t value = (uint64_t)rand_r(&seed) << 32 | rand_r(&seed);

			/* The list leads to memory of the process, which it breaks by itself. */
			if (word != 1)
				words[word] = i % 2 ? value : value % 128;
		}
	}
	return 0;
}

TEST_F(direct_faults, wild_words_harm_their_own_process_only)
{
	int status;

	for (int i = 0; i < WORKERS; i++)
		fcntl(self->pipes[i][1], F_SETFL, O_NONBLOCK);
	status = process_ends(process_start(scribble, self));
	/* It ends in any case. */
	EXPECT_NE(-1, status);
	EXPECT_TRUE(nothing_is_left());
}

TEST_F(direct_faults, unmapped_group_keeps_working)
{
	struct umcg_thread *server = &self->servers[0], *worker = &self->workers[0];
	struct umcg_direct_group *words = self->direct.words;

	ASSERT_TRUE(direct_start_idle_server(&self->direct, server, 0));
	ASSERT_TRUE(worker_blocks(self, 0));
	/* The test sees another page from now on, and the kernel the old one. */
	ASSERT_NE(MAP_FAILED, mmap(words, sizeof(*words), PROT_READ | PROT_WRITE,
				   MAP_FIXED | MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	for (int i = 1; i <= 5; i++) {
		ASSERT_TRUE(direct_sends(self->pipes[0], 'x'));
		ASSERT_TRUE(SOON(worker->phase == i && direct_blocks(worker)));
	}
	EXPECT_EQ(0, direct_idle_servers(&self->direct));
	EXPECT_EQ(0, server->phase);
}

static int live_as_a_child(void *argument)
{
	FIXTURE_DATA(direct_faults) *self = argument;
	struct direct direct;
	struct umcg_thread server = {};

	/* Nothing of the parent's is registered here, and a copy of its words is no group. */
	if (umcg_ctl(UMCG_CTL_UNREGISTER, NULL) != -EINVAL)
		return 1;
	if (!direct_init(&direct, 0) || !direct_start_idle_server(&direct, &server, 0))
		return 2;
	direct_worker_start(&self->workers[1], &direct, direct_reads);
	if (!SOON(direct_blocks(&self->workers[1])) || !direct_sends(self->pipes[1], '.'))
		return 3;
	if (!thread_ends(&self->workers[1]))
		return 4;
	tell_to_go(&server);
	return thread_ends(&server) ? 0 : 5;
}

TEST_F(direct_faults, fork_leaves_the_group_to_the_parent)
{
	struct umcg_thread *worker = &self->workers[0];
	int status;

	ASSERT_TRUE(direct_start_idle_server(&self->direct, &self->servers[0], 0));
	ASSERT_TRUE(worker_blocks(self, 0));
	status = process_ends(process_start(live_as_a_child, self));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	ASSERT_TRUE(direct_sends(self->pipes[0], 'x'));
	ASSERT_TRUE(SOON(worker->phase == 1 && direct_blocks(worker)));
	ASSERT_TRUE(direct_dismiss(&self->servers[0]));
}

TEST_F(direct_faults, change_of_credentials_reaches_servers_and_workers)
{
	ASSERT_TRUE(direct_start_idle_server(&self->direct, &self->servers[0], 0));
	ASSERT_TRUE(direct_start_idle_server(&self->direct, &self->servers[1], 1));
	ASSERT_TRUE(worker_blocks(self, 0));
	ASSERT_TRUE(worker_spins(self, 1));
	/* glibc makes every thread do it, and waits for all of them. */
	ASSERT_EQ(0, setresuid(-1, -1, -1));
	ASSERT_TRUE(SOON(direct_blocks(&self->workers[0])));
	tell_to_go(&self->workers[1]);
	ASSERT_TRUE(thread_ends(&self->workers[1]));
}

static int block_and_wake(void *argument)
{
	FIXTURE_DATA(direct_faults) *self = argument;

	if (!direct_start_idle_server(&self->direct, &self->servers[0], 0))
		return 1;
	direct_worker_start(&self->workers[0], &self->direct, direct_reads);
	return thread_ends(&self->workers[0]) ? 0 : 2;
}

TEST_F(direct_faults, stop_and_continue_lose_no_worker)
{
	pid_t pid = process_start(block_and_wake, self);
	int status;

	for (int i = 0; i < 50; i++) {
		ASSERT_EQ(0, kill(pid, SIGSTOP));
		ASSERT_TRUE(direct_sends(self->pipes[0], i < 49 ? 'x' : '.'));
		ASSERT_EQ(0, kill(pid, SIGCONT));
		sleep_ms(i % 4);
	}
	status = process_ends(pid);
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) TH_LOG("status %#x", status);
}

/* A worker in a critical section until it is told to leave. */
static void stays_in_a_section(struct umcg_thread *self)
{
	self->task.critical = 1;
	while (self->phase == 0)
		self->result++;
	self->task.critical = 0;
	if (state_of(&self->task) & PREEMPTED) {
		struct umcg_kick_args kick = { .size = sizeof(kick), .tid = self->tid };

		umcg_ioctl(UMCG_IOC_KICK, &kick);
	}
	self->phase = 2;
	direct_spins(self);
}

static void *critical_main(void *argument)
{
	struct umcg_thread *self = argument;
	struct direct *direct = direct_of(self);

	self->tid = gettid();
	self->task = (struct umcg_task){ .state_ts = BLOCKED };
	if (direct_ctl(DIRECT_WORKER_FLAGS | UMCG_CTL_CRITICAL, &self->task, direct->words, 0))
		return NULL;
	stays_in_a_section(self);
	return NULL;
}

static int kick(struct umcg_thread *worker, uint32_t flags)
{
	struct umcg_kick_args args = {
		.size = sizeof(args), .flags = flags, .tid = worker->tid,
	};

	return umcg_ioctl(UMCG_IOC_KICK, &args);
}

TEST_F(direct_faults, kicked_worker_leaves_its_critical_section_first)
{
	struct umcg_thread *worker = &self->workers[0];
	long before;

	ASSERT_TRUE(direct_start_idle_server(&self->direct, &self->servers[0], 0));
	worker->group = (struct umcg_group *)&self->direct;
	ASSERT_EQ(0, pthread_create(&worker->thread, NULL, critical_main, worker));
	ASSERT_TRUE(SOON(worker->result > 0));
	ASSERT_EQ(0, kick(worker, 0));
	before = worker->result;
	ASSERT_TRUE(SOON(worker->result > before + 1000));
	EXPECT_EQ(RUNNING | PREEMPTED, state_of(&worker->task));
	EXPECT_EQ(0, self->servers[0].phase);
	/* When it has left the section, it is preempted. */
	worker->phase = 1;
	ASSERT_TRUE(SOON(self->servers[0].phase == 1));
	ASSERT_TRUE(SOON(direct_gave_way(worker)));
	EXPECT_EQ(1, worker->phase);
}

TEST_F(direct_faults, kick_that_insists_does_not_wait_for_a_critical_section)
{
	struct umcg_thread *worker = &self->workers[0];

	ASSERT_TRUE(direct_start_idle_server(&self->direct, &self->servers[0], 0));
	worker->group = (struct umcg_group *)&self->direct;
	ASSERT_EQ(0, pthread_create(&worker->thread, NULL, critical_main, worker));
	ASSERT_TRUE(SOON(worker->result > 0));
	ASSERT_EQ(0, kick(worker, 0));
	ASSERT_EQ(0, kick(worker, UMCG_KICK_INSIST));
	ASSERT_TRUE(SOON(self->servers[0].phase == 1));
	ASSERT_TRUE(SOON(direct_gave_way(worker)));
	EXPECT_EQ(0, worker->phase);
}

TEST_F(direct_faults, kick_during_adoption_is_not_lost)
{
	struct umcg_thread *worker = &self->workers[0];

	for (int i = 0; i < SERVERS; i++)
		direct_server_start(&self->servers[i], &self->direct, i, direct_serve);
	direct_worker_start(worker, &self->direct, direct_reads);
	for (int i = 0; i < 300; i++) {
		ASSERT_TRUE(direct_sends(self->pipes[0], i < 299 ? 'x' : '.'));
		/* The worker runs by now, or not: either is right. */
		for (int j = 0; j < i % 7; j++)
			kick(worker, 0);
		ASSERT_TRUE(SOON(worker->phase == i + 1));
	}
	ASSERT_TRUE(thread_ends(worker));
	ASSERT_TRUE(direct_end(&self->direct));
}

/* With UMCG_DIRECT_LEND */

TEST_F(direct_faults, worker_that_is_preempted_lends_its_server)
{
	struct umcg_thread *reads = &self->workers[0], *spins = &self->workers[1];
	const int rounds = 20;
	int kicks = 0;
	long adopted;

	self->direct.words->flags = UMCG_DIRECT_LEND;
	allow_cpus(0, 0, 0);
	direct_server_start(&self->servers[0], &self->direct, 0, direct_serve);
	ASSERT_TRUE(worker_blocks(self, 0));
	ASSERT_TRUE(worker_spins(self, 1));
	adopted = umcg_stat("adopted");
	for (int i = 1; i <= rounds; i++) {
		ASSERT_TRUE(direct_sends(self->pipes[0], 'x'));
		/*
		 * There is one server, and a worker that never blocks. If that is preempted
		 * before it is on its way to user mode, it keeps the server.
		 */
		ASSERT_TRUE(SOON(reads->phase == i || state_of(&reads->task) == IDLE));
		if (reads->phase < i) {
			kicks++;
			ASSERT_EQ(0, kick(spins, 0));
			ASSERT_TRUE(SOON(reads->phase == i));
		}
	}
	EXPECT_GT(rounds / 2, kicks);
	/* It has continued under the server, which slept on. */
	EXPECT_LE(adopted + rounds - kicks, umcg_stat("adopted"));
	tell_to_go(spins);
	ASSERT_TRUE(thread_ends(spins));
	ASSERT_TRUE(direct_sends(self->pipes[0], '.'));
	ASSERT_TRUE(thread_ends(reads));
	ASSERT_TRUE(direct_end(&self->direct));
}

TEST_HARNESS_MAIN
