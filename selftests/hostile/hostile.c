// SPDX-License-Identifier: GPL-2.0
/*
 * Memory and gangs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile.h"

void *shared_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		perror("mmap");
		abort();
	}
	return memory;
}

void adopt_orphans(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

pid_t gang_start(int (*body)(void *argument), void *argument)
{
	const struct rlimit no_core = {};
	pid_t pid = fork();

	if (pid) {
		/* In both processes, so that it is done when either continues. */
		setpgid(pid, pid);
		return pid;
	}
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &no_core);
	_exit(body(argument));
}

bool gang_leader_ended(pid_t leader)
{
	siginfo_t info = {};

	return !waitid(P_PID, leader, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid == leader;
}

/* Prints where a task is that should have exited. */
static void show_file(pid_t pid, const char *name)
{
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		printf("# %s: %s", path, line);
	if (file)
		fclose(file);
}

bool gang_kill(pid_t leader, int *status)
{
	const uint64_t end = monotonic_ns() + GONE_SECONDS * NSEC_PER_SEC;
	int of_member;
	pid_t pid;

	kill(-leader, SIGKILL);
	/* Those whose parents have gone are our children by then; in the end there is none. */
	while ((pid = waitpid(-leader, &of_member, WNOHANG)) >= 0) {
		if (pid == leader)
			*status = of_member;
		if (pid)
			continue;
		if (monotonic_ns() > end) {
			show_file(leader, "status");
			show_file(leader, "stack");
			show_file(leader, "wchan");
			return false;
		}
		sleep_ms(1);
	}
	return errno == ECHILD;
}
