/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The init process of the test guest: runs the demo or the tests, monitors the kernel and
 * reports to the host over virtio-serial ports, separate from the kernel's console.
 */
#ifndef RUNNER_H
#define RUNNER_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/* settings.c: files and command line of the kernel */

/* Writes to a file of the kernel; says so if that fails. */
bool write_setting(const char *path, const char *value);

/* The factor for timeouts, relative to a stock kernel. */
unsigned int slowness(void);

/* Copies the value of "key=value" on the kernel's command line; empty if it is not there. */
void read_option(const char *key, char *value, size_t size);

/* channel.c: what goes to the host */

/* Where results go, a line at a time. Never NULL once channel_open() is through. */
extern FILE *results;

void channel_open(void);

/* Sends every regular file of a folder to the host. */
void channel_send_files(const char *folder);

/* kernel_log.c: /dev/kmsg */

void kernel_log_open(const char *copy_path);

/* Writes a line into the kernel's log, and so on the console: what a crash came after. */
void kernel_log_note(const char *text);

/*
 * Reads new lines of the kernel log. Lines that report a fault go to @results as "#
 * kernel log: ..."; returns their number.
 */
unsigned int kernel_log_report_faults(void);

/* Data races reported so far that do not involve the module. */
extern unsigned int races_of_the_kernel;

/* process.c: programs with a time limit */

struct outcome {
	/* as waitpid() gives it; only valid if !timed_out */
	int status;
	bool timed_out;
	double seconds;
	/* processes that could not be killed */
	bool left_processes;
};

/* Runs a program to its end or to its time limit; then nothing else runs any more. */
void run_program(const char *const argv[], int output, unsigned int limit_seconds,
		 struct outcome *outcome);

/* Did it exit with this status? */
bool exited_with(const struct outcome *outcome, int exit_status);

void describe_outcome(const struct outcome *outcome, char *text, size_t size);

double now_seconds(void);
void sleep_milliseconds(unsigned int milliseconds);

/* module.c: umcg.ko and the modules of the stock kernel */

/* Loads a module file; returns 0 or an errno value. */
int load_module(const char *path);
void load_stock_modules(const char *folder);

/* Loads umcg.ko if it is not there; returns 0 or an errno value. */
int ensure_umcg_loaded(void);
int remove_umcg(void);

/*
 * Waits a moment until nothing is registered with the module. Otherwise returns false,
 * and reports what is left on @results.
 */
bool nothing_left_registered(void);

/* watch.c: the checks of a debug kernel */

/* Returns false if a check that the kernel has cannot be set up. */
bool watch_begin(void);

bool kernel_finds_leaks(void);

/* Scans for leaked memory; reports it on @results. */
bool nothing_leaked(void);

bool kernel_proves_locks(void);

/* Whether it was enabled to the end: it disables itself after a fault, or without memory. */
bool locks_still_proved(void);

bool kernel_finds_races(void);

/* Whether it was enabled to the end; reports on @results what it has seen. */
bool races_still_found(void);

/* tests.c */

/* Runs the tests whose name matches, each once a round; returns whether all is well. */
bool run_tests(const char *pattern, unsigned int rounds);

/* bench.c */

/* Runs the benchmarks of a mode, and the rows that match; returns whether all is well. */
bool run_benchmarks(const char *mode, const char *pattern);

/* Runs unmodified programs as they are and under umcg-run; /out/bench-run.txt has the results. */
bool run_workloads(const char *pattern);

#endif
