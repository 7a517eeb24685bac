// SPDX-License-Identifier: GPL-2.0
/*
 * libumcg and processes: fork(), seccomp filters and other libraries.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <umcg_sched.h>

#include "kselftest_harness.h"
#include "ioctl_filter.h"
#include "libumcg_crew.h"

TEST(a_filter_that_refuses_registration_is_no_missing_thread)
{
	ASSERT_TRUE(umcg_enabled());
	ASSERT_TRUE(filter_ioctl(UMCG_IOC_CTL));
	EXPECT_NONE(EPERM, umcg_register_basic_task(0));
	EXPECT_EQ(UMCG_TASK_NONE, state_of(umcg_get_utid()));
}

static void sleep_often(struct member *self __attribute__((unused)))
{
	for (int i = 0; i < 100; i++)
		usleep(1 + i % 50);
}

static int register_in_child(void)
{
	struct member worker = { .body = sleep_often };

	MUST(umcg_wait(0) == -1 && errno == EINVAL);
	MUST(umcg_unregister_task() == -1 && errno == EINVAL);
	MUST(!umcg_register_server(group, 0) && errno == EINVAL);
	MUST(!umcg_destroy_group(group));
	MUST(umcg_register_basic_task(3));
	MUST(umcg_wait(1) == -1 && errno == ETIMEDOUT);
	MUST(!umcg_unregister_task());

	start_servers(1, 0);
	start_worker(&worker);
	join(&worker);
	return stop_servers() > 0 ? 7 : 1;
}

TEST(a_child_starts_unregistered)
{
	pid_t pid;
	int status;

	be_server(0);
	pid = fork();
	if (pid == 0)
		_exit(register_in_child());
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(7, WEXITSTATUS(status));
	EXPECT_NONE(EAGAIN, umcg_get_idle_worker(false));
	be_server_no_more();
}

static void wait_once(struct member *self)
{
	MUST(!umcg_wait(0));
	self->step = 1;
}

/* Starts two workers: one waits in the library then, the other one to be run. */
static void have_idle_workers(struct member *waits, struct member *queued)
{
	start_worker(waits);
	MUST(umcg_run_worker(umcg_get_idle_worker(true)) == waits->tid);
	start_worker(queued);
	MUST(SOON((umcg_get_task_state(queued->tid) & UMCG_TASK_STATE_MASK) == UMCG_TASK_IDLE));
}

/* The wait of the one that has not run yet is over when it begins. */
static void run_idle_workers(struct member *waits, struct member *queued)
{
	MUST(!umcg_wake(waits->tid, false));
	MUST(!umcg_wake(queued->tid, false));
	while (!waits->step || !queued->step)
		umcg_run_worker(umcg_get_idle_worker(true));
	join(waits);
	join(queued);
}

TEST(the_ids_of_all_threads_are_changed_while_workers_are_idle)
{
	struct member waits = { .body = wait_once }, queued = { .body = wait_once };

	be_server(0);
	have_idle_workers(&waits, &queued);
	for (int i = 0; i < 10; i++)
		EXPECT_EQ(0, setresuid(-1, getuid(), -1));
	EXPECT_EQ(0, waits.step);
	run_idle_workers(&waits, &queued);
	be_server_no_more();
}

static _Atomic int handled;

static void count_signal(int signal __attribute__((unused)))
{
	handled++;
}

TEST(idle_workers_handle_immediate_signals)
{
	const struct sigaction action = { .sa_handler = count_signal };
	struct member waits = { .body = wait_once }, queued = { .body = wait_once };

	sigaction(SIGUSR1, &action, NULL);
	umcg_set_immediate_signals(1ULL << (SIGUSR1 - 1));
	be_server(0);
	have_idle_workers(&waits, &queued);
	for (int i = 0; i < 20; i += 2) {
		pthread_kill(waits.thread, SIGUSR1);
		pthread_kill(queued.thread, SIGUSR1);
		ASSERT_TRUE(SOON(handled == i + 2));
	}
	EXPECT_EQ(0, waits.step);
	run_idle_workers(&waits, &queued);
	be_server_no_more();
}

/* How a process gets a child in a PID namespace of its own: through libc, or past it. */
static pid_t fork_by_libc(void)
{
	return unshare(CLONE_NEWPID) ? -1 : fork();
}

static pid_t fork_past_libc(void)
{
	return syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
}

static int status_of(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Nothing here makes threads: libc does not know that it is in another process. */
static int use_the_library_in_child(void)
{
	const struct umcg_sched_state *slot = umcg_sched_state_register(0);
	const umcg_t group_of_parent = group;

	MUST(getpid() == 1);
	MUST(state_of(umcg_get_utid()) == UMCG_TASK_NONE);
	MUST(umcg_wait(0) == -1 && errno == EINVAL);
	MUST(umcg_unregister_task() == -1 && errno == EINVAL);
	MUST(!umcg_register_server(group_of_parent, 0) && errno == EINVAL);
	MUST(!umcg_destroy_group(group_of_parent));
	MUST(slot && umcg_on_cpu(slot));
	be_server(0);
	MUST(umcg_get_idle_worker(false) == UMCG_NONE && errno == EAGAIN);
	MUST(umcg_destroy_group(group) == -1 && errno == EBUSY);
	be_server_no_more();
	MUST(umcg_register_basic_task(9));
	MUST(umcg_get_task_tag(umcg_get_utid()) == 9);
	MUST(!umcg_wake(umcg_get_utid(), false) && !umcg_wait(0));
	/* It ends as a registered task. */
	return 7;
}

/* PID 1 of a namespace, whose child is PID 1 of a nested one. */
static int parent_has_a_child_with_its_pid(pid_t (*make_child)(void))
{
	pid_t child;

	MUST(getpid() == 1);
	MUST(umcg_sched_state_register(0));
	be_server(0);
	child = make_child();
	if (child == 0)
		_exit(use_the_library_in_child());
	MUST(status_of(child) == 7);
	/* Its own group is as it was. */
	MUST(umcg_destroy_group(group) == -1 && errno == EBUSY);
	be_server_no_more();
	return 8;
}

TEST(a_child_with_the_pid_of_its_parent_is_another_process)
{
	pid_t (*const ways[])(void) = { fork_by_libc, fork_past_libc };

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		pid_t parent = syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);

		if (parent == 0)
			_exit(parent_has_a_child_with_its_pid(ways[i]));
		EXPECT_EQ(8, status_of(parent))
			TH_LOG("way %zu", i);
	}
}

TEST(a_child_keeps_the_tag_of_its_thread)
{
	pid_t pid;

	umcg_set_task_tag(umcg_get_utid(), 5);
	pid = fork();
	if (pid == 0)
		_exit(umcg_get_task_tag(umcg_get_utid()));
	EXPECT_EQ(5, status_of(pid));
}

static pid_t child_that_shares_descriptors(void)
{
	return syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
}

TEST(a_child_that_shares_descriptors_leaves_the_device_open)
{
	pid_t pid;

	ASSERT_TRUE(umcg_enabled());
	pid = child_that_shares_descriptors();
	if (pid == 0)
		exit(umcg_enabled() ? 7 : 1);
	EXPECT_EQ(7, status_of(pid));
	EXPECT_TRUE(umcg_enabled());
	EXPECT_NE(UMCG_NONE, umcg_register_basic_task(0));
	EXPECT_EQ(0, umcg_unregister_task());
}

#define TIME_OFFSET	"monotonic 10000 5\n"

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

/* In steps of 16, and so many of them ahead as there were changes within one. */
static bool is_since(umcg_tid task, uint64_t earliest)
{
	const uint64_t since = umcg_get_task_since(task);

	return since >= earliest - 1000 && since <= now() + 1000;
}

#define NAP_US	(20000 * slowness())

/* When the last nap ends, at the earliest. */
static _Atomic uint64_t end_of_nap;

static void nap_thrice(struct member *self __attribute__((unused)))
{
	for (int i = 0; i < 3; i++) {
		end_of_nap = now() + NAP_US * 1000;
		usleep(NAP_US);
	}
}

/* The stamps of the library and of the kernel are from one clock, which is that of this process. */
static int look_at_timestamps(void)
{
	struct member worker = { .body = nap_thrice };
	uint64_t before = now();

	be_server(0);
	MUST(is_since(umcg_get_utid(), before));
	end_of_nap = before;
	start_worker(&worker);
	do {
		/* The kernel has made it idle, when its nap was over; the library changes it next. */
		MUST(SOON(state_of(worker.tid) == UMCG_TASK_IDLE));
		MUST(is_since(worker.tid, end_of_nap));
		MUST(umcg_get_idle_worker(true) == worker.tid);
		before = now();
	} while (umcg_run_worker(worker.tid) != UMCG_NONE);
	join(&worker);
	MUST(is_since(umcg_get_utid(), before));
	be_server_no_more();
	return 7;
}

static int enter_a_time_namespace(void)
{
	int offsets;
	pid_t pid;

	/* The library knows the clock of this process. */
	MUST(look_at_timestamps() == 7);
	if (unshare(CLONE_NEWTIME))
		return 77;
	offsets = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	MUST(write(offsets, TIME_OFFSET, strlen(TIME_OFFSET)) == (ssize_t)strlen(TIME_OFFSET));
	pid = fork();
	if (pid == 0)
		_exit(look_at_timestamps());
	return status_of(pid);
}

TEST(timestamps_are_of_one_clock_in_a_time_namespace)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(enter_a_time_namespace());
	status = status_of(pid);
	if (status == 77)
		SKIP(return, "no time namespaces");
	EXPECT_EQ(7, status);
}

/* What another library has mapped in the child, where its parent has the slots. */
static const struct umcg_sched_state *slots_of_parent;
static char *of_other_library = MAP_FAILED;

static void other_library_begins_in_child(void)
{
	of_other_library = mmap((void *)slots_of_parent, getpagesize(), PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (of_other_library != MAP_FAILED)
		*of_other_library = 7;
}

static int in_child(void)
{
	const struct umcg_sched_state *slot;

	if ((const void *)of_other_library != slots_of_parent)
		return 1;
	if (*of_other_library != 7)
		return 2;
	slot = umcg_sched_state_register(0);
	if (!slot || !umcg_on_cpu(slot) || umcg_sched_slots() == slots_of_parent)
		return 3;
	*of_other_library = 8;
	return 0;
}

TEST(slots_in_a_child_are_mapped_where_nothing_else_is)
{
	int status;
	pid_t pid;

	/* Before the library is used: so this handler is called before its own. */
	ASSERT_EQ(0, pthread_atfork(NULL, NULL, other_library_begins_in_child));
	slots_of_parent = umcg_sched_slots();
	ASSERT_NE(NULL, slots_of_parent);
	pid = fork();
	if (!pid)
		_exit(in_child());
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

#define LOG	"/tmp/umcg-log"

/* Closes what it does not know, as a daemon does, and opens a log, which gets all the numbers. */
static int close_all_and_open_a_log(void)
{
	int log;

	if (close_range(3, ~0U, 0))
		return -1;
	log = open(LOG, O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (int i = 0; i < 64; i++)
		dup(log);
	return write(log, "first", 5) == 5 ? log : -1;
}

/* Whether a call has failed by EBADF. */
#define IS_EBADF(call)	(errno = 0, (call) && errno == EBADF)

static int lose_the_descriptor(void)
{
	umcg_tid self = umcg_register_basic_task(0);
	umcg_t other;
	char content[16];
	int log;

	MUST(self && umcg_enabled());
	log = close_all_and_open_a_log();
	MUST(log >= 0);
	MUST(IS_EBADF(umcg_wait(0) == -1));
	MUST(IS_EBADF(umcg_wait(1) == -1));
	MUST(IS_EBADF(!umcg_enabled()));
	MUST(IS_EBADF(umcg_unregister_task() == -1));
	MUST((umcg_get_task_state(self) & UMCG_TASK_STATE_MASK) == UMCG_TASK_RUNNING);
	other = umcg_create_group(0);
	MUST(other && !umcg_register_server(other, 0) && errno == EINVAL);
	MUST(IS_EBADF(!umcg_sched_slots()));
	/* The log continues at its position. */
	MUST(write(log, "second", 6) == 6);
	MUST(pread(log, content, sizeof(content), 0) == 11);
	MUST(!memcmp(content, "firstsecond", 11));
	MUST(!close_range(3, ~0U, 0));
	MUST(IS_EBADF(umcg_wait(0) == -1));
	MUST(IS_EBADF(!umcg_enabled()));
	return 7;
}

/* As at the end of main(). */
static int lose_it_and_end(void)
{
	MUST(umcg_enabled());
	MUST(close_all_and_open_a_log() >= 0);
	exit(7);
}

/* The process ends, and the log has the number of the device. Its parent sees what is closed. */
static int lose_the_descriptor_at_the_end(void)
{
	const pid_t pid = child_that_shares_descriptors();

	if (!pid)
		_exit(lose_it_and_end());
	MUST(status_of(pid) == 7);
	for (int fd = 3; fd < 3 + 64; fd++)
		MUST(fcntl(fd, F_GETFD) != -1);
	return 7;
}

static void *lose_it_for_a_worker(void *argument)
{
	struct member *worker = argument;

	while (worker->step != 1)
		usleep(1000);
	MUST(close_all_and_open_a_log() >= 0);
	worker->step = 2;
	return NULL;
}

/* Does not block meanwhile: it would not run again. */
static void lose_it_as_a_worker(struct member *self)
{
	self->step = 1;
	while (self->step != 2)
		;
	MUST(IS_EBADF(umcg_wait(0) == -1));
	MUST(IS_EBADF(umcg_wait(0) == -1));
	MUST(IS_EBADF(umcg_unregister_task() == -1));
	_exit(7);
}

static void lose_it_as_a_server(struct member *self)
{
	while (!self->step)
		usleep(1000);
}

static int lose_the_descriptor_of_a_worker(void)
{
	struct member worker = { .body = lose_it_as_a_worker };
	pthread_t other;
	umcg_tid idle;

	MUST(!pthread_create(&other, NULL, lose_it_for_a_worker, &worker));
	be_server(0);
	start_worker(&worker);
	while ((idle = umcg_get_idle_worker(true)))
		umcg_run_worker(idle);
	return 1;
}

static int lose_the_descriptor_of_a_server(void)
{
	struct member worker = { .body = lose_it_as_a_server };
	umcg_tid idle;

	be_server(0);
	start_worker(&worker);
	MUST(umcg_run_worker(umcg_get_idle_worker(true)) != UMCG_NONE);
	MUST(close_all_and_open_a_log() >= 0);
	/* It sleeps and wakes, so there is a worker now and then. */
	while ((idle = umcg_get_idle_worker(true)))
		MUST(IS_EBADF(!umcg_run_worker(idle)));
	MUST(errno == EBADF);
	return 7;
}

static void *serve_until_killed(void *argument)
{
	struct member *self = argument;
	umcg_tid idle;

	self->tid = umcg_register_server(group, 0);
	while ((idle = umcg_get_idle_worker(true))) {
		umcg_run_worker(idle);
		self->step++;
	}
	pause();
	return NULL;
}

static bool is_idle(struct member *member)
{
	return (umcg_get_task_state(member->tid) & UMCG_TASK_STATE_MASK) == UMCG_TASK_IDLE;
}

/* A worker waits, and its server waits for workers: wake-ups are impossible now. */
static int lose_the_descriptor_of_a_waker(void)
{
	struct member worker = { .body = wait_once }, server = {};

	group = umcg_create_group(0);
	MUST(group && umcg_register_basic_task(0));
	MUST(!pthread_create(&server.thread, NULL, serve_until_killed, &server));
	start_worker(&worker);
	MUST(SOON(umcg_get_task_state(worker.tid) & UMCG_UTF_WORKER_IN_WAIT));
	/* It is also IDLE while the worker runs. */
	MUST(SOON(server.step && is_idle(&worker) && is_idle(&server)));
	MUST(close_all_and_open_a_log() >= 0);
	MUST(IS_EBADF(umcg_wake(worker.tid, false) == -1));
	return 7;
}

static int (*const losers[])(void) = {
	lose_the_descriptor, lose_the_descriptor_of_a_worker, lose_the_descriptor_of_a_server,
	lose_the_descriptor_of_a_waker, lose_the_descriptor_at_the_end,
};

TEST(a_closed_descriptor_is_EBADF_and_no_file_is_harmed)
{
	for (unsigned int i = 0; i < sizeof(losers) / sizeof(losers[0]); i++) {
		int status;
		pid_t pid = fork();

		if (!pid)
			_exit(losers[i]());
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFEXITED(status));
		EXPECT_EQ(7, WEXITSTATUS(status)) TH_LOG("%u", i);
		EXPECT_EQ(0, unlink(LOG));
	}
}

TEST_HARNESS_MAIN
