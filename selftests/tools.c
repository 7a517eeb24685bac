// SPDX-License-Identifier: GPL-2.0
/*
 * umcgtop and umcg-trace as users run them. The programs are in /tools, and so is the
 * demo, which they observe.
 *
 * The trace and the picture of the demo stay in /out.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "umcg_crew.h"
#include "umcg_scene.h"

#define TOP		"/tools/umcgtop"
#define TRACE		"/tools/umcg-trace"
/* From its own folder, which is the title of the image. */
#define DEMO		"./demo"
#define INSTANCES	"/sys/kernel/tracing/instances"
#define JSON		"/out/umcg-trace.json"
#define PICTURE		"/out/umcg-trace.svg"
#define TEXT_SIZE	(16 << 20)
#define MAX_WORDS	16
#define DEMO_SECONDS	(60 * slowness())
#define NOBODY		65534
/* The exit status of env(1) and timeout(1) if they fail themselves, or there is no such command. */
#define FAILED		125
#define NOT_FOUND	127

FIXTURE(tools) {
	/* What a program has printed, to either side. */
	char *text;
	int status;
};

FIXTURE_SETUP(tools)
{
	umcg_test_begin(STRESS_SECONDS);
	self->text = malloc(TEXT_SIZE);
	ASSERT_NE(NULL, self->text);
	if (access(TOP, X_OK))
		SKIP(return, "the tools are not built");
}

FIXTURE_TEARDOWN(tools)
{
}

static void read_all(FIXTURE_DATA(tools) *self, int fd)
{
	size_t length = 0;
	ssize_t count;

	while ((count = read(fd, self->text + length, TEXT_SIZE - 1 - length)) > 0)
		length += count;
	self->text[length] = '\0';
	close(fd);
}

/* Starts a program as this user. Its output comes from @output. */
static pid_t start(uid_t user, int *output, const char *const words[])
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		return -1;
	pid = fork();
	if (pid) {
		close(ends[1]);
		*output = ends[0];
		return pid;
	}
	dup2(ends[1], STDOUT_FILENO);
	dup2(ends[1], STDERR_FILENO);
	if (chdir("/tools"))
		_exit(97);
	if (user && (setgroups(0, NULL) || setgid(user) || setuid(user)))
		_exit(99);
	execv(words[0], (char *const *)words);
	_exit(98);
}

/* The exit status of a program that exits by itself, or -1. */
static int wait_for(FIXTURE_DATA(tools) *self, pid_t pid, int output)
{
	int status;

	read_all(self, output);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static int run_as(FIXTURE_DATA(tools) *self, uid_t user, const char *const words[])
{
	int output;
	pid_t pid = start(user, &output, words);

	return pid < 0 ? -1 : wait_for(self, pid, output);
}

#define RUN(...) run_as(self, 0, (const char *const []){ __VA_ARGS__, NULL })
#define RUN_AS(user, ...) run_as(self, user, (const char *const []){ __VA_ARGS__, NULL })

#define EXPECT_SAYS(wanted) do {						\
	EXPECT_NE(NULL, strstr(self->text, wanted))				\
		TH_LOG("not said: %s\n%.2000s", wanted, self->text);		\
} while (0)

static bool read_file(FIXTURE_DATA(tools) *self, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	read_all(self, fd);
	return true;
}

static int count(const char *text, const char *wanted)
{
	int found = 0;

	while ((text = strstr(text, wanted))) {
		text += strlen(wanted);
		found++;
	}
	return found;
}

/* Whether no trace buffer of the tools is left. */
static bool no_instance_is_left(void)
{
	DIR *directory = opendir(INSTANCES);
	struct dirent *entry;
	bool left = false;

	if (!directory)
		return false;
	while ((entry = readdir(directory)))
		left |= !strncmp(entry->d_name, "umcg", 4);
	closedir(directory);
	return !left;
}

TEST_F_TIMEOUT(tools, a_trace_of_the_demo_has_all_its_threads, DEMO_SECONDS)
{
	ASSERT_EQ(0, RUN(TRACE, "record", "-o", JSON, "--svg", PICTURE, "--", DEMO))
		TH_LOG("%.2000s", self->text);
	EXPECT_SAYS(" threads in ");
	EXPECT_EQ(NULL, strstr(self->text, "did not fit"));
	EXPECT_TRUE(no_instance_is_left());

	ASSERT_TRUE(read_file(self, JSON));
	EXPECT_EQ(0, strncmp(self->text, "{\"displayTimeUnit\":", 19));
	EXPECT_LE(2, count(self->text, "\"role\":\"server\""));
	EXPECT_EQ(16, count(self->text, "\"role\":\"worker\""));
	/* More than 300 times workers block, see what the demo prints. */
	EXPECT_LE(300, count(self->text, "\"name\":\"blocked\""));
	EXPECT_LE(300, count(self->text, "\"name\":\"queued\""));
	EXPECT_LE(300, count(self->text, "\"name\":\"running\""));

	ASSERT_TRUE(read_file(self, PICTURE));
	EXPECT_EQ(0, strncmp(self->text, "<svg ", 5));
	EXPECT_SAYS("</svg>\n");
	EXPECT_EQ(16, count(self->text, ">worker "));
	EXPECT_LE(2, count(self->text, ">server "));
	/* Each thread has bars, and workers those of both servers. */
	EXPECT_LE(16, count(self->text, "<path class=\"b\""));
	EXPECT_LE(2, count(self->text, "<path class=\"r1\""));

	EXPECT_EQ(0, RUN(TRACE, "svg", JSON, "--from", "2", "--to", "20", "--width", "900"));
	EXPECT_EQ(0, strncmp(self->text, "<svg ", 5));
	EXPECT_SAYS("width=\"900\"");
	EXPECT_EQ(FAILED, RUN(TRACE, "svg", JSON, "--from", "1000000"));
	EXPECT_SAYS("no events in this interval");
	EXPECT_EQ(FAILED, RUN(TRACE, "svg", PICTURE));
	EXPECT_SAYS("no JSON");
}

/* Servers in direct mode are idle, and workers take them. */
TEST_F_TIMEOUT(tools, a_trace_tells_of_direct_mode, DEMO_SECONDS)
{
	ASSERT_EQ(0, RUN(TRACE, "record", "-o", "/tmp/trace.json", "--svg", "/tmp/trace.svg", "--",
			 "./relay"))
		TH_LOG("%.2000s", self->text);
	EXPECT_SAYS("relay: direct mode: 800 steps");
	ASSERT_TRUE(read_file(self, "/tmp/trace.json"));
	EXPECT_LE(1, count(self->text, "\"role\":\"server\""));
	EXPECT_EQ(8, count(self->text, "\"role\":\"worker\""));
	EXPECT_LE(1, count(self->text, "\"name\":\"idle\""));
	/* Every step is one of the two, unless the server was asked. */
	EXPECT_LE(400, count(self->text, "\"name\":\"running\""));
	ASSERT_TRUE(read_file(self, "/tmp/trace.svg"));
	EXPECT_SAYS("idle server");
	EXPECT_LE(1, count(self->text, "<path class=\"i\""));

	/* Without it no server is. */
	ASSERT_EQ(0, RUN(TRACE, "record", "-o", "/tmp/trace.json", "--", "./relay", "-c"));
	EXPECT_SAYS("relay: without direct mode: 800 steps");
	ASSERT_TRUE(read_file(self, "/tmp/trace.json"));
	EXPECT_EQ(0, count(self->text, "\"name\":\"idle\""));
	EXPECT_EQ(0, unlink("/tmp/trace.json"));
	EXPECT_EQ(0, unlink("/tmp/trace.svg"));
	EXPECT_TRUE(no_instance_is_left());
}

TEST_F(tools, the_status_of_the_command_is_passed_on)
{
	EXPECT_EQ(2, RUN(TRACE, "record", "-o", "/tmp/trace.json", "--", DEMO, "--no-such-option"));
	EXPECT_EQ(0, RUN(TRACE, "record", "-o", "/tmp/trace.json", DEMO, "-h"));
	EXPECT_SAYS("0 events of 0 threads");
	EXPECT_EQ(0, unlink("/tmp/trace.json"));
	EXPECT_EQ(NOT_FOUND, RUN(TRACE, "record", "-o", "/tmp/trace.json", "/no/such/command"));
	EXPECT_EQ(-1, access("/tmp/trace.json", F_OK));
	EXPECT_EQ(FAILED, RUN(TRACE, "record", "-o", "/no/such/folder/trace", "--", DEMO, "-h"));
	EXPECT_SAYS("/no/such/folder/trace: No such file");
	EXPECT_EQ(FAILED, RUN(TRACE, "record", "-o", "/tmp/trace.json"));
	EXPECT_SAYS("required arguments were not provided");
	EXPECT_EQ(0, RUN(TRACE, "--help"));
	EXPECT_TRUE(no_instance_is_left());
}

TEST_F(tools, a_trace_is_complete_when_the_command_is_terminated)
{
	const char *const words[] = {
		TRACE, "record", "-o", "/tmp/trace.json", "--", DEMO, NULL
	};
	int output;
	pid_t pid = start(0, &output, words);

	ASSERT_LT(0, pid);
	ASSERT_TRUE(SOON(umcg_stat("workers") == 16));
	ASSERT_EQ(0, kill(pid, SIGTERM));
	EXPECT_EQ(128 + SIGTERM, wait_for(self, pid, output));
	ASSERT_TRUE(read_file(self, "/tmp/trace.json"));
	EXPECT_EQ(0, strcmp(self->text + strlen(self->text) - 4, "\n]}\n"));
	EXPECT_TRUE(no_instance_is_left());
	EXPECT_EQ(0, unlink("/tmp/trace.json"));
}

/* Reads from a terminal until this is said, or it ends. Whether it was said. */
static bool read_until(FIXTURE_DATA(tools) *self, int terminal, size_t *length, const char *wanted)
{
	ssize_t count;

	do {
		count = read(terminal, self->text + *length, TEXT_SIZE - 1 - *length);
		*length += count > 0 ? count : 0;
		self->text[*length] = '\0';
	} while (count > 0 && !(wanted && strstr(self->text, wanted)));
	return count > 0;
}

/*
 * A terminal that hangs up sends SIGHUP, at which the command ends normally. Nothing can
 * be reported then.
 */
TEST_F(tools, a_trace_is_complete_when_the_terminal_hangs_up)
{
	const char *const words[] = {
		TRACE, "record", "-o", "/tmp/trace.json", "--", TOP, "--batch", "--no-trace",
		"-d", "1000", NULL
	};
	size_t length = 0;
	int terminal, status;
	pid_t pid = forkpty(&terminal, NULL, NULL, NULL);

	if (!pid) {
		execv(words[0], (char *const *)words);
		_exit(98);
	}
	ASSERT_LT(0, pid);
	ASSERT_TRUE(read_until(self, terminal, &length, " events, "))
		TH_LOG("%s", self->text);
	close(terminal);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_TRUE(read_file(self, "/tmp/trace.json"));
	EXPECT_EQ(0, strcmp(self->text + strlen(self->text) - 4, "\n]}\n"));
	EXPECT_TRUE(no_instance_is_left());
	EXPECT_EQ(0, unlink("/tmp/trace.json"));
}

TEST_F(tools, top_shows_processes_and_threads)
{
	struct scene *scene = scene_begin(BLOCKS);
	char wanted[64];

	ASSERT_NE(NULL, scene);
	ASSERT_EQ(0, RUN(TOP, "--once", "-d", "0.2"))
		TH_LOG("%s", self->text);
	EXPECT_SAYS("umcgtop: 1 processes, 1 servers, 1 workers");
	snprintf(wanted, sizeof(wanted), "\n%7d ", scene->pid);
	EXPECT_SAYS(wanted);
	snprintf(wanted, sizeof(wanted), "\n%7d worker BLOCKED ", scene->worker.tid);
	EXPECT_SAYS(wanted);
	snprintf(wanted, sizeof(wanted), " %7d block ", scene->server.tid);
	EXPECT_SAYS(wanted);
	EXPECT_EQ(NULL, strchr(self->text, '\033'));
	EXPECT_EQ(0, RUN(TOP, "--once", "-d", "0.2", "--no-trace", "-p", "1"));
	EXPECT_SAYS("no threads are registered");
	EXPECT_TRUE(no_instance_is_left());
	EXPECT_TRUE(scene_ends(scene));
}

/* The view of a worker in each place; the views stay in /out/places.txt. */
static const struct {
	enum place place;
	const char *state;
	const char *last;
} places[] = {
	{ RUNS, "RUNNING", "wake" },
	{ BLOCKS, "BLOCKED", "block" },
	{ QUEUED, "IDLE", "wake" },
	{ WAITS, "IDLE", "wait" },
	{ IS_LOCKED, "RUNNING+L", "wake" },
};

TEST_F(tools, top_shows_where_a_worker_is)
{
	FILE *views = fopen("/out/places.txt", "we");

	ASSERT_NE(NULL, views);
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct scene *scene = scene_begin(places[i].place);
		char wanted[64], last[32];
		char *line;

		ASSERT_NE(NULL, scene);
		ASSERT_EQ(0, RUN(TOP, "--once", "-d", "0.1", "--no-trace"));
		fprintf(views, "%s\n", self->text);
		snprintf(wanted, sizeof(wanted), "\n%7d worker %-10s ", scene->worker.tid,
			 places[i].state);
		snprintf(last, sizeof(last), " %-8s ", places[i].last);
		line = strstr(self->text, wanted);
		ASSERT_NE(NULL, line)
			TH_LOG("not shown: %s\n%s", wanted, self->text);
		line[strcspn(line + 1, "\n") + 1] = '\0';
		EXPECT_NE(NULL, strstr(line, last))
			TH_LOG("not last: %s%s", last, line);
		EXPECT_TRUE(scene_ends(scene));
	}
	fclose(views);
}

/* Workers that block again and again, until the test has seen enough. */
static struct umcg_crew crew;
static _Atomic bool seen_enough;

static void take_turns(struct umcg_thread *self)
{
	while (!seen_enough) {
		crew_take_turn(self);
		sleep_ms(2);
	}
}

static bool crew_works(void)
{
	seen_enough = false;
	crew = (struct umcg_crew){};
	crew_start(&crew, 2, 8, take_turns);
	return SOON(umcg_stat("workers") == 8);
}

static bool crew_goes(void)
{
	seen_enough = true;
	return crew_ends(&crew);
}

TEST_F_TIMEOUT(tools, top_counts_what_workers_do, DEMO_SECONDS)
{
	unsigned int workers, running, idle, blocked;
	unsigned long switches, blocks;
	char process[64], *line;

	ASSERT_TRUE(crew_works());
	ASSERT_EQ(0, RUN(TOP, "--batch", "-n", "1", "-d", "0.5"));
	EXPECT_TRUE(crew_goes());
	snprintf(process, sizeof(process), "\n%7d tools ", getpid());
	line = strstr(self->text, process);
	ASSERT_NE(NULL, line)
		TH_LOG("%s", self->text);
	ASSERT_EQ(6, sscanf(line + strlen(process), " 2 %u %u %u %u %lu %lu", &workers, &running,
			    &idle, &blocked, &switches, &blocks))
		TH_LOG("%s", line);
	EXPECT_EQ(8, workers);
	EXPECT_EQ(workers, running + idle + blocked);
	EXPECT_LT(0, blocks);
	EXPECT_LE(blocks, switches);
	EXPECT_SAYS("woken until it runs, longest ");
	EXPECT_SAYS(" #");
}

/* Runs the view in a terminal of this size for a while, and then presses q. */
static bool view_in_terminal(FIXTURE_DATA(tools) *self, int columns, int lines)
{
	const struct winsize size = { .ws_col = columns, .ws_row = lines };
	const char *const words[] = { TOP, "-d", "0.3", NULL };
	size_t length = 0;
	int terminal;
	pid_t pid = forkpty(&terminal, NULL, NULL, &size);

	if (!pid) {
		setenv("TERM", "xterm", 1);
		execv(words[0], (char *const *)words);
		_exit(98);
	}
	if (pid < 0)
		return false;
	if (!read_until(self, terminal, &length, "umcgtop:"))
		return false;
	/* More views, for the first one shows no rates yet. */
	sleep_ms(1000);
	if (write(terminal, "q", 1) != 1)
		return false;
	read_until(self, terminal, &length, NULL);
	close(terminal);
	return waitpid(pid, &self->status, 0) == pid;
}

TEST_F_TIMEOUT(tools, top_fills_a_terminal_and_restores_it, DEMO_SECONDS)
{
	const int sizes[][2] = { { 80, 24 }, { 200, 50 } };

	ASSERT_TRUE(crew_works());
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		char path[64];
		FILE *screen;

		ASSERT_TRUE(view_in_terminal(self, sizes[i][0], sizes[i][1]));
		EXPECT_EQ(0, self->status)
			TH_LOG("%s", self->text);
		EXPECT_SAYS("\033[?1049h");
		EXPECT_SAYS("umcgtop:");
		EXPECT_SAYS("\033[?1049l");
		snprintf(path, sizeof(path), "/out/umcgtop-%dx%d", sizes[i][0], sizes[i][1]);
		screen = fopen(path, "we");
		ASSERT_NE(NULL, screen);
		fputs(self->text, screen);
		fclose(screen);
	}
	EXPECT_TRUE(crew_goes());
	EXPECT_TRUE(no_instance_is_left());
}

TEST_F(tools, missing_requirements_are_reported)
{
	EXPECT_EQ(1, RUN_AS(NOBODY, TOP, "--once"));
	EXPECT_SAYS("only root can trace\n");
	EXPECT_EQ(1, RUN_AS(NOBODY, TOP, "--once", "--no-trace"));
	EXPECT_SAYS("only root can see what all processes do\n");
	EXPECT_EQ(FAILED, RUN_AS(NOBODY, TRACE, "record", "-o", "/tmp/x", "--", DEMO));
	EXPECT_SAYS("only root can trace\n");
	EXPECT_EQ(1, RUN(TOP, "--once", "-d", "0"));
	EXPECT_SAYS("the interval must be from ");

	close(umcg_fd);
	ASSERT_TRUE(SOON(!module_unload()));
	EXPECT_EQ(1, RUN(TOP, "--once"));
	EXPECT_SAYS("the module is not loaded: modprobe umcg\n");
	EXPECT_EQ(1, RUN(TOP, "--once", "--no-trace"));
	EXPECT_SAYS("the module is not loaded: modprobe umcg\n");
	EXPECT_EQ(0, module_load());
}

TEST_HARNESS_MAIN
