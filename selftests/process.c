// SPDX-License-Identifier: GPL-2.0
/*
 * Processes that are killed, fork, exec, or get the descriptor of another process.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "umcg_crew.h"

/* What this program is told to do when it is executed by a test. */
#define AGAIN		"--register-again"
#define EXIT		"--exit"
#define EXIT_STATUS	77

/* A process with workers in every state, which exits without them if it is told to. */
struct crowd {
	_Atomic int ready;
	bool leaves;
};

FIXTURE(process) {
	struct umcg_thread server;
	struct umcg_group group;
	struct crowd *crowd;
};

FIXTURE_SETUP(process)
{
	umcg_test_begin(TEST_SECONDS);
	self->group = (struct umcg_group)UMCG_GROUP_INIT;
	self->crowd = mmap(NULL, sizeof(*self->crowd), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->crowd);
}

FIXTURE_TEARDOWN(process)
{
}

static void run_for_ever(struct umcg_thread *self)
{
	for (;;)
		self->phase++;
}

static void block_for_ever(struct umcg_thread *self)
{
	(void)self;
	for (;;)
		pause();
}

static void wait_for_ever(struct umcg_thread *self)
{
	worker_yield(self, 0);
}

static void do_nothing(struct umcg_thread *self)
{
	self->phase = 1;
}

static int have_workers_in_every_state(void *argument)
{
	void (*const bodies[])(struct umcg_thread *) = {
		wait_for_ever, block_for_ever, run_for_ever,
	};
	static struct umcg_thread server, workers[ARRAY_SIZE(bodies) + 1];
	struct umcg_thread *new_one = &workers[ARRAY_SIZE(bodies)];
	static struct umcg_group group = UMCG_GROUP_INIT;
	struct crowd *crowd = argument;

	if (server_register(&server))
		return 1;
	for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
		worker_start(&workers[i], &group, bodies[i]);
		if (server_next_worker(&server, &group) != &workers[i])
			return 2;
		if (bodies[i] != run_for_ever && server_run(&server, &workers[i]))
			return 3;
	}
	worker_start(new_one, &group, do_nothing);
	if (!SOON(thread_waits(new_one) && thread_waits(&workers[0])) ||
	    state_of(&workers[1].task) != BLOCKED)
		return 4;
	server_prepare_run(&server, &workers[2]);
	if (umcg_wait(UMCG_WAIT_WAKE_ONLY, 0) || !SOON(workers[2].phase))
		return 5;
	crowd->ready = 1;
	return crowd->leaves ? 0 : umcg_wait(0, 0);
}

TEST_F(process, a_killed_process_leaves_nothing_behind)
{
	const int signals[] = { SIGKILL, SIGTERM, SIGSEGV };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		pid_t pid;
		int status;

		self->crowd->ready = 0;
		pid = process_start(have_workers_in_every_state, self->crowd);
		ASSERT_TRUE(SOON(self->crowd->ready));
		EXPECT_EQ(4, umcg_stat("workers"));
		ASSERT_EQ(0, kill(pid, signals[i]));
		status = process_ends(pid);
		ASSERT_TRUE(WIFSIGNALED(status))
			TH_LOG("wait status %#x", status);
		EXPECT_EQ(signals[i], WTERMSIG(status));
		EXPECT_TRUE(nothing_is_left());
	}
}

TEST_F(process, a_process_that_exits_leaves_nothing_behind)
{
	int status;

	self->crowd->leaves = true;
	status = process_ends(process_start(have_workers_in_every_state, self->crowd));
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
		TH_LOG("wait status %#x", status);
	EXPECT_TRUE(nothing_is_left());
}

/* A process that has been forked: it has copies of all words, and is not registered. */
static int look_at_fork(void *argument)
{
	struct umcg_thread *copy = argument;

	if (umcg_wait(0, 0) != -EINVAL || umcg_ctl(UMCG_CTL_UNREGISTER, NULL) != -EINVAL)
		return 1;
	copy->task.state_ts = 0;
	if (server_register(copy))
		return 2;
	return umcg_wait(0, 0) ? 3 : 0;
}

static int status_of_fork(struct umcg_thread *self)
{
	int status = process_ends(process_start(look_at_fork, self));

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void wait_once(struct umcg_thread *self)
{
	self->result = server_wait(self, 0);
}

TEST_F(process, a_forked_process_is_not_registered)
{
	struct umcg_thread other = {};

	ASSERT_EQ(0, server_register(&self->server));
	server_start(&other, wait_once);
	ASSERT_TRUE(SOON(thread_waits(&other)));
	EXPECT_EQ(0, status_of_fork(&self->server));

	/* The kernel uses the parent's words, whichever process writes first. */
	EXPECT_EQ(0, server_wake(&self->server, &other, 0));
	EXPECT_TRUE(thread_ends(&other));
	EXPECT_EQ(0, other.result);
	EXPECT_EQ(-ETIMEDOUT, server_wait(&self->server, realtime_in_ms(50)));
	EXPECT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
}

static void fork_in_worker(struct umcg_thread *self)
{
	self->result = status_of_fork(self);
}

TEST_F(process, a_worker_forks)
{
	struct umcg_thread worker = {};

	ASSERT_EQ(0, server_register(&self->server));
	worker_start(&worker, &self->group, fork_in_worker);
	ASSERT_TRUE(server_run_to_end(&self->server, &self->group, &worker));
	EXPECT_EQ(0, worker.result);
}

/* Executes this program, which then does register_again(). */
static void execute_again(void)
{
	char *const arguments[] = { "again", AGAIN, NULL };

	execv("/proc/self/exe", arguments);
}

/* The executed program: nothing is registered any more. */
static int register_again(void)
{
	struct umcg_group group = UMCG_GROUP_INIT;
	struct umcg_thread server = {}, worker = {};

	umcg_test_begin(TEST_SECONDS);
	if (umcg_wait(0, 0) != -EINVAL || umcg_ctl(UMCG_CTL_UNREGISTER, NULL) != -EINVAL)
		return 1;
	if (!nothing_is_left())
		return 2;
	if (server_register(&server))
		return 3;
	worker_start(&worker, &group, do_nothing);
	if (!server_run_to_end(&server, &group, &worker) || !worker.phase)
		return 4;
	return 0;
}

static int execute_as_main_server(void *argument)
{
	static struct umcg_thread server, other;

	(void)argument;
	if (server_register(&server))
		return 10;
	server_start(&other, wait_once);
	if (!SOON(thread_waits(&other)))
		return 11;
	execute_again();
	return 12;
}

static void execute_as_thread(struct umcg_thread *self)
{
	(void)self;
	execute_again();
}

static int execute_as_other_server(void *argument)
{
	static struct umcg_thread server, other;

	(void)argument;
	if (server_register(&server))
		return 10;
	server_start(&other, execute_as_thread);
	server_wait(&server, 0);
	return 11;
}

static int execute_as_worker(void *argument)
{
	static struct umcg_group group = UMCG_GROUP_INIT;
	static struct umcg_thread server, worker, idle_worker;
	struct umcg_thread *next;

	(void)argument;
	if (server_register(&server))
		return 10;
	worker_start(&idle_worker, &group, do_nothing);
	if (server_next_worker(&server, &group) != &idle_worker)
		return 11;
	worker_start(&worker, &group, execute_as_thread);
	/* It blocks, more than once maybe, on its way to the new program. */
	while ((next = server_next_worker(&server, &group)))
		server_run(&server, next);
	return 12;
}

TEST_F(process, exec_by_a_server_leaves_nothing_registered)
{
	EXPECT_EQ(0, result_of_process(execute_as_main_server, NULL));
	EXPECT_EQ(0, result_of_process(execute_as_other_server, NULL))
		TH_LOG("not by the main thread, so its TID changes");
	EXPECT_TRUE(nothing_is_left());
}

TEST_F(process, exec_by_a_worker_leaves_nothing_registered)
{
	EXPECT_EQ(0, result_of_process(execute_as_worker, NULL));
	EXPECT_TRUE(nothing_is_left());
}

TEST_F(process, exec_that_fails_changes_nothing)
{
	char *const arguments[] = { "none", NULL };

	ASSERT_EQ(0, server_register(&self->server));
	EXPECT_EQ(-1, execv("/there/is/no/such/program", arguments));
	EXPECT_EQ(0, umcg_wait(0, 0));
	EXPECT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
}

static void spawn_in_worker(struct umcg_thread *self)
{
	char *const arguments[] = { "exit", EXIT, NULL };
	int status;
	pid_t pid;

	/* The child borrows our memory until it has executed something. */
	self->result = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, arguments, environ);
	if (!self->result && waitpid(pid, &status, 0) == pid)
		self->phase = WEXITSTATUS(status);
}

TEST_F(process, exec_in_a_child_that_shares_our_memory_changes_nothing)
{
	struct umcg_thread worker = {};

	ASSERT_EQ(0, server_register(&self->server));
	worker_start(&worker, &self->group, spawn_in_worker);
	ASSERT_TRUE(server_run_to_end(&self->server, &self->group, &worker));
	EXPECT_EQ(0, worker.result);
	EXPECT_EQ(EXIT_STATUS, worker.phase);
	EXPECT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
}

/* A worker that is a separate process, in the memory of the test. */
static int execute_in_shared_memory(void *argument)
{
	char *const arguments[] = { "exit", EXIT, NULL };
	struct umcg_thread *self = argument;

	self->tid = gettid();
	worker_task_init(&self->task, self->group);
	if (umcg_ctl(WORKER_FLAGS, &self->task))
		return 1;
	execv("/proc/self/exe", arguments);
	return 2;
}

/*
 * The server has a real-time priority and the CPU of the worker: it continues the moment it is
 * started, with the worker within execve().
 */
TEST_F(process, a_worker_that_calls_exec_is_out_of_reach_when_its_word_says_NONE)
{
	static char stack[0x10000] __attribute__((aligned(16)));
	const struct sched_param priority = { .sched_priority = 1 };
	static struct umcg_thread worker;
	int status;

	worker.group = &self->group;
	allow_cpus(0, 0, 0);
	worker.tid = clone(execute_in_shared_memory, stack + sizeof(stack), CLONE_VM | SIGCHLD,
			   &worker);
	ASSERT_LT(0, worker.tid);
	ASSERT_EQ(0, sched_setscheduler(0, SCHED_FIFO, &priority));
	ASSERT_EQ(0, server_register(&self->server));
	/* It may block on its way to the new program. */
	do {
		ASSERT_EQ(&worker, server_next_worker(&self->server, &self->group));
		ASSERT_EQ(0, server_run(&self->server, &worker));
	} while (state_of(&worker.task) != NONE);

	/* The memory may be reused. */
	worker.task.state_ts = RUNNING;
	EXPECT_EQ(-ESRCH, worker_kick(&worker));
	EXPECT_EQ(RUNNING, worker.task.state_ts);

	ASSERT_EQ(worker.tid, waitpid(worker.tid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_STATUS)
		TH_LOG("wait status %#x", status);
}

/* Registers with a descriptor that another process has opened. */
static int register_with_borrowed_descriptor(void *argument)
{
	const int *socket = argument;
	struct umcg_thread server = {};

	close(umcg_fd);
	umcg_fd = receive_descriptor(*socket);
	if (umcg_fd < 0 || umcg_wait(0, 0) != -EINVAL)
		return 1;
	if (server_register(&server))
		return 2;
	/* Its owner is registered through it as well, and is a stranger. */
	set_next_tid(&server.task, getppid());
	if (umcg_wait(UMCG_WAIT_WAKE_ONLY, 0) != -EPERM)
		return 3;
	if (umcg_stat("servers") != 2)
		return 4;
	return umcg_ctl(UMCG_CTL_UNREGISTER, NULL) ? 5 : 0;
}

TEST_F(process, a_descriptor_acts_for_its_user)
{
	int sockets[2];
	pid_t pid;
	int status;

	ASSERT_EQ(0, server_register(&self->server));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	pid = process_start(register_with_borrowed_descriptor, &sockets[1]);
	ASSERT_TRUE(send_descriptor(sockets[0], umcg_fd));
	status = process_ends(pid);
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status))
		TH_LOG("the step that went wrong");
	EXPECT_EQ(0, umcg_wait(0, 0));
	EXPECT_EQ(1, umcg_stat("servers"));
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], AGAIN))
		return register_again();
	if (argc == 2 && !strcmp(argv[1], EXIT))
		return EXIT_STATUS;
	return test_harness_run(argc, argv);
}
