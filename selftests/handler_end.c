// SPDX-License-Identifier: GPL-2.0
/*
 * Handlers of immediate signals that end other than by a return that the kernel detects.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "umcg_handler.h"

/* What this program is told to do when a test executes it. */
#define LOOK		"--look-at-signals"

/* The test is a server, with one worker. */
FIXTURE(handler_end) {
	struct handler_test test;
};

FIXTURE_SETUP(handler_end)
{
	umcg_test_begin(TEST_SECONDS);
	ASSERT_TRUE(handler_test_begin(&self->test));
}

FIXTURE_TEARDOWN(handler_end)
{
}

static sigjmp_buf back;

static void jump(void)
{
	siglongjmp(back, 1);
}

static void yield_and_come_back(struct umcg_thread *self, int keep_mask)
{
	if (sigsetjmp(back, keep_mask) == 0)
		self->result = worker_yield(self, 0);
	count(self);
}

static void be_thrown_back(struct umcg_thread *self)
{
	yield_and_come_back(self, 1);
}

static void be_thrown_back_with_blocked_signals(struct umcg_thread *self)
{
	yield_and_come_back(self, 0);
}

TEST_F(handler_end, a_worker_that_jumps_out_of_a_handler_is_held)
{
	ASSERT_TRUE(worker_is_queued(&self->test, be_thrown_back));
	ASSERT_TRUE(worker_is_run(&self->test));
	ASSERT_TRUE(SOON(thread_waits(&self->test.worker)));
	in_handler = jump;
	thread_signal(&self->test.worker, SIGUSR1);
	ASSERT_TRUE(SOON(handlers_begun == 1));
	EXPECT_TRUE(SOON(thread_waits(&self->test.worker)));
	EXPECT_EQ(0, self->test.worker.phase)
		TH_LOG("it has come further than that");
	counted_enough = true;
	ASSERT_EQ(0, server_run(&self->test.server, &self->test.worker));
	EXPECT_TRUE(thread_ends(&self->test.worker));
}

TEST_F(handler_end, a_worker_that_jumps_out_and_leaves_signals_blocked_is_held_soon)
{
	ASSERT_TRUE(worker_is_queued(&self->test, be_thrown_back_with_blocked_signals));
	ASSERT_TRUE(worker_is_run(&self->test));
	ASSERT_TRUE(SOON(thread_waits(&self->test.worker)));
	in_handler = jump;
	thread_signal(&self->test.worker, SIGUSR1);
	ASSERT_TRUE(SOON(handlers_begun == 1));
	EXPECT_TRUE(comes_to_rest(&self->test.worker));
	EXPECT_EQ(IDLE, state_of(&self->test.worker.task));
	counted_enough = true;
	ASSERT_EQ(0, server_run(&self->test.server, &self->test.worker));
	EXPECT_TRUE(thread_ends(&self->test.worker));
}

/* All but the C library's own signals, which it does not allow to be blocked. */
static void count_nearly_deaf(struct umcg_thread *self)
{
	sigset_t all_but_one;

	sigfillset(&all_but_one);
	sigdelset(&all_but_one, SIGUSR1);
	pthread_sigmask(SIG_SETMASK, &all_but_one, NULL);
	count(self);
}

TEST_F(handler_end, a_worker_that_blocks_what_it_can_handles_signals_and_does_nothing_else)
{
	ASSERT_TRUE(worker_is_queued(&self->test, count_nearly_deaf));
	ASSERT_TRUE(worker_is_preempted(&self->test));
	for (int i = 1; i <= SIGNALS; i++) {
		ASSERT_TRUE(handles_signal(&self->test.worker, i));
		ASSERT_EQ(0, setresuid(-1, getuid(), -1));
	}
	counted_enough = true;
	EXPECT_TRUE(worker_ends(&self->test));
}

/* By the system call all signals can be blocked. */
static void block_all_but(int signal)
{
	const uint64_t all = ~SIGNAL_BIT(signal);

	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof(all));
}

static void yield_deaf(struct umcg_thread *self)
{
	block_all_but(SIGUSR1);
	yield(self);
}

static void count_deaf(struct umcg_thread *self)
{
	block_all_but(SIGUSR1);
	count(self);
}

TEST_F(handler_end, a_worker_that_blocks_all_other_signals_continues_to_wait)
{
	ASSERT_TRUE(worker_is_queued(&self->test, yield_deaf));
	ASSERT_TRUE(worker_is_run(&self->test));
	ASSERT_TRUE(SOON(thread_waits(&self->test.worker)));
	for (int i = 1; i <= 10; i++)
		ASSERT_TRUE(handles_signal(&self->test.worker, i));
	ASSERT_EQ(0, server_run(&self->test.server, &self->test.worker));
	EXPECT_TRUE(thread_ends(&self->test.worker));
	EXPECT_EQ(0, self->test.worker.result);
}

static void run_worker(struct umcg_thread *self)
{
	self->result = server_next_worker(self, &tested->group) != &tested->worker ||
		       server_run(self, &tested->worker);
}

/* The wait of the worker restarts while it is idle, and names a server that has exited since. */
TEST_F(handler_end, a_restarted_wait_wakes_no_task)
{
	struct umcg_thread other = {};

	ASSERT_TRUE(worker_is_queued(&self->test, yield_deaf));
	server_start(&other, run_worker);
	ASSERT_TRUE(thread_ends(&other));
	ASSERT_EQ(0, other.result);
	ASSERT_TRUE(SOON(thread_waits(&self->test.worker)));
	for (int i = 1; i <= 10; i++)
		ASSERT_TRUE(handles_signal(&self->test.worker, i));
	ASSERT_EQ(0, server_run(&self->test.server, &self->test.worker));
	EXPECT_TRUE(thread_ends(&self->test.worker));
	EXPECT_EQ(0, self->test.worker.result);
}

static void wait_deaf_with_timeout(struct umcg_thread *self)
{
	block_all_but(SIGUSR1);
	wait_with_timeout(self);
}

TEST_F(handler_end, a_worker_that_blocks_all_other_signals_times_out)
{
	ASSERT_TRUE(worker_is_queued(&self->test, wait_deaf_with_timeout));
	ASSERT_TRUE(worker_is_run(&self->test));
	ASSERT_TRUE(SOON(thread_waits(&self->test.worker)));
	ASSERT_TRUE(handles_signal(&self->test.worker, 1));
	ASSERT_TRUE(SOON(self->test.group.idle_workers));
	sleep_ms(STILL_MS);
	EXPECT_EQ(0, self->test.worker.phase);
	EXPECT_TRUE(worker_ends(&self->test));
	EXPECT_EQ(-ETIMEDOUT, self->test.worker.result);
}

static void run_worker_and_stay(struct umcg_thread *self)
{
	run_worker(self);
	self->phase = 1;
	stay_until_told(self);
}

/* Waits with a timeout that locks, after it has woken its server; and then for another one. */
static void wait_and_be_locked(struct umcg_thread *self)
{
	set_next_tid(&self->task, self->server->tid);
	state_must_change(&self->task, RUNNING, IDLE | LOCKED);
	state_must_change(&self->server->task, IDLE, RUNNING);
	self->result = umcg_wait(UMCG_WAIT_LOCK_ON_TIMEOUT, realtime_in_ms(2000 * slowness()));
	self->phase = state_of(&self->task);
	set_next_tid(&self->task, 0);
	umcg_wait(0, 0);
}

/* The timeout expires outside of the call, when the task that it has woken has exited. */
TEST_F(handler_end, a_wait_that_has_locked_the_worker_is_over_when_it_starts_again)
{
	struct umcg_thread other = {};

	ASSERT_TRUE(worker_is_queued(&self->test, wait_and_be_locked));
	server_start(&other, run_worker_and_stay);
	ASSERT_TRUE(SOON(other.phase == 1 && thread_waits(&self->test.worker)));
	ASSERT_TRUE(handles_signal(&self->test.worker, 1));
	tell_to_go(&other);
	ASSERT_TRUE(thread_ends(&other));
	ASSERT_EQ(0, other.result);
	ASSERT_TRUE(SOON(self->test.worker.phase && thread_waits(&self->test.worker)));
	EXPECT_EQ((int)(IDLE | LOCKED), self->test.worker.phase);
	EXPECT_EQ(-ETIMEDOUT, self->test.worker.result);
	EXPECT_EQ(0, self->test.group.idle_workers);
	ASSERT_EQ(0, server_run(&self->test.server, &self->test.worker));
	EXPECT_TRUE(thread_ends(&self->test.worker));
}

/* A process that is stopped while its worker waits with a timeout, and continued before that. */
struct stopped {
	struct handler_test test;
	_Atomic bool waits;
	_Atomic bool continued;
};

static void wait_for_long_with_timeout(struct umcg_thread *self)
{
	block_all_but(SIGUSR1);
	self->result = worker_yield(self, realtime_in_ms(2000 * slowness()));
}

static int time_out_and_take_a_signal(void *argument)
{
	struct stopped *stopped = argument;
	struct handler_test *test = &stopped->test;

	if (!handler_test_begin(test) || !worker_is_queued(test, wait_for_long_with_timeout) ||
	    !worker_is_run(test) || !SOON(thread_waits(&test->worker)))
		return 1;
	stopped->waits = true;
	if (!SOON(stopped->continued) || test->group.idle_workers)
		return 2;
	if (!SOON(test->group.idle_workers) || !SOON(thread_waits(&test->worker)))
		return 3;
	/* Its wait restarts: it is on the list, and must not be pushed again. */
	if (!handles_signal(&test->worker, 1))
		return 4;
	if (!worker_ends(test))
		return 5;
	return test->worker.result == -ETIMEDOUT ? 0 : 6;
}

TEST_F(handler_end, an_expired_wait_ends_when_it_is_restarted)
{
	struct stopped *stopped = mmap(NULL, sizeof(*stopped), PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, stopped);
	pid = process_start(time_out_and_take_a_signal, stopped);
	ASSERT_TRUE(SOON(stopped->waits));
	ASSERT_EQ(0, kill(pid, SIGSTOP));
	ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	ASSERT_EQ(0, kill(pid, SIGCONT));
	stopped->continued = true;
	status = process_ends(pid);
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status))
		TH_LOG("the step that went wrong");
}

/* Here nothing tells the kernel that the handler has returned. */
TEST_F(handler_end, a_worker_that_blocks_all_other_signals_is_held_soon)
{
	ASSERT_TRUE(worker_is_queued(&self->test, count_deaf));
	ASSERT_TRUE(worker_is_preempted(&self->test));
	thread_signal(&self->test.worker, SIGUSR1);
	ASSERT_TRUE(SOON(handlers_done == 1));
	EXPECT_TRUE(comes_to_rest(&self->test.worker));
	EXPECT_EQ(IDLE | PREEMPTED, state_of(&self->test.worker.task));
	counted_enough = true;
	EXPECT_TRUE(worker_ends(&self->test));
}

static sigjmp_buf before_fault;
static const volatile int *volatile nowhere;

static void jump_back(int signal)
{
	(void)signal;
	siglongjmp(before_fault, 1);
}

static void read_nothing(void)
{
	if (!sigsetjmp(before_fault, 1))
		(void)*nowhere;
}

/* It must not be among the signals that wait: the process would be killed by it. */
TEST_F(handler_end, an_instruction_that_faults_within_a_handler_raises_its_signal)
{
	const struct sigaction action = { .sa_handler = jump_back };

	sigaction(SIGSEGV, &action, NULL);
	ASSERT_TRUE(worker_is_queued(&self->test, note_that_it_runs));
	in_handler = read_nothing;
	for (int i = 1; i <= 10; i++)
		ASSERT_TRUE(handles_signal(&self->test.worker, i));
	EXPECT_TRUE(worker_ends(&self->test));
}

static void exit_here(void)
{
	syscall(SYS_exit, 0);
}

TEST_F(handler_end, a_worker_exits_within_a_handler)
{
	ASSERT_TRUE(worker_is_queued(&self->test, note_that_it_runs));
	in_handler = exit_here;
	thread_signal(&self->test.worker, SIGUSR1);
	ASSERT_TRUE(thread_ends(&self->test.worker));
	EXPECT_EQ(NONE, state_of(&self->test.worker.task));
	EXPECT_EQ((uintptr_t)&self->test.worker.task.idle_workers_ptr, self->test.group.idle_workers);
	EXPECT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
	EXPECT_TRUE(nothing_is_left());
}

static void unregister_here(void)
{
	tested->worker.result = umcg_ctl(UMCG_CTL_UNREGISTER, NULL);
}

static void be_no_worker_any_more(struct umcg_thread *self)
{
	while (!handlers_done)
		self->phase++;
	stay_until_told(self);
}

/* The thread continues, without any state of the module. */
TEST_F(handler_end, a_worker_unregisters_within_a_handler)
{
	ASSERT_TRUE(worker_is_queued(&self->test, be_no_worker_any_more));
	ASSERT_TRUE(worker_is_let_run(&self->test));
	in_handler = unregister_here;
	thread_signal(&self->test.worker, SIGUSR1);
	ASSERT_TRUE(SOON(handlers_done == 1));
	EXPECT_EQ(0, self->test.worker.result);
	state_must_change(&self->test.server.task, IDLE, RUNNING);
	EXPECT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
	EXPECT_TRUE(nothing_is_left());
	tell_to_go(&self->test.worker);
	EXPECT_TRUE(thread_ends(&self->test.worker));
}

/*
 * The state of a program that was executed within a handler: the signal mask is the
 * original one.
 */
static int look_at_signals(void)
{
	const long pending = number_in_file("/proc/self/status", "SigPnd:", 16);
	const long blocked = number_in_file("/proc/self/status", "SigBlk:", 16);

	return pending == 0 && blocked == (long)SIGNAL_BIT(SIGUSR1) ? 0 : 1;
}

static void execute_here(void)
{
	char *const arguments[] = { "look", LOOK, NULL };

	execv("/proc/self/exe", arguments);
}

static int execute_within_handler(void *argument)
{
	struct handler_test *test = argument;

	if (!worker_is_queued(test, note_that_it_runs))
		return 2;
	in_handler = execute_here;
	thread_signal(&test->worker, SIGUSR1);
	pause();
	return 3;
}

TEST_F(handler_end, a_program_that_is_executed_within_a_handler_has_the_signals_of_before)
{
	int status = process_ends(process_start(execute_within_handler, &self->test));

	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
		TH_LOG("wait status %#x", status);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], LOOK))
		return look_at_signals();
	return test_harness_run(argc, argv);
}
