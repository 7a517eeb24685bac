// SPDX-License-Identifier: GPL-2.0
/*
 * Trace events, debugfs and fdinfo.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "umcg_crew.h"
#include "umcg_direct.h"
#include "umcg_scene.h"

#define NOBODY		65534
#define TASKS_FILE	"/sys/kernel/debug/umcg/tasks"
#define INSTANCES	"/sys/kernel/tracing/instances"
#define TEXT_SIZE	(1 << 20)
#define ROUNDS		10
#define TOGGLES		10

/* A buffer of the tracer that only the module's events go to. */
FIXTURE(seen) {
	char instance[64];
	struct umcg_thread server;
	struct umcg_thread worker;
	struct umcg_group group;
	char *text;
	/* Where to search for the next event. */
	char *at;
};

static bool instance_write(FIXTURE_DATA(seen) *self, const char *name, const char *value)
{
	char path[128];
	bool written;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", self->instance, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	written = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);
	close(fd);
	return written;
}

static bool read_text(FIXTURE_DATA(seen) *self, const char *path)
{
	size_t length = 0;
	ssize_t count;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	while ((count = read(fd, self->text + length, TEXT_SIZE - 1 - length)) > 0)
		length += count;
	close(fd);
	self->text[length] = '\0';
	self->at = self->text;
	return count == 0;
}

/* Takes what has been traced so far. */
static bool read_trace(FIXTURE_DATA(seen) *self)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/trace", self->instance);
	return read_text(self, path);
}

/* Whether this stands behind what was found last. */
static bool __attribute__((format(printf, 2, 3)))
comes_next(FIXTURE_DATA(seen) *self, const char *format, ...)
{
	char wanted[256];
	va_list arguments;
	char *found;

	va_start(arguments, format);
	vsnprintf(wanted, sizeof(wanted), format, arguments);
	va_end(arguments);
	found = strstr(self->at, wanted);
	if (found)
		self->at = found + strlen(wanted);
	else
		fprintf(stderr, "missing: %s\n%s", wanted, self->at);
	return found;
}

FIXTURE_SETUP(seen)
{
	umcg_test_begin(TEST_SECONDS);
	self->group = (struct umcg_group)UMCG_GROUP_INIT;
	self->text = malloc(TEXT_SIZE);
	ASSERT_NE(NULL, self->text);
	snprintf(self->instance, sizeof(self->instance), INSTANCES "/seen-%d", getpid());
	ASSERT_EQ(0, mkdir(self->instance, 0700));
	ASSERT_TRUE(instance_write(self, "events/umcg/enable", "1"));
}

FIXTURE_TEARDOWN(seen)
{
	EXPECT_TRUE(instance_write(self, "events/umcg/enable", "0"));
	EXPECT_EQ(0, rmdir(self->instance));
}

static void block_once(struct umcg_thread *self)
{
	(void)self;
	sleep_ms(50);
}

static void kick_self(struct umcg_thread *self)
{
	self->result = worker_kick(self);
}

static void time_out_once(struct umcg_thread *self)
{
	self->result = worker_yield(self, realtime_in_ms(50));
}

/* Runs a worker with this body to its end, with the test as its server. */
static bool run_once(FIXTURE_DATA(seen) *self, void (*body)(struct umcg_thread *self))
{
	self->worker = (struct umcg_thread){};
	if (server_register(&self->server))
		return false;
	worker_start(&self->worker, &self->group, body);
	do {
		if (server_next_worker(&self->server, &self->group) != &self->worker)
			return false;
		state_may_change(&self->worker.task, IDLE | PREEMPTED, IDLE);
		if (server_run(&self->server, &self->worker))
			return false;
	} while (state_of(&self->worker.task) != (IDLE | LOCKED));
	return thread_ends(&self->worker) && !umcg_ctl(UMCG_CTL_UNREGISTER, NULL) &&
	       nothing_is_left();
}

/*
 * The events of each thread are in order. A thread woken on another CPU may record its
 * event before its waker does.
 */
TEST_F(seen, events_of_a_worker_are_in_order)
{
	pid_t tgid = getpid(), server, worker;

	ASSERT_TRUE(run_once(self, block_once));
	server = self->server.tid;
	worker = self->worker.tid;

	ASSERT_TRUE(read_trace(self));
	EXPECT_TRUE(comes_next(self, "umcg_register: tid=%d tgid=%d role=server\n", server, tgid));
	EXPECT_TRUE(comes_next(self, "umcg_wait: tid=%d tgid=%d role=server state=IDLE next=%d\n",
			       server, tgid, worker));
	EXPECT_TRUE(comes_next(self, "umcg_wake: tid=%d tgid=%d by=%d\n", worker, tgid, server));
	EXPECT_TRUE(comes_next(self, "umcg_run: tid=%d tgid=%d role=server server=0 delay=",
			       server, tgid));
	EXPECT_TRUE(comes_next(self, "umcg_unregister: tid=%d tgid=%d role=server\n",
			       server, tgid));

	self->at = self->text;
	EXPECT_TRUE(comes_next(self, "umcg_register: tid=%d tgid=%d role=worker\n", worker, tgid));
	EXPECT_TRUE(comes_next(self, "umcg_state: tid=%d tgid=%d role=worker old=BLOCKED new=IDLE "
			       "reason=wake\n", worker, tgid));
	EXPECT_TRUE(comes_next(self, "umcg_run: tid=%d tgid=%d role=worker server=%d delay=",
			       worker, tgid, server));
	EXPECT_TRUE(comes_next(self, "umcg_state: tid=%d tgid=%d role=worker old=RUNNING "
			       "new=BLOCKED reason=block\n", worker, tgid));
	EXPECT_TRUE(comes_next(self, "umcg_block: tid=%d tgid=%d server=%d\n",
			       worker, tgid, server));
	EXPECT_TRUE(comes_next(self, "umcg_state: tid=%d tgid=%d role=server old=IDLE "
			       "new=RUNNING reason=block\n", server, tgid));
	EXPECT_TRUE(comes_next(self, "umcg_wake: tid=%d tgid=%d by=%d\n", server, tgid, worker));
	EXPECT_TRUE(comes_next(self, "umcg_unregister: tid=%d tgid=%d role=worker\n",
			       worker, tgid));
}

TEST_F(seen, a_stack_trace_shows_where_a_worker_blocks)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/events/umcg/umcg_block/hist", self->instance);
	if (access(path, F_OK))
		SKIP(return, "this kernel has no CONFIG_HIST_TRIGGERS");
	ASSERT_TRUE(instance_write(self, "events/umcg/umcg_block/trigger",
				   "hist:keys=common_stacktrace:sort=hitcount"));
	ASSERT_TRUE(run_once(self, block_once));
	ASSERT_TRUE(read_text(self, path));
	EXPECT_TRUE(comes_next(self, "nanosleep"));
	EXPECT_TRUE(comes_next(self, "hitcount:"));
	EXPECT_TRUE(instance_write(self, "events/umcg/umcg_block/trigger",
				   "!hist:keys=common_stacktrace:sort=hitcount"));
}

TEST_F(seen, a_kick_and_its_consequences_are_traced)
{
	pid_t tgid = getpid(), worker;

	ASSERT_TRUE(run_once(self, kick_self));
	ASSERT_EQ(0, self->worker.result);
	worker = self->worker.tid;
	ASSERT_TRUE(read_trace(self));
	EXPECT_TRUE(comes_next(self, "umcg_kick: tid=%d tgid=%d by=%d\n", worker, tgid, worker));
	EXPECT_TRUE(comes_next(self, "umcg_state: tid=%d tgid=%d role=worker old=RUNNING new=IDLE "
			       "reason=preempt\n", worker, tgid));
	EXPECT_TRUE(comes_next(self, "umcg_state: tid=%d tgid=%d role=server old=IDLE new=RUNNING "
			       "reason=preempt\n", self->server.tid, tgid));
}

TEST_F(seen, an_expired_timeout_is_traced)
{
	pid_t tgid = getpid(), worker;

	ASSERT_TRUE(run_once(self, time_out_once));
	ASSERT_EQ(-ETIMEDOUT, self->worker.result);
	worker = self->worker.tid;
	ASSERT_TRUE(read_trace(self));
	EXPECT_TRUE(comes_next(self, "umcg_wait: tid=%d tgid=%d role=worker state=IDLE",
			       worker, tgid));
	EXPECT_TRUE(comes_next(self, "umcg_state: tid=%d tgid=%d role=worker old=IDLE new=BLOCKED "
			       "reason=timeout\n", worker, tgid));
	EXPECT_TRUE(comes_next(self, "umcg_state: tid=%d tgid=%d role=worker old=BLOCKED new=IDLE "
			       "reason=wake\n", worker, tgid));
}

TEST_F(seen, the_exit_of_a_worker_is_traced)
{
	struct scene *scene = scene_begin(BLOCKS);

	ASSERT_NE(NULL, scene);
	ASSERT_EQ(0, kill(scene->pid, SIGKILL));
	ASSERT_NE(-1, process_ends(scene->pid));
	ASSERT_TRUE(read_trace(self));
	EXPECT_TRUE(comes_next(self, "umcg_exit: tid=%d tgid=%d role=worker state=BLOCKED "
			       "reason=exit\n", scene->worker.tid, scene->pid));
}

static int run_another_program(void *argument)
{
	struct umcg_thread server = {};

	(void)argument;
	if (server_register(&server))
		return 1;
	execl("/proc/self/exe", "seen", "-h", NULL);
	return 2;
}

TEST_F(seen, exec_is_traced)
{
	pid_t pid = process_start(run_another_program, NULL);

	ASSERT_NE(-1, process_ends(pid));
	ASSERT_TRUE(read_trace(self));
	EXPECT_TRUE(comes_next(self, "umcg_exit: tid=%d tgid=%d role=server state=RUNNING "
			       "reason=exec\n", pid, pid));
}

/* The worker does not name its server. */
static int run_without_a_server(void *argument)
{
	struct umcg_thread server = {}, worker = {};
	struct umcg_group group = UMCG_GROUP_INIT;

	(void)argument;
	if (server_register(&server))
		return 1;
	worker_start(&worker, &group, block_once);
	if (server_next_worker(&server, &group) != &worker || server_wake(&server, &worker, 0))
		return 2;
	for (;;)
		pause();
}

TEST_F(seen, a_protocol_violation_is_traced_with_its_reason)
{
	pid_t pid = process_start(run_without_a_server, NULL);
	int status = process_ends(pid);

	ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		TH_LOG("wait status %#x", status);
	ASSERT_TRUE(read_trace(self));
	EXPECT_TRUE(comes_next(self, "umcg_broken: tid="));
	EXPECT_TRUE(comes_next(self, "tgid=%d word=0x", pid));
	EXPECT_TRUE(comes_next(self, " breach=server\n"));
}

static void take_turns(struct umcg_thread *self)
{
	while (self->phase < 200)
		crew_take_turn(self);
}

TEST_F(seen, events_are_enabled_and_disabled_under_load)
{
	static struct umcg_crew crew;

	umcg_test_begin(STRESS_SECONDS);
	crew_start(&crew, 2, 8, take_turns);
	for (int i = 0; i < TOGGLES; i++) {
		EXPECT_TRUE(instance_write(self, "events/umcg/enable", i % 2 ? "1" : "0"));
		sleep_ms(20);
	}
	EXPECT_TRUE(crew_ends(&crew));
	EXPECT_EQ(NULL, crew.fault)
		TH_LOG("%s", crew.fault);
	for (unsigned int i = 0; i < crew.worker_count; i++)
		EXPECT_EQ(0, crew.workers[i].result);
}

TEST_F(seen, only_root_may_read)
{
	const char *const files[] = { "/sys/kernel/debug/umcg/stats", TASKS_FILE };
	struct stat status;

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		ASSERT_EQ(0, stat(files[i], &status));
		EXPECT_EQ(0, status.st_uid);
		EXPECT_EQ(0, status.st_mode & (S_IRWXG | S_IRWXO));
	}
}

TEST_F(seen, tasks_are_listed_with_their_states)
{
	struct scene *scene = scene_begin(BLOCKS);
	unsigned long long since;
	pid_t tid, tgid;

	ASSERT_NE(NULL, scene);
	sleep_ms(20);
	ASSERT_TRUE(read_text(self, TASKS_FILE));
	EXPECT_TRUE(comes_next(self, "tid tgid role state since_us server reason "
			       "blocked woken preempted timed_out adopted passed_on put_back\n"));
	EXPECT_TRUE(comes_next(self, "%d %d server RUNNING ", scene->server.tid, scene->pid));
	EXPECT_TRUE(comes_next(self, "\n"));
	EXPECT_EQ(3, sscanf(self->at, "%d %d worker BLOCKED %llu", &tid, &tgid, &since));
	EXPECT_LE(20000, since);
	EXPECT_EQ(scene->worker.tid, tid);
	EXPECT_EQ(scene->pid, tgid);
	EXPECT_TRUE(comes_next(self, " %llu %d block 1 1 0 0 0 0 0\n", since, scene->server.tid));
	EXPECT_EQ('\0', *self->at);

	ASSERT_TRUE(scene_ends(scene));
	ASSERT_TRUE(nothing_is_left());
	ASSERT_TRUE(read_text(self, TASKS_FILE));
	EXPECT_EQ('\n', self->text[strlen(self->text) - 1]);
	EXPECT_EQ(strchr(self->text, '\n'), strrchr(self->text, '\n'))
		TH_LOG("%s", self->text);
}

static void waits_and_serves(struct umcg_thread *self)
{
	self->result = direct_wait(self, 0);
	direct_serve(self);
}

static void spins_and_reads(struct umcg_thread *self)
{
	direct_spins(self);
	direct_reads(self);
}

/* What a worker has done without its server, as the list of tasks has it. */
struct done {
	unsigned int adopted, passed_on, put_back;
};

static struct done done_by(FIXTURE_DATA(seen) *self, struct umcg_thread *worker)
{
	struct done done = {};

	if (!read_text(self, TASKS_FILE) || !comes_next(self, "\n%d %d worker ", worker->tid, getpid()) ||
	    sscanf(self->at, "%*s %*u %*u %*s %*u %*u %*u %*u %u %u %u", &done.adopted,
		   &done.passed_on, &done.put_back) != 3)
		fprintf(stderr, "no such task: %s\n", self->text);
	return done;
}

TEST_F(seen, what_workers_do_in_direct_mode_is_told_and_counted)
{
	const long adopted = umcg_stat("adopted"), passed_on = umcg_stat("passed_on");
	const long put_back = umcg_stat("put_back");
	struct umcg_thread server = {}, first = {}, second = {};
	const pid_t tgid = getpid();
	int ends[2], others[2];
	struct direct direct;
	struct done done;

	ASSERT_TRUE(direct_init(&direct, UMCG_DIRECT_FIFO));
	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(0, pipe(others));
	first.arg = ends;
	second.arg = others;
	direct_server_start(&server, &direct, 0, waits_and_serves);
	ASSERT_TRUE(SOON(direct.servers[0] == &server && direct_is_idle(&server)));
	direct_worker_start(&first, &direct, spins_and_reads);
	ASSERT_TRUE(SOON(first.result));
	direct_worker_start(&second, &direct, direct_reads);
	ASSERT_TRUE(SOON(state_of(&second.task) == IDLE && thread_sleeps(second.tid)));
	/* The first one blocks, and the second one in its place. */
	tell_to_go(&first);
	ASSERT_TRUE(SOON(direct_blocks(&first) && direct_blocks(&second)));

	ASSERT_TRUE(read_trace(self));
	EXPECT_TRUE(comes_next(self, "umcg_state: tid=%d tgid=%d role=worker old=BLOCKED "
			       "new=RUNNING reason=adopt\n", first.tid, tgid));
	EXPECT_TRUE(comes_next(self, "umcg_run: tid=%d tgid=%d role=worker server=%d delay=",
			       first.tid, tgid, server.tid));
	EXPECT_TRUE(comes_next(self, "umcg_block: tid=%d tgid=%d server=%d\n",
			       first.tid, tgid, server.tid));
	EXPECT_TRUE(comes_next(self, "umcg_state: tid=%d tgid=%d role=worker old=IDLE "
			       "new=RUNNING reason=pass\n", second.tid, tgid));
	EXPECT_TRUE(comes_next(self, "umcg_put_back: tid=%d tgid=%d server=%d\n",
			       second.tid, tgid, server.tid));
	done = done_by(self, &first);
	EXPECT_LE(1, done.adopted);
	EXPECT_LE(1, done.passed_on);
	EXPECT_LE(1, done_by(self, &second).put_back);
	EXPECT_LT(adopted, umcg_stat("adopted"));
	EXPECT_LT(passed_on, umcg_stat("passed_on"));
	EXPECT_LT(put_back, umcg_stat("put_back"));

	ASSERT_TRUE(direct_sends(ends, '.'));
	ASSERT_TRUE(direct_sends(others, '.'));
	EXPECT_TRUE(thread_ends(&first));
	EXPECT_TRUE(thread_ends(&second));
	EXPECT_TRUE(direct_end(&direct));
	EXPECT_EQ(NULL, direct.fault)
		TH_LOG("%s", direct.fault);
}

TEST_F(seen, flags_of_a_state_are_listed)
{
	struct scene *scene = scene_begin(IS_LOCKED);

	ASSERT_NE(NULL, scene);
	ASSERT_TRUE(read_text(self, TASKS_FILE));
	EXPECT_TRUE(comes_next(self, "%d %d worker RUNNING|LOCKED ", scene->worker.tid,
			       scene->pid));
	ASSERT_TRUE(scene_ends(scene));
}

static void block_in_rounds(struct umcg_thread *self)
{
	(void)self;
	for (int i = 0; i < ROUNDS; i++)
		sleep_ms(5);
}

TEST_F(seen, events_are_counted_by_reason)
{
	const long blocked = umcg_stat("blocked"), woken = umcg_stat("woken");
	const long preempted = umcg_stat("preempted"), timed_out = umcg_stat("timed_out");

	ASSERT_LE(0, blocked);
	ASSERT_TRUE(run_once(self, block_in_rounds));
	EXPECT_EQ(blocked + ROUNDS, umcg_stat("blocked"));
	/* Once more, when it registers. */
	EXPECT_EQ(woken + ROUNDS + 1, umcg_stat("woken"));
	EXPECT_EQ(preempted, umcg_stat("preempted"));
	ASSERT_TRUE(run_once(self, kick_self));
	EXPECT_EQ(preempted + 1, umcg_stat("preempted"));
	EXPECT_EQ(timed_out, umcg_stat("timed_out"));
	ASSERT_TRUE(run_once(self, time_out_once));
	EXPECT_EQ(timed_out + 1, umcg_stat("timed_out"));
}

/* Whether fdinfo of the descriptor has counts. */
static bool shows_numbers(FIXTURE_DATA(seen) *self, const char *who, int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/fdinfo/%d", who, fd);
	return read_text(self, path) && strstr(self->text, "umcg-");
}

TEST_F(seen, fdinfo_shows_counts_of_its_process)
{
	struct scene *other = scene_begin(BLOCKS);

	ASSERT_NE(NULL, other);
	ASSERT_EQ(0, server_register(&self->server));
	ASSERT_TRUE(shows_numbers(self, "self", umcg_fd));
	EXPECT_TRUE(comes_next(self, "\numcg-servers:\t1\n"));
	EXPECT_TRUE(comes_next(self, "umcg-workers:\t0\n"));
	EXPECT_TRUE(comes_next(self, "umcg-pinned-pages:\t1\n"));
	ASSERT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
	EXPECT_TRUE(SOON(shows_numbers(self, "self", umcg_fd) &&
			 strstr(self->text, "umcg-servers:\t0\numcg-workers:\t0\n"
					    "umcg-pinned-pages:\t0\n")));
	ASSERT_TRUE(scene_ends(other));
}

struct heir {
	FIXTURE_DATA(seen) *self;
	bool is_root;
};

/* What a process reads from the descriptor of its parent: 1 if there are counts. */
static int look_at_inherited(void *argument)
{
	struct heir *heir = argument;

	if (!heir->is_root && (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY)))
		return 2;
	return shows_numbers(heir->self, "self", umcg_fd);
}

TEST_F(seen, fdinfo_shows_nothing_to_other_users)
{
	struct heir heir = { .self = self };

	ASSERT_EQ(0, server_register(&self->server));
	EXPECT_EQ(0, process_ends(process_start(look_at_inherited, &heir)));
	heir.is_root = true;
	EXPECT_EQ(1 << 8, process_ends(process_start(look_at_inherited, &heir)));
}

/* Whether ps(1) soon shows that a thread sleeps in this function. */
static bool sleeps_in(FIXTURE_DATA(seen) *self, struct umcg_thread *thread, const char *function)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/wchan", thread->tid);
	return SOON(read_text(self, path) && !strcmp(self->text, function));
}

static void wait_once(struct umcg_thread *self)
{
	self->result = server_wait(self, self->arg ? realtime_in_ms(SOON_MS) : 0);
}

static void yield_once(struct umcg_thread *self)
{
	self->result = worker_yield(self, self->arg ? realtime_in_ms(SOON_MS) : 0);
}

TEST_F(seen, where_a_server_waits_has_a_plain_name)
{
	ASSERT_EQ(0, server_register(&self->server));
	for (int i = 0; i < 4; i++) {
		struct umcg_thread peer = { .arg = i & 1 ? self : NULL };

		umcg_waits_by_fadvise = i & 2;
		server_start(&peer, wait_once);
		ASSERT_TRUE(SOON(thread_waits(&peer)));
		EXPECT_TRUE(sleeps_in(self, &peer, "umcg_wait"))
			TH_LOG("%s", self->text);
		ASSERT_EQ(0, server_wake(&self->server, &peer, 0));
		ASSERT_TRUE(thread_ends(&peer));
		EXPECT_EQ(0, peer.result);
	}
}

TEST_F(seen, where_a_worker_is_held_has_a_plain_name)
{
	ASSERT_EQ(0, server_register(&self->server));
	for (int i = 0; i < 2; i++) {
		self->worker = (struct umcg_thread){ .arg = i ? self : NULL };
		worker_start(&self->worker, &self->group, yield_once);
		EXPECT_TRUE(SOON(thread_waits(&self->worker)));
		EXPECT_TRUE(sleeps_in(self, &self->worker, "umcg_hold"))
			TH_LOG("%s", self->text);
		ASSERT_EQ(&self->worker, server_next_worker(&self->server, &self->group));
		ASSERT_EQ(0, server_run(&self->server, &self->worker));
		EXPECT_TRUE(SOON(thread_waits(&self->worker)));
		EXPECT_TRUE(sleeps_in(self, &self->worker, "umcg_hold"))
			TH_LOG("%s, in its wait", self->text);
		ASSERT_EQ(0, server_run(&self->server, &self->worker));
		ASSERT_TRUE(thread_ends(&self->worker));
		EXPECT_EQ(0, self->worker.result);
	}
}

TEST_HARNESS_MAIN
