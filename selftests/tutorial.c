// SPDX-License-Identifier: GPL-2.0
/*
 * The programs of Documentation/tutorial.rst and tutorial-rust.rst print what the texts say. They lie
 * in TUTORIAL and in RUST, each with a NAME.out beside it.
 */
#define _GNU_SOURCE
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "slowness.h"

#define TUTORIAL	"/tutorial/"
#define RUST		"rust/"
#define TEXT_SIZE	4096

/* Reads all of @file; an empty text if there is none. */
static void read_text(FILE *file, char text[TEXT_SIZE])
{
	size_t length = file ? fread(text, 1, TEXT_SIZE - 1, file) : 0;

	text[length] = '\0';
}

/* Runs a program of the tutorial. Returns how it ended, and what it has printed. */
static int run(const char *name, char text[TEXT_SIZE])
{
	int status = -1;
	char path[128];
	int ends[2];
	FILE *output;
	pid_t child;

	snprintf(path, sizeof(path), TUTORIAL "%s", name);
	if (pipe(ends))
		return -1;
	child = fork();
	if (!child) {
		dup2(ends[1], STDOUT_FILENO);
		execl(path, name, NULL);
		_exit(127);
	}
	close(ends[1]);
	output = fdopen(ends[0], "r");
	read_text(output, text);
	fclose(output);
	waitpid(child, &status, 0);

	return status;
}

static void read_expected(const char *name, char text[TEXT_SIZE])
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), TUTORIAL "%s.out", name);
	file = fopen(path, "re");
	read_text(file, text);
	if (file)
		fclose(file);
}

#define EXPECT_PRINTS_WHAT_THE_TEXT_SAYS(name) do {			\
	char printed[TEXT_SIZE], expected[TEXT_SIZE];			\
									\
	read_expected(name, expected);					\
	ASSERT_NE('\0', expected[0]);					\
	EXPECT_EQ(0, run(name, printed));				\
	EXPECT_STREQ(expected, printed);				\
} while (0)

TEST(first_worker)
{
	EXPECT_PRINTS_WHAT_THE_TEXT_SAYS("first");
}

TEST(pool_of_servers)
{
	EXPECT_PRINTS_WHAT_THE_TEXT_SAYS("pool");
}

TEST(scheduler_with_priorities_and_slices)
{
	EXPECT_PRINTS_WHAT_THE_TEXT_SAYS("scheduler");
}

TEST(direct_mode)
{
	EXPECT_PRINTS_WHAT_THE_TEXT_SAYS("direct");
}

/* There is no std of Rust to build them for another architecture. */
#define SKIP_WITHOUT_RUST() do {					\
	if (access(TUTORIAL RUST, F_OK))				\
		SKIP(return, "programs in Rust are not built for this architecture"); \
} while (0)

TEST(rust_first_worker)
{
	SKIP_WITHOUT_RUST();
	EXPECT_PRINTS_WHAT_THE_TEXT_SAYS(RUST "first");
}

TEST(rust_pool_of_servers)
{
	SKIP_WITHOUT_RUST();
	EXPECT_PRINTS_WHAT_THE_TEXT_SAYS(RUST "pool");
}

TEST(rust_scheduler_with_priorities_and_slices)
{
	SKIP_WITHOUT_RUST();
	EXPECT_PRINTS_WHAT_THE_TEXT_SAYS(RUST "scheduler");
}

TEST(rust_servers_that_sleep)
{
	SKIP_WITHOUT_RUST();
	EXPECT_PRINTS_WHAT_THE_TEXT_SAYS(RUST "direct");
}

/* Returns how many programs a folder has. */
static size_t count_programs(const char *pattern)
{
	size_t count;
	glob_t texts;

	if (glob(pattern, 0, NULL, &texts))
		return 0;
	count = texts.gl_pathc;
	globfree(&texts);
	return count;
}

TEST(no_program_is_left_out)
{
	EXPECT_EQ(4, count_programs(TUTORIAL "*.out"));
	if (!access(TUTORIAL RUST, F_OK))
		EXPECT_EQ(4, count_programs(TUTORIAL RUST "*.out"));
}

TEST_HARNESS_MAIN
