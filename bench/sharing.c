// SPDX-License-Identifier: GPL-2.0
/*
 * Two processes do the same, one after the other, and both stay as they are: a plugin of
 * QEMU counts where the kernel stores meanwhile (stores_plugin.c), and sharing.py tells which
 * cache lines both have stored to.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "direct_steps.h"
#include "pair.h"

/* As in stores_plugin.c. */
#define SETS 64

/* A store to one of these says what begins. */
volatile uint64_t sharing_sets[SETS];

/* So the parent knows that it is done, and nothing is given back. */
static void stop_here(struct side *side)
{
	(void)side;
	raise(SIGSTOP);
}

static void measure_pair(const struct pair_kind *like)
{
	static struct samples samples;
	struct pair_kind kind = *like;

	kind.leave = stop_here;
	if (!pair_measure(&kind, &samples))
		bench_die("this kernel does not have it");
}

/* Workers that pass a token through pipes; each step blocks one and wakes the other one. */

static struct umcg_group group;
static struct direct_group *direct;
static struct umcg_thread *threads;
static int pipes[2][2];

static bool workers_open(struct side *first, struct side *second)
{
	umcg_open();
	/* Zeroed by the kernel. */
	direct = aligned_alloc(4096, 4096);
	threads = aligned_alloc(4096, 4096);
	if (!direct || !threads || pipe(pipes[0]) || pipe(pipes[1]))
		bench_die_errno("pipe", errno);
	for (int i = 0; i < 3; i++)
		threads[i] = (struct umcg_thread){};
	direct_init(direct, 0);
	first->data = pipes[0];
	second->data = pipes[1];
	return true;
}

static void pass_token(struct side *side)
{
	const int *own = side->data, *peer = side->peer->data;
	char token = 'x';

	if (syscall_of_3(SYS_write, peer[1], (long)&token, 1) != 1 ||
	    syscall_of_3(SYS_read, own[0], (long)&token, 1) != 1)
		bench_die("a token is lost");
}

static void wait_for_token(struct side *side)
{
	const int *own = side->data;
	char token;

	if (!side->is_first && syscall_of_3(SYS_read, own[0], (long)&token, 1) != 1)
		bench_die("a token is lost");
}

static void worker_enter(struct side *side)
{
	worker_register(&threads[side->is_first], &group);
	wait_for_token(side);
}

static void direct_enter(struct side *side)
{
	direct_worker_register(&threads[side->is_first], direct);
	wait_for_token(side);
}

static void serve(struct side *first, struct side *second)
{
	struct umcg_thread *idle[2];

	(void)first;
	(void)second;
	bench_pin();
	server_register(&threads[2]);
	await_idle_workers(&group, idle, 2);
	for (int i = 0; i < 2; i++)
		server_run(&threads[2], idle[i]);
	for (;;)
		server_run(&threads[2], server_next_worker(&threads[2], &group));
}

static void serve_direct(struct side *first, struct side *second)
{
	(void)first;
	(void)second;
	bench_pin();
	direct_server_register(&threads[2], direct, 0);
	direct_serve(&threads[2], direct, 0, 2);
}

static const struct pair_kind workers_pair = {
	.open = workers_open,
	.enter = worker_enter,
	.swap = pass_token,
	.host = serve,
};

static const struct pair_kind direct_pair = {
	.open = workers_open,
	.enter = direct_enter,
	.swap = pass_token,
	.host = serve_direct,
};

/* What has to be found: registrations count in words of their user. */

static void register_once(void *argument)
{
	server_register(argument);
	umcg_unregister();
}

static void measure_registration(void)
{
	static struct umcg_thread thread;

	bench_pin();
	umcg_open();
	bench_operation("register_unregister", register_once, &thread);
	raise(SIGSTOP);
}

/* During the first ones nobody is registered: the module does not watch the scheduler. */
#define UNWATCHED 2

static const struct {
	const char *name;
	const struct pair_kind *pair;
} kinds[] = {
	{ "futex", &futex_pair },
	{ "pipe", &pipe_pair },
	{ "watched_pipe", &pipe_pair },
	{ "server_swap", &server_swap_pair },
	{ "worker_swap", &worker_swap_pair },
	{ "run_yield", &run_yield_pair },
	{ "block_and_wake", &workers_pair },
	{ "direct_block_and_wake", &direct_pair },
	/* The registration */
	{ "register_unregister", NULL },
};

/* Nobody runs it; but the module is called at each switch as long as there is one. */
static void *idle_worker(void *argument)
{
	static struct umcg_thread thread;

	(void)argument;
	worker_register(&thread, &group);
	return NULL;
}

static void have_scheduler_watched(void)
{
	umcg_open();
	bench_thread(idle_worker, NULL);
	while (!group.idle_workers)
		sleep_us(1000);
}

static pid_t measure_in_process(unsigned int number, unsigned int set)
{
	pid_t process = fork();
	int status;

	if (process < 0)
		bench_die_errno("fork", errno);
	if (!process) {
		group.idle_workers = 0;
		sharing_sets[set] = 1;
		if (kinds[number].pair)
			measure_pair(kinds[number].pair);
		else
			measure_registration();
		_exit(1);
	}
	if (waitpid(process, &status, WUNTRACED) != process || !WIFSTOPPED(status))
		bench_die("a process has ended");
	sharing_sets[0] = 0;
	return process;
}

int main(int argc, char *argv[])
{
	unsigned int set = 1;

	bench_begin(argc, argv);
	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++, set += 2) {
		pid_t first, second;

		if (i == UNWATCHED)
			have_scheduler_watched();
		first = measure_in_process(i, set);
		second = measure_in_process(i, set + 1);
		printf("kind %u %s\n", set, kinds[i].name);
		kill(first, SIGKILL);
		kill(second, SIGKILL);
		waitpid(first, NULL, 0);
		waitpid(second, NULL, 0);
	}
	return 0;
}
