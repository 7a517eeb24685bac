// SPDX-License-Identifier: GPL-2.0
/* The steps of UMCG that are not in the measured path. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "steps.h"

int umcg_fd = -1;

void umcg_open(void)
{
	umcg_fd = open(UMCG_DEVICE, O_RDWR | O_CLOEXEC);
	if (umcg_fd < 0)
		bench_die_errno("cannot open " UMCG_DEVICE ", is umcg.ko loaded?", errno);
}

void umcg_close(void)
{
	close(umcg_fd);
}

uint64_t umcg_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static void call_ctl(uint32_t flags, void *self)
{
	struct umcg_ctl_args args = {
		.size = sizeof(args),
		.flags = flags,
		.self = (uintptr_t)self,
	};
	long error = syscall_of_3(SYS_ioctl, umcg_fd, UMCG_IOC_CTL, (long)&args);

	if (error)
		bench_die_errno("UMCG_IOC_CTL", -error);
}

void server_register(struct umcg_thread *self)
{
	self->task = (struct umcg_task){ .state_ts = RUNNING };
	call_ctl(UMCG_CTL_REGISTER, &self->task);
	self->tid = gettid();
}

void worker_register(struct umcg_thread *self, struct umcg_group *group)
{
	self->task = (struct umcg_task){
		.state_ts = BLOCKED,
		.idle_workers_ptr = (uintptr_t)&group->idle_workers,
		.idle_server_tid_ptr = (uintptr_t)&group->idle_server_tid,
	};
	self->tid = gettid();
	call_ctl(UMCG_CTL_REGISTER | UMCG_CTL_WORKER, &self->task);
}

void umcg_unregister(void)
{
	call_ctl(UMCG_CTL_UNREGISTER, NULL);
}

void worker_leave(struct umcg_thread *self)
{
	uint64_t now = umcg_clock();

	self->task.next_tid = self->server->tid;
	change(self, RUNNING, IDLE | LOCKED, now);
	change(self->server, IDLE, RUNNING, now);
	umcg_call_wake();
	umcg_unregister();
}

static struct umcg_thread *worker_of_node(uint64_t node)
{
	return (void *)(uintptr_t)(node - offsetof(struct umcg_thread, task.idle_workers_ptr));
}

static _Atomic uint64_t *link_of(struct umcg_thread *worker)
{
	return (_Atomic uint64_t *)&worker->task.idle_workers_ptr;
}

unsigned int take_idle_workers(struct umcg_group *group, struct umcg_thread *workers[])
{
	uint64_t node = atomic_exchange(&group->idle_workers, 0);
	unsigned int count = 0;

	while (node) {
		struct umcg_thread *worker = worker_of_node(node);

		/* Acquire: pairs with the kernel's store of the link, the last of its push. */
		while ((node = atomic_load_explicit(link_of(worker), memory_order_acquire)) ==
		       UMCG_IDLE_NODE_PENDING)
			sched_yield();
		/* Relaxed: published by the change of state that runs the worker. */
		atomic_store_explicit(link_of(worker), (uintptr_t)&group->idle_workers,
				      memory_order_relaxed);
		workers[count++] = worker;
	}
	return count;
}

void await_idle_workers(struct umcg_group *group, struct umcg_thread *workers[],
			unsigned int count)
{
	for (unsigned int taken = 0; taken < count;) {
		taken += take_idle_workers(group, workers + taken);
		if (taken < count)
			sleep_us(100);
	}
}

struct umcg_thread *server_next_worker(struct umcg_thread *self, struct umcg_group *group)
{
	struct umcg_thread *worker;

	while (!take_idle_workers(group, &worker)) {
		uint32_t announced = self->tid;

		self->task.next_tid = 0;
		change(self, RUNNING, IDLE, umcg_clock());
		/*
		 * Fully ordered: either we see the worker on the list, or it sees our TID. Pairs
		 * with the two exchanges by which the kernel queues a worker.
		 */
		atomic_store(&group->idle_server_tid, announced);
		if (atomic_load(&group->idle_workers) &&
		    atomic_compare_exchange_strong(&group->idle_server_tid, &announced, 0))
			change(self, IDLE, RUNNING, umcg_clock());
		else
			umcg_call_wait();
	}
	return worker;
}
