// SPDX-License-Identifier: GPL-2.0
/*
 * The ways in which a worker blocks: each is detected at once, and the worker becomes
 * idle with the result of its call.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "umcg_test.h"

#define ROUNDS		20
#define NAP_MS		(100 * slowness())
#define USER_BITS	0x2a000U

/* What a worker blocks on. `fds[0]` and `memory` are its side, the rest is the test's. */
struct obstacle {
	int fds[2];
	int file;
	long page_size;
	char *memory;
	_Atomic uint32_t futex;
};

/* The server is the test. The worker blocks in a way that the variant says. */
FIXTURE(block) {
	struct umcg_thread server;
	struct umcg_thread worker;
	struct umcg_group group;
	struct obstacle obstacle;
};

FIXTURE_VARIANT(block) {
	bool (*prepare)(struct obstacle *obstacle);
	/* In the worker: blocks, and returns the value that it was released with. */
	int (*enter)(struct obstacle *obstacle);
	/* Releases the worker with a value; NULL if it needs no help. */
	bool (*release)(struct obstacle *obstacle, int value);
};

static bool prepare_nothing(struct obstacle *obstacle)
{
	(void)obstacle;
	return true;
}

static int enter_nanosleep(struct obstacle *obstacle)
{
	const uint64_t start = monotonic_ns();

	(void)obstacle;
	sleep_ms(NAP_MS);
	return monotonic_ns() - start >= NAP_MS * NSEC_PER_MSEC ? 0 : -1;
}

static bool prepare_pipe(struct obstacle *obstacle)
{
	return !pipe(obstacle->fds);
}

static bool prepare_socketpair(struct obstacle *obstacle)
{
	return !socketpair(AF_UNIX, SOCK_STREAM, 0, obstacle->fds);
}

static int enter_read(struct obstacle *obstacle)
{
	int value;

	return read(obstacle->fds[0], &value, sizeof(value)) == sizeof(value) ? value : -1;
}

static bool release_write(struct obstacle *obstacle, int value)
{
	return write(obstacle->fds[1], &value, sizeof(value)) == sizeof(value);
}

static int enter_poll(struct obstacle *obstacle)
{
	struct pollfd in = { .fd = obstacle->fds[0], .events = POLLIN };

	return poll(&in, 1, -1) == 1 ? enter_read(obstacle) : -1;
}

static int enter_futex(struct obstacle *obstacle)
{
	while (!obstacle->futex)
		syscall(SYS_futex, &obstacle->futex, FUTEX_WAIT_PRIVATE, 0, NULL);
	return atomic_exchange(&obstacle->futex, 0);
}

static bool release_futex(struct obstacle *obstacle, int value)
{
	obstacle->futex = value;
	return syscall(SYS_futex, &obstacle->futex, FUTEX_WAKE_PRIVATE, 1) == 1;
}

/* A missing page: a fault waits until the test provides it. */
static bool prepare_fault(struct obstacle *obstacle)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int file = memfd_create("page", MFD_CLOEXEC);

	obstacle->page_size = sysconf(_SC_PAGESIZE);
	obstacle->fds[1] = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (file < 0 || ftruncate(file, obstacle->page_size) || obstacle->fds[1] < 0)
		return false;
	obstacle->memory = mmap(NULL, obstacle->page_size, PROT_READ | PROT_WRITE, MAP_SHARED,
				file, 0);
	range.range.start = (uintptr_t)obstacle->memory;
	range.range.len = obstacle->page_size;
	return obstacle->memory != MAP_FAILED && !ioctl(obstacle->fds[1], UFFDIO_API, &api) &&
	       !ioctl(obstacle->fds[1], UFFDIO_REGISTER, &range);
}

static int enter_fault(struct obstacle *obstacle)
{
	int value = *(volatile int *)obstacle->memory;

	madvise(obstacle->memory, obstacle->page_size, MADV_REMOVE);
	return value;
}

static bool release_fault(struct obstacle *obstacle, int value)
{
	int page[obstacle->page_size / sizeof(int)];
	struct uffdio_copy copy = {
		.dst = (uintptr_t)obstacle->memory,
		.src = (uintptr_t)page,
		.len = obstacle->page_size,
	};

	page[0] = value;
	return !ioctl(obstacle->fds[1], UFFDIO_COPY, &copy);
}

/* A file to read from, into a missing page: read() blocks in the kernel. */
static bool prepare_file_read(struct obstacle *obstacle)
{
	const int value = 0;

	obstacle->file = memfd_create("file", MFD_CLOEXEC);
	return obstacle->file >= 0 &&
	       pwrite(obstacle->file, &value, sizeof(value), 0) == sizeof(value) &&
	       prepare_fault(obstacle);
}

static int enter_file_read(struct obstacle *obstacle)
{
	int *word = (int *)obstacle->memory;
	int value = -1;

	if (pread(obstacle->file, word + 1, sizeof(*word), 0) == sizeof(*word) &&
	    word[1] == word[0])
		value = word[0];
	madvise(obstacle->memory, obstacle->page_size, MADV_REMOVE);
	return value;
}

static bool release_file_read(struct obstacle *obstacle, int value)
{
	return pwrite(obstacle->file, &value, sizeof(value), 0) == sizeof(value) &&
	       release_fault(obstacle, value);
}

FIXTURE_VARIANT_ADD(block, nanosleep) {
	.prepare = prepare_nothing, .enter = enter_nanosleep,
};

FIXTURE_VARIANT_ADD(block, pipe) {
	.prepare = prepare_pipe, .enter = enter_read, .release = release_write,
};

FIXTURE_VARIANT_ADD(block, socketpair) {
	.prepare = prepare_socketpair, .enter = enter_read, .release = release_write,
};

FIXTURE_VARIANT_ADD(block, poll) {
	.prepare = prepare_pipe, .enter = enter_poll, .release = release_write,
};

FIXTURE_VARIANT_ADD(block, futex) {
	.prepare = prepare_nothing, .enter = enter_futex, .release = release_futex,
};

FIXTURE_VARIANT_ADD(block, page_fault) {
	.prepare = prepare_fault, .enter = enter_fault, .release = release_fault,
};

FIXTURE_VARIANT_ADD(block, file_read) {
	.prepare = prepare_file_read, .enter = enter_file_read, .release = release_file_read,
};

FIXTURE_SETUP(block)
{
	umcg_test_begin(TEST_SECONDS);
	self->group = (struct umcg_group)UMCG_GROUP_INIT;
	ASSERT_TRUE(variant->prepare(&self->obstacle));
	ASSERT_EQ(0, server_register(&self->server));
}

FIXTURE_TEARDOWN(block)
{
}

/* The worker's work, so that the body of a thread can find it. */
struct work {
	const FIXTURE_VARIANT(block) *variant;
	struct obstacle *obstacle;
};

static void block_many_times(struct umcg_thread *self)
{
	struct work *work = self->arg;

	for (int i = 1; i <= ROUNDS; i++) {
		self->result = work->variant->enter(work->obstacle);
		self->phase = i;
	}
}

static bool is_between(uint64_t before, uint64_t stamp)
{
	return before >> UMCG_STATE_TIMESTAMP_GRANULARITY <= stamp &&
	       stamp <= monotonic_ns() >> UMCG_STATE_TIMESTAMP_GRANULARITY;
}

TEST_F(block, is_reported_and_the_worker_is_queued)
{
	struct work work = { .variant = variant, .obstacle = &self->obstacle };
	struct umcg_thread *worker = &self->worker;
	int seen_blocked = 0;

	worker->arg = &work;
	worker_start(worker, &self->group, block_many_times);
	ASSERT_EQ(worker, server_next_worker(&self->server, &self->group));
	atomic_fetch_or((_Atomic uint64_t *)&worker->task.state_ts, USER_BITS);

	for (int i = 0; i < ROUNDS; i++) {
		const uint64_t start = monotonic_ns();
		const int value = variant->release ? 1000 + i : 0;
		uint64_t blocked, list;
		bool waits;

		ASSERT_EQ(0, server_run(&self->server, worker));
		blocked = state_word(&worker->task);
		ASSERT_EQ(RUNNING, state_of(&self->server.task));
		ASSERT_TRUE(SOON(thread_sleeps(worker->tid)));
		ASSERT_EQ(i, worker->phase);
		list = self->group.idle_workers;
		/*
		 * A worker that needs no help may be back by now, if this thread has not
		 * run for long.
		 */
		waits = variant->release || monotonic_ns() - start < NAP_MS * NSEC_PER_MSEC;
		seen_blocked += waits;
		if (waits) {
			ASSERT_EQ(BLOCKED | USER_BITS, blocked & UMCG_TASK_STATE_MASK_FULL);
			EXPECT_TRUE(is_between(start, blocked >> UMCG_STATE_TIMESTAMP_SHIFT));
			ASSERT_EQ(0, list);
		}

		ASSERT_TRUE(!variant->release || variant->release(&self->obstacle, value));
		ASSERT_EQ(worker, server_next_worker(&self->server, &self->group));
		ASSERT_EQ(IDLE | USER_BITS,
			  state_word(&worker->task) & UMCG_TASK_STATE_MASK_FULL);
		EXPECT_TRUE(is_between(start, state_stamp(&worker->task)));
		EXPECT_TRUE(!waits ||
			    blocked >> UMCG_STATE_TIMESTAMP_SHIFT < state_stamp(&worker->task));
		ASSERT_EQ(i, worker->phase)
			TH_LOG("it does not run before a server runs it");
		ASSERT_EQ(variant->release && i > 0 ? value - 1 : 0, worker->result);
	}
	EXPECT_LT(0, seen_blocked);
	ASSERT_EQ(0, server_run(&self->server, worker));
	ASSERT_TRUE(thread_ends(worker));
	EXPECT_EQ(ROUNDS, worker->phase);
	EXPECT_EQ(variant->release ? 1000 + ROUNDS - 1 : 0, worker->result);
}

static void ask_without_blocking(struct umcg_thread *self)
{
	struct work *work = self->arg;

	for (int i = 0; i < ROUNDS; i++) {
		if (gettid() != self->tid)
			self->result = -1;
		sched_yield();
	}
	if (work->variant->release)
		self->phase = work->variant->enter(work->obstacle);
}

TEST_F(block, available_data_does_not_block)
{
	struct work work = { .variant = variant, .obstacle = &self->obstacle };
	struct umcg_thread *worker = &self->worker;

	worker->arg = &work;
	worker_start(worker, &self->group, ask_without_blocking);
	ASSERT_EQ(worker, server_next_worker(&self->server, &self->group));
	if (variant->release == release_futex)
		self->obstacle.futex = 42;
	else
		ASSERT_TRUE(!variant->release || variant->release(&self->obstacle, 42));
	ASSERT_EQ(0, server_run(&self->server, worker));
	EXPECT_EQ(0, self->group.idle_workers);
	ASSERT_TRUE(thread_ends(worker))
		TH_LOG("the server has heard of it once: when it left");
	EXPECT_EQ(variant->release ? 42 : 0, worker->phase);
	EXPECT_EQ(0, worker->result);
}

TEST_HARNESS_MAIN
