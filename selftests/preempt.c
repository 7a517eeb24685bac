// SPDX-License-Identifier: GPL-2.0
/*
 * Preemption: a running worker is preempted in favour of its own server.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "umcg_crew.h"

#define FIRST_CPU	0
#define SECOND_CPU	1
#define SLICES		50

enum way { BY_KICK, BY_SIGNAL };

/* The test is the server. Another thread preempts, for the server sleeps while its worker runs. */
FIXTURE(preempt) {
	struct umcg_thread server;
	struct umcg_group group;
	struct umcg_thread worker;
	/* An idle server that is not the worker's. */
	struct umcg_thread bystander;
	struct umcg_thread preempter;
};

FIXTURE_SETUP(preempt)
{
	umcg_test_begin(TEST_SECONDS);
	self->group = (struct umcg_group)UMCG_GROUP_INIT;
	count_signal(SIGUSR1, SA_RESTART);
	ASSERT_EQ(0, server_register(&self->server));
}

FIXTURE_TEARDOWN(preempt)
{
}

static bool take_worker(FIXTURE_DATA(preempt) *self)
{
	return server_next_worker(&self->server, &self->group) == &self->worker;
}

static bool start_worker(FIXTURE_DATA(preempt) *self, void (*body)(struct umcg_thread *))
{
	worker_start(&self->worker, &self->group, body);
	return take_worker(self);
}

/* Spins in user mode until the phase is 2; `result` counts. */
static void spin(struct umcg_thread *self)
{
	self->phase = 1;
	while (self->phase == 1)
		self->result++;
	self->phase = 3;
}

/* Lets a spinning worker, which has been preempted and taken, run to its end. */
static bool run_to_end(FIXTURE_DATA(preempt) *self)
{
	self->worker.phase = 2;
	state_may_change(&self->worker.task, IDLE | PREEMPTED, IDLE);
	return !server_run(&self->server, &self->worker) && thread_ends(&self->worker);
}

static void wait_once(struct umcg_thread *self)
{
	set_next_tid(&self->task, 0);
	state_must_change(&self->task, RUNNING, IDLE);
	self->result = umcg_wait(0, realtime_in_ms(2 * SOON_MS));
}

static bool publish_bystander(FIXTURE_DATA(preempt) *self)
{
	server_start(&self->bystander, wait_once);
	if (!SOON(thread_waits(&self->bystander)))
		return false;
	self->group.idle_server_tid = self->bystander.tid;
	return true;
}

static bool dismiss_bystander(FIXTURE_DATA(preempt) *self)
{
	self->group.idle_server_tid = 0;
	return !server_wake(&self->server, &self->bystander, 0) && thread_ends(&self->bystander);
}

static void kick_worker_of_arg(struct umcg_thread *self)
{
	struct umcg_thread *worker = self->arg;

	if (!SOON(worker->phase == 1))
		return;
	sleep_ms(20);
	self->result = worker_kick(worker);
	self->phase = 1;
}

static void signal_worker_of_arg(struct umcg_thread *self)
{
	struct umcg_thread *worker = self->arg;

	if (!SOON(worker->phase == 1))
		return;
	sleep_ms(20);
	self->result = worker_preempt(worker, SIGUSR1);
	self->phase = 1;
}

/* A spinning worker is stopped, and continues when its server runs it again. */
static void preempt_spinning(struct __test_metadata *_metadata, FIXTURE_DATA(preempt) *self,
			     enum way way, int worker_cpu)
{
	uint64_t stamp;
	long count;

	allow_cpus(0, worker_cpu, worker_cpu);
	ASSERT_TRUE(start_worker(self, spin));
	allow_cpus(0, FIRST_CPU, FIRST_CPU);
	ASSERT_TRUE(publish_bystander(self));
	stamp = state_stamp(&self->worker.task);
	self->preempter.arg = &self->worker;
	thread_start(&self->preempter, way == BY_KICK ? kick_worker_of_arg : signal_worker_of_arg);

	ASSERT_EQ(0, server_run(&self->server, &self->worker));
	EXPECT_EQ(RUNNING, state_of(&self->server.task));
	EXPECT_EQ(IDLE | PREEMPTED, state_of(&self->worker.task));
	EXPECT_LT(stamp, state_stamp(&self->worker.task));
	EXPECT_EQ((uintptr_t)&self->worker.task.idle_workers_ptr, self->group.idle_workers);
	EXPECT_EQ(self->bystander.tid, self->group.idle_server_tid)
		TH_LOG("its own server is started, and not the idle one");
	EXPECT_EQ(IDLE, state_of(&self->bystander.task));
	ASSERT_TRUE(thread_ends(&self->preempter));
	EXPECT_EQ(1, self->preempter.phase);
	EXPECT_EQ(0, self->preempter.result);

	ASSERT_TRUE(SOON(thread_sleeps(self->worker.tid)));
	count = self->worker.result;
	sleep_ms(50);
	EXPECT_EQ(count, self->worker.result)
		TH_LOG("it does not run");
	EXPECT_EQ(0, signals_handled)
		TH_LOG("the handler runs when the worker does");
	ASSERT_TRUE(dismiss_bystander(self));
	ASSERT_TRUE(take_worker(self));
	ASSERT_TRUE(run_to_end(self));
	EXPECT_EQ(3, self->worker.phase);
	EXPECT_EQ(way == BY_SIGNAL, signals_handled);
}

TEST_F(preempt, a_kick_stops_a_worker_that_spins_on_another_cpu)
{
	preempt_spinning(_metadata, self, BY_KICK, SECOND_CPU);
}

TEST_F(preempt, a_kick_stops_a_worker_that_spins_on_the_same_cpu)
{
	preempt_spinning(_metadata, self, BY_KICK, FIRST_CPU);
}

TEST_F(preempt, a_signal_stops_a_worker_that_spins_on_another_cpu)
{
	preempt_spinning(_metadata, self, BY_SIGNAL, SECOND_CPU);
}

TEST_F(preempt, a_signal_stops_a_worker_that_spins_on_the_same_cpu)
{
	preempt_spinning(_metadata, self, BY_SIGNAL, FIRST_CPU);
}

static void signal_without_the_flag(struct umcg_thread *self)
{
	struct umcg_thread *worker = self->arg;

	if (SOON(worker->phase == 1))
		thread_signal(worker, SIGUSR1);
	self->result = SOON(signals_handled == 1) && state_of(&worker->task) == RUNNING;
	worker->phase = 2;
}

TEST_F(preempt, a_signal_alone_does_not_preempt)
{
	self->preempter.arg = &self->worker;
	ASSERT_TRUE(start_worker(self, spin));
	thread_start(&self->preempter, signal_without_the_flag);
	ASSERT_EQ(0, server_run(&self->server, &self->worker));
	EXPECT_EQ(0, self->group.idle_workers);
	ASSERT_TRUE(thread_ends(&self->worker));
	ASSERT_TRUE(thread_ends(&self->preempter));
	EXPECT_EQ(1, self->preempter.result);
}

static void kick_self(struct umcg_thread *self)
{
	self->phase = 1;
	self->result = worker_kick(self);
	self->phase = 2;
}

TEST_F(preempt, a_worker_that_kicks_itself_is_preempted_at_once)
{
	ASSERT_TRUE(start_worker(self, kick_self));
	ASSERT_EQ(0, server_run(&self->server, &self->worker));
	EXPECT_EQ(1, self->worker.phase);
	EXPECT_EQ(IDLE | PREEMPTED, state_of(&self->worker.task));
	ASSERT_TRUE(take_worker(self));
	ASSERT_TRUE(run_to_end(self));
	EXPECT_EQ(0, self->worker.result);
}

/* Yields in a critical section, and counts there when it is run. */
static void *yield_in_section(void *argument)
{
	struct umcg_thread *self = argument;

	self->tid = gettid();
	worker_task_init(&self->task, self->group);
	self->result = umcg_ctl(WORKER_FLAGS | UMCG_CTL_CRITICAL, &self->task);
	if (self->result)
		return NULL;
	self->task.critical = 1;
	self->result = worker_yield(self, 0);
	while (self->phase != 2)
		self->result++;
	self->task.critical = 0;
	worker_leave(self);
	return NULL;
}

/* It is on its way out of the call by which it has waited, and is looked at there, too. */
TEST_F(preempt, kick_that_insists_counts_before_the_worker_is_in_user_mode)
{
	struct umcg_kick_args kick = { .size = sizeof(kick), .flags = UMCG_KICK_INSIST };

	self->worker.group = &self->group;
	ASSERT_EQ(0, pthread_create(&self->worker.thread, NULL, yield_in_section, &self->worker));
	ASSERT_TRUE(take_worker(self));
	ASSERT_EQ(0, server_run(&self->server, &self->worker));
	ASSERT_TRUE(SOON(thread_waits(&self->worker)));
	ASSERT_TRUE(server_prepare_run(&self->server, &self->worker));
	kick.tid = self->worker.tid;
	ASSERT_EQ(0, umcg_ioctl(UMCG_IOC_KICK, &kick));
	ASSERT_EQ(0, umcg_wait(0, realtime_in_ms(SOON_MS)));
	EXPECT_EQ(IDLE | PREEMPTED, state_of(&self->worker.task));
	EXPECT_EQ(0, self->worker.result);
	ASSERT_TRUE(take_worker(self));

	/* It has given way: the next kick that does not insist waits for the end of the section. */
	state_must_change(&self->worker.task, IDLE | PREEMPTED, IDLE);
	ASSERT_TRUE(server_prepare_run(&self->server, &self->worker));
	ASSERT_EQ(0, umcg_wait(UMCG_WAIT_WAKE_ONLY, 0));
	ASSERT_TRUE(SOON(self->worker.result > 0));
	state_must_change(&self->worker.task, RUNNING, RUNNING | PREEMPTED);
	ASSERT_EQ(0, thread_signal(&self->worker, SIGUSR1));
	ASSERT_TRUE(SOON(signals_handled == 1));
	EXPECT_EQ(RUNNING | PREEMPTED, state_of(&self->worker.task));
	EXPECT_EQ(IDLE, state_of(&self->server.task));
	state_must_change(&self->worker.task, RUNNING | PREEMPTED, RUNNING);
	self->worker.phase = 2;
	ASSERT_TRUE(thread_ends(&self->worker));
	EXPECT_EQ(RUNNING, state_of(&self->server.task));
}

/* Blocks after it was kicked, and before it is preempted. */
static void be_preempted_and_block(struct umcg_thread *self)
{
	const int *pipe_end = self->arg;
	char byte;

	state_must_change(&self->task, RUNNING, RUNNING | PREEMPTED);
	self->result = read(*pipe_end, &byte, 1);
	self->phase = 1;
}

TEST_F(preempt, a_worker_that_blocks_first_wakes_the_idle_server)
{
	int pipe_ends[2];

	ASSERT_EQ(0, pipe(pipe_ends));
	self->worker.arg = &pipe_ends[0];
	ASSERT_TRUE(start_worker(self, be_preempted_and_block));
	ASSERT_EQ(0, server_run(&self->server, &self->worker));
	EXPECT_EQ(BLOCKED | PREEMPTED, state_of(&self->worker.task));
	EXPECT_EQ(-EAGAIN, worker_kick(&self->worker));

	ASSERT_TRUE(publish_bystander(self));
	ASSERT_EQ(1, write(pipe_ends[1], "x", 1));
	ASSERT_TRUE(thread_ends(&self->bystander))
		TH_LOG("the server in the slot is started");
	EXPECT_EQ(0, self->bystander.result);
	EXPECT_EQ(0, self->group.idle_server_tid);
	EXPECT_EQ(IDLE | PREEMPTED, state_of(&self->worker.task));
	EXPECT_EQ(0, self->worker.phase);
	ASSERT_TRUE(take_worker(self));
	ASSERT_TRUE(run_to_end(self));
	EXPECT_EQ(1, self->worker.result);
}

#define AN_HOUR		(3600 * NSEC_PER_SEC >> UMCG_STATE_TIMESTAMP_GRANULARITY)

/*
 * Sets the worker's timestamp to the future, so that every change adds one, and perhaps
 * sets the flag.
 */
static uint64_t stamp_ahead(struct umcg_thread *worker, uint32_t flag)
{
	_Atomic uint64_t *word = (_Atomic uint64_t *)&worker->task.state_ts;
	uint64_t old = state_word(&worker->task);
	uint64_t stamp = (old >> UMCG_STATE_TIMESTAMP_SHIFT) + AN_HOUR;
	uint64_t new = stamp << UMCG_STATE_TIMESTAMP_SHIFT |
		       (old & UMCG_TASK_STATE_MASK_FULL) | flag;

	return atomic_compare_exchange_strong(word, &old, new) ? stamp : 0;
}

static void kick_a_worker_ahead_of_time(struct umcg_thread *self)
{
	struct umcg_thread *worker = self->arg;

	if (SOON(worker->phase == 1))
		self->result = stamp_ahead(worker, self->phase);
	worker_kick(worker);
}

/* How many changes it takes to preempt a worker; the kernel's own is the last of them. */
static uint64_t changes_by_kick(struct __test_metadata *_metadata, FIXTURE_DATA(preempt) *self,
				uint32_t flag)
{
	uint64_t changes;

	self->worker = (struct umcg_thread){};
	self->preempter = (struct umcg_thread){ .arg = &self->worker, .phase = flag };
	ASSERT_TRUE(start_worker(self, spin));
	thread_start(&self->preempter, kick_a_worker_ahead_of_time);
	ASSERT_EQ(0, server_run(&self->server, &self->worker));
	ASSERT_TRUE(thread_ends(&self->preempter));
	EXPECT_EQ(IDLE | PREEMPTED, state_of(&self->worker.task));
	changes = state_stamp(&self->worker.task) - self->preempter.result;
	ASSERT_TRUE(take_worker(self));
	ASSERT_TRUE(run_to_end(self));
	return changes;
}

TEST_F(preempt, a_kick_sets_the_flag_and_stamps_the_word)
{
	EXPECT_EQ(2, changes_by_kick(_metadata, self, 0));
}

TEST_F(preempt, a_kick_leaves_a_word_that_has_the_flag_alone)
{
	EXPECT_EQ(1, changes_by_kick(_metadata, self, PREEMPTED));
}

static long kick(uint32_t tid, uint32_t flags, uint32_t reserved)
{
	struct umcg_kick_args args = {
		.size = sizeof(args),
		.flags = flags,
		.tid = tid,
		.reserved = reserved,
	};

	return umcg_ioctl(UMCG_IOC_KICK, &args);
}

static void do_nothing(struct umcg_thread *self)
{
	self->phase = 3;
}

TEST_F(preempt, other_values_are_EINVAL)
{
	ASSERT_TRUE(start_worker(self, do_nothing));
	for (int bit = 0; bit < 32; bit++) {
		EXPECT_EQ(1U << bit == UMCG_KICK_INSIST ? -EAGAIN : -EINVAL,
			  kick(self->worker.tid, 1U << bit, 0));
		EXPECT_EQ(-EINVAL, kick(self->worker.tid, 0, 1U << bit));
	}
	EXPECT_EQ(-EINVAL, kick(self->server.tid, 0, 0))
		TH_LOG("a server");
	EXPECT_EQ(IDLE, state_of(&self->worker.task));
	ASSERT_TRUE(run_to_end(self));
}

static void read_from_pipe(struct umcg_thread *self)
{
	const int *pipe_end = self->arg;
	char byte;

	self->result = read(*pipe_end, &byte, 1);
	self->phase = state_of(&self->task);
}

TEST_F(preempt, a_worker_that_does_not_run_is_EAGAIN)
{
	struct umcg_thread *worker = &self->worker;
	int pipe_ends[2];

	ASSERT_EQ(0, pipe(pipe_ends));
	worker->arg = &pipe_ends[0];
	ASSERT_TRUE(start_worker(self, read_from_pipe));
	EXPECT_EQ(-EAGAIN, worker_kick(worker));
	EXPECT_EQ(IDLE, state_of(&worker->task));

	ASSERT_TRUE(state_change_soon(&worker->task, IDLE, RUNNING | LOCKED));
	EXPECT_EQ(-EAGAIN, worker_kick(worker));
	EXPECT_EQ(RUNNING | LOCKED, state_of(&worker->task));
	state_must_change(&self->server.task, RUNNING, IDLE);
	server_finish_run(&self->server, worker);
	ASSERT_EQ(0, umcg_wait(0, 0));

	EXPECT_EQ(BLOCKED, state_of(&worker->task));
	EXPECT_EQ(-EAGAIN, worker_kick(worker));
	EXPECT_EQ(BLOCKED, state_of(&worker->task));
	ASSERT_EQ(1, write(pipe_ends[1], "x", 1));
	ASSERT_TRUE(take_worker(self));
	ASSERT_EQ(0, server_run(&self->server, worker));
	ASSERT_TRUE(thread_ends(worker));
	EXPECT_EQ(RUNNING, worker->phase)
		TH_LOG("no kick has left a trace");
}

static void live_until_told(struct umcg_thread *self)
{
	while (self->phase == 0)
		sleep_ms(1);
}

TEST_F(preempt, an_unregistered_thread_is_ESRCH)
{
	struct umcg_thread plain = {};
	const pid_t process = fork();

	if (!process) {
		pause();
		_exit(0);
	}
	EXPECT_EQ(-ESRCH, kick(0, 0, 0));
	EXPECT_EQ(-ESRCH, kick(INT32_MAX, 0, 0));
	EXPECT_EQ(-ESRCH, kick(UINT32_MAX, 0, 0));
	thread_start(&plain, live_until_told);
	ASSERT_TRUE(SOON(plain.tid));
	EXPECT_EQ(-ESRCH, kick(plain.tid, 0, 0));
	plain.phase = 1;
	ASSERT_TRUE(thread_ends(&plain));
	EXPECT_EQ(-ESRCH, kick(plain.tid, 0, 0));
	EXPECT_EQ(-EPERM, kick(process, 0, 0));
	EXPECT_EQ(-EPERM, kick(2, 0, 0))
		TH_LOG("a thread of the kernel");
	kill(process, SIGKILL);
	EXPECT_NE(-1, process_ends(process));
}

static int kick_foreign_worker(void *argument)
{
	return -worker_kick(argument);
}

static void kick_from_a_process(struct umcg_thread *self)
{
	struct umcg_thread *worker = self->arg;

	if (SOON(worker->phase == 1)) {
		int status = process_ends(process_start(kick_foreign_worker, worker));

		self->result = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	}
	/* The fork may have made it block. */
	self->phase = SOON(state_of(&worker->task) == RUNNING);
	worker->phase = 2;
}

/* It has left, unless the fork has made it wait for its memory. */
static bool worker_ends(FIXTURE_DATA(preempt) *self)
{
	return state_of(&self->worker.task) == (IDLE | LOCKED) ? thread_ends(&self->worker) :
	       server_run_to_end(&self->server, &self->group, &self->worker);
}

TEST_F(preempt, a_worker_of_another_process_is_EPERM)
{
	self->preempter.arg = &self->worker;
	ASSERT_TRUE(start_worker(self, spin));
	thread_start(&self->preempter, kick_from_a_process);
	ASSERT_EQ(0, server_run(&self->server, &self->worker));
	ASSERT_TRUE(worker_ends(self));
	ASSERT_TRUE(thread_ends(&self->preempter));
	EXPECT_EQ(EPERM, self->preempter.result);
	EXPECT_EQ(1, self->preempter.phase)
		TH_LOG("the worker has not been touched");
}

static void kick_in_slices(struct umcg_thread *self)
{
	struct umcg_thread *workers = self->arg;

	for (int i = 0; self->phase == 0; i++) {
		sleep_ms(2 * slowness());
		worker_kick(&workers[i % 2]);
	}
}

TEST_F(preempt, two_workers_that_spin_share_their_server)
{
	struct umcg_thread workers[2] = {};
	int turns[2] = {};

	allow_cpus(0, FIRST_CPU, FIRST_CPU);
	worker_start(&workers[0], &self->group, spin);
	worker_start(&workers[1], &self->group, spin);
	ASSERT_TRUE(SOON(thread_waits(&workers[0]) && thread_waits(&workers[1])));
	self->preempter.arg = workers;
	thread_start(&self->preempter, kick_in_slices);
	for (int i = 0; i < SLICES; i++) {
		struct umcg_thread *worker = server_next_worker(&self->server, &self->group);
		const long before = worker ? worker->result : 0;

		ASSERT_NE(NULL, worker);
		state_may_change(&worker->task, IDLE | PREEMPTED, IDLE);
		ASSERT_EQ(0, server_run(&self->server, worker));
		/* A kick may come before the worker is in user mode: then it has done nothing. */
		turns[worker - workers] += before < worker->result;
	}
	EXPECT_LT(SLICES / 10, turns[0]);
	EXPECT_LT(SLICES / 10, turns[1]);
	self->preempter.phase = 1;
	ASSERT_TRUE(thread_ends(&self->preempter));
	for (int left = 2; left > 0;) {
		struct umcg_thread *worker = server_next_worker(&self->server, &self->group);

		ASSERT_NE(NULL, worker);
		worker->phase = 2;
		state_may_change(&worker->task, IDLE | PREEMPTED, IDLE);
		ASSERT_EQ(0, server_run(&self->server, worker));
		left -= worker->phase == 3;
	}
	ASSERT_TRUE(thread_ends(&workers[0]));
	ASSERT_TRUE(thread_ends(&workers[1]));
}

TEST_HARNESS_MAIN
