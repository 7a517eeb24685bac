// SPDX-License-Identifier: GPL-2.0
/* Runs the benchmarks; their rows go to the host as the file of their mode. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "runner.h"

#define BENCH_LIMIT_SECONDS 200
/* After boot the kernel tests its ciphers for some seconds, and does other deferred work. */
#define SETTLE_MILLISECONDS 1000
#define QUIET_MILLISECONDS 500
#define QUIET_PERCENT 98
#define QUIET_LOOKS 120
#define WORKLOADS_LIMIT_SECONDS 2600

/* Those that measure the kernel without the module come first, and load it. */
static const char *const instruction_programs[] = {
	"/bench/others", "/bench/pairs", "/bench/events", "/bench/many", "/bench/memory",
	"/bench/sched", "/bench/direct", "/bench/waits", "/bench/library", NULL
};
static const char *const time_programs[] = { "/bench/pairs", "/bench/sched", "/bench/direct",
					     NULL };
static const char *const store_programs[] = { "/bench/sharing", NULL };

static bool run_benchmark(const char *program, const char *mode, const char *pattern, int output)
{
	const char *const argv[] = { program, mode, pattern, NULL };
	struct outcome outcome;
	char text[128];

	fprintf(results, "# %s\n", program);
	dprintf(output, "program %s\n", strrchr(program, '/') + 1);
	run_program(argv, output, BENCH_LIMIT_SECONDS, &outcome);
	if (exited_with(&outcome, 0))
		return true;
	describe_outcome(&outcome, text, sizeof(text));
	fprintf(results, "# %s: %s\n", program, text);
	return false;
}

static void show(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[512];

	while (file && fgets(line, sizeof(line), file))
		fprintf(results, "# %s%s", line, strchr(line, '\n') ? "" : "\n");
	if (file)
		fclose(file);
}

static void describe_kernel(int output)
{
	struct utsname name;

	uname(&name);
	dprintf(output, "kernel %s %s\n", name.release, name.version);
}

/* Tells the host where the functions of kernel and module are. */
static bool save_kernel_symbols(void)
{
	FILE *symbols = fopen("/proc/kallsyms", "re"), *copy = fopen("/out/kallsyms", "we");
	char line[1024];

	while (symbols && copy && fgets(line, sizeof(line), symbols))
		fputs(line, copy);
	if (symbols)
		fclose(symbols);
	return copy && !fclose(copy);
}

/* The time that the processors have had, in all and of that with nothing to do. */
static bool processor_time(unsigned long long *all, unsigned long long *idle)
{
	unsigned long long user, nice, system, wait, irq, softirq;
	FILE *file = fopen("/proc/stat", "re");
	int found = 0;

	if (file) {
		found = fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice,
			       &system, idle, &wait, &irq, &softirq);
		fclose(file);
	}
	if (found != 7)
		return false;
	*idle += wait;
	*all = user + nice + system + *idle + irq + softirq;
	return true;
}

/* Waits until the guest is otherwise idle. */
static bool becomes_quiet(void)
{
	unsigned long long all, idle, all_before, idle_before;

	for (int i = 0; i < QUIET_LOOKS; i++) {
		if (!processor_time(&all_before, &idle_before))
			return false;
		sleep_milliseconds(QUIET_MILLISECONDS);
		if (!processor_time(&all, &idle))
			return false;
		if ((idle - idle_before) * 100 >= (all - all_before) * QUIET_PERCENT)
			return true;
	}
	return false;
}

static const char *const *programs_of(const char *mode)
{
	if (!strcmp(mode, "time"))
		return time_programs;
	return strcmp(mode, "stores") ? instruction_programs : store_programs;
}

bool run_benchmarks(const char *mode, const char *pattern)
{
	const char *const *programs = programs_of(mode);
	char path[64];
	int output;
	bool good = true;

	snprintf(path, sizeof(path), "/out/bench-%s.txt", mode);
	output = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
	describe_kernel(output);
	sleep_milliseconds(SETTLE_MILLISECONDS);
	good = becomes_quiet();
	if (!good)
		fprintf(results, "# the guest does not become idle\n");
	if (good && programs != instruction_programs)
		good = ensure_umcg_loaded() == 0;
	for (; good && *programs; programs++)
		good = run_benchmark(*programs, mode, pattern, output);
	close(output);
	if (!strcmp(mode, "profile") || !strcmp(mode, "stores"))
		good &= save_kernel_symbols();
	if (!good)
		show(path);
	return good && nothing_left_registered();
}

bool run_workloads(const char *pattern)
{
	static const char path[] = "/out/bench-run.txt";
	const char *const argv[] = { "/bench/run/bench-run", "guest", path, pattern, NULL };
	int output = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
	struct outcome outcome;
	char text[128];

	describe_kernel(output);
	close(output);
	if (ensure_umcg_loaded()) {
		fprintf(results, "umcg.ko could not be loaded\n");
		return false;
	}
	sleep_milliseconds(SETTLE_MILLISECONDS);
	if (!becomes_quiet()) {
		fprintf(results, "# the guest does not become idle\n");
		return false;
	}
	run_program(argv, fileno(results), WORKLOADS_LIMIT_SECONDS, &outcome);
	if (exited_with(&outcome, 0))
		return nothing_left_registered();
	describe_outcome(&outcome, text, sizeof(text));
	fprintf(results, "# %s: %s\n", argv[0], text);
	return false;
}
