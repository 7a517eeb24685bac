/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the benchmarks share: a clock, medians, rows of results, threads that take
 * turns, and system calls without a detour through the C library.
 */
#ifndef BENCH_H
#define BENCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * How often an operation is repeated between two looks at the clock. Short, so that
 * most batches are through before the next timer interrupt.
 */
#define BATCH		32U
#define BATCHES		101U
/* In the time mode many short rounds, as threads stay for long where they have begun. */
#define TIME_ROUNDS	21U
#define TIME_BATCHES	11U
#define WARM_UP		8U

enum bench_mode {
	/* One CPU, and the clock counts the instructions of the guest. */
	INSTRUCTIONS,
	/* Nanoseconds; threads go where the scheduler wants. */
	TIME,
	/* As INSTRUCTIONS, for a plugin of QEMU that watches what is executed in a batch. */
	PROFILE,
	/* Likewise, for one that watches stores. */
	STORES,
};

extern enum bench_mode bench_mode;

/*
 * Reads "PROGRAM instructions|time|profile|stores [PATTERN]", and has the program end with an
 * error if the clock does not count instructions though it should.
 */
void bench_begin(int argc, char *argv[]);

/* Whether a row was asked for; when profiling, that very row and no other one. */
bool bench_wants(const char *row);

/* Instructions or nanoseconds from some moment on. */
uint64_t bench_clock(void);

/* The same, at the begin and at the end of a batch: the marks that the plugin looks for. */
uint64_t bench_batch_begin(void);
uint64_t bench_batch_end(void);

__attribute__((noreturn, format(printf, 1, 2)))
void bench_die(const char *format, ...);

/* As bench_die(), with the text of an errno value. */
__attribute__((noreturn))
void bench_die_errno(const char *what, int error);

struct samples {
	double *values;
	size_t count;
	size_t capacity;
};

void samples_add(struct samples *samples, double value);
double samples_median(struct samples *samples);

/*
 * Writes a row: its median and where nine tenths of the samples lie. Then forgets
 * them. Each sample is the cost of one of @operations between two marks.
 */
void samples_report(struct samples *samples, const char *row, unsigned int operations);

/* The same of samples that are ratios of others. */
void samples_report_ratio(struct samples *samples, const char *key);

/* Repeats an operation and reports what one costs. */
void bench_operation(const char *row, void (*operation)(void *argument), void *argument);

/* Threads */

/* Has the calling thread run on the first CPU alone, but in the time mode. */
void bench_pin(void);
pthread_t bench_thread(void *(*body)(void *argument), void *argument);
void sleep_us(unsigned int us);

/* Processes */

/* Starts one that does this, and then sleeps until it is killed, at the latest with this one. */
pid_t bench_process(void (*body)(void *argument), void *argument);
/* Kills it. The program ends with an error if it has ended by itself. */
void bench_kill(pid_t process);

/* Runs so many rounds of a loop, at least one, of two instructions. */
static inline void loop_of_two_instructions(unsigned long rounds)
{
#ifdef __x86_64__
	__asm__ volatile("1: dec %0; jnz 1b" : "+r"(rounds) : : "cc");
#else
	__asm__ volatile("1: subs %0, %0, #1; b.ne 1b" : "+r"(rounds) : : "cc");
#endif
}

/* Tells the CPU that this thread spins. */
static inline void pause_cpu(void)
{
#ifdef __x86_64__
	__builtin_ia32_pause();
#else
	__asm__ volatile("yield");
#endif
}

/* System calls: the result or a negative errno. */

#ifdef __x86_64__

static inline long syscall_of_6(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
}

static inline long syscall_of_3(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return result;
}

static inline long syscall_of_4(long number, long a, long b, long c, long d)
{
	register long r10 __asm__("r10") = d;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
			 : "rcx", "r11", "memory");
	return result;
}

#else

static inline long syscall_of_6(long number, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

static inline long syscall_of_3(long number, long a, long b, long c)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
	return x0;
}

static inline long syscall_of_4(long number, long a, long b, long c, long d)
{
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;

	__asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
	return x0;
}

#endif

/* futex.c */

/* Wakes one thread that waits at the word. */
void futex_wake(_Atomic uint32_t *word);
/* Sleeps as long as the word has this value. May return early. */
void futex_wait(_Atomic uint32_t *word, uint32_t value);

#endif
