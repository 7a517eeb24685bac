// SPDX-License-Identifier: GPL-2.0
/*
 * What single steps cost: a worker blocks, wakes up, is kicked; a thread is woken,
 * or registers. A step begins in one thread and ends in another one; both look at
 * the same clock. All on one CPU.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "steps.h"

#define ROUNDS (WARM_UP + BATCHES)

/* When the step began that is under way. One thread runs at a time, so it is plain. */
static uint64_t begin;
static _Atomic bool stopping;

static struct umcg_group group;
static struct umcg_thread server, worker, peer;
static int pipe_ends[2];

static void begin_step(const char *row)
{
	begin = bench_wants(row) ? bench_batch_begin() : bench_clock();
}

static void end_step(struct samples *samples, unsigned int round)
{
	uint64_t end = bench_batch_end();

	if (round >= WARM_UP)
		samples_add(samples, end - begin);
}

static void report(struct samples *samples, const char *row)
{
	if (bench_wants(row))
		samples_report(samples, row, 1);
}

/*
 * From the worker's read(), which blocks, to the server in user mode; and from the
 * server's write() to the end of that read().
 */
static struct samples block_samples, wake_samples;

static void block_again_and_again(void)
{
	char byte;

	for (unsigned int round = 0; round < ROUNDS; round++) {
		begin_step("block_to_server");
		if (syscall_of_3(SYS_read, pipe_ends[0], (long)&byte, 1) != 1)
			bench_die("cannot read from a pipe");
		end_step(&wake_samples, round);
	}
}

static void *blocking_worker(void *argument)
{
	(void)argument;
	bench_pin();
	worker_register(&worker, &group);
	block_again_and_again();
	worker_leave(&worker);
	return NULL;
}

/* Runs the worker, which blocks; ends that; and runs it again when the kernel has queued it. */
static void measure_blocking(void)
{
	pthread_t thread;
	const char byte = 0;

	if (!bench_wants("block_to_server") && !bench_wants("wake_to_running"))
		return;
	if (pipe2(pipe_ends, O_CLOEXEC))
		bench_die_errno("pipe2", errno);
	server_register(&server);
	thread = bench_thread(blocking_worker, NULL);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		server_run(&server, server_next_worker(&server, &group));
		end_step(&block_samples, round);
		begin_step("wake_to_running");
		if (syscall_of_3(SYS_write, pipe_ends[1], (long)&byte, 1) != 1)
			bench_die("cannot write to a pipe");
	}
	server_run(&server, server_next_worker(&server, &group));
	umcg_unregister();
	pthread_join(thread, NULL);
	report(&block_samples, "block_to_server");
	report(&wake_samples, "wake_to_running");
}

/* Wakes a server that sleeps, and is woken by it as soon as it sleeps itself. */

static void *waking_server(void *argument)
{
	(void)argument;
	bench_pin();
	server_register(&peer);
	peer.task.next_tid = server.tid;
	do {
		change(&peer, RUNNING, IDLE, umcg_clock());
		while (!try_change(&server, IDLE, RUNNING, umcg_clock()))
			sched_yield();
		umcg_call_wait();
	} while (!stopping);
	umcg_unregister();
	return NULL;
}

static void wait_for_peer(void)
{
	server.task.next_tid = 0;
	change(&server, RUNNING, IDLE, umcg_clock());
	umcg_call_wait();
}

static void wake_peer(void)
{
	change(&peer, IDLE, RUNNING, umcg_clock());
	server.task.next_tid = peer.tid;
	umcg_call_wake();
}

/*
 * Processes that register and unregister whenever they are asked to. Where one of them costs the
 * others something by chance, it is not one of most.
 */
#define OTHERS 3
static struct other {
	int question[2];
	int answer[2];
} others[OTHERS];

static void be_asked(struct other *self)
{
	char byte;

	while (read(self->question[0], &byte, 1) == 1) {
		server_register(&peer);
		umcg_unregister();
		if (write(self->answer[1], &byte, 1) != 1)
			break;
	}
	_exit(0);
}

static void start_others(void)
{
	for (unsigned int i = 0; i < OTHERS; i++) {
		if (pipe2(others[i].question, O_CLOEXEC) || pipe2(others[i].answer, O_CLOEXEC))
			bench_die_errno("pipe2", errno);
		if (!fork()) {
			/* The end of their questions is seen when nobody has the other end. */
			for (unsigned int j = 0; j <= i; j++)
				close(others[j].question[1]);
			be_asked(&others[i]);
		}
		close(others[i].question[0]);
	}
}

static void end_others(void)
{
	for (unsigned int i = 0; i < OTHERS; i++) {
		close(others[i].question[1]);
		close(others[i].answer[0]);
		close(others[i].answer[1]);
	}
	while (wait(NULL) > 0)
		;
}

static void no_one_leaves(unsigned int round)
{
	(void)round;
}

static void somebody_leaves(unsigned int round)
{
	struct other *other = &others[round % OTHERS];
	char byte = 0;

	if (write(other->question[1], &byte, 1) != 1 || read(other->answer[0], &byte, 1) != 1)
		bench_die("another process is gone");
}

static void wake_again_and_again(const char *row, void (*between)(unsigned int round))
{
	struct samples samples = {};
	pthread_t thread;

	server_register(&server);
	stopping = false;
	thread = bench_thread(waking_server, NULL);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		wait_for_peer();
		between(round);
		begin_step(row);
		wake_peer();
		end_step(&samples, round);
	}
	wait_for_peer();
	stopping = true;
	wake_peer();
	umcg_unregister();
	pthread_join(thread, NULL);
	report(&samples, row);
}

static void measure_wake_only(void)
{
	if (bench_wants("wake_only"))
		wake_again_and_again("wake_only", no_one_leaves);
	if (!bench_wants("wake_only_others_leave"))
		return;
	start_others();
	wake_again_and_again("wake_only_others_leave", somebody_leaves);
	end_others();
}

/* The same with futex. */

static _Atomic uint32_t is_my_turn, is_peers_turn;

static void futex_give(_Atomic uint32_t *turn)
{
	/* Release: pairs with the acquire in futex_take(). */
	atomic_store_explicit(turn, 1, memory_order_release);
	futex_wake(turn);
}

static void futex_take(_Atomic uint32_t *turn)
{
	while (!atomic_load_explicit(turn, memory_order_acquire))
		futex_wait(turn, 0);
	atomic_store_explicit(turn, 0, memory_order_relaxed);
}

static void *waking_thread(void *argument)
{
	(void)argument;
	bench_pin();
	do {
		futex_give(&is_my_turn);
		futex_take(&is_peers_turn);
	} while (!stopping);
	return NULL;
}

static void measure_futex_wake(void)
{
	struct samples samples = {};
	pthread_t thread;

	if (!bench_wants("futex_wake"))
		return;
	stopping = false;
	thread = bench_thread(waking_thread, NULL);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		futex_take(&is_my_turn);
		begin_step("futex_wake");
		futex_give(&is_peers_turn);
		end_step(&samples, round);
	}
	futex_take(&is_my_turn);
	stopping = true;
	futex_give(&is_peers_turn);
	pthread_join(thread, NULL);
	report(&samples, "futex_wake");
}

/* Registers and unregisters, while another thread of the process stays registered. */

static void register_and_unregister(void *argument)
{
	server_register(argument);
	umcg_unregister();
}

static void *registering_thread(void *argument)
{
	bench_pin();
	bench_operation("register_unregister", register_and_unregister, argument);
	return NULL;
}

static void measure_registration(void)
{
	server_register(&server);
	pthread_join(bench_thread(registering_thread, &peer), NULL);
	umcg_unregister();
}

/*
 * A thread kicks a spinning worker, and lets it continue: from the call to the moment
 * when the server is in user mode.
 */

static void *spinning_worker(void *argument)
{
	(void)argument;
	bench_pin();
	worker_register(&worker, &group);
	while (!stopping)
		;
	worker_leave(&worker);
	return NULL;
}

static void *kicking_thread(void *argument)
{
	struct umcg_kick_args args = { .size = sizeof(args), .tid = worker.tid };

	(void)argument;
	bench_pin();
	while (!stopping) {
		long error;

		sleep_us(300);
		begin_step("kick");
		error = syscall_of_3(SYS_ioctl, umcg_fd, UMCG_IOC_KICK, (long)&args);
		if (error && error != -EAGAIN && error != -ESRCH)
			bench_die_errno("UMCG_IOC_KICK", -error);
		syscall_of_3(SYS_sched_yield, 0, 0, 0);
	}
	return NULL;
}

static void measure_kick(void)
{
	struct samples samples = {};
	pthread_t spinner, kicker;

	if (!bench_wants("kick"))
		return;
	server_register(&server);
	stopping = false;
	spinner = bench_thread(spinning_worker, NULL);
	server_next_worker(&server, &group);
	kicker = bench_thread(kicking_thread, NULL);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		server_run(&server, &worker);
		end_step(&samples, round);
		/* It has given way, so the wish is fulfilled. */
		server_next_worker(&server, &group);
		change(&worker, IDLE | PREEMPTED, IDLE, umcg_clock());
	}
	stopping = true;
	pthread_join(kicker, NULL);
	server_run(&server, &worker);
	umcg_unregister();
	pthread_join(spinner, NULL);
	report(&samples, "kick");
}

int main(int argc, char *argv[])
{
	bench_begin(argc, argv);
	if (bench_mode == TIME)
		bench_die("a step from one thread to another is measured in instructions only");
	bench_pin();
	umcg_open();
	measure_blocking();
	measure_wake_only();
	measure_futex_wake();
	measure_registration();
	measure_kick();
	return 0;
}
