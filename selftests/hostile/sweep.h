/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls that fail at one place after the other (fail-nth in
 * Documentation/fault-injection/fault-injection.rst of the kernel). For programs with
 * the kselftest harness, which have included it.
 */
#ifndef SWEEP_H
#define SWEEP_H

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hostile.h"

#define FAIL_NTH	"/proc/thread-self/fail-nth"
/* More places than any call has. */
#define MANY		2000

/* The result of a call. */
struct outcome {
	int err;
	/* Some place in it has failed. */
	bool failed;
};

static int fail_nth = -1;

/* From now on the @nth place where this thread can fail does. */
static void fault_begin(unsigned int nth)
{
	char text[16];

	fail_nth = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	snprintf(text, sizeof(text), "%u", nth);
	if (pwrite(fail_nth, text, strlen(text), 0) < 0)
		abort();
}

/* Whether that has happened. Nothing fails any more. */
static bool fault_end(void)
{
	char text[16] = "";
	bool failed = pread(fail_nth, text, sizeof(text) - 1, 0) > 0 && atoi(text) == 0;

	/* The first write may be what fails. */
	while (pwrite(fail_nth, "0", 1, 0) < 0)
		;
	close(fail_nth);
	return failed;
}

/* Allocations that may wait fail as well, and single pages; nothing is logged. */
static void set_up_faults(void)
{
	static const char *const kinds[] = { "failslab", "fail_page_alloc", "fail_usercopy" };
	static const char *const settings[][2] = {
		{ "ignore-gfp-wait", "N" }, { "ignore-gfp-highmem", "N" }, { "verbose", "0" },
		{ "min-order", "0" },
	};
	char path[128];

	for (size_t kind = 0; kind < ARRAY_SIZE(kinds); kind++) {
		for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
			snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", kinds[kind],
				 settings[i][0]);
			write_file(path, settings[i][1]);
		}
	}
}

/* An error that tells what was missing or inaccessible. */
static bool is_honest(int err)
{
	return err == 0 || err == -ENOMEM || err == -EFAULT || err == -EAGAIN || err == -EINTR;
}

/* Makes @call fail at one place after the other. Returns the number of its places. */
static unsigned int sweep(struct __test_metadata *_metadata, const char *name,
			  struct outcome (*call)(unsigned int nth))
{
	unsigned int refused = 0;

	for (unsigned int nth = 1; nth < MANY; nth++) {
		const struct outcome outcome = call(nth);

		EXPECT_TRUE(is_honest(outcome.err))
			TH_LOG("%s, place %u: error %d", name, nth, outcome.err);
		EXPECT_TRUE(nothing_is_left() && SOON(umcg_stat("slot_pages") == 0))
			TH_LOG("%s, place %u, left something behind", name, nth);
		refused += outcome.err != 0;
		if (!outcome.failed) {
			EXPECT_EQ(0, outcome.err);
			FIGURE("%s: %u places, %u of them refuse the call", name, nth - 1, refused);
			return nth - 1;
		}
	}
	EXPECT_TRUE(false)
		TH_LOG("%s never comes to its end", name);
	return 0;
}

static void *new_page(int sharing)
{
	return mmap(NULL, PAGE, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);
}

#endif /* SWEEP_H */
