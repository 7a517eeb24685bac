// SPDX-License-Identifier: GPL-2.0
/*
 * Numbers, memory and gangs.
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

void dice_begin(struct dice *dice, uint64_t seed, uint64_t place)
{
	dice->state = (seed + 1) * 0x9e3779b97f4a7c15ULL ^ (place + 1) * 0xd1342543de82ef95ULL;
	/* The first numbers of neighbours would be alike, and zero stays zero. */
	dice->state |= 1;
	for (int i = 0; i < 4; i++)
		dice_bits(dice);
}

/* xorshift64* */
uint64_t dice_bits(struct dice *dice)
{
	dice->state ^= dice->state >> 12;
	dice->state ^= dice->state << 25;
	dice->state ^= dice->state >> 27;
	return dice->state * 0x2545f4914f6cdd1dULL;
}

unsigned int below(struct dice *dice, unsigned int limit)
{
	return (dice_bits(dice) >> 33) % limit;
}

uint64_t number_from_environment(const char *name, uint64_t otherwise)
{
	const char *value = getenv(name);

	return value && *value ? strtoull(value, NULL, 0) : otherwise;
}

uint64_t seed_of_run(void)
{
	return number_from_environment("UMCG_SEED", monotonic_ns());
}

bool write_file(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	const bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return written;
}

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
