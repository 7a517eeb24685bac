// SPDX-License-Identifier: GPL-2.0
/*
 * umcg-run as users run it. It is in /run, and so are the library that it preloads and a program
 * that checks what happens to it, one case at a time: see run/guest.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "ioctl_filter.h"
#include "umcg_test.h"

#define RUN		"/run/umcg-run"
#define SUBJECT		"/run/subject"
#define TEXT_SIZE	(1 << 20)
#define MAX_WORDS	24
#define NOBODY		65534
#define RUN_SECONDS	(60 * slowness())
/* The exit status of env(1) and timeout(1) if they fail themselves. */
#define FAILED		125
#define CANNOT_RUN	126
#define NOT_FOUND	127
/* That of the harness, for -l. */
#define LISTED		4

FIXTURE(run) {
	/* What a program has printed, to either side. */
	char *text;
	int input, output;
	pid_t pid;
};

FIXTURE_SETUP(run)
{
	umcg_test_begin(RUN_SECONDS);
	self->text = malloc(TEXT_SIZE);
	ASSERT_NE(NULL, self->text);
	if (access(RUN, X_OK))
		SKIP(return, "umcg-run is not built");
}

FIXTURE_TEARDOWN(run)
{
}

/* What the child does before it executes the program. */
static void (*prepare)(void);

static bool begin(FIXTURE_DATA(run) *self, const char *const words[])
{
	int in[2], out[2];

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return false;
	self->pid = fork();
	if (!self->pid) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(out[1], STDERR_FILENO);
		if (prepare)
			prepare();
		execv(words[0], (char *const *)words);
		_exit(98);
	}
	close(in[0]);
	close(out[1]);
	self->input = in[1];
	self->output = out[0];
	return self->pid > 0;
}

/* Reads until this is printed, or all has been. */
static bool read_until(FIXTURE_DATA(run) *self, const char *wanted)
{
	size_t length = strlen(self->text);
	ssize_t count = 1;

	while (count > 0 && !(wanted && strstr(self->text, wanted))) {
		count = read(self->output, self->text + length, TEXT_SIZE - 1 - length);
		length += count > 0 ? count : 0;
		self->text[length] = '\0';
	}
	return count > 0;
}

/* The exit status of a program that exits by itself, or -1. */
static int end(FIXTURE_DATA(run) *self)
{
	int status;

	close(self->input);
	read_until(self, NULL);
	close(self->output);
	if (waitpid(self->pid, &status, 0) != self->pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static int run(FIXTURE_DATA(run) *self, const char *const words[])
{
	self->text[0] = '\0';
	return begin(self, words) ? end(self) : -1;
}

#define TRY(...) run(self, (const char *const []){ RUN, __VA_ARGS__, NULL })

#define EXPECT_RUNS(...)							\
	EXPECT_EQ(0, TRY(__VA_ARGS__))						\
		TH_LOG("%.2000s", self->text)

#define EXPECT_SAYS(wanted)							\
	EXPECT_NE(NULL, strstr(self->text, wanted))				\
		TH_LOG("not said: %s\n%.2000s", wanted, self->text)

/* Those of the subject. */
#define SLICE "--slice", "20"

TEST_F_TIMEOUT(run, threads_are_workers_until_they_end, RUN_SECONDS)
{
	EXPECT_RUNS(SUBJECT, "threads");
	EXPECT_RUNS("--servers", "1", "--policy", "fifo", "--slice", "0", SUBJECT, "many");
	EXPECT_RUNS("--policy", "priority", SUBJECT, "many");
	EXPECT_EQ(23, TRY(SUBJECT, "exits"));
}

TEST_F(run, a_process_ends_with_its_last_thread)
{
	EXPECT_RUNS("--stats", SUBJECT, "first_ends");
	EXPECT_SAYS("\nsubject ");
	EXPECT_RUNS("--stats", SUBJECT, "first_ends", "later");
	EXPECT_SAYS("\nsubject ");
	EXPECT_RUNS(SUBJECT, "first_ends", "later");
	EXPECT_RUNS(SUBJECT, "first_ends_by_thrd_exit");
	EXPECT_RUNS(SUBJECT, "first_is_cancelled");
	EXPECT_RUNS("--stats", SUBJECT, "first_is_cancelled");
	EXPECT_EQ(NULL, strstr(self->text, "not under UMCG"));
}

TEST_F_TIMEOUT(run, constructors_of_libraries_start_threads, RUN_SECONDS)
{
	EXPECT_RUNS("--stats", SUBJECT, "loads");
	EXPECT_EQ(NULL, strstr(self->text, "not under UMCG"));
	EXPECT_RUNS("--stats", SUBJECT, "loads", "and waits");
	EXPECT_EQ(NULL, strstr(self->text, "not under UMCG"));
}

TEST_F_TIMEOUT(run, a_yield_gives_way, RUN_SECONDS)
{
	EXPECT_RUNS("--servers", "1", "--slice", "0", SUBJECT, "yield");
	EXPECT_RUNS("--servers", "1", "--slice", "0", SUBJECT, "spinlock_waits");
}

TEST_F_TIMEOUT(run, woken_threads_run_beside_those_that_compute, RUN_SECONDS)
{
	EXPECT_RUNS("--servers", "1", "--spare", "1", "--slice", "0", "--stats", SUBJECT, "wakes");
	EXPECT_SAYS("\n0 ");
	EXPECT_SAYS("\n1 spare");
}

TEST_F_TIMEOUT(run, spin_waits_make_progress, RUN_SECONDS)
{
	EXPECT_RUNS("--servers", "1", "--slice", "1", SUBJECT, "spin");
	EXPECT_RUNS("--servers", "1", "--slice", "1", "--policy", "fifo", SUBJECT, "spin");
}

TEST_F_TIMEOUT(run, names_have_priorities, RUN_SECONDS)
{
	EXPECT_RUNS("--servers", "1", "--slice", "0", "--priority", "high=3", "--priority",
		    "urgent=1", SUBJECT, "names");
	EXPECT_EQ(0, strcmp(self->text, "32\n"))
		TH_LOG("%s", self->text);
	EXPECT_RUNS("--servers", "1", "--slice", "0", "--policy", "fifo", SUBJECT, "names");
	EXPECT_EQ(0, strcmp(self->text, "01\n"))
		TH_LOG("%s", self->text);
}

TEST_F_TIMEOUT(run, programs_give_right_results, RUN_SECONDS)
{
	EXPECT_RUNS("--servers", "1", "--slice", "1", "/run/pool");
	EXPECT_SAYS("sum 78008, table 40, failures 8, destroyed 8");
	EXPECT_RUNS("--servers", "2", "--slice", "1", "/run/pool");
	EXPECT_RUNS("/run/pool-asan");
	EXPECT_SAYS("sum 78008, table 40, failures 8, destroyed 8");
	EXPECT_RUNS("/usr/bin/python3.13", "-I", "-S", "/run/pool.py");
	EXPECT_SAYS("python is done");
}

static void wait_actively(void)
{
	setenv("OMP_WAIT_POLICY", "active", 1);
}

TEST_F_TIMEOUT(run, openmp_passes_its_barriers, RUN_SECONDS)
{
	EXPECT_RUNS("/run/openmp");
	EXPECT_RUNS("--servers", "1", "--slice", "1", "/run/openmp");
	prepare = wait_actively;
	EXPECT_RUNS("--slice", "1", "/run/openmp");
	EXPECT_SAYS("sum 9990000, rounds 120");
}

TEST_F_TIMEOUT(run, locks_are_critical_sections, RUN_SECONDS)
{
	EXPECT_RUNS("--servers", "1", SLICE, SUBJECT, "locks");
	EXPECT_RUNS("--servers", "1", SLICE, SUBJECT, "rwlocks");
	EXPECT_RUNS("--servers", "2", "--slice", "1", SUBJECT, "contention");
}

TEST_F_TIMEOUT(run, locks_that_are_not_taken_are_no_sections, RUN_SECONDS)
{
	EXPECT_RUNS("--servers", "1", SLICE, SUBJECT, "vain");
}

TEST_F_TIMEOUT(run, a_section_of_a_mutex_that_is_passed_on_ends, RUN_SECONDS)
{
	EXPECT_RUNS("--servers", "1", SLICE, SUBJECT, "passes");
}

TEST_F_TIMEOUT(run, waits_for_conditions_keep_the_section_of_the_mutex, RUN_SECONDS)
{
	EXPECT_RUNS("--servers", "1", SLICE, SUBJECT, "conditions");
}

TEST_F_TIMEOUT(run, the_descriptor_is_hidden, RUN_SECONDS)
{
	EXPECT_RUNS(SUBJECT, "files");
}

TEST_F_TIMEOUT(run, children_have_groups_of_their_own, RUN_SECONDS)
{
	EXPECT_RUNS(SUBJECT, "forks");
	EXPECT_RUNS("--servers", "1", SUBJECT, "forks");
}

TEST_F(run, children_that_share_memory_name_no_thread_of_the_parent)
{
	EXPECT_RUNS("--stats", SUBJECT, "names_child");
	EXPECT_SAYS("\nparent ");
	EXPECT_EQ(NULL, strstr(self->text, "\nchild "));
}

TEST_F_TIMEOUT(run, programs_that_are_executed_follow_or_not, RUN_SECONDS)
{
	EXPECT_EQ(6, TRY(SUBJECT, "executes", "1"))
		TH_LOG("%s", self->text);
	EXPECT_EQ(6, TRY("--no-follow", SUBJECT, "executes", "0"))
		TH_LOG("%s", self->text);
}

static void preload_other(void)
{
	setenv("LD_PRELOAD", "/run/subject-other.so", 1);
}

TEST_F(run, what_else_is_preloaded_stays)
{
	prepare = preload_other;
	EXPECT_RUNS(SUBJECT, "preloads", "/run/subject-other.so");
}

TEST_F_TIMEOUT(run, queued_threads_take_part_in_setuid, RUN_SECONDS)
{
	EXPECT_RUNS("--servers", "1", "--slice", "0", SUBJECT, "users");
}

TEST_F(run, threads_of_a_program_that_has_given_up_its_user_are_workers)
{
	char line[64];

	EXPECT_RUNS("--stats", SUBJECT, "gives_up_user");
	snprintf(line, sizeof(line), "\n%-16s%8d ", "nobody", 1);
	EXPECT_SAYS(line);
	EXPECT_EQ(NULL, strstr(self->text, "not under UMCG"));
}

TEST_F(run, a_program_may_use_umcg_by_itself)
{
	EXPECT_RUNS(SUBJECT, "registers");
}

TEST_F(run, threads_that_cannot_enter_are_plain)
{
	EXPECT_RUNS("--stats", SUBJECT, "confined");
	EXPECT_SAYS("not under UMCG: 3 threads: not enough memory, or memory that may be locked");
}

TEST_F(run, figures_are_shown_in_the_end_and_at_a_signal)
{
	const char *const words[] = { RUN, "--stats", "-n", "1", SUBJECT, "stays", NULL };
	char line[64];

	self->text[0] = '\0';
	ASSERT_TRUE(begin(self, words));
	ASSERT_TRUE(read_until(self, "begun\n"));
	EXPECT_EQ(NULL, strstr(self->text, "umcg-run"));
	ASSERT_EQ(0, kill(self->pid, SIGSTKFLT));
	ASSERT_TRUE(read_until(self, "\nservers"));
	EXPECT_SAYS("umcg-run: subject (");
	EXPECT_SAYS("\nadder ");
	self->text[0] = '\0';
	ASSERT_EQ(2, write(self->input, "x\n", 2));
	EXPECT_EQ(0, end(self));
	EXPECT_SAYS("umcg-run: subject (");
	snprintf(line, sizeof(line), "\n%-16s%8d ", "adder", 1);
	EXPECT_SAYS(line);

	EXPECT_RUNS("--stats", SUBJECT, "nothing");
	EXPECT_SAYS(" has made no threads\n");
}

TEST_F(run, tools_record_what_threads_do)
{
	char line[256];
	int records = 0;
	FILE *file;

	if (access("/run/umcg-trace", X_OK))
		SKIP(return, "the tools are not built");
	EXPECT_RUNS("-n", "1", "--trace", "/tmp/run.json", SUBJECT, "many");
	file = fopen("/tmp/run.json", "re");
	ASSERT_NE(NULL, file);
	while (fgets(line, sizeof(line), file))
		records += strstr(line, "\"role\":\"worker\"") != NULL;
	fclose(file);
	EXPECT_EQ(200, records);
	EXPECT_EQ(0, unlink("/tmp/run.json"));
}

TEST_F(run, what_cannot_be_run_is_said)
{
	EXPECT_EQ(CANNOT_RUN, TRY("/tests/run", "-l"));
	EXPECT_SAYS("umcg-run: /tests/run is statically linked");
	EXPECT_EQ(NOT_FOUND, TRY("/no/such/program"));
	EXPECT_SAYS("umcg-run: /no/such/program: No such file");
	EXPECT_EQ(FAILED, TRY("--servers", "65", SUBJECT, "many"));
	EXPECT_EQ(FAILED, TRY("--spare", "64", SUBJECT, "many"));
	EXPECT_EQ(FAILED, TRY("--spare", "1", "--policy", "fifo", SUBJECT, "many"));
	EXPECT_SAYS("--spare needs --policy feedback");
	EXPECT_EQ(FAILED, TRY("--priority", "a", SUBJECT, "many"));
	EXPECT_EQ(FAILED, TRY("--policy", "fifo", "--priority", "a=1", SUBJECT, "many"));
	EXPECT_SAYS("umcg-run: priorities need --policy priority");
	EXPECT_EQ(FAILED, TRY("--stats"));
	/* As it is, if that is wanted. */
	EXPECT_EQ(LISTED, TRY("--if-possible", "/tests/run", "-l"));
	EXPECT_SAYS("what_cannot_be_run_is_said");
}

static void become_nobody(void)
{
	if (!become_user(NOBODY))
		_exit(97);
}

/* UMCG is not available after this preparation; the program runs as it is if that is wanted. */
#define EXPECT_UNAVAILABLE(preparation, reason) do {				\
	prepare = preparation;							\
	EXPECT_EQ(FAILED, TRY(SUBJECT, "many"));				\
	EXPECT_SAYS(reason);							\
	EXPECT_RUNS("--if-possible", SUBJECT, "many");				\
} while (0)

TEST_F(run, a_user_without_permission_is_told)
{
	EXPECT_UNAVAILABLE(become_nobody,
			   "umcg-run: no permission to open /dev/umcg: this user is not in the group");
}

static void refuse_registration(void)
{
	if (!filter_ioctl(UMCG_IOC_CTL))
		_exit(97);
}

TEST_F(run, a_filter_of_system_calls_is_named)
{
	EXPECT_UNAVAILABLE(refuse_registration, "a seccomp filter is active");
}

TEST_F(run, privileged_programs_are_refused)
{
	ASSERT_EQ(0, chmod(SUBJECT, 04755));
	prepare = become_nobody;
	EXPECT_EQ(CANNOT_RUN, TRY(SUBJECT, "many"));
	EXPECT_SAYS("/run/subject is setuid");
	EXPECT_EQ(0, chmod(SUBJECT, 0755));
}

TEST_HARNESS_MAIN
