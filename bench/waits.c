// SPDX-License-Identifier: GPL-2.0
/*
 * How long an unrelated thread waits for a CPU that it shares with a busy process: a
 * server and its workers, or plain threads that do the same work.
 *
 * The other one is asleep most of the time, or always has something to do. A sample is
 * its longest wait in a window of time. For the guest of `make bench T=wait_beside`,
 * whose clock counts instructions: to it a busy host is no slower.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "steps.h"

#define THREADS		16
/* How long each thread works between two switches or sleeps, and sleeps. */
#define WORK_NS		300000
#define SLEEP_NS	2000000
#define WINDOWS		10
#define WINDOW_NS	100000000
#define BEGIN_NS	(2 * WINDOW_NS)
/* How long the other one sleeps. */
#define NAP_NS		1000000

struct member {
	struct umcg_thread thread;
	struct member *next;
	_Atomic uint32_t is_my_turn;
};

static struct member members[THREADS];
static struct umcg_group group;
static struct umcg_thread server;
/* Never reached: the parent kills them all. */
static volatile bool over;

static void work(void)
{
	const uint64_t end = bench_clock() + WORK_NS;

	while (bench_clock() < end)
		;
}

static void sleep_ns(unsigned int ns)
{
	const struct timespec time = { .tv_nsec = ns };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

static void start_threads(void *(*body)(void *))
{
	for (int i = 0; i < THREADS; i++) {
		members[i].next = &members[(i + 1) % THREADS];
		bench_thread(body, &members[i]);
	}
}

/* Workers that swap with the next one. */

static void *swapping_worker(void *argument)
{
	struct member *self = argument;

	bench_pin();
	worker_register(&self->thread, &group);
	while (!over) {
		work();
		worker_swap(&self->thread, &self->next->thread);
	}
	return NULL;
}

static void run_swaps(void)
{
	struct umcg_thread *idle[THREADS];

	server_register(&server);
	start_threads(swapping_worker);
	await_idle_workers(&group, idle, THREADS);
	server_run(&server, &members[0].thread);
}

/* Workers that yield to the server, which runs the next one. */

static void *yielding_worker(void *argument)
{
	struct member *self = argument;

	bench_pin();
	worker_register(&self->thread, &group);
	while (!over) {
		work();
		worker_yield(&self->thread);
	}
	return NULL;
}

static void run_yields(void)
{
	struct umcg_thread *idle[THREADS];

	server_register(&server);
	start_threads(yielding_worker);
	await_idle_workers(&group, idle, THREADS);
	for (unsigned int i = 0;; i++)
		server_run(&server, &members[i % THREADS].thread);
}

/* Workers that block. */

static void *blocking_worker(void *argument)
{
	struct member *self = argument;

	bench_pin();
	worker_register(&self->thread, &group);
	while (!over) {
		work();
		sleep_ns(SLEEP_NS);
	}
	return NULL;
}

static void await_worker(void)
{
	uint32_t announced = server.tid;

	server.task.next_tid = 0;
	change(&server, RUNNING, IDLE, umcg_clock());
	/* As in server_next_worker(). */
	atomic_store(&group.idle_server_tid, announced);
	if (atomic_load(&group.idle_workers) &&
	    atomic_compare_exchange_strong(&group.idle_server_tid, &announced, 0))
		change(&server, IDLE, RUNNING, umcg_clock());
	else
		umcg_call_wait();
}

static void run_blocks(void)
{
	struct umcg_thread *idle[THREADS];

	server_register(&server);
	start_threads(blocking_worker);
	for (;;) {
		unsigned int count = take_idle_workers(&group, idle);

		if (!count)
			await_worker();
		while (count)
			server_run(&server, idle[--count]);
	}
}

/* Plain threads. */

static void *futex_thread(void *argument)
{
	struct member *self = argument;

	bench_pin();
	while (!over) {
		while (!self->is_my_turn)
			futex_wait(&self->is_my_turn, 0);
		self->is_my_turn = 0;
		work();
		self->next->is_my_turn = 1;
		futex_wake(&self->next->is_my_turn);
	}
	return NULL;
}

static void run_futexes(void)
{
	members[0].is_my_turn = 1;
	start_threads(futex_thread);
	pause();
}

static void *sleeping_thread(void *argument)
{
	(void)argument;
	bench_pin();
	while (!over) {
		work();
		sleep_ns(SLEEP_NS);
	}
	return NULL;
}

static void run_sleeps(void)
{
	start_threads(sleeping_thread);
	pause();
}

static void run_spin(void)
{
	while (!over)
		work();
}

/* The other one. */

/* How much too late it is back from its longest sleep. */
static uint64_t longest_delay(void)
{
	const uint64_t end = bench_clock() + WINDOW_NS;
	uint64_t longest = 0, before, now;

	for (before = bench_clock(); before < end; before = now) {
		sleep_ns(NAP_NS);
		now = bench_clock();
		if (now - before > longest + NAP_NS)
			longest = now - before - NAP_NS;
	}
	return longest;
}

/* The longest time in which it did not get to look at the clock. */
static uint64_t longest_gap(void)
{
	const uint64_t end = bench_clock() + WINDOW_NS;
	uint64_t longest = 0, before, now;

	for (before = bench_clock(); before < end; before = now) {
		now = bench_clock();
		if (now - before > longest)
			longest = now - before;
	}
	return longest;
}

static void begin_load(void *load)
{
	void (*const *run)(void) = load;

	umcg_open();
	(*run)();
}

static void measure(const char *load, void (*run)(void), const char *other,
		    uint64_t (*longest)(void))
{
	static struct samples samples;
	char row[64];
	pid_t pid;

	snprintf(row, sizeof(row), "wait_beside_%s_%s", load, other);
	if (!bench_wants(row))
		return;
	pid = bench_process(begin_load, &run);
	sleep_ns(BEGIN_NS);
	for (int i = 0; i < WINDOWS; i++)
		samples_add(&samples, longest());
	samples_report(&samples, row, 1);
	bench_kill(pid);
}

int main(int argc, char *argv[])
{
	static const struct {
		const char *name;
		void (*run)(void);
	} loads[] = {
		{ "swaps", run_swaps }, { "yields", run_yields }, { "futexes", run_futexes },
		{ "blocks", run_blocks }, { "sleeps", run_sleeps }, { "spin", run_spin },
	};

	bench_begin(argc, argv);
	bench_pin();
	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
		measure(loads[i].name, loads[i].run, "asleep", longest_delay);
		measure(loads[i].name, loads[i].run, "busy", longest_gap);
	}
	return 0;
}
