// SPDX-License-Identifier: GPL-2.0
/*
 * More rules of SECURITY.md: programs that gain privileges, system call filters, cgroups,
 * and the kernel log. As in security.c, a nonzero exit status is the step that failed.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "ioctl_filter.h"
#include "umcg_cgroup.h"
#include "umcg_test.h"

#define USER		1000
#define PROGRAM		"/tmp/umcg-setuid"
#define STACK_SIZE	65536
#define CROWD		300
#define BREACHES	15
/* The kernel sums the statistics of control groups up every two seconds. */
#define STATISTICS_MS	(2500 * slowness())

/* A server and a worker of a process without privileges, and what the worker blocks on. */
static struct umcg_group group = UMCG_GROUP_INIT;
static struct umcg_thread server, worker;
static int pipe_fds[2];
/* A write here ends the program. */
static int end_fds[2];

FIXTURE(confined) {
	_Atomic int *step;
};

FIXTURE_SETUP(confined)
{
	umcg_test_begin(TEST_SECONDS);
	self->step = mmap(NULL, sizeof(*self->step), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->step);
	ASSERT_EQ(0, pipe(pipe_fds));
	ASSERT_EQ(0, pipe(end_fds));
}

FIXTURE_TEARDOWN(confined)
{
	EXPECT_TRUE(nothing_is_left());
}

/* The program owned by root: reports how it was started, and stays until it is told to exit. */
__attribute__((constructor)) static void run_as_setuid_program(void)
{
	const char *fd = getenv("UMCG_SETUID");
	char byte;

	if (!fd)
		return;
	umcg_fd = atoi(fd);
	if (geteuid() != 0 || !getauxval(AT_SECURE))
		_exit(2);
	if (umcg_wait(0, 0) != -EINVAL || umcg_ctl(UMCG_CTL_UNREGISTER, NULL) != -EINVAL)
		_exit(3);
	write(STDOUT_FILENO, "x", 1);
	_exit(read(STDIN_FILENO, &byte, 1) != 1);
}

static _Noreturn void execute_the_program(void)
{
	char *const argv[] = { PROGRAM, NULL };
	char fd[32], *const envp[] = { fd, NULL };

	snprintf(fd, sizeof(fd), "UMCG_SETUID=%d", dup(umcg_fd));
	dup2(pipe_fds[1], STDOUT_FILENO);
	dup2(end_fds[0], STDIN_FILENO);
	close(end_fds[1]);
	execve(PROGRAM, argv, envp);
	_exit(1);
}

/* Shares the memory of its parent, and is registered, until it starts the program. */
static int start_the_program(void *argument)
{
	(void)argument;
	worker.result = server_register(&worker);
	worker.phase = 1;
	while (worker.phase == 1)
		sleep_ms(1);
	execute_the_program();
}

static int meet_a_setuid_program(void *argument)
{
	static char stack[STACK_SIZE] __attribute__((aligned(16)));
	struct umcg_kick_args args = { .size = sizeof(args) };
	int status;
	char byte;
	pid_t pid;

	(void)argument;
	if (!become_user(USER) || server_register(&server))
		return 1;
	pid = clone(start_the_program, stack + STACK_SIZE, CLONE_VM | SIGCHLD, NULL);
	if (pid < 0 || !SOON(worker.phase == 1) || worker.result)
		return 2;
	set_next_tid(&server.task, pid);
	if (umcg_wait(UMCG_WAIT_WAKE_ONLY, 0))
		return 3;
	worker.phase = 2;
	if (read(pipe_fds[0], &byte, 1) != 1)
		return 4;
	args.tid = pid;
	if (umcg_wait(UMCG_WAIT_WAKE_ONLY, 0) != -EPERM ||
	    umcg_ioctl(UMCG_IOC_KICK, &args) != -EPERM)
		return 5;
	/* Its old memory says that it has exited, and is not written any more. */
	if (state_of(&worker.task) != NONE)
		return 6;
	write(end_fds[1], "x", 1);
	status = process_ends(pid);
	return WIFEXITED(status) ? 10 * WEXITSTATUS(status) : 7;
}

static bool copy_program(void)
{
	char buffer[4096];
	int from = open("/proc/self/exe", O_RDONLY), to = open(PROGRAM, O_WRONLY | O_CREAT, 0700);
	ssize_t length;
	bool good = from >= 0 && to >= 0;

	while (good && (length = read(from, buffer, sizeof(buffer))) > 0)
		good = write(to, buffer, length) == length;
	good &= !fchmod(to, 04755);
	close(from);
	close(to);
	return good;
}

TEST_F(confined, a_program_that_gains_privileges_is_out_of_reach)
{
	ASSERT_TRUE(copy_program());
	EXPECT_EQ(0, result_of_process(meet_a_setuid_program, NULL));
	EXPECT_EQ(0, unlink(PROGRAM));
}

static int register_and_gain_privileges(void *argument)
{
	(void)argument;
	if (!become_user(USER) || server_register(&server))
		return 1;
	execute_the_program();
}

/* Whether a thread sleeps in this function of the kernel, or in one that this has called. */
static bool sleeps_in(pid_t tid, const char *function)
{
	char path[64], line[256];
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stack", tid);
	file = fopen(path, "r");
	while (file && !found && fgets(line, sizeof(line), file))
		found = strstr(line, function);
	if (file)
		fclose(file);
	return found;
}

/*
 * A thread that has looked up a task, and is about to wake it, may be preempted in between. While
 * there may be such a thread, the task keeps the privileges that it had at the lookup.
 */
TEST_F(confined, privileges_wait_for_pending_wakers)
{
	pid_t pid;

	if (access("/proc/self/stack", R_OK))
		SKIP(return, "this kernel does not show where a thread sleeps");
	ASSERT_TRUE(copy_program());
	pid = process_start(register_and_gain_privileges, NULL);
	EXPECT_TRUE(SOON(sleeps_in(pid, "synchronize_rcu_tasks")));
	write(end_fds[1], "x", 1);
	EXPECT_EQ(0, process_ends(pid));
	EXPECT_EQ(0, unlink(PROGRAM));
}

static int register_under_a_filter(void *argument)
{
	(void)argument;
	if (!become_user(USER) || server_register(&server) || umcg_ctl(UMCG_CTL_UNREGISTER, NULL))
		return 1;
	if (!filter_ioctl(UMCG_IOC_CTL) || server_register(&server) != -EPERM)
		return 2;
	/* The other calls have no effect for unregistered threads. */
	if (umcg_wait(0, 0) != -EINVAL ||
	    posix_fadvise(umcg_fd, 0, 0, UMCG_FADVISE_WAIT) != EINVAL)
		return 3;
	return 0;
}

TEST_F(confined, a_filter_can_refuse_registration)
{
	EXPECT_EQ(0, result_of_process(register_under_a_filter, NULL));
}

/* Goes into the strict mode, in which there is read(), write() and _exit() only. */
static void block_in_strict_mode(struct umcg_thread *self)
{
	char byte;

	self->phase = prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) ? -1 : 1;
	read(pipe_fds[0], &byte, 1);
	self->phase = 2;
	if (self->arg)
		syscall(SYS_getpid);
	syscall(SYS_exit, 0);
}

/* The worker is reported, queued and run like any other, and starts its server when it exits. */
static int run_in_strict_mode(void *argument)
{
	if (!become_user(USER) || server_register(&server))
		return 1;
	worker.arg = argument;
	worker_start(&worker, &group, block_in_strict_mode);
	if (server_next_worker(&server, &group) != &worker || server_run(&server, &worker))
		return 2;
	if (worker.phase != 1 || state_of(&worker.task) != BLOCKED)
		return 3;
	if (write(pipe_fds[1], "x", 1) != 1 || server_next_worker(&server, &group) != &worker)
		return 4;
	if (worker.phase != 1 || server_run(&server, &worker))
		return 5;
	if (worker.phase != 2 || !SOON(state_of(&worker.task) == NONE))
		return 6;
	return thread_ends(&worker) ? 0 : 7;
}

TEST_F(confined, a_worker_may_be_in_the_strict_mode)
{
	EXPECT_EQ(0, result_of_process(run_in_strict_mode, NULL));
}

TEST_F(confined, a_worker_that_seccomp_kills_starts_its_server)
{
	EXPECT_EQ(0, result_of_process(run_in_strict_mode, self));
}

static void violate_the_protocol(struct umcg_thread *self)
{
	const long how = (long)self->arg;
	uint64_t word = state_word(&self->task);

	if (how == 0)
		state_replace(&self->task, word, NONE);
	else if (how == 1)
		set_next_tid(&self->task, 0);
	else
		self->task.idle_workers_ptr = KERNEL_ADDRESS;
	/* The first call ends it if it is RUNNING, else the second one. */
	umcg_ioctl(UMCG_IOC_KICK, &(struct umcg_kick_args){ .size = 16, .tid = self->tid });
	umcg_wait(0, 0);
}

static int be_killed(void *argument)
{
	if (!become_user(USER) || server_register(&server))
		return 1;
	worker.arg = argument;
	worker_start(&worker, &group, violate_the_protocol);
	if (server_next_worker(&server, &group) != &worker)
		return 2;
	server_run(&server, &worker);
	sleep_ms(SOON_MS);
	return 3;
}

/* Reads new records of the log; whether the module has written one of them. */
static bool log_has_umcg(int log)
{
	char record[8192];
	ssize_t length;
	bool found = false;

	while ((length = read(log, record, sizeof(record) - 1)) > 0 || errno == EPIPE) {
		record[length > 0 ? length : 0] = '\0';
		found |= !!strstr(record, ";umcg: ");
	}
	return found;
}

static long killed(void)
{
	return umcg_stat("killed_state") + umcg_stat("killed_server") + umcg_stat("killed_memory");
}

TEST_F(confined, protocol_violations_are_not_logged)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	const long before = killed();

	ASSERT_LE(0, log);
	ASSERT_LE(0, lseek(log, 0, SEEK_END));
	for (long i = 0; i < BREACHES; i++) {
		EXPECT_EQ(-1, result_of_process(be_killed, (void *)(i % 3)))
			TH_LOG("breach %ld", i % 3);
	}
	EXPECT_EQ(before + BREACHES, killed());
	EXPECT_FALSE(log_has_umcg(log));
}

static pthread_barrier_t all_started, all_registered, all_looked_at;
static _Atomic int registered;

static void register_with_all(struct umcg_thread *self)
{
	pthread_barrier_wait(&all_started);
	registered += !server_register(self);
	pthread_barrier_wait(&all_registered);
	pthread_barrier_wait(&all_looked_at);
}

/* The kernel memory that a cgroup uses, in bytes. */
static long kernel_memory(const char *cgroup)
{
	char path[256], key[64];
	FILE *file;
	long value, found = -1;

	snprintf(path, sizeof(path), "%s/memory.stat", cgroup);
	file = fopen(path, "r");
	while (file && found < 0 && fscanf(file, "%63s %ld", key, &value) == 2)
		if (!strcmp(key, "slab"))
			found = value;
	if (file)
		fclose(file);
	return found;
}

/* In the cgroup. The threads exist before the memory is read. */
static int register_a_crowd(void *argument)
{
	static struct umcg_thread crowd[CROWD];
	const struct cgroup *cgroup = argument;
	long before, after;

	pthread_barrier_init(&all_started, NULL, CROWD + 1);
	pthread_barrier_init(&all_registered, NULL, CROWD + 1);
	pthread_barrier_init(&all_looked_at, NULL, CROWD + 1);
	if (!cgroup_write(cgroup, "cgroup.procs", "0") || !become_user(USER))
		return 1;
	for (int i = 0; i < CROWD; i++)
		thread_start(&crowd[i], register_with_all);
	sleep_ms(STATISTICS_MS);
	before = kernel_memory(cgroup->path);
	pthread_barrier_wait(&all_started);
	pthread_barrier_wait(&all_registered);
	sleep_ms(STATISTICS_MS);
	after = kernel_memory(cgroup->path);
	pthread_barrier_wait(&all_looked_at);
	if (registered != CROWD || before < 0 || after < 0)
		return 2;
	/* A record has 256 bytes; the counter may be some pages behind on each CPU. */
	return after - before >= CROWD * 256L * 3 / 4 ? 0 : 3;
}

TEST_F(confined, memory_of_registered_threads_is_charged_to_their_control_group)
{
	struct cgroup cgroup;
	char control[64];
	int err;

	err = cgroup_create(&cgroup);
	if (err)
		SKIP(return, "no cgroup2: %s", strerror(-err));
	snprintf(control, sizeof(control), "%s/cgroup.subtree_control", cgroup.root);
	EXPECT_TRUE(write_file(control, "+memory"));
	EXPECT_EQ(0, result_of_process(register_a_crowd, &cgroup));
	EXPECT_TRUE(cgroup_remove(&cgroup));
}

TEST_HARNESS_MAIN
