// SPDX-License-Identifier: GPL-2.0
/*
 * Words that the kernel writes when their thread was descheduled: which, when, and what
 * is refused.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "kselftest_harness.h"
#include "umcg_sched.h"

#define STOPS	20

FIXTURE(desched) {
	_Atomic uint64_t word;
	struct umcg_thread other;
};

FIXTURE_SETUP(desched)
{
	umcg_test_begin(TEST_SECONDS);
}

FIXTURE_TEARDOWN(desched)
{
}

TEST_F(desched, invalid_arguments_change_nothing)
{
	const struct umcg_desched_args good = {
		.size = sizeof(good),
		.flags = ALWAYS,
		.cookie = COOKIE,
		.addr = (uintptr_t)&self->word,
		.width = 8,
	};
	struct umcg_desched_args bad[14];
	size_t count = 0;

#define BAD(field, text) (bad[count] = good, bad[count++].field = (text))
	BAD(flags, 0);
	BAD(flags, UMCG_DESCHED_WRITE_TIME);
	BAD(flags, ALWAYS | 8);
	BAD(addr, good.addr + 1);
	BAD(addr, good.addr + 4);
	BAD(width, 0);
	BAD(width, 3);
	BAD(width, 16);
	BAD(width, 0x80000008);
	BAD(reserved, 1);
	BAD(size, sizeof(good) - 1);
	BAD(value, 0x100);
	bad[count - 1].width = 1;
	BAD(flags, ALWAYS | UMCG_DESCHED_WRITE_TIME);
	bad[count - 1].width = 4;
	BAD(flags, ALWAYS | UMCG_DESCHED_WRITE_TIME);
	bad[count - 1].value = 1;
#undef BAD
	self->word = MARK;
	for (size_t i = 0; i < count; i++) {
		EXPECT_EQ(-EINVAL, umcg_ioctl(UMCG_IOC_DESCHED_ADD, &bad[i]))
			TH_LOG("number %zu", i);
	}
	EXPECT_EQ(-EFAULT, umcg_ioctl(UMCG_IOC_DESCHED_ADD, NULL));
	EXPECT_EQ(-EFAULT, umcg_ioctl(UMCG_IOC_DESCHED_REMOVE, NULL));
	EXPECT_EQ(MARK, self->word);
	EXPECT_EQ(0, umcg_stat("watched"));
}

TEST_F(desched, addresses_that_cannot_be_written_are_refused)
{
	char *page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *const addresses[] = {
		NULL, page, (void *)KERNEL_ADDRESS, (void *)(LONG_MAX - 7), (void *)-8L,
		(void *)0x00007ffffffff000,
	};

	ASSERT_NE(MAP_FAILED, page);
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		EXPECT_EQ(-EFAULT, desched_add(COOKIE, ALWAYS, addresses[i], 8, 0))
			TH_LOG("%p", addresses[i]);
	}
	EXPECT_EQ(0, umcg_stat("watched"));
	EXPECT_EQ(-ENOENT, desched_remove(COOKIE));
}

TEST_F(desched, cookies_distinguish_notifications)
{
	uint64_t words[UMCG_DESCHED_MAX + 1];

	EXPECT_EQ(-ENOENT, desched_remove(COOKIE));
	for (unsigned int i = 0; i < UMCG_DESCHED_MAX; i++) {
		ASSERT_EQ(0, desched_add(i, ALWAYS, &words[i], 8, i));
		EXPECT_EQ(-EEXIST, desched_add(i, ALWAYS, &words[i], 8, i));
	}
	EXPECT_EQ(-ENOSPC, desched_add(COOKIE, ALWAYS, &words[UMCG_DESCHED_MAX], 8, 0));
	EXPECT_EQ(-ENOENT, desched_remove(COOKIE));
	for (unsigned int i = 0; i < UMCG_DESCHED_MAX; i++)
		words[i] = MARK;
	ASSERT_EQ(0, desched_remove(3));
	EXPECT_EQ(-ENOENT, desched_remove(3));
	block_once();
	for (unsigned int i = 0; i < UMCG_DESCHED_MAX; i++)
		EXPECT_EQ(i == 3 ? MARK : i, words[i]);
	EXPECT_EQ(0, desched_add(COOKIE, ALWAYS, &words[3], 8, 0));
	for (unsigned int i = 0; i < UMCG_DESCHED_MAX; i++)
		EXPECT_EQ(i == 3 ? -ENOENT : 0, desched_remove(i));
	EXPECT_EQ(0, desched_remove(COOKIE));
	EXPECT_EQ(0, umcg_stat("watched"));
}

TEST_F(desched, the_word_is_written_before_the_call_returns)
{
	self->word = MARK;
	ASSERT_EQ(0, desched_add(COOKIE, ALWAYS, &self->word, 8, 42));
	EXPECT_EQ(42, self->word);
}

TEST_F(desched, only_requested_events_are_written)
{
	const uint32_t widths[] = { 1, 2, 4, 8 };

	for (size_t i = 0; i < ARRAY_SIZE(widths); i++) {
		const uint32_t width = widths[i];
		unsigned char bytes[24] __attribute__((aligned(8)));

		memset(bytes, 0xee, sizeof(bytes));
		ASSERT_EQ(0, desched_add(COOKIE, ALWAYS, bytes + 8, width, 0x11));
		memset(bytes, 0xee, sizeof(bytes));
		block_once();
		for (size_t b = 0; b < sizeof(bytes); b++)
			EXPECT_EQ(b == 8 ? 0x11 : b > 8 && b < 8 + width ? 0 : 0xee, bytes[b]);
		ASSERT_EQ(0, desched_remove(COOKIE));
	}
}

static void spin(struct umcg_thread *self)
{
	while (!told_to_go(self))
		;
}

/* Is preempted by a thread that spins on the same CPU. */
static void be_preempted(void)
{
	const long before = own_switches();

	while (own_switches() == before)
		sched_yield();
}

TEST_F(desched, preemption_and_blocking_are_distinguished)
{
	static _Atomic uint64_t on_preempt, on_block;

	allow_cpus(0, 0, 0);
	thread_start(&self->other, spin);
	ASSERT_EQ(0, desched_add(1, UMCG_DESCHED_ON_PREEMPT, (void *)&on_preempt, 8, 0));
	ASSERT_EQ(0, desched_add(2, UMCG_DESCHED_ON_BLOCK, (void *)&on_block, 8, 0));
	for (int try = 0; try < 10; try++) {
		on_block = MARK;
		be_preempted();
		EXPECT_EQ(MARK, on_block);
		on_preempt = MARK;
		be_preempted();
		EXPECT_EQ(0, on_preempt);
		block_once();
		EXPECT_EQ(0, on_block);
	}
	tell_to_go(&self->other);
}

TEST_F(desched, the_time_of_the_last_deschedule_can_be_written)
{
	uint64_t before, after;

	ASSERT_EQ(0, desched_add(COOKIE, ALWAYS | UMCG_DESCHED_WRITE_TIME, (void *)&self->word, 8,
				 0));
	EXPECT_LE(self->word, monotonic_ns());
	for (int try = 0; try < 100; try++) {
		uint64_t last;

		before = monotonic_ns();
		block_once();
		/* The next deschedule may come at any moment. */
		last = self->word;
		after = monotonic_ns();
		EXPECT_LE(before, last);
		EXPECT_GT(after, last);
	}
}

static _Atomic uint64_t *word_of_handler;
static long switches_at_mark;
static int resets_due, resets_seen;

static void look_at_word(int signal)
{
	(void)signal;
	if (own_switches() == switches_at_mark)
		return;
	resets_due++;
	resets_seen += *word_of_handler == 0;
}

TEST_F(desched, a_signal_handler_sees_the_word_written)
{
	const struct itimerspec once = { .it_value.tv_nsec = 2 * NSEC_PER_MSEC };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	sigset_t blocked, open;
	timer_t timer;

	word_of_handler = &self->word;
	signal(SIGUSR1, look_at_word);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &blocked, &open));
	ASSERT_EQ(0, timer_create(CLOCK_MONOTONIC, &event, &timer));
	ASSERT_EQ(0, desched_add(COOKIE, ALWAYS, (void *)&self->word, 8, 0));
	allow_cpus(0, 0, 0);
	/* A signal that comes before the thread sleeps finds that nothing has happened. */
	while (resets_due < 50) {
		self->word = MARK;
		switches_at_mark = own_switches();
		ASSERT_EQ(0, timer_settime(timer, 0, &once, NULL));
		sigsuspend(&open);
		EXPECT_EQ(resets_due, resets_seen);
	}
}

struct traced {
	pid_t tid;
	struct watch *watch;
};

/* Waits for two deschedules: between them the word was marked, after this call began. */
static bool word_is_marked_again(const struct traced *traced)
{
	const struct iovec remote = { &traced->watch->departures, sizeof(uint64_t) };
	uint64_t first = 0, now = 0;
	const struct iovec local = { &now, sizeof(now) };

	while (process_vm_readv(traced->tid, &local, 1, &remote, 1, 0) == sizeof(now)) {
		first = first ?: now;
		if (now > first + 1)
			return true;
		block_once();
	}
	return false;
}

/* Returns 0 if the word was written at each stop. */
static int tracer(void *argument)
{
	const struct traced *traced = argument;
	int status;

	if (ptrace(PTRACE_SEIZE, traced->tid, 0, 0))
		return 1;
	for (int stop = 0; stop < STOPS; stop++) {
		if (!word_is_marked_again(traced))
			return 2;
		if (ptrace(PTRACE_INTERRUPT, traced->tid, 0, 0))
			return 3;
		if (waitpid(traced->tid, &status, __WALL) != traced->tid || !WIFSTOPPED(status))
			return 4;
		if (ptrace(PTRACE_PEEKDATA, traced->tid, traced->watch->word, 0))
			return 5;
		if (ptrace(PTRACE_CONT, traced->tid, 0, 0))
			return 6;
	}
	return 0;
}

TEST_F(desched, a_stop_by_a_tracer_is_a_deschedule)
{
	struct watch watch = { .word = &self->word };
	struct traced traced = { .watch = &watch };
	int status;

	ASSERT_TRUE(slots_map());
	self->other.arg = &watch;
	thread_start(&self->other, watch_word);
	ASSERT_TRUE(SOON(self->other.phase));
	traced.tid = self->other.tid;
	status = process_ends(process_start(tracer, &traced));
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	watch.over = true;
	ASSERT_TRUE(thread_ends(&self->other));
	EXPECT_EQ(0, self->other.result);
	EXPECT_LE(STOPS, watch.departures);
	EXPECT_EQ(0, watch.lies);
}

static int child_has_none(void *argument)
{
	_Atomic uint64_t *word = argument;

	*word = MARK;
	block_once();
	if (*word != MARK)
		return 1;
	if (desched_remove(COOKIE) != -ENOENT)
		return 2;
	return 0;
}

TEST_F(desched, a_child_of_fork_has_no_notifications)
{
	int status;

	ASSERT_EQ(0, desched_add(COOKIE, ALWAYS, (void *)&self->word, 8, 0));
	self->word = 7;
	status = process_ends(process_start(child_has_none, (void *)&self->word));
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	block_once();
	EXPECT_EQ(0, self->word);
}

static int add_and_exec(void *argument)
{
	if (desched_add(COOKIE, ALWAYS, argument, 8, 0))
		return HAS_NOT_BEGUN;
	exec_and_tell();
}

/* Its words would be written to the memory of another program. */
TEST_F(desched, exec_removes_the_notifications)
{
	const int status = process_ends(process_start(add_and_exec, (void *)&self->word));

	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
}

static int child_of_the_same_memory(void *argument)
{
	FIXTURE_DATA(desched) *self = argument;

	if (desched_remove(COOKIE) != -ENOENT)
		return 1;
	self->word = MARK;
	block_once();
	if (self->word != MARK)
		return 2;
	if (desched_add(COOKIE, ALWAYS, (void *)&self->word, 8, 5))
		return 3;
	self->word = MARK;
	block_once();
	return self->word == 5 ? 0 : 4;
}

TEST_F(desched, a_process_of_the_same_memory_has_its_own)
{
	static char stack[65536] __attribute__((aligned(16)));
	static uint64_t own_word;
	int status;
	pid_t pid;

	ASSERT_EQ(0, desched_add(COOKIE, ALWAYS, &own_word, 8, 0));
	pid = clone(child_of_the_same_memory, stack + sizeof(stack), CLONE_VM | SIGCHLD, self);
	ASSERT_LT(0, pid);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	EXPECT_EQ(0, desched_remove(COOKIE));
}

static void yield_until_switched(struct umcg_thread *self)
{
	_Atomic uint64_t *word = self->arg;
	long before;

	self->result = desched_add(COOKIE, ALWAYS, (void *)word, 8, 0);
	self->phase = 1;
	do {
		*word = MARK;
		before = own_switches();
		worker_yield(self, 0);
		/* A server on another CPU may run it before it has left its own. */
	} while (*word == MARK && own_switches() == before);
	self->phase += 1 + (*word == MARK);
}

TEST_F(desched, a_worker_that_is_held_has_its_word_written)
{
	struct umcg_thread server = {};
	struct umcg_group group = UMCG_GROUP_INIT;

	ASSERT_EQ(0, server_register(&server));
	self->other.arg = &self->word;
	worker_start(&self->other, &group, yield_until_switched);
	/* It may have to wait for something before it yields. */
	do {
		ASSERT_EQ(&self->other, server_next_worker(&server, &group));
		ASSERT_EQ(0, server_run(&server, &self->other));
	} while (!self->other.phase);
	do {
		ASSERT_EQ(0, server_run(&server, &self->other));
	} while (self->other.phase == 1);
	EXPECT_TRUE(thread_ends(&self->other));
	EXPECT_EQ(2, self->other.phase);
	EXPECT_EQ(0, self->other.result);
}

TEST_HARNESS_MAIN
