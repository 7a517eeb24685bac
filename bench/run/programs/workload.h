/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the workloads of `make bench-run` share. They are ordinary programs with threads, and know
 * nothing of UMCG. Each is started as PROGRAM MILLISECONDS LOOPS [OPTION…] and prints its results,
 * one "NAME VALUE" a line.
 */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Set when the time limit is reached. */
extern atomic_bool stop;

/* Reads the first two arguments. */
void workload_begin(int argc, char *argv[]);

__attribute__((noreturn, format(printf, 1, 2)))
void workload_die(const char *format, ...);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t now_ns(void);

/* Computes for so many microseconds of a CPU: LOOPS loops in each. */
void work_us(unsigned int us);

/* The same for a random time, from half of it to half as much again. */
void work_about_us(unsigned int us, uint64_t *seed);

/* The next one of a sequence that the seed begins, which is not zero. */
uint64_t next_random(uint64_t *seed);

/* Waits in nanoseconds, those of each thread kept apart while it runs. */
struct waits {
	uint64_t *ns;
	size_t count, capacity;
};

void waits_add(struct waits *waits, uint64_t ns);

/*
 * Prints the median, the 99th percentile and the longest one of them all, in microseconds, as
 * NAME_p50_us and so on. Returns how many there are.
 */
size_t waits_print(const char *name, struct waits *const waits[], unsigned int threads);

/*
 * Starts the threads, each as body(number). No one goes on from workload_ready() before all have
 * come there.
 */
void workload_start(unsigned int threads, void *(*body)(void *number));
void workload_ready(void);

/* Sleeps until the time limit is reached, sets @stop, joins the threads, returns the seconds. */
double workload_wait(void);

#endif
