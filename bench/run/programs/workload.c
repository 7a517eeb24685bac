// SPDX-License-Identifier: GPL-2.0
/* The clock, calibrated work, and the threads of a workload. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "workload.h"

#define MAX_THREADS 64

atomic_bool stop;

static unsigned long milliseconds, loops_per_us;
static pthread_t threads[MAX_THREADS];
static unsigned int thread_count;
static pthread_barrier_t ready;

void workload_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "error: ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	exit(1);
}

void workload_begin(int argc, char *argv[])
{
	if (argc > 2) {
		milliseconds = strtoul(argv[1], NULL, 10);
		loops_per_us = strtoul(argv[2], NULL, 10);
	}
	if (!milliseconds || !loops_per_us)
		workload_die("usage: %s MILLISECONDS LOOPS [OPTION...]", argv[0]);
}

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

void work_us(unsigned int us)
{
	unsigned long loops = us * loops_per_us;

	/* The compiler leaves it as it is, so that all programs compute at the same speed. */
	__asm__ volatile("1: dec %0; jnz 1b" : "+r"(loops) : : "cc");
}

void work_about_us(unsigned int us, uint64_t *seed)
{
	work_us(us / 2 + next_random(seed) % us + 1);
}

uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

void waits_add(struct waits *waits, uint64_t ns)
{
	if (waits->count == waits->capacity) {
		waits->capacity = waits->capacity ? 2 * waits->capacity : 1024;
		waits->ns = realloc(waits->ns, waits->capacity * sizeof(*waits->ns));
		if (!waits->ns)
			workload_die("no memory");
	}
	waits->ns[waits->count++] = ns;
}

static int compare(const void *a, const void *b)
{
	const uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

size_t waits_print(const char *name, struct waits *const waits[], unsigned int count)
{
	struct waits all = {};

	for (unsigned int i = 0; i < count; i++) {
		for (size_t k = 0; k < waits[i]->count; k++)
			waits_add(&all, waits[i]->ns[k]);
	}
	if (!all.count)
		workload_die("nothing was waited for");
	qsort(all.ns, all.count, sizeof(*all.ns), compare);
	printf("%s_p50_us %.0f\n", name, all.ns[all.count / 2] / 1e3);
	printf("%s_p99_us %.0f\n", name, all.ns[all.count * 99 / 100] / 1e3);
	printf("%s_longest_us %.0f\n", name, all.ns[all.count - 1] / 1e3);
	free(all.ns);
	return all.count;
}

void workload_start(unsigned int count, void *(*body)(void *number))
{
	if (count > MAX_THREADS)
		workload_die("%u threads are too many", count);
	pthread_barrier_init(&ready, NULL, count + 1);
	for (uintptr_t i = 0; i < count; i++) {
		if (pthread_create(&threads[i], NULL, body, (void *)i))
			workload_die("cannot start a thread");
	}
	thread_count = count;
}

void workload_ready(void)
{
	pthread_barrier_wait(&ready);
}

double workload_wait(void)
{
	const struct timespec duration = { milliseconds / 1000,
					   milliseconds % 1000 * 1000000L };
	uint64_t begin, end;

	workload_ready();
	begin = now_ns();
	nanosleep(&duration, NULL);
	atomic_store(&stop, true);
	end = now_ns();
	for (unsigned int i = 0; i < thread_count; i++)
		pthread_join(threads[i], NULL);
	return (end - begin) / 1e9;
}
