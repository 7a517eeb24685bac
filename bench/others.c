// SPDX-License-Identifier: GPL-2.0
/*
 * The cost of the module for unrelated threads: before it is loaded, while it is unused,
 * while another process uses it, and after that.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pair.h"
#include "steps.h"

#define MODULE		"/umcg.ko"
#define STATS		"/sys/kernel/debug/umcg/stats"
#define CROWD		100
/* More than the time that the module leaves its probes attached after the last task has left. */
#define LINGER_US	3000000

static long umcg_stat(const char *wanted)
{
	FILE *file = fopen(STATS, "re");
	char key[64];
	long value, found = -1;

	if (!file)
		bench_die_errno(STATS, errno);
	while (fscanf(file, "%63s %ld", key, &value) == 2) {
		if (!strcmp(key, wanted))
			found = value;
	}
	fclose(file);
	return found;
}

static void await_stat(const char *key, long value)
{
	while (umcg_stat(key) != value)
		sleep_us(1000);
}

static void getppid_call(void *argument)
{
	(void)argument;
	syscall_of_3(SYS_getppid, 0, 0, 0);
}

static void measure(const char *when)
{
	static const struct pair_kind *const kinds[] = { &futex_pair, &pipe_pair };
	static struct samples samples;
	char row[64];

	snprintf(row, sizeof(row), "getppid_%s", when);
	bench_operation(row, getppid_call, NULL);
	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		snprintf(row, sizeof(row), "%s_%s", kinds[i]->row, when);
		if (bench_wants(row) && pair_measure(kinds[i], &samples))
			samples_report(&samples, row, 2 * BATCH);
	}
}

static void load_module(void)
{
	int fd = open(MODULE, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
		bench_die_errno(MODULE, errno);
	close(fd);
}

static void *idle_worker(void *argument)
{
	static struct umcg_group group;

	worker_register(argument, &group);
	return NULL;
}

/* What a process does whose workers are idle. */
static void begin_crowd(void *workers)
{
	struct umcg_thread *worker = workers;

	umcg_open();
	for (int i = 0; i < CROWD; i++)
		bench_thread(idle_worker, &worker[i]);
}

int main(int argc, char *argv[])
{
	static struct umcg_thread workers[CROWD];
	pid_t crowd;

	bench_begin(argc, argv);
	measure("unloaded");
	load_module();
	measure("unused");
	crowd = bench_process(begin_crowd, workers);
	await_stat("workers", CROWD);
	measure("used_elsewhere");
	bench_kill(crowd);
	await_stat("workers", 0);
	sleep_us(LINGER_US);
	measure("left");
	return 0;
}
