// SPDX-License-Identifier: GPL-2.0
/* Finds the tests of all programs in /tests and runs them one by one. */
#include <ctype.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner.h"

/* The harness of a test has its own, lower limit (TEST_F_TIMEOUT); this one is for its failure. */
#define TEST_LIMIT_SECONDS	150
/* How long the randomised test runs, if that was asked for: it is in the environment of all. */
#define RANDOM_SECONDS		"UMCG_SECONDS"
#define LIST_LIMIT_SECONDS	20
#define SLOW_SECONDS		1.0
#define MAX_OUTPUT_LINES	200
#define HARNESS_SKIP		4
#define OUTPUT_PATH		"/tmp/output"
/* Of so many tests one may be run a second time; where few are chosen, none. */
#define TESTS_A_SECOND_TRY	200
#define SECOND_TRY		" # at the second try"

struct test {
	char *program;
	/* fixture.test or fixture.variant.test */
	char *name;
};

static struct test *tests;
static unsigned int test_count;

static const char *base_name(const char *path)
{
	return strrchr(path, '/') + 1;
}

static bool matches(const char *program, const char *name, const char *pattern)
{
	char full_name[1024];

	snprintf(full_name, sizeof(full_name), "%s.%s", base_name(program), name);
	return strstr(full_name, pattern) || !fnmatch(pattern, full_name, FNM_EXTMATCH);
}

static void add_test(const char *program, const char *fixture, const char *variant,
		     const char *name, const char *pattern)
{
	struct test *test;
	char full_name[512];

	snprintf(full_name, sizeof(full_name), "%s%s%s.%s", fixture, *variant ? "." : "", variant,
		 name);
	if (!matches(program, full_name, pattern))
		return;
	tests = realloc(tests, (test_count + 1) * sizeof(*tests));
	test = &tests[test_count++];
	test->program = strdup(program);
	test->name = strdup(full_name);
}

/* Takes a word from a column that is @width wide, or as wide as its word, and one space. */
static const char *take_column(const char *line, int width, char word[128])
{
	int length = 0;

	while (line[length] && !isspace((unsigned char)line[length]))
		length++;
	snprintf(word, 128, "%.*s", length, line);
	for (int i = 0; *line && i < (length > width ? length : width) + 1; i++)
		line++;
	return line;
}

#define MAX_VARIANTS	64
#define MAX_TESTS	256

struct fixture {
	char name[128];
	char variants[MAX_VARIANTS][128];
	char tests[MAX_TESTS][128];
	unsigned int variant_count;
	unsigned int test_count;
};

static void add_fixture(const char *program, const struct fixture *fixture, const char *pattern)
{
	for (unsigned int t = 0; t < fixture->test_count; t++) {
		if (!fixture->variant_count)
			add_test(program, fixture->name, "", fixture->tests[t], pattern);
		for (unsigned int v = 0; v < fixture->variant_count; v++)
			add_test(program, fixture->name, fixture->variants[v], fixture->tests[t],
				 pattern);
	}
}

/*
 * The harness prints three columns for a person to read: a fixture's name
 * stands in its first line only, and its variants and its tests are two lists
 * side by side that have nothing to do with each other. Returns false if it is too long.
 */
static bool read_list(const char *program, FILE *list, const char *pattern)
{
	static struct fixture fixture;
	char line[512], name[128], variant[128], test[128];

	fixture.variant_count = 0;
	fixture.test_count = 0;
	while (fgets(line, sizeof(line), list)) {
		const char *rest = line;

		if (line[0] == '#' || line[0] == '-')
			continue;
		rest = take_column(rest, 20, name);
		rest = take_column(rest, 25, variant);
		take_column(rest, 0, test);
		if (*name) {
			add_fixture(program, &fixture, pattern);
			strcpy(fixture.name, name);
			fixture.variant_count = 0;
			fixture.test_count = 0;
		}
		if (fixture.variant_count == MAX_VARIANTS || fixture.test_count == MAX_TESTS)
			return false;
		if (*variant)
			strcpy(fixture.variants[fixture.variant_count++], variant);
		if (*test)
			strcpy(fixture.tests[fixture.test_count++], test);
	}
	add_fixture(program, &fixture, pattern);
	return true;
}

static int create_output(void)
{
	return open(OUTPUT_PATH, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
}

/* Returns false if some program could not say what tests it has. */
static bool list_tests(const char *pattern)
{
	bool all_listed = true;
	glob_t programs;

	if (glob("/tests/*", 0, NULL, &programs))
		return false;
	for (size_t i = 0; i < programs.gl_pathc; i++) {
		const char *program = programs.gl_pathv[i];
		const char *const argv[] = { program, "-l", NULL };
		struct outcome outcome;
		int output = create_output();
		FILE *list = fdopen(output, "r+");

		run_program(argv, output, LIST_LIMIT_SECONDS * slowness(), &outcome);
		rewind(list);
		if (!exited_with(&outcome, HARNESS_SKIP) || !read_list(program, list, pattern)) {
			fprintf(results, "# %s -l does not list its tests\n", program);
			all_listed = false;
		}
		fclose(list);
	}
	globfree(&programs);
	return all_listed;
}

static void show_output(FILE *output)
{
	char line[1024];
	unsigned int count = 0;

	rewind(output);
	while (fgets(line, sizeof(line), output) && count++ < MAX_OUTPUT_LINES)
		fprintf(results, "# %s%s", line, strchr(line, '\n') ? "" : "\n");
	if (count > MAX_OUTPUT_LINES)
		fprintf(results, "# (more output than %d lines)\n", MAX_OUTPUT_LINES);
}

/*
 * A test that is skipped ends like one that passed; the harness tells it in the
 * line of the result. Copies that, from the "#" on; returns false if there is none.
 */
static bool find_skip(FILE *output, char *reason, size_t size)
{
	char line[1024];

	rewind(output);
	while (fgets(line, sizeof(line), output)) {
		const char *found = strstr(line, "# SKIP");

		if (found && !strncmp(line, "ok ", 3)) {
			snprintf(reason, size, " %.*s", (int)strcspn(found, "\n"), found);
			return true;
		}
	}
	return false;
}

/* What a test has measured is worth to be known even if it passed. */
static void show_figures(FILE *output)
{
	char line[1024];

	rewind(output);
	while (fgets(line, sizeof(line), output)) {
		if (!strncmp(line, "# figure: ", strlen("# figure: ")))
			fputs(line, results);
	}
}

static unsigned int random_seconds(void)
{
	const char *seconds = getenv(RANDOM_SECONDS);

	return seconds ? strtoul(seconds, NULL, 10) : 0;
}

/* Runs the program for one test, and tells what it printed if it failed. */
static bool test_passes(const struct test *test, FILE *output, struct outcome *outcome)
{
	const char *const argv[] = { test->program, "-r", test->name, NULL };
	const int error = ensure_umcg_loaded();
	char text[256];

	if (error)
		fprintf(results, "# umcg.ko could not be loaded: %s\n", strerror(error));
	run_program(argv, fileno(output), TEST_LIMIT_SECONDS * slowness() + random_seconds(),
		    outcome);
	if (exited_with(outcome, 0) || exited_with(outcome, HARNESS_SKIP))
		return !error;
	show_output(output);
	describe_outcome(outcome, text, sizeof(text));
	fprintf(results, "# %s\n", text);
	return false;
}

/* The test's own verdict is not enough: the kernel must be well, and nothing may be left. */
static bool kernel_is_well(const struct outcome *outcome)
{
	bool good = true;

	if (outcome->left_processes) {
		fprintf(results, "# a process of the test cannot be killed\n");
		good = false;
	}
	good &= nothing_left_registered();
	good &= kernel_log_report_faults() == 0;
	return good;
}

/* Runs a test, with its output in a new file. *well: whether it found no fault of the kernel. */
static bool try_test(const struct test *test, FILE **output, struct outcome *outcome, bool *well)
{
	bool good;

	*output = fdopen(create_output(), "r+");
	good = test_passes(test, *output, outcome);
	*well = kernel_is_well(outcome);
	/* It may have ended with the module gone, or loaded with parameters of its own. */
	if (!good)
		remove_umcg();
	return good && *well;
}

/*
 * The guest's CPUs are threads of a host that may have other work, and stand still at any
 * moment for any time. A test that this made fail passes when it is run once more; one that
 * found a fault of the kernel is not asked again. @second_tries: how many are left.
 */
static bool run_test(unsigned int number, const struct test *test, unsigned int *second_tries)
{
	struct outcome outcome;
	bool good, well, again;
	char text[256];
	FILE *output;

	snprintf(text, sizeof(text), "%s.%s", base_name(test->program), test->name);
	kernel_log_note(text);
	good = try_test(test, &output, &outcome, &well);
	again = !good && well && *second_tries > 0;
	if (again) {
		(*second_tries)--;
		fclose(output);
		good = try_test(test, &output, &outcome, &well);
	}

	if (!good || !find_skip(output, text, sizeof(text)))
		text[0] = '\0';
	fprintf(results, "%s %u %s.%s%s%s\n", good ? "ok" : "not ok", number,
		base_name(test->program), test->name, text, good && again ? SECOND_TRY : "");
	if (good)
		show_figures(output);
	if (outcome.seconds >= SLOW_SECONDS)
		fprintf(results, "# %.1f s\n", outcome.seconds);
	fclose(output);
	return good;
}

/* Removal is a test of its own: it shows that no reference was lost. */
static bool module_is_removed(void)
{
	int error = ensure_umcg_loaded();

	if (!error)
		error = remove_umcg();
	if (error)
		fprintf(results, "# the module cannot be removed: %s\n", strerror(error));
	return !error && access("/dev/umcg", F_OK);
}

/* What holds for all tests together: these run last, in this order. */
static const struct final_test {
	const char *name;
	bool (*holds)(void);
	/* NULL: every kernel can tell */
	bool (*kernel_can_tell)(void);
} final_tests[] = {
	{ "module.leaks_nothing", nothing_leaked, kernel_finds_leaks },
	{ "module.removed_after_all_tests", module_is_removed, NULL },
	{ "module.leaks_nothing_once_removed", nothing_leaked, kernel_finds_leaks },
	{ "kernel.proved_locks_to_the_end", locks_still_proved, kernel_proves_locks },
	{ "kernel.looked_for_races_to_the_end", races_still_found, kernel_finds_races },
};

#define FINAL_TESTS (sizeof(final_tests) / sizeof(final_tests[0]))

static bool can_tell(const struct final_test *test)
{
	return !test->kernel_can_tell || test->kernel_can_tell();
}

static unsigned int count_final_tests(void)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < FINAL_TESTS; i++)
		count += can_tell(&final_tests[i]);
	return count;
}

/* Returns how many failed. */
static unsigned int run_final_tests(unsigned int number)
{
	unsigned int failed = 0;

	for (unsigned int i = 0; i < FINAL_TESTS; i++) {
		const struct final_test *test = &final_tests[i];
		bool good;

		if (!can_tell(test))
			continue;
		kernel_log_note(test->name);
		good = test->holds();
		good &= kernel_log_report_faults() == 0;
		fprintf(results, "%s %u %s\n", good ? "ok" : "not ok", number++, test->name);
		failed += !good;
	}
	return failed;
}

bool run_tests(const char *pattern)
{
	bool good = list_tests(pattern);
	unsigned int second_tries = test_count / TESTS_A_SECOND_TRY * slowness();
	unsigned int failed = 0;

	fprintf(results, "KTAP version 1\n1..%u\n", test_count + count_final_tests());
	if (!test_count) {
		fprintf(results, "# no test matches '%s'\n", pattern);
		good = false;
	}
	for (unsigned int i = 0; i < test_count; i++)
		failed += !run_test(i + 1, &tests[i], &second_tries);
	failed += run_final_tests(test_count + 1);
	return good && !failed;
}
