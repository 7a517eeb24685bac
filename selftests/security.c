// SPDX-License-Identifier: GPL-2.0
/*
 * The rules of SECURITY.md, as unprivileged users.
 *
 * Every test runs in a separate process that drops its privileges. Its exit status is 0,
 * or the step that failed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "kselftest_harness.h"
#include "umcg_test.h"

#define USER		1000
#define NOBODY		65534
#define KTHREADD_PID	2
#define STATS_FILE	"/sys/kernel/debug/umcg/stats"

/* What the processes of a test share. */
struct shared {
	struct umcg_thread thread;
	_Atomic pid_t pid;
	_Atomic int step;
};

FIXTURE(security) {
	struct shared *shared;
};

FIXTURE_SETUP(security)
{
	umcg_test_begin(TEST_SECONDS);
	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
}

FIXTURE_TEARDOWN(security)
{
	EXPECT_TRUE(nothing_is_left());
}

static int kick(pid_t tid)
{
	return umcg_ioctl(UMCG_IOC_KICK, &(struct umcg_kick_args){ .size = 16, .tid = tid });
}

static void do_nothing(struct umcg_thread *self)
{
	(void)self;
}

/* Has a server run a worker to its end; 0 or what went wrong. */
static int use_umcg(void)
{
	static struct umcg_group group = UMCG_GROUP_INIT;
	static struct umcg_thread server, worker;

	if (server_register(&server))
		return 50;
	worker_start(&worker, &group, do_nothing);
	if (!server_run_to_end(&server, &group, &worker))
		return 51;
	return umcg_ctl(UMCG_CTL_UNREGISTER, NULL) ? 52 : 0;
}

static int cannot_open(void *argument)
{
	(void)argument;
	if (!become_user(USER) || open(UMCG_DEVICE, O_RDWR) >= 0 || errno != EACCES)
		return 1;
	if (open(UMCG_DEVICE, O_RDONLY) >= 0 || errno != EACCES)
		return 2;
	/* Nor as root in its own user namespace. */
	if (unshare(CLONE_NEWUSER) || open(UMCG_DEVICE, O_RDWR) >= 0 || errno != EACCES)
		return 3;
	return open(STATS_FILE, O_RDONLY) >= 0 || errno != EACCES ? 4 : 0;
}

TEST_F(security, only_root_opens_the_device_by_default)
{
	struct stat device;

	ASSERT_EQ(0, stat(UMCG_DEVICE, &device));
	EXPECT_EQ(S_IFCHR | 0600, device.st_mode);
	EXPECT_EQ(0, device.st_uid);
	EXPECT_EQ(0, device.st_gid);
	EXPECT_EQ(0, result_of_process(cannot_open, NULL));
}

static int use_as_a_member(void *argument)
{
	gid_t group = *(gid_t *)argument;

	if (setgroups(1, &group) || setresgid(USER, USER, USER) || setresuid(USER, USER, USER))
		return 1;
	umcg_fd = open(UMCG_DEVICE, O_RDWR);
	return umcg_fd < 0 ? 2 : use_umcg();
}

/* What the udev rule does. */
TEST_F(security, a_member_of_the_group_uses_the_device)
{
	gid_t group = 4711;

	ASSERT_EQ(0, chown(UMCG_DEVICE, 0, group));
	ASSERT_EQ(0, chmod(UMCG_DEVICE, 0660));
	EXPECT_EQ(0, result_of_process(use_as_a_member, &group));
	EXPECT_EQ(0, result_of_process(cannot_open, NULL));
	EXPECT_EQ(0, chmod(UMCG_DEVICE, 0600));
	EXPECT_EQ(0, chown(UMCG_DEVICE, 0, 0));
}

static int use_what_root_has_opened(void *argument)
{
	(void)argument;
	return become_user(NOBODY) ? use_umcg() : 1;
}

TEST_F(security, a_descriptor_acts_on_the_caller_not_the_opener)
{
	struct umcg_thread opener = {};
	uint64_t word;

	ASSERT_EQ(0, server_register(&opener));
	word = state_word(&opener.task);
	EXPECT_EQ(0, result_of_process(use_what_root_has_opened, NULL));
	EXPECT_EQ(word, state_word(&opener.task));
	EXPECT_EQ(1, umcg_stat("servers"));
	EXPECT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
}

static int use_what_is_sent(void *argument)
{
	struct umcg_thread self = {};
	int socket = *(int *)argument;

	close(umcg_fd);
	umcg_fd = -1;
	if (!become_user(NOBODY) || umcg_ctl(UMCG_CTL_UNREGISTER, NULL) != -EBADF)
		return 1;
	umcg_fd = receive_descriptor(socket);
	if (server_register(&self))
		return 2;
	set_next_tid(&self.task, getppid());
	if (umcg_wait(UMCG_WAIT_WAKE_ONLY, 0) != -EPERM || kick(getppid()) != -EPERM)
		return 3;
	return umcg_ctl(UMCG_CTL_UNREGISTER, NULL) ? 4 : use_umcg();
}

TEST_F(security, a_received_descriptor_gives_no_access_to_the_sender)
{
	struct umcg_thread sender = {};
	int sockets[2];
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	ASSERT_EQ(0, server_register(&sender));
	pid = process_start(use_what_is_sent, &sockets[1]);
	EXPECT_TRUE(send_descriptor(sockets[0], umcg_fd));
	EXPECT_EQ(0, process_result(pid));
	EXPECT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
}

static int be_a_zombie(void *argument)
{
	(void)argument;
	return 0;
}

static int wait_as_user(void *argument)
{
	struct shared *shared = argument;

	if (!become_user(USER) || server_register(&shared->thread))
		return 1;
	shared->pid = getpid();
	state_must_change(&shared->thread.task, RUNNING, IDLE);
	return umcg_wait(0, 0) ? 2 : 0;
}

struct others {
	pid_t tids[7];
	int errors[7];
};

/* As a user without the right to signal any of them. */
static int ask_for_others(void *argument)
{
	static struct umcg_thread self;
	struct others *others = argument;

	if (!become_user(NOBODY) || server_register(&self))
		return 1;
	for (size_t i = 0; i < ARRAY_SIZE(others->tids); i++) {
		const pid_t tid = others->tids[i];
		const int told = kill(tid, 0) ? -errno : 0;

		if (told != others->errors[i])
			return 10 + i;
		set_next_tid(&self.task, tid);
		if (umcg_wait(UMCG_WAIT_WAKE_ONLY, 0) != told || umcg_wait(0, 1) != told)
			return 20 + i;
		if (kick(tid) != told)
			return 30 + i;
	}
	return 0;
}

TEST_F(security, errors_reveal_no_more_than_kill)
{
	pid_t registered = process_start(wait_as_user, self->shared);
	pid_t zombie = process_start(be_a_zombie, NULL);
	pid_t gone = process_start(be_a_zombie, NULL);
	siginfo_t info;
	uint64_t word;

	ASSERT_NE(-1, process_ends(gone));
	ASSERT_EQ(0, waitid(P_PID, zombie, &info, WEXITED | WNOWAIT));
	ASSERT_TRUE(SOON(self->shared->pid && state_of(&self->shared->thread.task) == IDLE));
	sleep_ms(20);
	word = state_word(&self->shared->thread.task);

	struct others others = {
		.tids = { 1, KTHREADD_PID, getpid(), registered, zombie, gone, 4194304 },
		.errors = { -EPERM, -EPERM, -EPERM, -EPERM, -EPERM, -ESRCH, -ESRCH },
	};

	EXPECT_EQ(0, result_of_process(ask_for_others, &others));
	EXPECT_EQ(word, state_word(&self->shared->thread.task));
	EXPECT_EQ(0, waitpid(registered, NULL, WNOHANG));
	EXPECT_EQ(0, kill(registered, SIGKILL));
	EXPECT_NE(-1, process_ends(registered));
	EXPECT_EQ(0, process_result(zombie));
}

/* The first process of a PID namespace: it sees itself and its children only. */
static int look_out_of_the_namespace(void *argument)
{
	static struct umcg_thread self;

	(void)argument;
	if (getpid() != 1 || server_register(&self))
		return 1;
	for (pid_t tid = 2; tid < 400; tid++) {
		set_next_tid(&self.task, tid);
		if (kill(tid, 0) != -1 || errno != ESRCH)
			return 2;
		if (umcg_wait(UMCG_WAIT_WAKE_ONLY, 0) != -ESRCH || kick(tid) != -ESRCH)
			return 3;
	}
	return 0;
}

static int enter_namespaces(void *argument)
{
	if (!become_user(USER) || unshare(CLONE_NEWUSER | CLONE_NEWPID))
		return 10;
	return result_of_process(look_out_of_the_namespace, argument);
}

TEST_F(security, tasks_outside_of_a_pid_namespace_do_not_exist)
{
	EXPECT_EQ(0, result_of_process(enter_namespaces, NULL));
}

static int pin_without_privileges(void *argument)
{
	static struct umcg_task task;

	(void)argument;
	if (!become_user(USER) || setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){}) ||
	    unshare(CLONE_NEWUSER))
		return 1;
	server_task_init(&task);
	return umcg_ctl(SERVER_FLAGS, &task) == -ENOMEM ? 0 : 2;
}

TEST_F(security, root_in_a_user_namespace_has_the_limit_of_locked_memory)
{
	EXPECT_EQ(0, result_of_process(pin_without_privileges, NULL));
}

static bool write_to(const char *folder, const char *name, const char *value)
{
	char path[256];
	int fd;
	bool good;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	good = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);
	close(fd);
	return good;
}

/*
 * The number of allocations of this thread while it opens a file; -1 if that cannot be traced.
 * Allocations by the tracer itself do not count.
 */
static int allocations_of_open(const char *tracer, const char *file)
{
	char path[256], line[512];
	int fd, count = 0;
	FILE *trace;

	snprintf(path, sizeof(path), "%s/trace", tracer);
	close(open(path, O_WRONLY | O_TRUNC));
	if (!write_to(tracer, "events/kmem/kmalloc/enable", "1"))
		return -1;
	fd = open(file, O_RDWR);
	if (!write_to(tracer, "events/kmem/kmalloc/enable", "0") || fd < 0)
		return -1;
	close(fd);
	trace = fopen(path, "r");
	while (trace && fgets(line, sizeof(line), trace))
		count += strstr(line, "kmalloc: ") && !strstr(line, "call_site=tracepoint_");
	if (!trace || fclose(trace))
		return -1;
	return count;
}

/*
 * All misc devices are opened under one lock: opening this one must not wait there for memory of a
 * cgroup. A terminal shows that allocations are detected.
 */
TEST_F(security, opening_the_device_allocates_no_memory)
{
	char tracer[64], filter[64];

	snprintf(tracer, sizeof(tracer), "/sys/kernel/tracing/instances/open-%d", getpid());
	snprintf(filter, sizeof(filter), "common_pid == %d", gettid());
	ASSERT_EQ(0, mkdir(tracer, 0700));
	EXPECT_TRUE(write_to(tracer, "events/kmem/kmalloc/filter", filter));
	EXPECT_LT(0, allocations_of_open(tracer, "/dev/ptmx"));
	EXPECT_EQ(0, allocations_of_open(tracer, UMCG_DEVICE));
	EXPECT_EQ(0, rmdir(tracer));
}

TEST_HARNESS_MAIN
