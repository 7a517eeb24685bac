// SPDX-License-Identifier: GPL-2.0
/*
 * Tasks other than threads of one process: processes that share memory, PID namespaces,
 * signal handlers, io_uring.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/io_uring.h>

#include "kselftest_harness.h"
#include "umcg_crew.h"

#define ROUNDS		100
#define NAPS		10
#define STACK_SIZE	(256 * 1024)
#define STILL_MS	50

/* The test is the server. */
FIXTURE(environment) {
	struct umcg_thread server;
	struct umcg_group group;
	struct umcg_thread worker;
	struct umcg_thread other;
};

FIXTURE_SETUP(environment)
{
	umcg_test_begin(TEST_SECONDS);
	self->group = (struct umcg_group)UMCG_GROUP_INIT;
	ASSERT_EQ(0, server_register(&self->server));
}

FIXTURE_TEARDOWN(environment)
{
}

static bool start_worker(FIXTURE_DATA(environment) *self, void (*body)(struct umcg_thread *))
{
	worker_start(&self->worker, &self->group, body);
	return server_next_worker(&self->server, &self->group) == &self->worker;
}

/*
 * Starts a process that shares our memory; also the thread-local storage of the
 * caller, so that it must keep to plain system calls that succeed.
 */
static pid_t share_memory(int (*body)(void *), void *argument)
{
	char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	if (stack == MAP_FAILED)
		return -1;
	return clone(body, stack + STACK_SIZE, CLONE_VM | SIGCHLD, argument);
}

static int serve_the_server(void *argument)
{
	struct umcg_thread *self = argument;
	struct umcg_thread *caller = self->arg;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (server_register(self))
		return 1;
	self->phase = 1;
	set_next_tid(&self->task, 0);
	state_must_change(&self->task, RUNNING, IDLE);
	if (umcg_wait(0, 0))
		return 2;
	for (int i = 1; i < ROUNDS; i++) {
		self->phase++;
		if (server_swap(self, caller))
			return 3;
	}
	if (server_wake(self, caller, 0))
		return 4;
	return umcg_ctl(UMCG_CTL_UNREGISTER, NULL) ? 5 : 0;
}

TEST_F(environment, servers_of_processes_that_share_memory_swap)
{
	pid_t pid;

	self->other.arg = &self->server;
	pid = share_memory(serve_the_server, &self->other);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(SOON(state_of(&self->other.task) == IDLE));
	EXPECT_EQ(pid, self->other.tid);
	for (int i = 1; i <= ROUNDS; i++) {
		ASSERT_EQ(0, server_swap(&self->server, &self->other));
		ASSERT_EQ(i < ROUNDS ? i + 1 : ROUNDS, self->other.phase);
	}
	EXPECT_EQ(0, process_ends(pid));
}

static int work_as_process(void *argument)
{
	struct umcg_thread *self = argument;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	self->tid = gettid();
	worker_task_init(&self->task, self->group);
	if (umcg_ctl(WORKER_FLAGS, &self->task))
		return 1;
	self->body(self);
	return worker_leave(self) ? 2 : 0;
}

/* Starts the worker as a process, which is soon on the idle-worker list. */
static pid_t queue_worker_process(FIXTURE_DATA(environment) *self,
				  void (*body)(struct umcg_thread *))
{
	self->worker.group = &self->group;
	self->worker.body = body;
	return share_memory(work_as_process, &self->worker);
}

static pid_t start_worker_process(FIXTURE_DATA(environment) *self,
				  void (*body)(struct umcg_thread *))
{
	const pid_t pid = queue_worker_process(self, body);

	return server_next_worker(&self->server, &self->group) == &self->worker ? pid : -1;
}

static void nap(struct umcg_thread *self)
{
	for (self->phase = 0; self->phase < NAPS; self->phase++) {
		sleep_ms(20);
		worker_yield(self, 0);
	}
}

TEST_F(environment, a_process_that_shares_memory_is_a_worker)
{
	const pid_t pid = start_worker_process(self, nap);

	ASSERT_LT(0, pid);
	for (int i = 0; i < NAPS; i++) {
		ASSERT_EQ(0, server_run(&self->server, &self->worker));
		EXPECT_EQ(i, self->worker.phase);
		/* The nap may be over already. */
		EXPECT_NE(RUNNING, state_of(&self->worker.task));
		ASSERT_EQ(&self->worker, server_next_worker(&self->server, &self->group));
		ASSERT_EQ(0, server_run(&self->server, &self->worker));
	}
	ASSERT_EQ(0, server_run(&self->server, &self->worker));
	EXPECT_EQ(0, process_ends(pid));
}

static void spin(struct umcg_thread *self)
{
	self->phase = 1;
	while (self->phase == 1)
		self->result++;
}

static void kill_or_kick(struct umcg_thread *self)
{
	struct umcg_thread *worker = self->arg;

	if (!SOON(state_of(&worker->task) == RUNNING))
		return;
	sleep_ms(STILL_MS);
	self->result = self->phase ? worker_kick(worker) : kill(worker->tid, SIGKILL);
}

TEST_F(environment, a_worker_process_is_preempted_and_its_death_starts_the_server)
{
	const pid_t pid = start_worker_process(self, spin);
	int status;

	ASSERT_LT(0, pid);
	self->other = (struct umcg_thread){ .arg = &self->worker, .phase = 1 };
	thread_start(&self->other, kill_or_kick);
	ASSERT_EQ(0, server_run(&self->server, &self->worker));
	ASSERT_TRUE(thread_ends(&self->other));
	EXPECT_EQ(0, self->other.result);
	EXPECT_EQ(IDLE | PREEMPTED, state_of(&self->worker.task));
	ASSERT_EQ(&self->worker, server_next_worker(&self->server, &self->group));
	state_must_change(&self->worker.task, IDLE | PREEMPTED, IDLE);

	self->other = (struct umcg_thread){ .arg = &self->worker, .phase = 0 };
	thread_start(&self->other, kill_or_kick);
	ASSERT_EQ(0, server_run(&self->server, &self->worker));
	ASSERT_TRUE(thread_ends(&self->other));
	EXPECT_EQ(NONE, state_of(&self->worker.task));
	status = process_ends(pid);
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	EXPECT_EQ(0, self->group.idle_workers);
}

TEST_F(environment, a_worker_process_that_dies_on_the_list_stays_there_as_NONE)
{
	const pid_t pid = queue_worker_process(self, nap);
	int status;

	ASSERT_LT(0, pid);
	ASSERT_TRUE(SOON(thread_waits(&self->worker)));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	status = process_ends(pid);
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	EXPECT_EQ(NONE, state_of(&self->worker.task));
	EXPECT_EQ((uintptr_t)&self->worker.task.idle_workers_ptr, self->group.idle_workers);
	EXPECT_EQ(&self->worker, group_take_idle(&self->group));
	EXPECT_EQ(0, umcg_stat("workers"));
}

static void block_yield_and_swap(struct umcg_thread *self)
{
	for (int i = 0; i < NAPS; i++) {
		sleep_ms(1);
		self->result |= crew_yield(self);
		self->result |= worker_kick(self);
		self->result |= crew_swap(self);
		self->phase++;
	}
}

static int work_in_namespace(void *argument)
{
	static struct umcg_crew crew;

	(void)argument;
	if (getpid() != 1)
		return 1;
	crew_start(&crew, 2, 4, block_yield_and_swap);
	if (!crew_ends(&crew) || crew.fault)
		return 2;
	for (unsigned int i = 0; i < crew.worker_count; i++) {
		if (crew.workers[i].tid > 10 || crew.workers[i].result ||
		    crew.workers[i].phase != NAPS)
			return 3;
	}
	return 0;
}

static int start_namespace(void *argument)
{
	int status;

	if (unshare(CLONE_NEWPID))
		return 77;
	status = process_ends(process_start(work_in_namespace, argument));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 10;
}

TEST_F(environment, a_group_works_in_a_pid_namespace)
{
	const int status = process_ends(process_start(start_namespace, NULL));

	ASSERT_TRUE(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		SKIP(return, "no PID namespaces");
	EXPECT_EQ(0, WEXITSTATUS(status));
}

/* Data of the signal handler of a test, and the results of its calls. */
static FIXTURE_DATA(environment) *handled;
static _Atomic int handler_wake, handler_wait, handler_runs;

static void handle_with(void (*handler)(int), FIXTURE_DATA(environment) *self)
{
	const struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };

	handled = self;
	sigaction(SIGUSR1, &action, NULL);
}

/* Wakes another server, and waits a little itself. */
static void wake_and_wait_in_handler(int signal)
{
	struct umcg_task *task = &handled->server.task;
	const uint32_t next_tid = task->next_tid;

	(void)signal;
	handler_wake = server_wake(&handled->server, &handled->other, 0);
	set_next_tid(task, 0);
	handler_wait = umcg_wait(0, realtime_in_ms(STILL_MS));
	set_next_tid(task, next_tid);
	handler_runs++;
}

/* Waits to be started, and starts the server of the test when its handler has returned. */
static void start_server_late(struct umcg_thread *self)
{
	self->result = server_wait(self, 0);
	SOON(handler_runs);
	self->phase = handler_runs;
	self->result |= server_wake(self, self->arg, 0);
}

static void signal_server_of_arg(struct umcg_thread *self)
{
	struct umcg_thread *server = self->arg;

	self->result = SOON(thread_waits(server)) && !thread_signal(server, SIGUSR1);
}

TEST_F(environment, the_handler_of_a_waiting_server_may_wake_and_wait)
{
	struct umcg_thread signaller = { .arg = &self->server };

	handle_with(wake_and_wait_in_handler, self);
	self->other.arg = &self->server;
	server_start(&self->other, start_server_late);
	ASSERT_TRUE(SOON(thread_waits(&self->other)));
	thread_start(&signaller, signal_server_of_arg);
	EXPECT_EQ(0, server_wait(&self->server, 0))
		TH_LOG("the wait continues after the handler");
	EXPECT_EQ(0, handler_wake);
	EXPECT_EQ(-ETIMEDOUT, handler_wait);
	EXPECT_EQ(1, handler_runs);
	ASSERT_TRUE(thread_ends(&self->other));
	EXPECT_EQ(0, self->other.result);
	EXPECT_EQ(1, self->other.phase);
	ASSERT_TRUE(thread_ends(&signaller));
	EXPECT_EQ(1, signaller.result);
}

static void yield_in_handler(int signal)
{
	(void)signal;
	handler_runs++;
	handler_wait = worker_yield(&handled->worker, 0);
}

static void yield_once(struct umcg_thread *self)
{
	self->result = worker_yield(self, 0);
	self->phase = 1;
}

TEST_F(environment, the_handler_of_a_worker_may_yield)
{
	handler_wait = -1;
	handle_with(yield_in_handler, self);
	ASSERT_TRUE(start_worker(self, yield_once));
	ASSERT_EQ(0, server_run(&self->server, &self->worker));
	ASSERT_TRUE(SOON(thread_waits(&self->worker)));
	ASSERT_EQ(0, thread_signal(&self->worker, SIGUSR1));
	sleep_ms(STILL_MS);
	EXPECT_EQ(0, handler_runs);

	ASSERT_EQ(0, server_run(&self->server, &self->worker))
		TH_LOG("the handler yields before the first yield has returned");
	EXPECT_EQ(1, handler_runs);
	EXPECT_EQ(0, self->worker.phase);
	ASSERT_EQ(0, server_run(&self->server, &self->worker));
	ASSERT_TRUE(thread_ends(&self->worker));
	EXPECT_EQ(0, handler_wait);
	EXPECT_EQ(0, self->worker.result);
	EXPECT_EQ(1, self->worker.phase);
	EXPECT_EQ(0, self->group.idle_workers);
}

/* A ring of io_uring with as much of it as is needed to read from a pipe. */
struct ring {
	int fd;
	char *rings;
	struct io_uring_sqe *entries;
	struct io_uring_params params;
	int pipe_ends[2];
	char byte;
};

static bool ring_open(struct ring *ring)
{
	size_t size;

	*ring = (struct ring){};
	ring->fd = syscall(SYS_io_uring_setup, 4, &ring->params);
	if (ring->fd < 0 || pipe(ring->pipe_ends))
		return false;
	size = ring->params.cq_off.cqes +
	       ring->params.cq_entries * sizeof(struct io_uring_cqe) + getpagesize();
	ring->rings = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
			   IORING_OFF_SQ_RING);
	ring->entries = mmap(NULL, 4 * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
			     MAP_SHARED, ring->fd, IORING_OFF_SQES);
	return ring->rings != MAP_FAILED && (void *)ring->entries != MAP_FAILED;
}

static _Atomic uint32_t *ring_word(struct ring *ring, uint32_t offset)
{
	return (_Atomic uint32_t *)(ring->rings + offset);
}

/* Submits a read of a byte, and waits for @completions. */
static int ring_read(struct ring *ring, unsigned int completions)
{
	ring->entries[0] = (struct io_uring_sqe){
		.opcode = IORING_OP_READ,
		.fd = ring->pipe_ends[0],
		.addr = (uintptr_t)&ring->byte,
		.len = 1,
	};
	*ring_word(ring, ring->params.sq_off.array) = 0;
	/* Release: the kernel sees the entry when it sees the new tail. */
	atomic_fetch_add(ring_word(ring, ring->params.sq_off.tail), 1);
	return syscall(SYS_io_uring_enter, ring->fd, 1, completions,
		       completions ? IORING_ENTER_GETEVENTS : 0, NULL, 0);
}

static unsigned int ring_completions(struct ring *ring)
{
	return atomic_load(ring_word(ring, ring->params.cq_off.tail));
}

static void wait_for_completion(struct umcg_thread *self)
{
	self->result = ring_read(self->arg, 1);
	self->phase = ring_completions(self->arg);
}

TEST_F(environment, a_worker_that_waits_for_io_uring_is_blocked_and_comes_back)
{
	struct ring ring;

	if (!ring_open(&ring))
		SKIP(return, "no io_uring: %s", strerror(errno));
	self->worker.arg = &ring;
	ASSERT_TRUE(start_worker(self, wait_for_completion));
	ASSERT_EQ(0, server_run(&self->server, &self->worker));
	EXPECT_EQ(BLOCKED, state_of(&self->worker.task));
	ASSERT_EQ(1, write(ring.pipe_ends[1], "x", 1));
	ASSERT_EQ(&self->worker, server_next_worker(&self->server, &self->group));
	EXPECT_EQ(0, self->worker.phase);
	while (!server_run(&self->server, &self->worker) && self->worker.phase == 0)
		ASSERT_EQ(&self->worker, server_next_worker(&self->server, &self->group));
	ASSERT_TRUE(thread_ends(&self->worker));
	EXPECT_EQ(1, self->worker.result);
	EXPECT_EQ(1, self->worker.phase);
	EXPECT_EQ('x', ring.byte);
}

static void yield_with_request(struct umcg_thread *self)
{
	self->result = ring_read(self->arg, 0);
	self->phase = 1;
	self->result |= worker_yield(self, 0);
	self->phase = 2;
}

static void nap_with_request(struct umcg_thread *self)
{
	self->result = ring_read(self->arg, 0);
	self->phase = 1;
	sleep_ms(1);
	self->phase = 2;
}

/* The completion is task work of the worker, which runs, and does not release the worker. */
static void complete_while_held(struct __test_metadata *_metadata, FIXTURE_DATA(environment) *self,
				void (*body)(struct umcg_thread *))
{
	struct ring ring;
	bool queued;

	if (!ring_open(&ring))
		SKIP(return, "no io_uring: %s", strerror(errno));
	self->worker.arg = &ring;
	ASSERT_TRUE(start_worker(self, body));
	do {
		ASSERT_EQ(0, server_run(&self->server, &self->worker));
		queued = self->worker.phase == 0 || body == nap_with_request;
		if (queued)
			ASSERT_EQ(&self->worker, server_next_worker(&self->server, &self->group));
	} while (self->worker.phase == 0);
	ASSERT_TRUE(SOON(thread_waits(&self->worker)));
	EXPECT_EQ(0, ring_completions(&ring));
	ASSERT_EQ(1, write(ring.pipe_ends[1], "x", 1));
	EXPECT_TRUE(SOON(ring_completions(&ring) == 1))
		TH_LOG("others may wait for it");
	sleep_ms(STILL_MS);
	EXPECT_EQ(1, self->worker.phase);
	EXPECT_TRUE(thread_waits(&self->worker))
		TH_LOG("it sleeps on, and does not spin");
	EXPECT_EQ(0, self->group.idle_workers);
	ASSERT_EQ(0, server_run(&self->server, &self->worker));
	ASSERT_TRUE(thread_ends(&self->worker));
	EXPECT_EQ(1, self->worker.result);
	EXPECT_EQ(2, self->worker.phase);
}

TEST_F(environment, a_completion_of_io_uring_does_not_run_a_worker_that_waits)
{
	complete_while_held(_metadata, self, yield_with_request);
}

TEST_F(environment, a_completion_of_io_uring_does_not_run_a_worker_that_is_queued)
{
	complete_while_held(_metadata, self, nap_with_request);
}

TEST_HARNESS_MAIN
