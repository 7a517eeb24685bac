// SPDX-License-Identifier: GPL-2.0
/*
 * Protocol violations by a worker or its server kill its process, are counted by reason,
 * and affect no other process.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "umcg_test.h"

#define INIT_PID	1
#define KTHREADD_PID	2

/* A process of a server and a worker. */
struct suspect {
	struct umcg_thread server;
	struct umcg_thread worker;
	struct umcg_group group;
};

/* Bystanders: a server and a worker of the test itself, which must not be affected. */
FIXTURE(contract) {
	struct umcg_thread server;
	struct umcg_thread worker;
	struct umcg_group group;
	long killed_state;
	long killed_server;
	long killed_memory;
};

static void block_for_a_while(struct umcg_thread *self)
{
	sleep_ms(50);
	self->phase = 1;
}

static void block_until_told(struct umcg_thread *self)
{
	stay_until_told(self);
	self->phase = 1;
}

FIXTURE_SETUP(contract)
{
	umcg_test_begin(TEST_SECONDS);
	self->group = (struct umcg_group)UMCG_GROUP_INIT;
	self->killed_state = umcg_stat("killed_state");
	self->killed_server = umcg_stat("killed_server");
	self->killed_memory = umcg_stat("killed_memory");
	ASSERT_LE(0, self->killed_state);
	ASSERT_LE(0, self->killed_server);
	ASSERT_LE(0, self->killed_memory);
}

FIXTURE_TEARDOWN(contract)
{
}

/* Whether another process is unharmed, and the module still works for it. */
static bool others_go_on(FIXTURE_DATA(contract) *self)
{
	if (server_register(&self->server))
		return false;
	worker_start(&self->worker, &self->group, block_for_a_while);
	return server_run_to_end(&self->server, &self->group, &self->worker) &&
	       self->worker.phase == 1 && !umcg_ctl(UMCG_CTL_UNREGISTER, NULL);
}

/* The status with which a process ends that does @body. */
static int status_of(int (*body)(void *), void *argument)
{
	return process_ends(process_start(body, argument));
}

/* Starts the worker and runs it until it blocks, as it does until it is told. */
static bool run_suspect(struct suspect *suspect)
{
	*suspect = (struct suspect){ .group = UMCG_GROUP_INIT };
	if (server_register(&suspect->server))
		return false;
	worker_start(&suspect->worker, &suspect->group, block_until_told);
	return server_next_worker(&suspect->server, &suspect->group) == &suspect->worker &&
	       !server_run(&suspect->server, &suspect->worker);
}

/* Lets the worker continue, for which it must be killed soon. */
static int survived(struct suspect *suspect)
{
	tell_to_go(&suspect->worker);
	sleep_ms(SOON_MS);
	return 42;
}

#define EXPECT_KILLED_BY(body, argument) do {				\
	int _status = status_of(body, argument);			\
									\
	EXPECT_TRUE(WIFSIGNALED(_status) && WTERMSIG(_status) == SIGKILL)	\
		TH_LOG("wait status %#x", _status);			\
} while (0)

#define EXPECT_SURVIVED_BY(body, argument) do {				\
	int _status = status_of(body, argument);			\
									\
	EXPECT_TRUE(WIFEXITED(_status) && WEXITSTATUS(_status) == 42)	\
		TH_LOG("wait status %#x", _status);			\
} while (0)

#define EXPECT_KILLED(body)	EXPECT_KILLED_BY(body, NULL)
#define EXPECT_SURVIVED(body)	EXPECT_SURVIVED_BY(body, NULL)

#define EXPECT_COUNTED(state, server, memory) do {			\
	EXPECT_EQ(self->killed_state + (state), umcg_stat("killed_state"));	\
	EXPECT_EQ(self->killed_server + (server), umcg_stat("killed_server"));	\
	EXPECT_EQ(self->killed_memory + (memory), umcg_stat("killed_memory"));	\
	EXPECT_TRUE(others_go_on(self));				\
	EXPECT_TRUE(nothing_is_left());					\
} while (0)

/* Writes this state while the worker is blocked, against the protocol. */
static int corrupt_blocked_worker(uint32_t state)
{
	struct suspect suspect;

	if (!run_suspect(&suspect) || !state_change(&suspect.worker.task, BLOCKED, state))
		return 1;
	return survived(&suspect);
}

static int make_state_impossible(void *argument)
{
	(void)argument;
	return corrupt_blocked_worker(7);
}

static int make_state_none(void *argument)
{
	(void)argument;
	return corrupt_blocked_worker(NONE);
}

static int make_blocked_worker_idle(void *argument)
{
	(void)argument;
	return corrupt_blocked_worker(IDLE);
}

TEST_F(contract, an_impossible_state_is_fatal)
{
	EXPECT_KILLED(make_state_impossible);
	EXPECT_COUNTED(1, 0, 0);
}

TEST_F(contract, a_worker_that_is_made_to_look_unregistered_is_killed)
{
	EXPECT_KILLED(make_state_none);
	EXPECT_COUNTED(1, 0, 0);
}

TEST_F(contract, a_worker_that_is_idle_and_not_queued_is_killed)
{
	EXPECT_KILLED(make_blocked_worker_idle);
	EXPECT_COUNTED(1, 0, 0);
}

static int run_without_naming_a_server(void *argument)
{
	struct suspect suspect = { .group = UMCG_GROUP_INIT };

	(void)argument;
	if (server_register(&suspect.server))
		return 1;
	worker_start(&suspect.worker, &suspect.group, block_until_told);
	if (server_next_worker(&suspect.server, &suspect.group) != &suspect.worker)
		return 2;
	/* next_tid of the worker is not written. */
	if (server_wake(&suspect.server, &suspect.worker, 0))
		return 3;
	return survived(&suspect);
}

TEST_F(contract, a_worker_without_a_server_may_not_run)
{
	EXPECT_KILLED(run_without_naming_a_server);
	EXPECT_COUNTED(0, 1, 0);
}

static int make_blocked_worker_run_alone(void *argument)
{
	struct suspect suspect;

	(void)argument;
	if (!run_suspect(&suspect))
		return 1;
	set_next_tid(&suspect.worker.task, 0);
	if (!state_change(&suspect.worker.task, BLOCKED, RUNNING))
		return 2;
	return survived(&suspect);
}

TEST_F(contract, a_blocked_worker_may_not_lose_its_server)
{
	EXPECT_KILLED(make_blocked_worker_run_alone);
	EXPECT_COUNTED(0, 1, 0);
}

static void *memory_without_access(void)
{
	return mmap(NULL, sysconf(_SC_PAGESIZE), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Sets the address of the group's list before the worker wakes. */
static int move_list(uint64_t address)
{
	struct suspect suspect;

	if (!run_suspect(&suspect))
		return 1;
	suspect.worker.task.idle_workers_ptr = address;
	return survived(&suspect);
}

/* The same for the idle-server slot. */
static int move_slot(uint64_t address)
{
	struct suspect suspect;

	if (!run_suspect(&suspect))
		return 1;
	suspect.worker.task.idle_server_tid_ptr = address;
	return survived(&suspect);
}

static int move_list_out_of_memory(void *argument)
{
	(void)argument;
	return move_list((uintptr_t)memory_without_access());
}

static int move_list_to_the_kernel(void *argument)
{
	(void)argument;
	return move_list(KERNEL_ADDRESS);
}

static int move_list_off_its_alignment(void *argument)
{
	static uint64_t words[2];

	(void)argument;
	return move_list((uintptr_t)words + 4);
}

static int move_list_to_zero(void *argument)
{
	(void)argument;
	return move_list(0);
}

static int move_slot_out_of_memory(void *argument)
{
	(void)argument;
	return move_slot((uintptr_t)memory_without_access());
}

static int move_slot_to_zero(void *argument)
{
	(void)argument;
	return move_slot(0);
}

TEST_F(contract, a_list_that_is_not_in_memory_is_fatal)
{
	EXPECT_KILLED(move_list_out_of_memory);
	EXPECT_COUNTED(0, 0, 1);
}

TEST_F(contract, a_list_in_the_kernel_is_fatal)
{
	EXPECT_KILLED(move_list_to_the_kernel);
	EXPECT_COUNTED(0, 0, 1);
}

TEST_F(contract, an_unaligned_list_is_fatal)
{
	EXPECT_KILLED(move_list_off_its_alignment);
	EXPECT_COUNTED(0, 0, 1);
}

TEST_F(contract, a_list_without_an_address_is_fatal)
{
	EXPECT_KILLED(move_list_to_zero);
	EXPECT_COUNTED(0, 0, 1);
}

TEST_F(contract, an_idle_server_without_an_address_is_fatal)
{
	EXPECT_KILLED(move_slot_to_zero);
	EXPECT_COUNTED(0, 0, 1);
}

TEST_F(contract, an_idle_server_that_is_not_in_memory_is_fatal)
{
	EXPECT_KILLED(move_slot_out_of_memory);
	EXPECT_COUNTED(0, 0, 1);
}

static int move_list_elsewhere(void *argument)
{
	struct suspect suspect;
	struct umcg_group other = UMCG_GROUP_INIT;

	(void)argument;
	if (!run_suspect(&suspect))
		return 1;
	suspect.worker.task.idle_workers_ptr = (uintptr_t)&other.idle_workers;
	suspect.worker.task.idle_server_tid_ptr = (uintptr_t)&other.idle_server_tid;
	tell_to_go(&suspect.worker);
	if (server_next_worker(&suspect.server, &other) != &suspect.worker)
		return 2;
	if (server_run(&suspect.server, &suspect.worker) || !thread_ends(&suspect.worker))
		return 3;
	return 42;
}

TEST_F(contract, a_worker_may_change_its_group)
{
	EXPECT_SURVIVED(move_list_elsewhere);
	EXPECT_COUNTED(0, 0, 0);
}

/* Publishes TIDs that are no idle servers of the process: the worker is queued nevertheless. */
static int publish_wrong_servers(void *argument)
{
	const uint32_t tids[] = { INIT_PID, KTHREADD_PID, INT32_MAX, 1U << 31, UINT32_MAX };
	struct umcg_thread server = {};

	(void)argument;
	if (server_register(&server))
		return 1;
	for (size_t i = 0; i < ARRAY_SIZE(tids); i++) {
		struct umcg_group group = UMCG_GROUP_INIT;
		struct umcg_thread worker = {};

		group.idle_server_tid = tids[i];
		worker_start(&worker, &group, block_for_a_while);
		if (!SOON(thread_waits(&worker)) || group.idle_server_tid)
			return 2;
		if (!server_run_to_end(&server, &group, &worker) || !worker.phase)
			return 3;
	}
	return 42;
}

TEST_F(contract, an_invalid_idle_server_is_skipped)
{
	EXPECT_SURVIVED(publish_wrong_servers);
	EXPECT_COUNTED(0, 0, 0);
}

/*
 * Names the thread of `arg`, or else one of another process: treated as if the server had
 * exited.
 */
static void name_another_and_block(struct umcg_thread *self)
{
	const struct umcg_thread *other = self->arg;

	set_next_tid(&self->task, other ? other->tid : INIT_PID);
	block_until_told(self);
}

/* The worker blocks, and its server stays asleep until it checks by itself. */
static bool block_under_another(struct suspect *suspect)
{
	worker_start(&suspect->worker, &suspect->group, name_another_and_block);
	return server_next_worker(&suspect->server, &suspect->group) == &suspect->worker &&
	       server_prepare_run(&suspect->server, &suspect->worker) &&
	       umcg_wait(0, realtime_in_ms(500)) == -ETIMEDOUT &&
	       SOON(state_of(&suspect->worker.task) == BLOCKED) &&
	       state_change(&suspect->server.task, IDLE, RUNNING);
}

static int have_a_foreign_server(void *argument)
{
	struct suspect suspect = { .group = UMCG_GROUP_INIT };

	(void)argument;
	if (server_register(&suspect.server) || !block_under_another(&suspect))
		return 1;
	tell_to_go(&suspect.worker);
	return server_run_to_end(&suspect.server, &suspect.group, &suspect.worker) ? 42 : 2;
}

/* Names an idle worker in place of a server: the worker is not changed. */
static int have_a_worker_for_a_server(void *argument)
{
	struct suspect suspect = { .group = UMCG_GROUP_INIT };
	struct umcg_thread idle = {};
	uint64_t word;

	(void)argument;
	if (server_register(&suspect.server))
		return 1;
	worker_start(&idle, &suspect.group, block_for_a_while);
	if (server_next_worker(&suspect.server, &suspect.group) != &idle ||
	    !SOON(thread_waits(&idle)))
		return 2;
	word = state_word(&idle.task);
	suspect.worker.arg = &idle;
	if (!block_under_another(&suspect) || state_word(&idle.task) != word)
		return 3;
	suspect.group.idle_server_tid = idle.tid;
	tell_to_go(&suspect.worker);
	if (!SOON(thread_waits(&suspect.worker)) || suspect.group.idle_server_tid ||
	    state_word(&idle.task) != word)
		return 4;
	if (!server_run_to_end(&suspect.server, &suspect.group, &suspect.worker))
		return 5;
	if (server_run(&suspect.server, &idle) ||
	    !server_run_to_end(&suspect.server, &suspect.group, &idle))
		return 6;
	return 42;
}

TEST_F(contract, a_server_of_another_process_is_not_touched)
{
	EXPECT_SURVIVED(have_a_foreign_server);
	EXPECT_COUNTED(0, 0, 0);
}

TEST_F(contract, a_worker_is_no_server)
{
	EXPECT_SURVIVED(have_a_worker_for_a_server);
	EXPECT_COUNTED(0, 0, 0);
}

static void set_reserved_bit(struct umcg_task *task, unsigned int bit)
{
	atomic_fetch_or((_Atomic uint64_t *)&task->state_ts, 1U << bit);
}

/* The bit is the argument. */
static int set_reserved_bit_while_blocked(void *argument)
{
	struct suspect suspect;

	if (!run_suspect(&suspect))
		return 1;
	set_reserved_bit(&suspect.worker.task, (uintptr_t)argument);
	return survived(&suspect);
}

static void set_reserved_bit_and_block(struct umcg_thread *self)
{
	set_reserved_bit(&self->task, (uintptr_t)self->arg);
	block_until_told(self);
}

/* The server sleeps until it checks by itself. */
static int set_reserved_bit_while_running(void *argument)
{
	struct suspect suspect = { .group = UMCG_GROUP_INIT };

	suspect.worker.arg = argument;
	if (server_register(&suspect.server))
		return 1;
	worker_start(&suspect.worker, &suspect.group, set_reserved_bit_and_block);
	if (server_next_worker(&suspect.server, &suspect.group) != &suspect.worker ||
	    !server_prepare_run(&suspect.server, &suspect.worker))
		return 2;
	umcg_wait(0, realtime_in_ms(SOON_MS));
	return 42;
}

TEST_F(contract, a_worker_with_a_reserved_bit_is_killed_when_it_wakes)
{
	for (uintptr_t bit = 8; bit < 13; bit++)
		EXPECT_KILLED_BY(set_reserved_bit_while_blocked, (void *)bit);
	EXPECT_COUNTED(5, 0, 0);
}

TEST_F(contract, a_worker_with_a_reserved_bit_is_killed_when_it_blocks)
{
	for (uintptr_t bit = 8; bit < 13; bit++)
		EXPECT_KILLED_BY(set_reserved_bit_while_running, (void *)bit);
	EXPECT_COUNTED(5, 0, 0);
}

static void wait_once(struct umcg_thread *self)
{
	self->result = server_wait(self, 0);
}

/* Its own waits fail, a wait that has begun does when it is woken, and the kernel does not start it. */
static int be_a_server_with_a_reserved_bit(void *argument)
{
	struct suspect suspect;
	struct umcg_thread other = {};
	const unsigned int bit = (uintptr_t)argument;

	if (!run_suspect(&suspect))
		return 1;
	server_start(&other, wait_once);
	if (!SOON(thread_waits(&other)))
		return 2;
	set_reserved_bit(&other.task, bit);
	suspect.group.idle_server_tid = other.tid;
	tell_to_go(&suspect.worker);
	if (!SOON(thread_waits(&suspect.worker)) || suspect.group.idle_server_tid)
		return 3;
	if (!thread_sleeps(other.tid) || state_of(&other.task) != (IDLE | 1U << bit))
		return 4;
	set_next_tid(&suspect.server.task, other.tid);
	if (umcg_wait(UMCG_WAIT_WAKE_ONLY, 0) || !thread_ends(&other) || other.result != -EINVAL)
		return 5;
	set_next_tid(&suspect.server.task, 0);
	set_reserved_bit(&suspect.server.task, bit);
	if (umcg_wait(0, 0) != -EINVAL || !state_change(&suspect.server.task, RUNNING | 1U << bit,
							RUNNING))
		return 6;
	return server_run_to_end(&suspect.server, &suspect.group, &suspect.worker) ? 42 : 7;
}

TEST_F(contract, a_server_with_a_reserved_bit_cannot_wait_and_is_not_started)
{
	for (uintptr_t bit = 8; bit < 13; bit++)
		EXPECT_SURVIVED_BY(be_a_server_with_a_reserved_bit, (void *)bit);
	EXPECT_COUNTED(0, 0, 0);
}

TEST_HARNESS_MAIN
