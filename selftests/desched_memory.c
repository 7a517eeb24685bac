// SPDX-License-Identifier: GPL-2.0
/*
 * Words that the kernel writes when their thread was descheduled: whatever the state of
 * their memory, and every time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "umcg_sched.h"

#define DEPARTURES	50000
#define VALUE		5
#define ROUNDS		200

FIXTURE(memory) {
	_Atomic uint64_t *word;
	_Atomic uint64_t near_word;
	struct umcg_thread other;
};

static void *new_page(void)
{
	return mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

FIXTURE_SETUP(memory)
{
	umcg_test_begin(STRESS_SECONDS);
	self->word = new_page();
	ASSERT_NE(MAP_FAILED, (void *)self->word);
}

FIXTURE_TEARDOWN(memory)
{
}

static int add(FIXTURE_DATA(memory) *self)
{
	return desched_add(COOKIE, ALWAYS, (void *)self->word, 8, VALUE);
}

TEST_F(memory, a_missing_page_is_written)
{
	ASSERT_EQ(0, add(self));
	for (int round = 0; round < ROUNDS; round++) {
		*self->word = MARK;
		/* Zero, when it is first read. */
		ASSERT_EQ(0, madvise((void *)self->word, PAGE, MADV_DONTNEED));
		block_once();
		ASSERT_EQ(VALUE, *self->word);
	}
}

/* Whether the word stays what it is here, while the parent writes to its own. */
static int keep_the_word(_Atomic uint64_t *word, int told)
{
	const uint64_t before = *word;
	char go;

	return read(told, &go, 1) == 1 && *word == before ? 0 : 1;
}

TEST_F(memory, a_page_that_is_shared_with_a_child_is_written_here_only)
{
	const char go = 1;
	int pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	ASSERT_EQ(0, add(self));
	for (int round = 0; round < 20; round++) {
		int status;
		pid_t pid;

		*self->word = MARK;
		pid = fork();
		if (!pid)
			_exit(keep_the_word(self->word, pipes[0]));
		block_once();
		EXPECT_EQ(VALUE, *self->word);
		ASSERT_EQ(1, write(pipes[1], &go, 1));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
	}
}

TEST_F(memory, a_page_of_a_file_is_written)
{
	const int fd = memfd_create("word", MFD_CLOEXEC);

	ASSERT_EQ(0, ftruncate(fd, PAGE));
	self->word = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->word);
	ASSERT_EQ(0, add(self));
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t in_file = 0;

		*self->word = MARK;
		ASSERT_EQ(0, madvise((void *)self->word, PAGE, MADV_DONTNEED));
		block_once();
		ASSERT_EQ(8, pread(fd, &in_file, 8, 0));
		ASSERT_EQ(VALUE, in_file);
	}
}

TEST_F(memory, a_missing_page_does_not_prevent_other_writes)
{
	ASSERT_EQ(0, desched_add(1, ALWAYS, (void *)&self->near_word, 4, 1));
	ASSERT_EQ(0, add(self));
	ASSERT_EQ(0, desched_add(2, ALWAYS, (uint32_t *)&self->near_word + 1, 4, 2));
	for (int round = 0; round < ROUNDS; round++) {
		self->near_word = MARK;
		ASSERT_EQ(0, madvise((void *)self->word, PAGE, MADV_DONTNEED));
		block_once();
		ASSERT_EQ(0x200000001, self->near_word);
		ASSERT_EQ(VALUE, *self->word);
	}
}

/* Serves one missing page, some time after it was asked for. */
static void serve_one_fault(struct umcg_thread *self)
{
	const int fd = (intptr_t)self->arg;
	struct uffdio_zeropage zero = { .range.len = PAGE };
	struct uffd_msg message;

	if (read(fd, &message, sizeof(message)) != sizeof(message))
		return;
	sleep_ms(20);
	zero.range.start = message.arg.pagefault.address & ~(PAGE - 1);
	self->phase = 1;
	self->result = ioctl(fd, UFFDIO_ZEROPAGE, &zero);
}

TEST_F(memory, the_thread_waits_for_a_page_that_another_thread_provides)
{
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)self->word, .len = PAGE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_api api = { .api = UFFD_API };
	const int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, UFFDIO_API, &api));
	ASSERT_EQ(0, add(self));
	ASSERT_EQ(0, ioctl(fd, UFFDIO_REGISTER, &range));
	self->other.arg = (void *)(intptr_t)fd;
	thread_start(&self->other, serve_one_fault);
	/* From here on each deschedule needs the other thread. */
	ASSERT_EQ(0, madvise((void *)self->word, PAGE, MADV_DONTNEED));
	block_once();
	EXPECT_EQ(1, self->other.phase);
	EXPECT_EQ(VALUE, *self->word);
	EXPECT_TRUE(thread_ends(&self->other));
	EXPECT_EQ(0, self->other.result);
}

static int lose_the_page(void *argument)
{
	FIXTURE_DATA(memory) *self = argument;

	if (add(self) || munmap((void *)self->word, PAGE))
		return 1;
	block_once();
	return 2;
}

static int make_the_page_read_only(void *argument)
{
	FIXTURE_DATA(memory) *self = argument;

	if (add(self) || mprotect((void *)self->word, PAGE, PROT_READ))
		return 1;
	block_once();
	return 2;
}

TEST_F(memory, unmapped_memory_raises_a_signal)
{
	int (*const ways[])(void *) = { lose_the_page, make_the_page_read_only };

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		const int status = process_ends(process_start(ways[i], self));

		ASSERT_TRUE(WIFSIGNALED(status))
			TH_LOG("wait status %#x", status);
		EXPECT_EQ(SIGSEGV, WTERMSIG(status));
	}
	EXPECT_TRUE(nothing_is_left());
}

static _Atomic int faults;

static void drop_notification(int signal)
{
	(void)signal;
	faults += desched_remove(COOKIE) == 0;
}

TEST_F(memory, a_handler_of_that_signal_can_remove_the_notification)
{
	/* It may itself be descheduled before it has done so. */
	const struct sigaction action = { .sa_handler = drop_notification, .sa_flags = SA_NODEFER };

	ASSERT_EQ(0, sigaction(SIGSEGV, &action, NULL));
	ASSERT_EQ(0, add(self));
	ASSERT_EQ(0, munmap((void *)self->word, PAGE));
	block_once();
	EXPECT_EQ(1, faults);
	block_once();
	EXPECT_EQ(1, faults);
	EXPECT_EQ(-ENOENT, desched_remove(COOKIE));
}

static void *_Atomic fault_address;
static _Atomic int fault_code;

static void note_fault(int signal, siginfo_t *info, void *context)
{
	(void)context;
	fault_address = info->si_addr;
	fault_code = info->si_code;
	drop_notification(signal);
}

TEST_F(memory, that_signal_has_the_address)
{
	const struct sigaction action = {
		.sa_sigaction = note_fault, .sa_flags = SA_NODEFER | SA_SIGINFO,
	};
	/* The first one that cannot be written. */
	_Atomic uint64_t *const word = self->word + 3;

	ASSERT_EQ(0, sigaction(SIGSEGV, &action, NULL));
	ASSERT_EQ(0, desched_add(1, ALWAYS, (void *)&self->near_word, 8, VALUE));
	ASSERT_EQ(0, desched_add(COOKIE, ALWAYS, (void *)word, 8, VALUE));
	ASSERT_EQ(0, mprotect((void *)self->word, PAGE, PROT_READ));
	block_once();
	EXPECT_EQ(1, faults);
	EXPECT_EQ((void *)word, fault_address);
	EXPECT_EQ(SEGV_ACCERR, fault_code);

	ASSERT_EQ(0, mprotect((void *)self->word, PAGE, PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, desched_add(COOKIE, ALWAYS, (void *)word, 8, VALUE));
	ASSERT_EQ(0, munmap((void *)self->word, PAGE));
	block_once();
	EXPECT_EQ(2, faults);
	EXPECT_EQ((void *)word, fault_address);
	EXPECT_EQ(SEGV_MAPERR, fault_code);
}

/* Assigns a protection key to the page, with these rights; the key or -1. */
static int lock_page(FIXTURE_DATA(memory) *self, unsigned int rights)
{
	const int key = pkey_alloc(0, rights);

	return key < 0 || pkey_mprotect((void *)self->word, PAGE, PROT_READ | PROT_WRITE, key) ?
		       -1 : key;
}

TEST_F(memory, a_page_closed_by_a_protection_key_is_written)
{
	const unsigned int rights[] = { PKEY_DISABLE_WRITE, PKEY_DISABLE_ACCESS };
	const int key = lock_page(self, 0);

	if (key < 0)
		SKIP(return, "no protection keys: %s", strerror(errno));
	ASSERT_EQ(0, add(self));
	for (int round = 0; round < ROUNDS; round++) {
		*self->word = MARK;
		if (round & 2)
			ASSERT_EQ(0, madvise((void *)self->word, PAGE, MADV_DONTNEED));
		ASSERT_EQ(0, pkey_set(key, rights[round & 1]));
		block_once();
		/* The rights that the kernel has set are restored. */
		ASSERT_EQ(rights[round & 1], (unsigned int)pkey_get(key));
		ASSERT_EQ(0, pkey_set(key, 0));
		ASSERT_EQ(VALUE, *self->word);
	}
}

static void depart(int signal)
{
	(void)signal;
	block_once();
	faults++;
}

/* A handler has no rights to any key but the first one, unless it gets them itself. */
TEST_F(memory, a_handler_may_be_descheduled_with_the_page_closed)
{
	const struct sigaction action = { .sa_handler = depart };

	if (lock_page(self, 0) < 0)
		SKIP(return, "no protection keys: %s", strerror(errno));
	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	ASSERT_EQ(0, add(self));
	*self->word = MARK;
	ASSERT_EQ(0, raise(SIGUSR1));
	EXPECT_EQ(1, faults);
	EXPECT_EQ(VALUE, *self->word);
}

/* The page gets a key that the thread had no right to when it added the notification. */
static int close_the_page(void *argument)
{
	FIXTURE_DATA(memory) *self = argument;

	if (add(self) || lock_page(self, PKEY_DISABLE_ACCESS) < 0)
		return 1;
	block_once();
	return 2;
}

TEST_F(memory, a_key_closed_at_the_call_stays_closed)
{
	const int key = pkey_alloc(0, PKEY_DISABLE_ACCESS);
	int status;

	if (key < 0)
		SKIP(return, "no protection keys: %s", strerror(errno));
	ASSERT_EQ(0, pkey_free(key));
	status = process_ends(process_start(close_the_page, self));
	ASSERT_TRUE(WIFSIGNALED(status))
		TH_LOG("wait status %#x", status);
	EXPECT_EQ(SIGSEGV, WTERMSIG(status));
}

static void unmap_and_map(struct umcg_thread *self)
{
	const int protections[] = { PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE };

	for (int round = 0; !told_to_go(self); round++) {
		switch (round % 3) {
		case 0:
			munmap(self->arg, PAGE);
			break;
		case 1:
			mmap(self->arg, PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
			break;
		default:
			mprotect(self->arg, PAGE, protections[round / 3 % 3]);
		}
	}
}

static void count_fault(int signal)
{
	(void)signal;
	faults++;
}

TEST_F_TIMEOUT(memory, its_memory_may_be_mapped_and_unmapped_at_any_time, STRESS_SECONDS)
{
	/* The handler is descheduled as well, and its signal would be blocked. */
	const struct sigaction action = { .sa_handler = count_fault, .sa_flags = SA_NODEFER };

	ASSERT_EQ(0, sigaction(SIGSEGV, &action, NULL));
	ASSERT_EQ(0, add(self));
	self->other.arg = (void *)self->word;
	thread_start(&self->other, unmap_and_map);
	for (int round = 0; round < 4 * ROUNDS; round++)
		block_once();
	tell_to_go(&self->other);
	EXPECT_TRUE(thread_ends(&self->other));
	TH_LOG("%d signals", faults);
	self->word = mmap((void *)self->word, PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	block_once();
	EXPECT_EQ(VALUE, *self->word);
}

static void disturb(struct umcg_thread *self)
{
	for (unsigned int round = 0; !told_to_go(self); round++) {
		if (round % 8)
			sched_yield();
		else
			block_once();
	}
}

/* A second thread on the same CPU: a thread that is preempted or yields is descheduled. */
TEST_F_TIMEOUT(memory, every_deschedule_is_seen_by_user_code, STRESS_SECONDS)
{
	struct watch watches[2] = {
		{ .word = self->word, .enough = DEPARTURES / 2 },
		{ .word = &self->near_word, .enough = DEPARTURES / 2 },
	};
	struct umcg_thread watchers[2] = {};

	ASSERT_TRUE(slots_map());
	allow_cpus(0, 0, 0);
	thread_start(&self->other, disturb);
	for (int i = 0; i < 2; i++) {
		watchers[i].arg = &watches[i];
		thread_start(&watchers[i], watch_word);
	}
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(0, pthread_join(watchers[i].thread, NULL));
		EXPECT_LE(watches[i].enough, watches[i].departures);
		EXPECT_EQ(0, watchers[i].result);
		EXPECT_EQ(0, watches[i].lies);
	}
	tell_to_go(&self->other);
	TH_LOG("%lu and %lu departures", (long)watches[0].departures,
	       (long)watches[1].departures);
}

TEST_HARNESS_MAIN
