// SPDX-License-Identifier: GPL-2.0
/* Processes: descriptors, children, other programs, users. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <spawn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "subject.h"

extern char **environ;

/* The descriptor of /dev/umcg that the program has not opened. */
static int hidden_descriptor(void)
{
	DIR *folder = opendir("/proc/self/fd");
	struct dirent *entry;
	char target[64];
	int found = -1;

	CHECK(folder);
	while ((entry = readdir(folder))) {
		const ssize_t length = readlinkat(dirfd(folder), entry->d_name, target,
						  sizeof(target) - 1);

		target[length > 0 ? length : 0] = '\0';
		if (!strcmp(target, "/dev/umcg"))
			found = atoi(entry->d_name);
	}
	closedir(folder);
	return found;
}

static int files(char **arguments)
{
	int hidden, null = open("/dev/null", O_RDWR | O_CLOEXEC);
	char path[64], target[64];

	(void)arguments;
	check_threads_are_workers();
	hidden = hidden_descriptor();
	CHECK(hidden >= 1000);

	/* To the program it is not open. */
	CHECK(close(hidden) == -1 && errno == EBADF);
	CHECK(dup2(hidden, null) == -1 && errno == EBADF);
	CHECK(dup3(hidden, null, 0) == -1 && errno == EBADF);
	CHECK(hidden_descriptor() == hidden);

	/* It makes way for a file that is to have its number. */
	CHECK(dup2(null, hidden) == hidden);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", hidden);
	CHECK(readlink(path, target, sizeof(target)) == 9 && !memcmp(target, "/dev/null", 9));
	CHECK(hidden_descriptor() != hidden);
	check_threads_are_workers();
	CHECK(close(hidden) == 0);
	hidden = hidden_descriptor();
	CHECK(dup3(null, hidden, O_CLOEXEC) == hidden);
	check_threads_are_workers();

	/* Daemons close all there is. */
	CHECK(close_range(hidden, 0, 0) == -1 && errno == EINVAL);
	CHECK(close_range(3, 100000, 77) == -1 && errno == EINVAL);
	CHECK(fcntl(null, F_GETFD) >= 0);
	CHECK(close_range(3, ~0U, 0) == 0);
	CHECK(fcntl(null, F_GETFD) == -1 && hidden_descriptor() >= 0);
	check_threads_are_workers();
	closefrom(3);
	check_threads_are_workers();
	for (int fd = 3; fd < 2000; fd++)
		close(fd);
	CHECK(hidden_descriptor() >= 0);
	/* What is not to be seen cannot be kept. */
	syscall(SYS_close_range, 3, ~0U, 0);
	CHECK(hidden_descriptor() == -1);
	check_threads_are_workers();
	return 0;
}

static int result_of(pid_t pid)
{
	int status;

	CHECK(pid > 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* A child has one thread, and makes threads anew. */
static void check_children(void)
{
	const pid_t child = fork();

	if (!child) {
		pid_t grandchild;

		CHECK(count_workers() == 0);
		check_threads_are_workers();
		grandchild = fork();
		if (!grandchild) {
			check_threads_are_workers();
			exit(4);
		}
		CHECK(result_of(grandchild) == 4);
		check_threads_are_workers();
		exit(3);
	}
	CHECK(result_of(child) == 3);
}

static void *fork_from_worker(void *argument)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pid_t child;

	CHECK(!pthread_mutex_lock(&mutex));
	check_children();
	CHECK(!pthread_mutex_unlock(&mutex));
	CHECK(is_worker(gettid()));
	/* Without the handlers of fork(). */
	child = _Fork();
	if (!child)
		exit(7);
	CHECK(result_of(child) == 7);
	CHECK(is_worker(gettid()));
	return argument;
}

static int forks(char **arguments)
{
	pid_t child;

	(void)arguments;
	/* Before there are threads, and after. */
	check_children();
	rival_begin();
	check_children();
	join(start(fork_from_worker, NULL));
	rival_end();
	check_threads_are_workers();
	/* Without the handlers of fork(). */
	child = _Fork();
	if (!child) {
		check_threads_are_workers();
		_exit(5);
	}
	CHECK(result_of(child) == 5);
	return 0;
}

/* Whether a program that was executed is under umcg-run. */
static int is_followed(char **arguments)
{
	const bool wanted = !strcmp(arguments[0], "1");

	CHECK(!!getenv("UMCG_RUN") == wanted);
	CHECK((getenv("LD_PRELOAD") && strstr(getenv("LD_PRELOAD"), "umcg_run")) == wanted);
	if (wanted) {
		check_threads_are_workers();
	} else {
		rival_begin();
		CHECK(count_workers() == 0);
		rival_end();
	}
	return 6;
}

static void *execute(void *argument)
{
	char *const words[] = { "/run/subject", "is_followed", argument, NULL };
	pid_t child;

	CHECK(!posix_spawn(&child, words[0], NULL, NULL, words, environ));
	CHECK(result_of(child) == 6);
	child = vfork();
	if (!child) {
		dup2(0, 0);
		execv(words[0], words);
		_exit(98);
	}
	CHECK(result_of(child) == 6);
	child = fork();
	if (!child) {
		execv(words[0], words);
		_exit(98);
	}
	CHECK(result_of(child) == 6);
	return NULL;
}

static int executes(char **arguments)
{
	execute(arguments[0]);
	join(start(execute, arguments[0]));
	check_threads_are_workers();
	execl("/run/subject", "subject", "is_followed", arguments[0], NULL);
	return 99;
}

/* A child of vfork() that changes its name has the memory of a worker, but is none. */
static void *name_child(void *argument)
{
	pid_t child;

	CHECK(!pthread_setname_np(pthread_self(), "parent-1"));
	child = vfork();
	if (!child) {
		prctl(PR_SET_NAME, "child");
		_exit(8);
	}
	CHECK(result_of(child) == 8);
	return argument;
}

static int names_child(char **arguments)
{
	(void)arguments;
	join(start(name_child, NULL));
	return 0;
}

/* What else is preloaded stays. */
static int preloads(char **arguments)
{
	const char *list = getenv("LD_PRELOAD");

	CHECK(list && strchr(list, ':') && !strcmp(strchr(list, ':') + 1, arguments[0]));
	return 0;
}

/* With one server and no slices: a thread that is queued takes part in a change of users. */
static atomic_bool released;

/* In a critical section the server is not lent either, while the kernel has others run. */
static void *hold_server(void *argument)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

	CHECK(!pthread_mutex_lock(&mutex));
	while (!released)
		;
	CHECK(!pthread_mutex_unlock(&mutex));
	return argument;
}

static void *be_queued(void *argument)
{
	CHECK(getuid() == 65534);
	return argument;
}

static int users(char **arguments)
{
	pthread_t holds, queued;

	(void)arguments;
	holds = start(hold_server, NULL);
	WAIT_FOR(count_workers() == 1);
	queued = start(be_queued, NULL);
	WAIT_FOR(count_workers() == 2);
	/* Of both threads; neither of them gets on. */
	CHECK(!setgid(65534));
	CHECK(!setuid(65534));
	released = true;
	join(holds);
	join(queued);
	return 0;
}

/* As daemons that start as root: the thread may not open the device. */
static void *use_no_device(void *argument)
{
	CHECK(open("/dev/umcg", O_RDWR) == -1 && errno == EACCES);
	return argument;
}

static int gives_up_user(char **arguments)
{
	(void)arguments;
	CHECK(!setgroups(0, NULL));
	CHECK(!setgid(65534));
	CHECK(!setuid(65534));
	CHECK(!pthread_setname_np(pthread_self(), "nobody"));
	join(start(use_no_device, NULL));
	return 0;
}

/* No memory may be pinned: the program runs as it is. */
static void *check_is_plain(void *argument)
{
	CHECK(!is_worker(gettid()));
	sched_yield();
	return argument;
}

static int confined(char **arguments)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	const struct rlimit none = { 0, 0 };
	int value;

	(void)arguments;
	CHECK(!setrlimit(RLIMIT_MEMLOCK, &none));
	CHECK(!syscall(SYS_capget, &header, data));
	data[0].effective &= ~(1U << CAP_IPC_LOCK);
	CHECK(!syscall(SYS_capset, &header, data));
	for (int i = 0; i < 3; i++)
		CHECK(join(start(check_is_plain, &value)) == &value);
	return 0;
}

const struct subject_case process_cases[] = {
	{ "files", files },
	{ "forks", forks },
	{ "is_followed", is_followed },
	{ "executes", executes },
	{ "names_child", names_child },
	{ "preloads", preloads },
	{ "users", users },
	{ "gives_up_user", gives_up_user },
	{ "confined", confined },
	{ NULL, NULL },
};
