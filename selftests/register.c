// SPDX-License-Identifier: GPL-2.0
/*
 * Arguments of the registration, and its effects on memory.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "kselftest_harness.h"
#include "umcg_test.h"

#define NOBODY		65534
#define USER_BITS	UMCG_TASK_USER_MASK

static const uint32_t flags_of_kind[] = { SERVER_FLAGS, WORKER_FLAGS };

/* Some pages: one that can be written, then one read-only, one without access, one not mapped. */
FIXTURE(registration) {
	long page_size;
	char *page;
	char *read_only;
	char *no_access;
	char *unmapped;
	struct umcg_group group;
	struct umcg_task *task;
};

FIXTURE_SETUP(registration)
{
	umcg_test_begin(TEST_SECONDS);
	self->page_size = sysconf(_SC_PAGESIZE);
	self->page = mmap(NULL, 4 * self->page_size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->page);
	self->read_only = self->page + self->page_size;
	self->no_access = self->read_only + self->page_size;
	self->unmapped = self->no_access + self->page_size;
	self->group = (struct umcg_group)UMCG_GROUP_INIT;
	self->task = (void *)self->page;
	server_task_init((void *)self->read_only);
	server_task_init((void *)self->no_access);
	ASSERT_EQ(0, mprotect(self->read_only, self->page_size, PROT_READ));
	ASSERT_EQ(0, mprotect(self->no_access, self->page_size, PROT_NONE));
	ASSERT_EQ(0, munmap(self->unmapped, self->page_size));
}

FIXTURE_TEARDOWN(registration)
{
}

static void task_init(FIXTURE_DATA(registration) *self, uint32_t flags)
{
	if (flags & UMCG_CTL_WORKER)
		worker_task_init(self->task, &self->group);
	else
		server_task_init(self->task);
}

TEST_F(registration, a_server_comes_and_goes)
{
	server_task_init(self->task);
	ASSERT_EQ(0, umcg_ctl(SERVER_FLAGS, self->task));
	EXPECT_EQ(1, umcg_stat("servers"));
	EXPECT_EQ(RUNNING, state_of(self->task));
	ASSERT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
	EXPECT_EQ(0, umcg_stat("servers"));
	EXPECT_TRUE(nothing_is_left());

	server_task_init(self->task);
	EXPECT_EQ(0, umcg_ctl(SERVER_FLAGS, self->task))
		TH_LOG("again");
}

TEST_F(registration, other_flags_are_EINVAL)
{
	const uint32_t refused[] = {
		0, 4, UMCG_CTL_WORKER, 1U << 31, UMCG_CTL_REGISTER | UMCG_CTL_UNREGISTER,
		UMCG_CTL_REGISTER | 4, UMCG_CTL_REGISTER | UMCG_CTL_WORKER << 1, ~0U,
	};

	server_task_init(self->task);
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		EXPECT_EQ(-EINVAL, umcg_ctl(refused[i], self->task))
			TH_LOG("flags %#x", refused[i]);
	}
	EXPECT_EQ(0, umcg_ctl(SERVER_FLAGS, self->task));
	EXPECT_EQ(-EINVAL, umcg_ctl(UMCG_CTL_UNREGISTER | UMCG_CTL_WORKER, NULL));
	EXPECT_EQ(-EINVAL, umcg_ctl(UMCG_CTL_UNREGISTER | 4, NULL));
	EXPECT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
}

TEST_F(registration, immediate_signals_are_those_of_a_worker)
{
	server_task_init(self->task);
	EXPECT_EQ(-EINVAL, umcg_ctl(SERVER_FLAGS | UMCG_CTL_SIGNALS, self->task));
	EXPECT_EQ(-EINVAL, umcg_ctl(UMCG_CTL_UNREGISTER | UMCG_CTL_SIGNALS, NULL));
}

TEST_F(registration, fields_behind_immediate_signals_must_be_zero)
{
	worker_task_init(self->task, &self->group);
	self->task->signals = SIGNAL_BIT(SIGUSR1);
	EXPECT_EQ(-EINVAL, umcg_ctl(WORKER_FLAGS | UMCG_CTL_CRITICAL, self->task));
	self->task->server_nr = 1;
	EXPECT_EQ(-EINVAL, umcg_ctl(WORKER_FLAGS | UMCG_CTL_SIGNALS, self->task));
	self->task->server_nr = 0;
	self->task->reserved[1] = 1;
	EXPECT_EQ(-EINVAL, umcg_ctl(WORKER_FLAGS | UMCG_CTL_SIGNALS, self->task));
}

TEST_F(registration, zero_and_unaligned_addresses_are_EINVAL)
{
	const unsigned int offsets[] = { 1, 2, 4, 8, 16, 32, 63 };

	for (size_t k = 0; k < ARRAY_SIZE(flags_of_kind); k++) {
		struct umcg_task good;

		task_init(self, flags_of_kind[k]);
		good = *self->task;
		EXPECT_EQ(-EINVAL, umcg_ctl(flags_of_kind[k], NULL));
		for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
			/* Valid except for the address. */
			memcpy(self->page + offsets[i], &good, sizeof(good));
			EXPECT_EQ(-EINVAL, umcg_ctl(flags_of_kind[k], self->page + offsets[i]))
				TH_LOG("offset %u", offsets[i]);
		}
	}
	EXPECT_EQ(0, self->group.idle_workers);
}

TEST_F(registration, memory_that_cannot_be_written_is_EFAULT)
{
	const struct {
		const char *what;
		uint64_t address;
	} refused[] = {
		{ "not mapped", (uintptr_t)self->unmapped },
		{ "read-only", (uintptr_t)self->read_only },
		{ "no access", (uintptr_t)self->no_access },
		{ "the first page", 64 },
		{ "the vdso", getauxval(AT_SYSINFO_EHDR) },
		{ "the kernel", KERNEL_ADDRESS },
		{ "the gap", 1ULL << 63 },
		{ "the end", -64ULL },
	};

	for (size_t k = 0; k < ARRAY_SIZE(flags_of_kind); k++) {
		for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
			EXPECT_EQ(-EFAULT, umcg_ctl(flags_of_kind[k],
						    (void *)(uintptr_t)refused[i].address))
				TH_LOG("%s", refused[i].what);
		}
	}
	EXPECT_TRUE(nothing_is_left());
}

TEST_F(registration, other_words_are_EINVAL)
{
	for (size_t k = 0; k < ARRAY_SIZE(flags_of_kind); k++) {
		const uint32_t flags = flags_of_kind[k];
		const uint32_t right = flags == SERVER_FLAGS ? RUNNING : BLOCKED;

		for (uint32_t state = 0; state <= UMCG_TASK_STATE_MASK; state++) {
			task_init(self, flags);
			self->task->state_ts = state;
			if (state != right) {
				EXPECT_EQ(-EINVAL, umcg_ctl(flags, self->task))
					TH_LOG("flags %#x, state %u", flags, state);
			}
		}
		/* The flags and the reserved bits. */
		for (int bit = 6; bit < 13; bit++) {
			task_init(self, flags);
			self->task->state_ts |= 1ULL << bit;
			EXPECT_EQ(-EINVAL, umcg_ctl(flags, self->task))
				TH_LOG("flags %#x, bit %d", flags, bit);
		}
		task_init(self, flags);
		self->task->flags = 1;
		EXPECT_EQ(-EINVAL, umcg_ctl(flags, self->task));
		task_init(self, flags);
		self->task->next_tid = gettid();
		EXPECT_EQ(-EINVAL, umcg_ctl(flags, self->task));
	}
	EXPECT_TRUE(nothing_is_left());
}

TEST_F(registration, the_pointers_of_a_server_are_ignored)
{
	const uint64_t pointers[] = {
		(uintptr_t)&self->group.idle_workers, 1, (uintptr_t)self->unmapped, KERNEL_ADDRESS,
	};

	for (size_t i = 0; i < ARRAY_SIZE(pointers); i++) {
		server_task_init(self->task);
		self->task->idle_workers_ptr = pointers[i];
		self->task->idle_server_tid_ptr = pointers[i];
		ASSERT_EQ(0, umcg_ctl(SERVER_FLAGS, self->task));
		EXPECT_EQ(0, umcg_wait(0, 0));
		EXPECT_EQ(1, umcg_stat("pinned_pages"));
		EXPECT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
		EXPECT_EQ(pointers[i], self->task->idle_workers_ptr);
		EXPECT_EQ(pointers[i], self->task->idle_server_tid_ptr);
	}
	EXPECT_EQ(0, self->group.idle_workers);
	EXPECT_TRUE(nothing_is_left());
}

TEST_F(registration, a_worker_needs_two_good_pointers)
{
	const struct {
		const char *what;
		uint64_t address;
		int err;
	} refused[] = {
		{ "zero", 0, -EINVAL },
		{ "unaligned", (uintptr_t)self->page + self->page_size / 2 + 1, -EINVAL },
		{ "unaligned by half", (uintptr_t)self->page + self->page_size / 2 + 2, -EINVAL },
		{ "not mapped", (uintptr_t)self->unmapped, -EFAULT },
		{ "read-only", (uintptr_t)self->read_only, -EFAULT },
		{ "no access", (uintptr_t)self->no_access, -EFAULT },
		{ "the kernel", KERNEL_ADDRESS, -EFAULT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		worker_task_init(self->task, &self->group);
		self->task->idle_workers_ptr = refused[i].address;
		EXPECT_EQ(refused[i].err, umcg_ctl(WORKER_FLAGS, self->task))
			TH_LOG("list: %s", refused[i].what);
		worker_task_init(self->task, &self->group);
		self->task->idle_server_tid_ptr = refused[i].address;
		EXPECT_EQ(refused[i].err, umcg_ctl(WORKER_FLAGS, self->task))
			TH_LOG("server: %s", refused[i].what);
	}
	worker_task_init(self->task, &self->group);
	self->task->idle_workers_ptr = (uintptr_t)self->page + self->page_size / 2 + 4;
	EXPECT_EQ(-EINVAL, umcg_ctl(WORKER_FLAGS, self->task))
		TH_LOG("the list needs 8 bytes of alignment");
	EXPECT_EQ(0, self->group.idle_workers);
	EXPECT_TRUE(nothing_is_left());
}

TEST_F(registration, registering_twice_is_EINVAL)
{
	struct umcg_task *other = self->task + 1;

	server_task_init(self->task);
	server_task_init(other);
	ASSERT_EQ(0, umcg_ctl(SERVER_FLAGS, self->task));
	EXPECT_EQ(-EINVAL, umcg_ctl(SERVER_FLAGS, self->task));
	EXPECT_EQ(-EINVAL, umcg_ctl(SERVER_FLAGS, other));
	worker_task_init(other, &self->group);
	EXPECT_EQ(-EINVAL, umcg_ctl(WORKER_FLAGS, other));
	EXPECT_EQ(1, umcg_stat("servers"));
	EXPECT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
}

TEST_F(registration, only_registered_threads_unregister)
{
	EXPECT_EQ(-EINVAL, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
	server_task_init(self->task);
	EXPECT_EQ(-EINVAL, umcg_ctl(UMCG_CTL_UNREGISTER, self->task));
	ASSERT_EQ(0, umcg_ctl(SERVER_FLAGS, self->task));
	EXPECT_EQ(-EINVAL, umcg_ctl(UMCG_CTL_UNREGISTER, self->task))
		TH_LOG("self has to be zero");
	EXPECT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
	EXPECT_EQ(-EINVAL, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
}

#define PAGE_MATES 8

struct page_mates {
	struct umcg_task *tasks;
	pthread_barrier_t registered;
	pthread_barrier_t looked_at;
	_Atomic int errors;
};

static void register_among_mates(struct umcg_thread *self)
{
	struct page_mates *mates = self->arg;

	if (umcg_ctl(SERVER_FLAGS, &mates->tasks[self->phase]))
		mates->errors++;
	pthread_barrier_wait(&mates->registered);
	pthread_barrier_wait(&mates->looked_at);
	if (umcg_ctl(UMCG_CTL_UNREGISTER, NULL))
		mates->errors++;
}

TEST_F(registration, a_page_with_many_tasks_is_charged_once)
{
	struct page_mates mates = { .tasks = self->task };
	struct umcg_thread threads[PAGE_MATES] = {};

	pthread_barrier_init(&mates.registered, NULL, PAGE_MATES + 1);
	pthread_barrier_init(&mates.looked_at, NULL, PAGE_MATES + 1);
	ASSERT_EQ(0, pinned_pages());
	for (int i = 0; i < PAGE_MATES; i++) {
		threads[i].arg = &mates;
		threads[i].phase = i;
		server_task_init(&mates.tasks[i]);
		thread_start(&threads[i], register_among_mates);
	}
	pthread_barrier_wait(&mates.registered);
	EXPECT_EQ(PAGE_MATES, umcg_stat("servers"));
	EXPECT_EQ(1, umcg_stat("pinned_pages"));
	EXPECT_EQ(1, pinned_pages());
	pthread_barrier_wait(&mates.looked_at);
	for (int i = 0; i < PAGE_MATES; i++)
		EXPECT_TRUE(thread_ends(&threads[i]));
	EXPECT_EQ(0, mates.errors);
	EXPECT_TRUE(SOON(pinned_pages() == 0));
	EXPECT_TRUE(nothing_is_left());
}

static void register_in_the_limit(struct umcg_thread *self)
{
	self->result = umcg_ctl(SERVER_FLAGS, self->arg);
}

/* As an unprivileged user who may lock one page. Returns the step that failed, or 0. */
static int register_with_one_page(void *argument)
{
	FIXTURE_DATA(registration) *self = argument;
	struct rlimit one_page = { .rlim_cur = self->page_size, .rlim_max = self->page_size };
	struct rlimit nothing = {};
	struct umcg_thread other = { .arg = self->task + 1 };
	char *second_page = mmap(NULL, self->page_size, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (setrlimit(RLIMIT_MEMLOCK, &one_page) || setgroups(0, NULL) || setgid(NOBODY) ||
	    setuid(NOBODY))
		return 1;
	server_task_init(self->task);
	server_task_init(self->task + 1);
	server_task_init((void *)second_page);
	if (umcg_ctl(SERVER_FLAGS, self->task))
		return 2;
	thread_start(&other, register_in_the_limit);
	if (!thread_ends(&other) || other.result != 0)
		return 3;
	other.arg = second_page;
	thread_start(&other, register_in_the_limit);
	if (!thread_ends(&other) || other.result != -ENOMEM)
		return 4;
	if (umcg_ctl(UMCG_CTL_UNREGISTER, NULL) || !SOON(pinned_pages() == 0))
		return 5;
	if (umcg_ctl(SERVER_FLAGS, second_page) || umcg_ctl(UMCG_CTL_UNREGISTER, NULL))
		return 6;
	if (!SOON(pinned_pages() == 0) || setrlimit(RLIMIT_MEMLOCK, &nothing))
		return 7;
	server_task_init(self->task);
	if (umcg_ctl(SERVER_FLAGS, self->task) != -ENOMEM)
		return 8;
	return 0;
}

TEST_F(registration, beyond_the_limit_of_locked_memory_is_ENOMEM)
{
	int status = process_ends(process_start(register_with_one_page, self));

	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status))
		TH_LOG("the step that went wrong");
	EXPECT_TRUE(nothing_is_left());
}

TEST_F(registration, beyond_that_limit_a_user_with_CAP_IPC_LOCK_registers)
{
	const struct rlimit nothing = {};

	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &nothing));
	server_task_init(self->task);
	ASSERT_EQ(0, umcg_ctl(SERVER_FLAGS, self->task));
	EXPECT_EQ(1, pinned_pages());
}

struct shared_server {
	struct umcg_task *mine;
	struct umcg_task *theirs;
};

static void wait_in_shared_memory(struct umcg_thread *self)
{
	struct shared_server *server = self->arg;

	server_task_init(server->mine);
	self->result = umcg_ctl(SERVER_FLAGS, server->mine);
	state_must_change(server->mine, RUNNING, IDLE);
	self->phase = 1;
	if (!self->result)
		self->result = umcg_wait(0, realtime_in_ms(SOON_MS));
}

TEST_F(registration, shared_file_memory_works_through_every_mapping)
{
	const int memory = memfd_create("tasks", MFD_CLOEXEC);
	struct umcg_thread waiter = {};
	struct shared_server server;
	struct umcg_thread waker = {};

	ASSERT_LE(0, memory);
	ASSERT_EQ(0, ftruncate(memory, self->page_size));
	server.mine = mmap(NULL, self->page_size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	server.theirs = mmap(NULL, self->page_size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	ASSERT_NE(MAP_FAILED, (void *)server.mine);
	ASSERT_NE(MAP_FAILED, (void *)server.theirs);
	ASSERT_NE((void *)server.mine, (void *)server.theirs);

	waiter.arg = &server;
	thread_start(&waiter, wait_in_shared_memory);
	ASSERT_TRUE(SOON(waiter.phase == 1 && thread_sleeps(waiter.tid)));
	ASSERT_EQ(0, server_register(&waker));
	set_next_tid(&waker.task, waiter.tid);
	EXPECT_TRUE(state_change(server.theirs, IDLE, RUNNING));
	EXPECT_EQ(0, umcg_wait(UMCG_WAIT_WAKE_ONLY, 0));
	EXPECT_TRUE(thread_ends(&waiter));
	EXPECT_EQ(0, waiter.result);
}

static void be_run_once(struct umcg_thread *self)
{
	(void)self;
}

static void register_with_word(struct umcg_thread *self)
{
	const uint64_t *word = self->arg;

	worker_task_init(&self->task, self->group);
	self->task.state_ts = *word;
	self->result = umcg_ctl(WORKER_FLAGS, &self->task);
	worker_leave(self);
}

/* Registers a worker with this word, and gives the word that the kernel makes of it. */
static uint64_t word_after_registration(FIXTURE_DATA(registration) *self, uint64_t word)
{
	struct umcg_thread worker = { .group = &self->group, .arg = &word };
	struct umcg_thread server = {};
	uint64_t after = 0;

	if (server_register(&server))
		return 0;
	thread_start(&worker, register_with_word);
	if (server_next_worker(&server, &self->group) == &worker) {
		after = state_word(&worker.task);
		server_run(&server, &worker);
		thread_ends(&worker);
	}
	umcg_ctl(UMCG_CTL_UNREGISTER, NULL);
	return after;
}

TEST_F(registration, user_bits_are_preserved)
{
	const uint64_t patterns[] = { USER_BITS, 1ULL << 13, 1ULL << 17, 0xa000, 0 };

	for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
		uint64_t after = word_after_registration(self, BLOCKED | patterns[i]);

		EXPECT_EQ(IDLE | patterns[i], after & UMCG_TASK_STATE_MASK_FULL)
			TH_LOG("user bits %#llx", (unsigned long long)patterns[i]);
	}
}

TEST_F(registration, the_timestamp_is_the_monotonic_clock)
{
	uint64_t before = monotonic_ns() >> UMCG_STATE_TIMESTAMP_GRANULARITY;
	uint64_t after = word_after_registration(self, BLOCKED) >> UMCG_STATE_TIMESTAMP_SHIFT;

	EXPECT_LE(before, after);
	EXPECT_LE(after, monotonic_ns() >> UMCG_STATE_TIMESTAMP_GRANULARITY);
}

#define TIME_OFFSET	"monotonic 10000 123456789\n"
#define CLOCK_OFFSET	(10000 * (int64_t)NSEC_PER_SEC + 123456789)
#define ABOUT_OFFSET	(9000 * NSEC_PER_SEC)

/* With the clock of this process ahead of the machine's. */
static int look_at_the_timestamp(void *self)
{
	struct umcg_version_args version = { .size = sizeof(version) };
	const uint64_t now = monotonic_ns();
	const uint64_t stamp = word_after_registration(self, BLOCKED) >> UMCG_STATE_TIMESTAMP_SHIFT;

	if (now - (stamp << UMCG_STATE_TIMESTAMP_GRANULARITY) < ABOUT_OFFSET)
		return 1;
	/* What the clock is ahead is known to the nanosecond. */
	return umcg_ioctl(UMCG_IOC_VERSION, &version) || version.clock_offset != CLOCK_OFFSET;
}

static int enter_a_time_namespace(void *self)
{
	int offsets = -1;

	if (unshare(CLONE_NEWTIME))
		return 77;
	offsets = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (write(offsets, TIME_OFFSET, strlen(TIME_OFFSET)) != (ssize_t)strlen(TIME_OFFSET))
		return 2;
	return process_ends(process_start(look_at_the_timestamp, self)) ? 3 : 0;
}

TEST_F(registration, the_timestamp_is_the_hosts_in_a_time_namespace)
{
	const int status = process_ends(process_start(enter_a_time_namespace, self));

	ASSERT_TRUE(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		SKIP(return, "no time namespaces");
	EXPECT_EQ(0, WEXITSTATUS(status))
		TH_LOG("the step that went wrong");
}

TEST_F(registration, a_future_timestamp_is_incremented_by_one)
{
	const uint64_t in_an_hour = monotonic_ns() + 3600 * NSEC_PER_SEC;
	uint64_t future = in_an_hour >> UMCG_STATE_TIMESTAMP_GRANULARITY;
	uint64_t word = BLOCKED | future << UMCG_STATE_TIMESTAMP_SHIFT;

	EXPECT_EQ(future + 1, word_after_registration(self, word) >> UMCG_STATE_TIMESTAMP_SHIFT);
}

TEST_F(registration, a_failed_registration_leaves_the_word_alone)
{
	const uint64_t word = BLOCKED | USER_BITS | 12345ULL << UMCG_STATE_TIMESTAMP_SHIFT;

	worker_task_init(self->task, &self->group);
	self->task->state_ts = word;
	self->task->idle_server_tid_ptr = (uintptr_t)self->unmapped;
	ASSERT_EQ(-EFAULT, umcg_ctl(WORKER_FLAGS, self->task));
	EXPECT_EQ(word, state_word(self->task));
	EXPECT_EQ((uintptr_t)&self->group.idle_workers, self->task->idle_workers_ptr);
	EXPECT_EQ(0, self->group.idle_workers);
}

TEST_F(registration, a_struct_serves_a_server_and_a_worker_in_turn)
{
	struct umcg_thread worker = {};
	struct umcg_thread server = {};

	ASSERT_EQ(0, server_register(&server));
	for (int i = 0; i < 3; i++) {
		server_start(&worker, be_run_once);
		ASSERT_TRUE(thread_ends(&worker));
		ASSERT_EQ(0, worker.result);
		worker_start(&worker, &self->group, be_run_once);
		ASSERT_EQ(&worker, server_next_worker(&server, &self->group));
		ASSERT_EQ(0, server_run(&server, &worker));
		ASSERT_TRUE(thread_ends(&worker));
	}
}

TEST_HARNESS_MAIN
