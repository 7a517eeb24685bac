// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting and waking: arguments, timeouts, signals, stops, and races.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>

#include "kselftest_harness.h"
#include "umcg_test.h"

#define NO_SUCH_FLAG	8U

/* The test is a server; a second one waits when a test has started it. */
FIXTURE(waiting) {
	struct umcg_thread server;
	struct umcg_thread waiter;
	struct umcg_group group;
};

FIXTURE_SETUP(waiting)
{
	umcg_test_begin(TEST_SECONDS);
	self->group = (struct umcg_group)UMCG_GROUP_INIT;
	ASSERT_EQ(0, server_register(&self->server));
}

FIXTURE_TEARDOWN(waiting)
{
}

static void wait_for_ever(struct umcg_thread *self)
{
	self->result = server_wait(self, 0);
}

static void wait_until_argument(struct umcg_thread *self)
{
	const uint64_t *deadline = self->arg;

	self->result = server_wait(self, *deadline);
}

static bool start_waiter(FIXTURE_DATA(waiting) *self, void (*body)(struct umcg_thread *))
{
	server_start(&self->waiter, body);
	return SOON(thread_waits(&self->waiter));
}

TEST_F(waiting, unregistered_callers_are_EINVAL)
{
	set_next_tid(&self->server.task, gettid());
	ASSERT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
	EXPECT_EQ(-EINVAL, umcg_wait(0, 0));
	EXPECT_EQ(-EINVAL, umcg_wait(0, realtime_in_ms(10)));
	EXPECT_EQ(-EINVAL, umcg_wait(UMCG_WAIT_WAKE_ONLY, 0));
}

TEST_F(waiting, other_flags_are_EINVAL)
{
	const uint32_t refused[] = {
		UMCG_WAIT_WF_CURRENT_CPU, NO_SUCH_FLAG, UMCG_WAIT_WAKE_ONLY | NO_SUCH_FLAG,
		1U << 31, ~0U,
	};

	set_next_tid(&self->server.task, gettid());
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		EXPECT_EQ(-EINVAL, umcg_wait(refused[i], 0))
			TH_LOG("flags %#x", refused[i]);
	}
}

TEST_F(waiting, only_a_worker_is_locked_on_timeout)
{
	set_next_tid(&self->server.task, gettid());
	EXPECT_EQ(-EINVAL, umcg_wait(UMCG_WAIT_LOCK_ON_TIMEOUT, 0));
	EXPECT_EQ(-EINVAL, umcg_wait(UMCG_WAIT_LOCK_ON_TIMEOUT, realtime_in_ms(10)));
	EXPECT_EQ(-EINVAL, umcg_wait(UMCG_WAIT_LOCK_ON_TIMEOUT | UMCG_WAIT_WAKE_ONLY, 0));
	EXPECT_EQ(RUNNING, state_of(&self->server.task));
}

TEST_F(waiting, a_wake_has_a_target_and_no_timeout)
{
	const uint32_t flags[] = {
		UMCG_WAIT_WAKE_ONLY, UMCG_WAIT_WAKE_ONLY | UMCG_WAIT_WF_CURRENT_CPU,
	};

	ASSERT_TRUE(start_waiter(self, wait_for_ever));
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		set_next_tid(&self->server.task, 0);
		EXPECT_EQ(-EINVAL, umcg_wait(flags[i], 0));
		set_next_tid(&self->server.task, self->waiter.tid);
		EXPECT_EQ(-EINVAL, umcg_wait(flags[i], realtime_in_ms(1000)));
		EXPECT_EQ(-EINVAL, umcg_wait(flags[i], 1));
		EXPECT_EQ(0, umcg_wait(flags[i], 0));
	}
	ASSERT_TRUE(SOON(thread_waits(&self->waiter)));
	EXPECT_EQ(0, server_wake(&self->server, &self->waiter, 0));
	EXPECT_TRUE(thread_ends(&self->waiter));
}

TEST_F(waiting, a_task_that_runs_does_not_wait)
{
	EXPECT_EQ(0, umcg_wait(0, 0));
	EXPECT_EQ(0, umcg_wait(0, 1))
		TH_LOG("it is not too late either");
	EXPECT_EQ(RUNNING, state_of(&self->server.task));
}

TEST_F(waiting, a_past_timeout_expires_at_once)
{
	const uint64_t past[] = { 1, NSEC_PER_SEC, realtime_in_ms(-1) };

	for (size_t i = 0; i < ARRAY_SIZE(past); i++) {
		const uint64_t start = monotonic_ns();

		state_must_change(&self->server.task, RUNNING, IDLE);
		EXPECT_EQ(-ETIMEDOUT, umcg_wait(0, past[i]));
		EXPECT_EQ(IDLE, state_of(&self->server.task));
		EXPECT_GT(AT_ONCE_MS * NSEC_PER_MSEC, monotonic_ns() - start);
		state_must_change(&self->server.task, IDLE, RUNNING);
	}
}

TEST_F(waiting, a_timeout_is_an_absolute_time)
{
	const uint64_t start = monotonic_ns();
	uint64_t waited;

	state_must_change(&self->server.task, RUNNING, IDLE);
	EXPECT_EQ(-ETIMEDOUT, umcg_wait(0, realtime_in_ms(200)));
	waited = monotonic_ns() - start;
	EXPECT_LE(199 * NSEC_PER_MSEC, waited);
	EXPECT_GT(AT_ONCE_MS * NSEC_PER_MSEC, waited);
	EXPECT_EQ(IDLE, state_of(&self->server.task))
		TH_LOG("the kernel leaves the word of a server alone");
}

TEST_F(waiting, far_future_timeouts_never_expire)
{
	uint64_t future[] = {
		realtime_in_ms(3600 * 1000), INT64_MAX - 1, INT64_MAX, 1ULL << 63,
		UINT64_MAX - 1, UINT64_MAX,
	};

	for (size_t i = 0; i < ARRAY_SIZE(future); i++) {
		self->waiter.arg = &future[i];
		ASSERT_TRUE(start_waiter(self, wait_until_argument))
			TH_LOG("timeout %#llx", (unsigned long long)future[i]);
		sleep_ms(20);
		ASSERT_EQ(0, server_wake(&self->server, &self->waiter, 0));
		ASSERT_TRUE(thread_ends(&self->waiter));
		EXPECT_EQ(0, self->waiter.result)
			TH_LOG("timeout %#llx", (unsigned long long)future[i]);
	}
}

TEST_F(waiting, a_wake_ends_the_wait)
{
	ASSERT_TRUE(start_waiter(self, wait_for_ever));
	EXPECT_EQ(0, server_wake(&self->server, &self->waiter, 0));
	EXPECT_TRUE(thread_ends(&self->waiter));
	EXPECT_EQ(0, self->waiter.result);
}

TEST_F(waiting, a_wake_without_a_change_of_state_does_not_end_the_wait)
{
	long switches;

	ASSERT_TRUE(start_waiter(self, wait_for_ever));
	switches = thread_voluntary_switches(self->waiter.tid);
	set_next_tid(&self->server.task, self->waiter.tid);
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, umcg_wait(UMCG_WAIT_WAKE_ONLY, 0));
		/* It has been woken, and sleeps again. */
		ASSERT_TRUE(SOON(thread_voluntary_switches(self->waiter.tid) > switches + i));
		ASSERT_TRUE(SOON(thread_waits(&self->waiter)));
	}
	EXPECT_EQ(0, server_wake(&self->server, &self->waiter, 0));
	EXPECT_TRUE(thread_ends(&self->waiter));
}

TEST_F(waiting, a_change_of_state_without_a_wake_is_seen_at_the_next_check)
{
	ASSERT_TRUE(start_waiter(self, wait_for_ever));
	ASSERT_TRUE(state_change(&self->waiter.task, IDLE, RUNNING));
	sleep_ms(50);
	ASSERT_TRUE(thread_sleeps(self->waiter.tid));
	set_next_tid(&self->server.task, self->waiter.tid);
	EXPECT_EQ(0, umcg_wait(UMCG_WAIT_WAKE_ONLY, 0));
	EXPECT_TRUE(thread_ends(&self->waiter));
}

TEST_F(waiting, a_locked_task_waits_until_it_is_unlocked)
{
	ASSERT_TRUE(start_waiter(self, wait_for_ever));
	ASSERT_TRUE(state_change(&self->waiter.task, IDLE, RUNNING | LOCKED));
	set_next_tid(&self->server.task, self->waiter.tid);
	ASSERT_EQ(0, umcg_wait(UMCG_WAIT_WAKE_ONLY, 0));
	/* It has been woken, and sleeps again. */
	ASSERT_TRUE(SOON(thread_sleeps(self->waiter.tid)));
	EXPECT_EQ(RUNNING | LOCKED, state_of(&self->waiter.task));
	ASSERT_TRUE(state_change(&self->waiter.task, RUNNING | LOCKED, RUNNING));
	EXPECT_EQ(0, umcg_wait(UMCG_WAIT_WAKE_ONLY, 0));
	EXPECT_TRUE(thread_ends(&self->waiter));
}

/* The result of UMCG_IOC_WAIT with this state of the calling server. */
static int wait_as(struct umcg_task *task, uint32_t state)
{
	int err;

	state_must_change(task, RUNNING, state);
	err = umcg_wait(0, 1);
	if (state_of(task) != state || !state_change(task, state, RUNNING))
		return -EBADE;
	return err;
}

TEST_F(waiting, a_wait_ends_in_all_states_but_IDLE_and_locked_RUNNING)
{
	const uint32_t waits[] = {
		IDLE, IDLE | PREEMPTED, RUNNING | LOCKED, RUNNING | LOCKED | PREEMPTED,
	};
	const uint32_t goes_on[] = {
		RUNNING, RUNNING | PREEMPTED, IDLE | LOCKED, IDLE | LOCKED | PREEMPTED, BLOCKED,
		BLOCKED | LOCKED, NONE, NONE | LOCKED,
	};
	const uint32_t unknown[] = { 7, UMCG_TASK_STATE_MASK };

	set_next_tid(&self->server.task, 0);
	for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
		EXPECT_EQ(-ETIMEDOUT, wait_as(&self->server.task, waits[i]))
			TH_LOG("state %#x", waits[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(goes_on); i++) {
		EXPECT_EQ(0, wait_as(&self->server.task, goes_on[i]))
			TH_LOG("state %#x", goes_on[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		EXPECT_EQ(-EINVAL, wait_as(&self->server.task, unknown[i]))
			TH_LOG("state %#x", unknown[i]);
	}
}

static void wait_when_told(struct umcg_thread *self)
{
	set_next_tid(&self->task, 0);
	state_must_change(&self->task, RUNNING, IDLE);
	self->phase = 1;
	while (self->phase != 2)
		sleep_ms(1);
	self->result = umcg_wait(0, 0);
	self->phase = 3;
}

TEST_F(waiting, a_wake_that_comes_first_is_not_lost)
{
	server_start(&self->waiter, wait_when_told);
	ASSERT_TRUE(SOON(self->waiter.phase == 1));
	ASSERT_EQ(0, server_wake(&self->server, &self->waiter, 0));
	self->waiter.phase = 2;
	EXPECT_TRUE(thread_ends(&self->waiter));
	EXPECT_EQ(0, self->waiter.result);
}

#define RACES 1000

static void wait_many_times(struct umcg_thread *self)
{
	allow_cpus(0, 1, 1);
	while (self->phase < RACES && !self->result) {
		self->result = server_wait(self, 0);
		self->phase++;
	}
}

TEST_F(waiting, no_wake_is_lost_in_a_race)
{
	allow_cpus(0, 0, 0);
	server_start(&self->waiter, wait_many_times);
	for (int i = 0; i < RACES; i++) {
		/* Every other wake meets a thread that sleeps, the rest one on its way there. */
		if (i % 2) {
			ASSERT_TRUE(SOON(thread_waits(&self->waiter)));
		}
		ASSERT_EQ(0, server_wake(&self->server, &self->waiter, 0));
	}
	ASSERT_TRUE(thread_ends(&self->waiter));
	EXPECT_EQ(RACES, self->waiter.phase);
	EXPECT_EQ(0, self->waiter.result);
}

TEST_F(waiting, a_signal_interrupts_a_server)
{
	count_signal(SIGUSR1, 0);
	ASSERT_TRUE(start_waiter(self, wait_for_ever));
	ASSERT_EQ(0, thread_signal(&self->waiter, SIGUSR1));
	EXPECT_TRUE(thread_ends(&self->waiter));
	EXPECT_EQ(-EINTR, self->waiter.result);
	EXPECT_EQ(1, signals_handled);
}

TEST_F(waiting, a_wait_is_restarted_with_SA_RESTART)
{
	count_signal(SIGUSR1, SA_RESTART);
	ASSERT_TRUE(start_waiter(self, wait_for_ever));
	for (int i = 1; i <= 5; i++) {
		ASSERT_EQ(0, thread_signal(&self->waiter, SIGUSR1));
		ASSERT_TRUE(SOON(signals_handled == i));
		ASSERT_TRUE(SOON(thread_waits(&self->waiter)));
	}
	EXPECT_EQ(0, server_wake(&self->server, &self->waiter, 0));
	EXPECT_TRUE(thread_ends(&self->waiter));
	EXPECT_EQ(0, self->waiter.result);
}

/* How many signals have been handled when the wait of so many milliseconds is over. */
static int signals_until_timeout(struct __test_metadata *_metadata, FIXTURE_DATA(waiting) *self,
				 unsigned int ms)
{
	const uint64_t start = monotonic_ns();
	uint64_t deadline = realtime_in_ms(ms);

	signals_handled = 0;
	self->waiter = (struct umcg_thread){ .arg = &deadline };
	server_start(&self->waiter, wait_until_argument);
	while (monotonic_ns() - start < SOON_MS * NSEC_PER_MSEC && !self->waiter.result) {
		if (thread_waits(&self->waiter))
			thread_signal(&self->waiter, SIGUSR1);
		sleep_ms(ms / 10);
	}
	EXPECT_TRUE(thread_ends(&self->waiter));
	EXPECT_EQ(-ETIMEDOUT, self->waiter.result);
	EXPECT_GT(AT_ONCE_MS * NSEC_PER_MSEC, monotonic_ns() - start);
	return signals_handled;
}

TEST_F(waiting, signals_do_not_delay_a_timeout)
{
	unsigned int ms = 500;

	count_signal(SIGUSR1, SA_RESTART);
	/* The machine may stall until the timeout has expired. */
	while (signals_until_timeout(_metadata, self, ms) < 2 && ms < AT_ONCE_MS / 2)
		ms *= 2;
	EXPECT_LE(2, signals_handled);
}

TEST_F(waiting, an_ignored_signal_does_not_interrupt)
{
	signal(SIGUSR1, SIG_IGN);
	ASSERT_TRUE(start_waiter(self, wait_for_ever));
	ASSERT_EQ(0, thread_signal(&self->waiter, SIGUSR1));
	sleep_ms(50);
	ASSERT_TRUE(thread_waits(&self->waiter));
	EXPECT_EQ(0, server_wake(&self->server, &self->waiter, 0));
	EXPECT_TRUE(thread_ends(&self->waiter));
	EXPECT_EQ(0, self->waiter.result);
}

static void yield_once(struct umcg_thread *self)
{
	self->phase = 1;
	self->result = worker_yield(self, 0);
	/* Signals for a worker are handled before it continues. */
	self->phase = 10 + signals_handled;
}

TEST_F(waiting, signals_of_a_worker_stay_pending_until_it_runs)
{
	struct umcg_thread *worker = &self->waiter;

	count_signal(SIGUSR1, 0);
	worker_start(worker, &self->group, yield_once);
	ASSERT_EQ(worker, server_next_worker(&self->server, &self->group));
	ASSERT_TRUE(SOON(thread_waits(worker)));
	ASSERT_EQ(0, thread_signal(worker, SIGUSR1));
	sleep_ms(100);
	EXPECT_EQ(0, signals_handled)
		TH_LOG("not run for the first time yet");
	EXPECT_TRUE(thread_has_pending(worker->tid, SIGUSR1));
	ASSERT_EQ(0, server_run(&self->server, worker));
	EXPECT_EQ(1, signals_handled);
	EXPECT_EQ(1, worker->phase);

	ASSERT_TRUE(SOON(thread_waits(worker)));
	ASSERT_EQ(0, thread_signal(worker, SIGUSR1));
	sleep_ms(100);
	EXPECT_EQ(1, signals_handled)
		TH_LOG("in umcg_wait");
	EXPECT_TRUE(thread_has_pending(worker->tid, SIGUSR1));
	ASSERT_EQ(0, server_run(&self->server, worker));
	EXPECT_TRUE(thread_ends(worker));
	EXPECT_EQ(0, worker->result);
	EXPECT_EQ(12, worker->phase);
}

/* A process with a waiting server and a waiting worker. Ends with 0 when its parent has written. */
struct waiting_process {
	struct umcg_group group;
	int go[2];
	_Atomic int ready;
};

static int wait_as_server_and_worker(void *argument)
{
	struct waiting_process *process = argument;
	struct umcg_thread server = {}, waiter = {}, worker = {};
	char byte;

	if (server_register(&server))
		return 1;
	server_start(&waiter, wait_for_ever);
	worker_start(&worker, &process->group, yield_once);
	if (server_next_worker(&server, &process->group) != &worker)
		return 2;
	if (!SOON(thread_waits(&waiter) && thread_waits(&worker)))
		return 3;
	process->ready = 1;
	if (read(process->go[0], &byte, 1) != 1)
		return 4;
	if (!SOON(thread_waits(&waiter)) || server_wake(&server, &waiter, 0) ||
	    !thread_ends(&waiter) || waiter.result)
		return 5;
	if (server_run(&server, &worker) || server_run(&server, &worker) || !thread_ends(&worker))
		return 6;
	return 0;
}

static struct waiting_process *waiting_process_start(pid_t *pid)
{
	struct waiting_process *process = mmap(NULL, sizeof(*process), PROT_READ | PROT_WRITE,
					       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (process == MAP_FAILED)
		return NULL;
	*process = (struct waiting_process){ .group = UMCG_GROUP_INIT };
	if (pipe(process->go))
		return NULL;
	*pid = process_start(wait_as_server_and_worker, process);
	return SOON(process->ready) ? process : NULL;
}

TEST_F(waiting, a_stopped_process_continues_to_wait)
{
	struct waiting_process *process;
	pid_t pid;
	int status;

	process = waiting_process_start(&pid);
	ASSERT_NE(NULL, process);
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, kill(pid, SIGSTOP));
		ASSERT_TRUE(SOON(waitpid(pid, &status, WUNTRACED | WNOHANG) == pid));
		ASSERT_TRUE(WIFSTOPPED(status))
			TH_LOG("all threads have stopped, those in umcg_wait too");
		ASSERT_EQ(0, kill(pid, SIGCONT));
		sleep_ms(50);
		EXPECT_EQ(0, waitpid(pid, &status, WNOHANG));
	}
	ASSERT_EQ(1, write(process->go[1], "", 1));
	status = process_ends(pid);
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

/* A server that waits with a timeout, which keeps running while it is stopped. */
struct timed_wait {
	unsigned int ms;
	_Atomic bool begins;
};

static int wait_with_timeout(void *argument)
{
	struct timed_wait *wait = argument;
	struct umcg_thread server = {};

	if (server_register(&server))
		return 1;
	wait->begins = true;
	return server_wait(&server, realtime_in_ms(wait->ms)) == -ETIMEDOUT ? 0 : 2;
}

/* Whether it expired sooner after the stop than if it had been restarted then. */
static bool passes_while_stopped(struct timed_wait *wait)
{
	const pid_t pid = process_start(wait_with_timeout, wait);
	uint64_t start;
	int status;

	if (!SOON(wait->begins) || kill(pid, SIGSTOP) ||
	    !SOON(waitpid(pid, &status, WUNTRACED | WNOHANG) == pid) || !WIFSTOPPED(status))
		return false;
	sleep_ms(wait->ms + 100);
	start = monotonic_ns();
	kill(pid, SIGCONT);
	status = process_ends(pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
	       monotonic_ns() - start < wait->ms * NSEC_PER_MSEC;
}

TEST_F(waiting, a_timeout_expires_while_its_process_is_stopped)
{
	struct timed_wait *wait = mmap(NULL, sizeof(*wait), PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	/* The machine may stand still when the process is to be stopped, or after that. */
	for (wait->ms = 1000; wait->ms < SOON_MS; wait->ms *= 2) {
		wait->begins = false;
		if (passes_while_stopped(wait))
			return;
	}
	EXPECT_TRUE(false);
}

TEST_F(waiting, a_fatal_signal_ends_a_process_that_waits_at_once)
{
	const int signals[] = { SIGKILL, SIGTERM };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		uint64_t start;
		int status;
		pid_t pid;

		ASSERT_NE(NULL, waiting_process_start(&pid));
		start = monotonic_ns();
		ASSERT_EQ(0, kill(pid, signals[i]));
		status = process_ends(pid);
		ASSERT_TRUE(WIFSIGNALED(status));
		EXPECT_EQ(signals[i], WTERMSIG(status));
		EXPECT_GT(AT_ONCE_MS * NSEC_PER_MSEC, monotonic_ns() - start);
	}
}

TEST_HARNESS_MAIN
