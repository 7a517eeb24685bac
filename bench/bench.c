// SPDX-License-Identifier: GPL-2.0
/* The clock, medians, rows of results and threads. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

/* Small, without a page between two of them: ten thousand threads have one each. */
#define STACK_SIZE 65536

#define MODES 4

enum bench_mode bench_mode;
static const char *const mode_names[MODES] = {
	[INSTRUCTIONS] = "instructions", [TIME] = "time", [PROFILE] = "profile",
	[STORES] = "stores",
};
static const char *pattern = "";

void bench_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "error: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	exit(1);
}

void bench_die_errno(const char *what, int error)
{
	bench_die("%s: %s", what, strerror(error));
}

/*
 * Where QEMU counts instructions, this counter is their number. The kernel's clocks are
 * derived from it, and only about as exact.
 */
static uint64_t counter(void)
{
#ifdef __x86_64__
	return __builtin_ia32_rdtsc();
#else
	uint64_t value;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
	return value;
#endif
}

uint64_t bench_clock(void)
{
	struct timespec now;

	if (bench_mode != TIME)
		return counter();
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* The linker puts the marks at the same place in all programs. */
#define MARK __attribute__((noipa, section(".bench_marks")))

MARK uint64_t bench_batch_begin(void)
{
	return bench_clock();
}

MARK uint64_t bench_batch_end(void)
{
	return bench_clock();
}

static uint64_t clock_of_loops(unsigned long loops)
{
	uint64_t begin = counter();

	loop_of_two_instructions(loops);
	return counter() - begin;
}

/* Of many short loops, most see no interrupt and no other thread. */
static void check_that_clock_counts_instructions(void)
{
	const unsigned long instructions = 20000;
	struct samples samples = {};
	double counted;

	for (unsigned int i = 0; i < BATCHES; i++)
		samples_add(&samples, clock_of_loops(instructions / 2));
	counted = samples_median(&samples);
	free(samples.values);
	if (counted < instructions || counted > instructions + 10)
		bench_die("the clock counts %.0f for %lu instructions: use QEMU's -icount shift=0",
			  counted, instructions);
}

void bench_begin(int argc, char *argv[])
{
	unsigned int mode;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (mode = 0; mode < MODES; mode++) {
		if (argc > 1 && !strcmp(argv[1], mode_names[mode]))
			break;
	}
	if (mode == MODES)
		bench_die("usage: %s instructions|time|profile|stores [PATTERN]", argv[0]);
	bench_mode = mode;
	if (argc > 2)
		pattern = argv[2];
	if (bench_mode != TIME)
		check_that_clock_counts_instructions();
}

bool bench_wants(const char *row)
{
	return bench_mode == PROFILE ? !strcmp(row, pattern) : strstr(row, pattern) != NULL;
}

void samples_add(struct samples *samples, double value)
{
	if (samples->count == samples->capacity) {
		samples->capacity = samples->capacity ? 2 * samples->capacity : 256;
		samples->values = realloc(samples->values,
					  samples->capacity * sizeof(*samples->values));
		if (!samples->values)
			bench_die("no memory");
	}
	samples->values[samples->count++] = value;
}

static int compare(const void *a, const void *b)
{
	const double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* The value that this part of the samples lies below. */
static double quantile(struct samples *samples, double part)
{
	qsort(samples->values, samples->count, sizeof(*samples->values), compare);
	return samples->values[(size_t)((samples->count - 1) * part + 0.5)];
}

double samples_median(struct samples *samples)
{
	return quantile(samples, 0.5);
}

void samples_report(struct samples *samples, const char *row, unsigned int operations)
{
	if (bench_mode == PROFILE)
		printf("operations %u\n", operations);
	printf("row %s %.1f %.1f %.1f\n", row, samples_median(samples), quantile(samples, 0.05),
	       quantile(samples, 0.95));
	samples->count = 0;
}

void samples_report_ratio(struct samples *samples, const char *key)
{
	printf("ratio %s %.4f %.4f %.4f\n", key, samples_median(samples), quantile(samples, 0.05),
	       quantile(samples, 0.95));
	samples->count = 0;
}

void bench_operation(const char *row, void (*operation)(void *argument), void *argument)
{
	static struct samples samples;

	if (!bench_wants(row))
		return;
	/* The way into the kernel is longer until the thread has been through the scheduler. */
	sched_yield();
	for (unsigned int batch = 0; batch < WARM_UP + BATCHES; batch++) {
		uint64_t begin = bench_batch_begin(), end;

		for (unsigned int i = 0; i < BATCH; i++)
			operation(argument);
		end = bench_batch_end();
		if (batch >= WARM_UP)
			samples_add(&samples, (double)(end - begin) / BATCH);
	}
	samples_report(&samples, row, BATCH);
}

void bench_pin(void)
{
	cpu_set_t first;

	CPU_ZERO(&first);
	CPU_SET(0, &first);
	if (bench_mode != TIME && sched_setaffinity(0, sizeof(first), &first))
		bench_die("cannot pin a thread to the first CPU");
}

pthread_t bench_thread(void *(*body)(void *argument), void *argument)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int error;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	pthread_attr_setguardsize(&attributes, 0);
	error = pthread_create(&thread, &attributes, body, argument);
	pthread_attr_destroy(&attributes);
	if (error)
		bench_die_errno("cannot start a thread", error);
	return thread;
}

void sleep_us(unsigned int us)
{
	const struct timespec duration = { us / 1000000, us % 1000000 * 1000L };

	nanosleep(&duration, NULL);
}

pid_t bench_process(void (*body)(void *argument), void *argument)
{
	const pid_t process = fork();

	if (process < 0)
		bench_die_errno("fork", errno);
	if (process)
		return process;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	body(argument);
	for (;;)
		pause();
}

void bench_kill(pid_t process)
{
	if (waitpid(process, NULL, WNOHANG))
		bench_die("a process has ended");
	kill(process, SIGKILL);
	waitpid(process, NULL, 0);
}
