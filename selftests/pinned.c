// SPDX-License-Identifier: GPL-2.0
/*
 * Which memory is charged as pinned, how much of it, and until when. The exit status of a
 * test's process is 0 or the step that failed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "kselftest_harness.h"
#include "umcg_test.h"

#define USER		1000
#define FOLIO		65536UL
#define THP		"/sys/kernel/mm/transparent_hugepage/"
#define HUGE_PAGES	"/proc/sys/vm/nr_hugepages"
/* The number of huge pages, more than the limit allows. */
#define CROWD		48
#define ALLOWED		4
/* What other programs may do to the memory that is free, meanwhile. */
#define SLACK_KB	(24L << 10)
#define ROUNDS		100

/* The size of a transparent huge page, and of those of hugetlbfs; zero if there are none. */
static size_t huge;

static size_t size_of_huge_page(void)
{
	FILE *file = fopen(THP "hpage_pmd_size", "r");
	size_t size;

	if (!file || fscanf(file, "%zu", &size) != 1)
		size = 0;
	if (file)
		fclose(file);
	return size;
}

FIXTURE(pinned) {
	int unused;
};

FIXTURE_SETUP(pinned)
{
	umcg_test_begin(TEST_SECONDS);
	ASSERT_EQ(0, pinned_pages());
	huge = size_of_huge_page();
}

FIXTURE_TEARDOWN(pinned)
{
	EXPECT_TRUE(nothing_is_left());
}

/* Maps memory at an address that is a multiple of its size, a power of two. NULL if that fails. */
static char *map_aligned(size_t size, int flags, int fd)
{
	char *place = mmap(NULL, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *memory;

	if (place == MAP_FAILED)
		return NULL;
	place = (char *)(((uintptr_t)place + size - 1) & ~(size - 1));
	memory = mmap(place, size, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0);
	return memory == place ? memory : NULL;
}

static char *map_page(size_t size)
{
	char *memory = map_aligned(size, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	/* Fails on a kernel without huge pages, such as a real-time one. */
	if (memory)
		madvise(memory, size, MADV_NOHUGEPAGE);
	return memory;
}

static char *map_transparent(size_t size)
{
	char *memory = map_aligned(size, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	return memory && !madvise(memory, size, MADV_HUGEPAGE) ? memory : NULL;
}

static char *map_folio(size_t size)
{
	return write_file(THP "hugepages-64kB/enabled", "madvise") ? map_transparent(size) : NULL;
}

static char *map_shmem(size_t size)
{
	const int fd = memfd_create("words", MFD_CLOEXEC);
	char *memory = map_aligned(size, MAP_SHARED, fd);

	if (!write_file(THP "shmem_enabled", "advise") || ftruncate(fd, size))
		return NULL;
	return memory && !madvise(memory, size, MADV_HUGEPAGE) ? memory : NULL;
}

static char *map_hugetlb(size_t size)
{
	if (!write_file(HUGE_PAGES, "1"))
		return NULL;
	return map_aligned(size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);
}

static char *map_hugetlb_file(size_t size)
{
	const int fd = memfd_create("words", MFD_CLOEXEC | MFD_HUGETLB);

	if (!write_file(HUGE_PAGES, "1") || ftruncate(fd, size))
		return NULL;
	return map_aligned(size, MAP_SHARED, fd);
}

struct kind {
	const char *name;
	char *(*map)(size_t size);
	/* Zero: that of huge pages. */
	size_t size;
	/* Where to see how much of it there is, in kB; NULL where the mapping says it all. */
	const char *counted_as;
};

static struct kind kinds[] = {
	{ "a page", map_page, 1, NULL },
	{ "a transparent huge page", map_transparent, 0, "AnonHugePages" },
	{ "a folio of 64 kB", map_folio, FOLIO, NULL },
	{ "a huge page of a memory file", map_shmem, 0, "ShmemPmdMapped" },
	{ "a page of hugetlbfs", map_hugetlb, 0, NULL },
	{ "a page of a file of hugetlbfs", map_hugetlb_file, 0, NULL },
};

static size_t size_of(const struct kind *kind)
{
	const size_t size = kind->size ?: huge;

	return size && size < PAGE ? PAGE : size;
}

static long mapped_as(const struct kind *kind)
{
	return number_in_file("/proc/self/smaps_rollup", kind->counted_as, 10);
}

/* Maps such memory; NULL where there is none to be had. */
static char *map_kind(const struct kind *kind)
{
	const long before = kind->counted_as ? mapped_as(kind) : 0;
	char *memory = size_of(kind) ? kind->map(size_of(kind)) : NULL;

	if (!memory)
		return NULL;
	memory[0] = 0;
	if (kind->counted_as && mapped_as(kind) != before + (long)size_of(kind) / 1024)
		return NULL;
	return memory;
}

static void stay_as_server(struct umcg_thread *self)
{
	self->result = umcg_ctl(SERVER_FLAGS, self->arg);
	self->phase = 1;
	stay_until_told(self);
}

static void exit_as_server(struct umcg_thread *self)
{
	self->result = umcg_ctl(SERVER_FLAGS, self->arg);
}

static void block_twice(struct umcg_thread *self)
{
	(void)self;
	sleep_ms(1);
	sleep_ms(1);
}

/* The kernel finds the words wherever they are in the folio: it runs a worker by them. */
static bool words_are_found(char *memory, size_t size)
{
	struct umcg_thread *server = (void *)memory;
	struct umcg_thread *worker = (void *)(memory + size / 2);
	struct umcg_group *group = (void *)(memory + size - 1024);
	bool good;

	*group = (struct umcg_group)UMCG_GROUP_INIT;
	memset(server, 0, sizeof(*server));
	memset(worker, 0, sizeof(*worker));
	if (server_register(server))
		return false;
	worker_start(worker, group, block_twice);
	good = server_run_to_end(server, group, worker);
	return good && !umcg_ctl(UMCG_CTL_UNREGISTER, NULL);
}

/* Words at both ends of a folio are charged once, and for all of it. */
static int pin_both_ends(void *argument)
{
	const struct kind *kind = argument;
	const size_t size = size_of(kind);
	const long pages = size / PAGE;
	struct umcg_thread first = {}, last = {};
	struct umcg_task *tasks[2];
	char *memory = map_kind(kind);

	if (!memory)
		return 77;
	tasks[0] = (void *)memory;
	tasks[1] = (void *)(memory + size - sizeof(struct umcg_task));
	first.arg = tasks[0];
	last.arg = tasks[1];
	server_task_init(tasks[0]);
	server_task_init(tasks[1]);

	thread_start(&first, stay_as_server);
	if (!SOON(first.phase) || first.result || pinned_pages() != pages)
		return 1;
	thread_start(&last, exit_as_server);
	if (!thread_ends(&last) || last.result || pinned_pages() != pages)
		return 2;
	if (umcg_stat("pinned_pages") != pages)
		return 3;
	/* The word of the one that has ended was found, and no other. */
	if (state_of(tasks[1]) != NONE || state_of(tasks[0]) != RUNNING)
		return 4;
	tell_to_go(&first);
	if (!thread_ends(&first) || pinned_pages() != 0 || state_of(tasks[0]) != NONE)
		return 5;
	if (!words_are_found(memory, size) || pinned_pages() != 0)
		return 6;
	return 0;
}

TEST_F(pinned, folios_with_words_are_charged_once_and_whole)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		const int result = result_of_process(pin_both_ends, &kinds[i]);

		if (result == 77)
			TH_LOG("%s: there is none", kinds[i].name);
		else
			EXPECT_EQ(0, result)
				TH_LOG("%s: the step that went wrong", kinds[i].name);
	}
	/* A page that a process has had goes back a moment after its end. */
	write_file(HUGE_PAGES, "0");
	write_file(THP "hugepages-64kB/enabled", "never");
	write_file(THP "shmem_enabled", "never");
}

static long free_kb(void)
{
	return number_in_file("/proc/meminfo", "MemFree", 10);
}

/* As a user: each thread has its words in a huge page of its own, which is then unmapped. */
static int pin_what_is_unmapped(void *argument)
{
	const struct rlimit limit = { ALLOWED * huge, ALLOWED * huge };
	static struct umcg_thread crowd[CROWD];
	const struct kind *kind = argument;
	int registered = 0;
	long before, taken;

	if (!become_user(USER) || setrlimit(RLIMIT_MEMLOCK, &limit))
		return 1;
	before = free_kb();
	for (int i = 0; i < CROWD; i++) {
		char *memory = map_kind(kind);

		if (!memory)
			return 77;
		crowd[i].arg = memory + i * PAGE % huge;
		server_task_init(crowd[i].arg);
		thread_start(&crowd[i], stay_as_server);
		if (!SOON(crowd[i].phase) || (crowd[i].result && crowd[i].result != -ENOMEM))
			return 2;
		registered += !crowd[i].result;
		munmap(memory, huge);
	}
	taken = before - free_kb();
	if (registered != ALLOWED || pinned_pages() != (long)(ALLOWED * huge / PAGE)) {
		fprintf(stderr, "%d registered, %ld pages, %ld kB\n", registered, pinned_pages(),
			taken);
		return 3;
	}
	if (taken > (long)(ALLOWED * huge / 1024) + SLACK_KB)
		return 4;
	for (int i = 0; i < CROWD; i++) {
		tell_to_go(&crowd[i]);
		if (!thread_ends(&crowd[i]))
			return 5;
	}
	return pinned_pages() == 0 ? 0 : 6;
}

TEST_F(pinned, huge_pages_without_a_mapping_are_within_the_limit)
{
	const int result = result_of_process(pin_what_is_unmapped, &kinds[1]);

	if (result == 77)
		SKIP(return, "no transparent huge pages");
	EXPECT_EQ(0, result)
		TH_LOG("the step that went wrong");
}

/* In turn with two pages, where the limit allows one. */
static int change_pages(void *argument)
{
	const struct rlimit limit = { PAGE, PAGE };
	struct umcg_thread thread = {};
	const bool unregister = !argument;
	char *pages[2];

	for (int i = 0; i < 2; i++) {
		pages[i] = map_page(PAGE);
		if (!pages[i])
			return 1;
	}
	if (!become_user(USER) || setrlimit(RLIMIT_MEMLOCK, &limit))
		return 2;
	for (int i = 0; i < ROUNDS; i++) {
		thread.arg = pages[i % 2];
		server_task_init(thread.arg);
		if (unregister) {
			if (umcg_ctl(SERVER_FLAGS, thread.arg) || pinned_pages() != 1)
				return 3;
			if (umcg_ctl(UMCG_CTL_UNREGISTER, NULL) || pinned_pages() != 0)
				return 4;
		} else {
			thread_start(&thread, exit_as_server);
			if (!thread_ends(&thread) || thread.result || pinned_pages() != 0)
				return 5;
		}
	}
	return 0;
}

TEST_F(pinned, unregistering_uncharges_memory)
{
	EXPECT_EQ(0, result_of_process(change_pages, NULL))
		TH_LOG("the step that went wrong");
}

TEST_F(pinned, exit_uncharges_memory)
{
	EXPECT_EQ(0, result_of_process(change_pages, self))
		TH_LOG("the step that went wrong");
}

TEST_HARNESS_MAIN
