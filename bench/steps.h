/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The user-space side of the protocol, optimised. Each step reads the clock once. Exits
 * on a protocol error.
 */
#ifndef STEPS_H
#define STEPS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/umcg.h>

#include "bench.h"

#define RUNNING		UMCG_TASK_RUNNING
#define IDLE		UMCG_TASK_IDLE
#define BLOCKED		UMCG_TASK_BLOCKED
#define LOCKED		UMCG_TF_LOCKED
#define PREEMPTED	UMCG_TF_PREEMPTED

struct umcg_group {
	_Alignas(64) _Atomic uint64_t idle_workers;
	_Atomic uint32_t idle_server_tid;
};

/* A registered thread. */
struct umcg_thread {
	struct umcg_task task;
	/* The server that a worker runs under. */
	struct umcg_thread *server;
	_Atomic uint32_t tid;
};

/* steps.c */

extern int umcg_fd;

void umcg_open(void);
void umcg_close(void);
uint64_t umcg_clock(void);
void server_register(struct umcg_thread *self);
/* Returns when a server runs the worker. */
void worker_register(struct umcg_thread *self, struct umcg_group *group);
void umcg_unregister(void);
/* Starts the server of a worker and unregisters the worker. */
void worker_leave(struct umcg_thread *self);

/* Takes all idle workers off the list, the latest one first; returns how many. */
unsigned int take_idle_workers(struct umcg_group *group, struct umcg_thread *workers[]);
/* Takes this number of workers, and looks again and again until they are there. */
void await_idle_workers(struct umcg_group *group, struct umcg_thread *workers[],
			unsigned int count);

/*
 * Takes the only worker of a group, and sleeps until it is idle. For the only server
 * of that group.
 */
struct umcg_thread *server_next_worker(struct umcg_thread *self, struct umcg_group *group);

static inline _Atomic uint64_t *word_of(struct umcg_thread *thread)
{
	return (_Atomic uint64_t *)&thread->task.state_ts;
}

static inline uint32_t bits_of(uint64_t word)
{
	return word & UMCG_TASK_STATE_MASK_FULL;
}

static inline uint32_t state_of(struct umcg_thread *thread)
{
	/* Acquire: pairs with the release by which the state was changed. */
	return bits_of(atomic_load_explicit(word_of(thread), memory_order_acquire));
}

static inline uint64_t stamped(uint64_t old, uint32_t bits, uint64_t now)
{
	uint64_t before = old >> UMCG_STATE_TIMESTAMP_SHIFT;
	uint64_t stamp = now >> UMCG_STATE_TIMESTAMP_GRANULARITY;

	return (stamp > before ? stamp : before + 1) << UMCG_STATE_TIMESTAMP_SHIFT | bits;
}

/* Changes a state by one compare-exchange, which is fully ordered. */
static inline bool try_change(struct umcg_thread *thread, uint32_t from, uint32_t to, uint64_t now)
{
	uint64_t old = atomic_load_explicit(word_of(thread), memory_order_relaxed);

	return bits_of(old) == from &&
	       atomic_compare_exchange_strong(word_of(thread), &old, stamped(old, to, now));
}

static inline void change(struct umcg_thread *thread, uint32_t from, uint32_t to, uint64_t now)
{
	if (!try_change(thread, from, to, now))
		bench_die("the state of a thread is %#x, not %#x", state_of(thread), from);
}

/* Claims an idle worker, to run it. One that is about to sleep is still locked for a moment. */
static inline void claim(struct umcg_thread *worker, uint64_t now)
{
	while (!try_change(worker, IDLE, RUNNING | LOCKED, now))
		pause_cpu();
}

static inline void umcg_call_wait(void)
{
	long error = syscall_of_4(SYS_fadvise64, umcg_fd, 0, 0, UMCG_FADVISE_WAIT);

	if (error)
		bench_die_errno("fadvise64() for UMCG_IOC_WAIT", -error);
}

/* Wakes task::next_tid. */
static inline void umcg_call_wake(void)
{
	long error = syscall_of_4(SYS_fadvise64, umcg_fd, 0, UMCG_WAIT_WAKE_ONLY,
				  UMCG_FADVISE_WAIT);

	if (error)
		bench_die_errno("fadvise64() for UMCG_WAIT_WAKE_ONLY", -error);
}

/* Swaps from a server to another one, which is idle. task::next_tid names it already. */
static inline void server_swap(struct umcg_thread *self, struct umcg_thread *next)
{
	uint64_t now = umcg_clock();

	change(self, RUNNING, IDLE, now);
	change(next, IDLE, RUNNING, now);
	umcg_call_wait();
}

/* Runs an idle worker until it blocks, yields or unregisters. */
static inline void server_run(struct umcg_thread *self, struct umcg_thread *worker)
{
	uint64_t now = umcg_clock();

	change(self, RUNNING, IDLE, now);
	claim(worker, now);
	worker->server = self;
	worker->task.next_tid = self->tid;
	self->task.next_tid = worker->tid;
	change(worker, RUNNING | LOCKED, RUNNING, now);
	umcg_call_wait();
}

/* Yields to the own server. task::next_tid names it already. */
static inline void worker_yield(struct umcg_thread *self)
{
	uint64_t now = umcg_clock();

	change(self, RUNNING, IDLE | LOCKED, now);
	change(self->server, IDLE, RUNNING, now);
	umcg_call_wait();
}

/* Switches to an idle worker. */
static inline void worker_swap(struct umcg_thread *self, struct umcg_thread *next)
{
	struct umcg_thread *server = self->server;
	uint64_t now = umcg_clock();

	claim(next, now);
	change(self, RUNNING, IDLE | LOCKED, now);
	next->server = server;
	next->task.next_tid = server->tid;
	server->task.next_tid = next->tid;
	self->task.next_tid = next->tid;
	change(next, RUNNING | LOCKED, RUNNING, now);
	umcg_call_wait();
}

#endif
