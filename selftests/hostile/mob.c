// SPDX-License-Identifier: GPL-2.0
/*
 * Servers that run any idle worker, dead or not, and workers that block and are
 * preempted.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mob.h"
#include "umcg_crew.h"
#include "umcg_direct.h"

#define STACK_SIZE	(64 * 1024)
/* A worker that runs for this long is preempted. */
#define SLICE_MS	5

static struct mob *mob;
static struct umcg_group group = UMCG_GROUP_INIT;
/* In its place, if the mob is in direct mode. */
static struct direct direct;
static struct umcg_thread members[MOB_MEMBERS];
static char stacks[MOB_MEMBERS][STACK_SIZE] __attribute__((aligned(64)));

static unsigned int number_of(const struct umcg_thread *self)
{
	return self - members;
}

/* Runs a worker that has been taken, if it is still there. */
static void run(struct umcg_thread *self, struct umcg_thread *worker)
{
	state_may_change(&worker->task, IDLE | PREEMPTED, IDLE);
	state_may_change(&self->task, RUNNING, IDLE);
	if (state_change(&worker->task, IDLE, RUNNING | LOCKED)) {
		server_finish_run(self, worker);
		mob->runs++;
		while (umcg_wait(0, realtime_in_ms(SLICE_MS)) == -ETIMEDOUT)
			worker_kick(worker);
	}
	state_may_change(&self->task, IDLE, RUNNING);
}

static void serve(struct umcg_thread *self)
{
	for (;;) {
		struct umcg_thread *worker = server_next_worker(self, &group);

		if (worker)
			run(self, worker);
	}
}

/* In direct mode: a worker that wakes takes a server by itself; some are left over to be run. */
static void serve_directly(struct umcg_thread *self)
{
	for (;;) {
		struct umcg_thread *worker = direct_take_worker(&direct);

		/* One that is dead is dropped. */
		if (worker && state_of(&worker->task) != NONE)
			mob->runs += !direct_run(self, worker);
		else if (!worker)
			direct_wait(self, realtime_in_ms(SLICE_MS));
		for (unsigned int nr = 0; nr < MOB_SERVERS; nr++) {
			struct umcg_thread *runs = direct_running_thread(&direct, nr);

			if (runs && runs != self)
				worker_kick(runs);
		}
	}
}

static void work(struct umcg_thread *self)
{
	struct dice dice;

	dice_begin(&dice, mob->seed, number_of(self));
	for (;;) {
		switch (below(&dice, 4)) {
		case 0:
			for (volatile unsigned int i = below(&dice, 20000); i; i--)
				;
			break;
		case 1:
			worker_kick(self);
			break;
		case 2:
			/* It is on the list when the timeout expires. */
			if (mob->direct)
				direct_worker_wait(self, realtime_in_ms(below(&dice, 3)));
			else
				worker_yield(self, realtime_in_ms(below(&dice, 3)));
			break;
		default:
			usleep(below(&dice, 2000));
			break;
		}
	}
}

static int live(void *argument)
{
	struct umcg_thread *self = argument;

	self->tid = gettid();
	mob->tids[number_of(self)] = self->tid;
	if (mob->direct) {
		if (number_of(self) >= MOB_SERVERS) {
			if (!direct_worker_register(self, &direct))
				work(self);
		} else if (!direct_server_register(self, &direct, number_of(self))) {
			serve_directly(self);
		}
	} else if (number_of(self) < MOB_SERVERS) {
		server_task_init(&self->task);
		if (!umcg_ctl(SERVER_FLAGS, &self->task))
			serve(self);
	} else {
		worker_task_init(&self->task, &group);
		if (!umcg_ctl(WORKER_FLAGS, &self->task))
			work(self);
	}
	syscall(SYS_exit, 1);
	return 1;
}

static void live_as_thread(struct umcg_thread *self)
{
	live(self);
}

int mob_run(void *argument)
{
	mob = argument;
	while ((umcg_fd = open(UMCG_DEVICE, O_RDWR | O_CLOEXEC)) < 0)
		sleep_ms(1);
	if (mob->direct && !direct_init(&direct, mob->direct_flags))
		return 1;
	for (int i = 0; i < MOB_MEMBERS; i++) {
		if (!mob->of_processes)
			thread_start(&members[i], live_as_thread);
		else if (clone(live, stacks[i] + STACK_SIZE, CLONE_VM | SIGCHLD, &members[i]) < 0)
			return 1;
	}
	/* No process is waited for, so that the PID of a dead one is not reused. */
	for (;;)
		pause();
}
