// SPDX-License-Identifier: GPL-2.0
/* Lists the tests of all programs in /tests and runs them one by one, once or in rounds. */
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
/* A test that has failed this often is not repeated any more. */
#define ENOUGH_FAILURES		5

struct test {
	char *program;
	/* fixture.test or fixture.variant.test */
	char *name;
	unsigned int runs, failures, skips;
	double shortest_seconds, longest_seconds;
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
	*test = (struct test) { .program = strdup(program), .name = strdup(full_name) };
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
 * A skipped test exits like one that passed; the harness reports it in the result line.
 * Copies that, from the "#" on; returns false if there is none.
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

/* Measurements of a test are shown even if it passed. */
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

/* Runs the program for one test, and shows its output if it failed. */
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

/*
 * The test's own result is not enough: the kernel must be intact, and nothing may be left
 * behind.
 */
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

/* Runs a test, with its output in a new file, which the caller closes. */
static bool try_test(const struct test *test, FILE **output, struct outcome *outcome)
{
	bool good;

	*output = fdopen(create_output(), "r+");
	good = test_passes(test, *output, outcome);
	good &= kernel_is_well(outcome);
	/* It may have ended with the module gone, or loaded with parameters of its own. */
	if (!good)
		remove_umcg();
	return good;
}

static void count_run(struct test *test, double seconds)
{
	if (!test->runs || seconds < test->shortest_seconds)
		test->shortest_seconds = seconds;
	if (seconds > test->longest_seconds)
		test->longest_seconds = seconds;
	test->runs++;
}

static void show_durations(const struct test *test)
{
	if (test->runs > 1)
		fprintf(results, "# %u runs of %.2f to %.2f s\n", test->runs,
			test->shortest_seconds, test->longest_seconds);
	else if (test->longest_seconds >= SLOW_SECONDS)
		fprintf(results, "# %.1f s\n", test->longest_seconds);
}

/* The line of the result, after the last run. @skip: what find_skip() has found in that. */
static void show_result(unsigned int number, const struct test *test, const char *skip)
{
	fprintf(results, "%s %u %s.%s", test->failures ? "not ok" : "ok", number,
		base_name(test->program), test->name);
	if (test->failures && test->runs > 1)
		fprintf(results, " # %u of %u runs failed", test->failures, test->runs);
	else if (!test->failures && test->skips == test->runs)
		fprintf(results, "%s", skip);
	fputc('\n', results);
}

/* @round, @rounds: which run of how many this is; the result is shown after the last one. */
static void run_test(unsigned int number, struct test *test, unsigned int round,
		     unsigned int rounds)
{
	static const struct test *before;
	const bool is_last = round == rounds;
	char text[256], skip[256] = "";
	struct outcome outcome;
	FILE *output = NULL;
	bool good = false;

	if (test->failures < ENOUGH_FAILURES) {
		snprintf(text, sizeof(text), "%s.%s", base_name(test->program), test->name);
		kernel_log_note(text);
		good = try_test(test, &output, &outcome);
		count_run(test, outcome.seconds);
		test->failures += !good;
		test->skips += good && find_skip(output, skip, sizeof(skip));
		if (!good && rounds > 1)
			fprintf(results, "# %s failed in round %u, after %s%s%s\n", text, round,
				before ? base_name(before->program) : "the boot",
				before ? "." : "", before ? before->name : "");
		before = test;
	}
	if (is_last)
		show_result(number, test, skip);
	if (is_last && good)
		show_figures(output);
	if (is_last)
		show_durations(test);
	if (output)
		fclose(output);
}

/*
 * The order of a round: another one in each, so that a test that suffers from what ran before it
 * is found. It depends on the round's number alone, so the next boot has it again. The last round
 * is in the order of the list, as is the only one where nothing is repeated.
 */
static void choose_order(unsigned int *order, unsigned int round, unsigned int rounds)
{
	for (unsigned int i = 0; i < test_count; i++)
		order[i] = i;
	if (round == rounds)
		return;
	srandom(round);
	for (unsigned int i = test_count; i > 1; i--) {
		const unsigned int other = random() % i, kept = order[i - 1];

		order[i - 1] = order[other];
		order[other] = kept;
	}
}

/* Runs each test once a round; returns how many have failed. */
static unsigned int run_in_rounds(unsigned int rounds)
{
	unsigned int *const order = calloc(test_count, sizeof(*order));
	unsigned int failed = 0;

	for (unsigned int round = 1; round <= rounds; round++) {
		if (rounds > 1)
			fprintf(results, "# round %u of %u, %.0f s after boot\n", round, rounds,
				now_seconds());
		choose_order(order, round, rounds);
		for (unsigned int i = 0; i < test_count; i++)
			run_test(order[i] + 1, &tests[order[i]], round, rounds);
	}
	for (unsigned int i = 0; i < test_count; i++)
		failed += !!tests[i].failures;
	free(order);
	return failed;
}

/* Removal is a separate test: it shows that no reference was lost. */
static bool module_is_removed(void)
{
	int error = ensure_umcg_loaded();

	if (!error)
		error = remove_umcg();
	if (error)
		fprintf(results, "# the module cannot be removed: %s\n", strerror(error));
	return !error && access("/dev/umcg", F_OK);
}

/*
 * Forced removal taints the kernel, which disables lockdep. If the kernel does not support it, the
 * program skips its tests.
 */
static bool force_is_survived(void)
{
	const char *const argv[] = { "/final/force", NULL };
	FILE *output = fdopen(create_output(), "r+");
	struct outcome outcome;
	bool good = ensure_umcg_loaded() == 0;
	char text[256];

	run_program(argv, fileno(output), TEST_LIMIT_SECONDS * slowness(), &outcome);
	good &= exited_with(&outcome, 0) && !outcome.left_processes;
	if (!good) {
		show_output(output);
		describe_outcome(&outcome, text, sizeof(text));
		fprintf(results, "# %s\n", text);
	}
	fclose(output);
	return good;
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
	{ "kernel.lockdep_stayed_enabled", locks_still_proved, kernel_proves_locks },
	{ "kernel.kcsan_stayed_enabled", races_still_found, kernel_finds_races },
	{ "module.removed_by_force_while_in_use", force_is_survived, NULL },
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

bool run_tests(const char *pattern, unsigned int rounds)
{
	bool good = list_tests(pattern);
	unsigned int failed;

	fprintf(results, "KTAP version 1\n1..%u\n", test_count + count_final_tests());
	if (!test_count) {
		fprintf(results, "# no test matches '%s'\n", pattern);
		good = false;
	}
	failed = run_in_rounds(rounds);
	failed += run_final_tests(test_count + 1);
	return good && !failed;
}
