// SPDX-License-Identifier: GPL-2.0
/* What the cases of the subject have in common. */
#define _GNU_SOURCE
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "subject.h"

#define TASKS "/sys/kernel/debug/umcg/tasks"

/* Copies the line of a thread, or false. */
static bool find_line(pid_t tid, char role[32], char state[32])
{
	FILE *file = fopen(TASKS, "re");
	bool found = false;
	char line[512];
	int number;

	CHECK(file);
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%d %*d %31s %31s", &number, role, state) == 3 &&
			number == tid;
	fclose(file);
	return found;
}

bool has_role(pid_t tid, const char *wanted)
{
	char role[32], state[32];

	return find_line(tid, role, state) && !strcmp(role, wanted);
}

bool is_worker(pid_t tid)
{
	return has_role(tid, "worker");
}

bool is_in_state(pid_t tid, const char *wanted)
{
	char role[32], state[32];

	return find_line(tid, role, state) && !strcmp(state, wanted);
}

int count_workers(void)
{
	FILE *file = fopen(TASKS, "re");
	char line[512], role[32];
	int count = 0, process;

	CHECK(file);
	while (fgets(line, sizeof(line), file))
		count += sscanf(line, "%*d %d %31s", &process, role) == 2 &&
			 process == getpid() && !strcmp(role, "worker");
	fclose(file);
	return count;
}

unsigned long long cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

void compute(unsigned long long ns)
{
	const unsigned long long end = cpu_ns() + ns;

	while (cpu_ns() < end)
		;
}

pthread_t start(void *(*routine)(void *argument), void *argument)
{
	pthread_t thread;

	CHECK(!pthread_create(&thread, NULL, routine, argument));
	return thread;
}

void *join(pthread_t thread)
{
	void *result;

	CHECK(!pthread_join(thread, &result));
	return result;
}

static void *check_is_worker(void *argument)
{
	CHECK(is_worker(gettid()));
	return argument;
}

void check_threads_are_workers(void)
{
	int value;

	CHECK(join(start(check_is_worker, &value)) == &value);
	WAIT_FOR(count_workers() == 0);
}

static pthread_t rival;
static atomic_ulong count;
static atomic_bool rival_ends;

static void *rival_body(void *argument)
{
	while (!rival_ends)
		count++;
	return argument;
}

void rival_begin(void)
{
	rival_ends = false;
	rival = start(rival_body, NULL);
}

void rival_end(void)
{
	rival_ends = true;
	join(rival);
}

unsigned long rival_count(void)
{
	return count;
}
