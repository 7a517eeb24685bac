// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Workers: how they wait, swap, and are woken.
 *
 * A RUNNING worker may lose its server at any instruction, by blocking, and go
 * on under another one. So its server is looked at only while it is LOCKED.
 */
#include <errno.h>

#include "internal.h"

/*
 * Locks the caller if it is a worker: the kernel leaves it alone until it is
 * released. Nobody takes other tasks off the CPU, so they need no lock.
 */
void umcg_hold_worker(struct thread *self)
{
	if (kind_of(self) == WORKER)
		change_thread(self, RUNNING, IDLE | LOCKED);
}

/*
 * A worker that is LOCKED, in state @from, goes on. If somebody wanted it to
 * give way, the kernel has looked at it in vain meanwhile, and is to look again.
 */
static bool go_on(struct thread *self, uint32_t from)
{
	if (!change_thread(self, from, RUNNING))
		return false;
	if (is_preempted(self))
		umcg_sys_kick(self->tid);

	return true;
}

void umcg_release_worker(struct thread *self)
{
	if (kind_of(self) == WORKER)
		go_on(self, IDLE | LOCKED);
}

/* The server of a worker runs from now on; it still is to be woken. */
void umcg_start_own_server(struct thread *self)
{
	struct thread *server = atomic_load_explicit(&self->server, memory_order_relaxed);

	change_thread(server, IDLE, RUNNING);
}

/* Takes an idle worker, in state @from, to be run. The kernel holds it until umcg_run_under(). */
bool umcg_claim_worker(struct thread *worker, uint32_t from)
{
	return claim_state(&worker->words.state_ts, from, monotonic_ns());
}

/* Lets a claimed worker run. The change of its state releases what is written before it. */
void umcg_run_under(struct thread *worker, struct thread *server)
{
	atomic_store_explicit(&worker->server, server, memory_order_relaxed);
	atomic_store_explicit(&worker->words.next_tid, server->tid, memory_order_relaxed);
	atomic_store_explicit(&server->words.next_tid, worker->tid, memory_order_relaxed);
	atomic_store_explicit(&server->running, worker, memory_order_relaxed);
	change_thread(worker, RUNNING | LOCKED, RUNNING);
}

/* Whether a worker waits to be woken. It may be on its way to sleep, LOCKED. */
static bool waits(uint32_t bits)
{
	return (bits & ~LOCKED) == (IDLE | WAITS);
}

/* Puts a worker that waits on the list of its group. False if it does not wait any more. */
static bool queue_waiting_worker(struct thread *self, struct thread *worker, uint32_t bits)
{
	if (!change_thread(worker, bits, (bits & LOCKED) | IDLE | QUEUED))
		return false;

	umcg_add_idle_worker(worker->group, self, worker);
	return true;
}

/* Wakes a worker. The caller is held, if it is a worker. */
void umcg_wake_worker(struct thread *self, struct thread *worker)
{
	for (;;) {
		uint32_t bits = thread_bits(worker);

		if (waits(bits)) {
			if (queue_waiting_worker(self, worker, bits))
				return;
			continue;
		}
		/*
		 * Woken already, but not run yet: it is told what the caller wrote, and
		 * no more. The exchange pairs with the look at the end of give_way().
		 */
		if (bits & QUEUED) {
			atomic_fetch_or(&worker->wakeup, 0);
			if (thread_bits(worker) & QUEUED)
				return;
			continue;
		}
		/* The task writes its state, then looks for a wake-up; here it is the reverse. */
		if (atomic_exchange(&worker->wakeup, REMEMBERED) == SLEEPS) {
			umcg_sys_futex_wake(&worker->wakeup);
			return;
		}
		if (!waits(thread_bits(worker)) || !take_wakeup(worker))
			return;
	}
}

/*
 * Waits with a timeout: blocks like any worker that blocks. The kernel could
 * end umcg_wait() at a given time as well, but then it queues the worker, and
 * nobody else could tell whether it still waits or is on the list already.
 */
static int sleep_until(struct thread *self, uint64_t timeout)
{
	uint32_t wakeup = NO_WAKEUP;
	int result = 0;

	if (atomic_compare_exchange_strong(&self->wakeup, &wakeup, SLEEPS)) {
		while ((result == 0 || errno == EINTR) && atomic_load(&self->wakeup) == SLEEPS)
			result = umcg_sys_futex_wait(&self->wakeup, SLEEPS, timeout);
	}

	if (atomic_exchange(&self->wakeup, NO_WAKEUP) == REMEMBERED)
		return 0;

	/* A signal handler may have come since the call that said so. */
	errno = ETIMEDOUT;
	return -1;
}

/*
 * Wakes the task that goes on in place of the worker, which is next_tid, and
 * sleeps until a server runs the worker. That task may have run and left before
 * the call (ESRCH); then nobody is to be woken.
 */
static int give_way(struct thread *self)
{
	int result = umcg_sys_wait(0, 0);

	if (result && errno == ESRCH && (thread_bits(self) & LOCKED)) {
		atomic_store_explicit(&self->words.next_tid, 0, memory_order_relaxed);
		result = umcg_sys_wait(0, 0);
	}
	/* What those wrote who found it woken already is seen; see umcg_wake_worker(). */
	atomic_load(&self->wakeup);

	return result;
}

int umcg_worker_wait(struct thread *self, uint64_t timeout)
{
	if (take_wakeup(self))
		return 0;
	if (timeout)
		return sleep_until(self, timeout);

	change_thread(self, RUNNING, IDLE | LOCKED | WAITS);
	/* Whoever wakes it either sees that it waits, or has left the wake-up before this look. */
	if (take_wakeup(self) && go_on(self, IDLE | LOCKED | WAITS))
		return 0;

	umcg_start_own_server(self);
	return give_way(self);
}

int umcg_worker_swap(struct thread *self, struct thread *next, uint64_t timeout)
{
	struct thread *server;

	umcg_hold_worker(self);
	if (timeout || !umcg_claim_worker(next, IDLE | WAITS)) {
		umcg_wake_worker(self, next);
		umcg_release_worker(self);
		return umcg_worker_wait(self, timeout);
	}

	change_thread(self, IDLE | LOCKED, IDLE | LOCKED | WAITS);
	server = atomic_load_explicit(&self->server, memory_order_relaxed);
	/* With a wake-up it gives its place away all the same, but wants another one at once. */
	if (take_wakeup(self))
		queue_waiting_worker(self, self, IDLE | LOCKED | WAITS);

	atomic_store_explicit(&self->words.next_tid, next->tid, memory_order_relaxed);
	umcg_run_under(next, server);

	return give_way(self);
}

int umcg_preempt_worker(umcg_tid utid)
{
	struct thread *worker = thread_of(utid);

	/* The worker may leave, and its group be destroyed, between the two looks. */
	if (kind_of(worker) != WORKER ||
	    !(worker->group_flags & UMCG_GROUP_ENABLE_PREEMPTION)) {
		errno = EINVAL;
		return -1;
	}

	return umcg_sys_kick(worker->tid);
}
