// SPDX-License-Identifier: GPL-2.0
/*
 * Observation of threads, signals, and the module.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "umcg_test.h"

#define STATS_FILE	"/sys/kernel/debug/umcg/stats"
#define MODULE_FILE	"/umcg.ko"
#define MODULE_NAME	"umcg"

_Atomic int signals_handled;

long number_in_file(const char *path, const char *key, int base)
{
	const size_t length = strlen(key);
	FILE *file = fopen(path, "r");
	long value = -1;
	char line[256];

	if (!file)
		return -1;
	while (value < 0 && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, key, length) && strchr(": \t", line[length]))
			value = strtol(line + length + 1, NULL, base);
	}
	fclose(file);
	return value;
}

/* The first line of a file of a thread in /proc. */
static bool read_line(pid_t tid, const char *name, char *line, size_t size)
{
	char path[64];
	FILE *file;
	bool found;

	snprintf(path, sizeof(path), "/proc/%d/%s", tid, name);
	file = fopen(path, "r");
	if (!file)
		return false;
	found = fgets(line, size, file);
	fclose(file);
	return found;
}

bool thread_sleeps(pid_t tid)
{
	char line[256], *name_end;

	if (!read_line(tid, "stat", line, sizeof(line)))
		return false;
	name_end = strrchr(line, ')');
	if (!name_end || !strchr("SDI", name_end[2]))
		return false;
	/* A thread says so before it is off its queue; only then the module has seen that it sleeps. */
	return read_line(tid, "wchan", line, sizeof(line)) && strcmp(line, "0");
}

bool thread_waits(struct umcg_thread *thread)
{
	return state_of(&thread->task) == IDLE && thread_sleeps(thread->tid);
}

static long value_in_status(pid_t tid, const char *key, int base)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	return number_in_file(path, key, base);
}

long thread_voluntary_switches(pid_t tid)
{
	return value_in_status(tid, "voluntary_ctxt_switches", 10);
}

bool thread_has_pending(pid_t tid, int signal)
{
	const long pending = value_in_status(tid, "SigPnd", 16);

	return pending > 0 && pending & 1L << (signal - 1);
}

void allow_cpus(pid_t tid, int first, int last)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	for (int cpu = first; cpu <= last; cpu++)
		CPU_SET(cpu, &cpus);
	sched_setaffinity(tid, sizeof(cpus), &cpus);
}

int thread_signal(struct umcg_thread *thread, int signal)
{
	return syscall(SYS_tgkill, getpid(), thread->tid, signal);
}

static void count(int signal)
{
	(void)signal;
	atomic_fetch_add(&signals_handled, 1);
}

void count_signal(int signal, int sa_flags)
{
	const struct sigaction action = { .sa_handler = count, .sa_flags = sa_flags };

	sigaction(signal, &action, NULL);
}

long pinned_pages(void)
{
	return number_in_file("/proc/self/status", "VmPin", 10) * 1024 / sysconf(_SC_PAGESIZE);
}

long umcg_stat(const char *key)
{
	return number_in_file(STATS_FILE, key, 10);
}

static bool nothing_is_registered(void)
{
	return umcg_stat("servers") == 0 && umcg_stat("workers") == 0 &&
	       umcg_stat("records") == 0 && umcg_stat("pinned_pages") == 0 &&
	       umcg_stat("watched") == 0;
}

bool nothing_is_left(void)
{
	return SOON(nothing_is_registered());
}

int module_load_with(const char *parameters)
{
	int fd = open(MODULE_FILE, O_RDONLY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = syscall(SYS_finit_module, fd, parameters, 0) ? -errno : 0;
	close(fd);
	return err;
}

int module_load(void)
{
	return module_load_with("");
}

int module_unload(void)
{
	return syscall(SYS_delete_module, MODULE_NAME, O_NONBLOCK) ? -errno : 0;
}

bool module_unloads_soon(void)
{
	int err;

	return SOON((err = module_unload()) != MODULE_IN_USE) && !err;
}
