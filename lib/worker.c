// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Workers: how they wait, swap, and are woken.
 *
 * A RUNNING worker may lose its server at any instruction, by blocking, and continue
 * under another one. So its server is read only while it is LOCKED.
 */
#include <errno.h>

#include "internal.h"

/*
 * Locks the caller if it is a worker: the kernel does not change its state until it is
 * released. Other tasks are not preempted by UMCG, so they need no lock.
 */
void umcg_hold_worker(struct thread *self)
{
	if (kind_of(self) == WORKER)
		change_thread(self, RUNNING, IDLE | LOCKED);
}

/* The caller was kicked when the kernel could not preempt it; so it must check again. */
static void kick_again(struct thread *self)
{
	const int error = errno;

	umcg_sys_kick(self->tid);
	errno = error;
}

/* A worker that is LOCKED, in state @from, continues. It may have been kicked meanwhile. */
static bool go_on(struct thread *self, uint32_t from)
{
	if (!change_thread(self, from, RUNNING))
		return false;
	if (is_preempted(self))
		kick_again(self);

	return true;
}

void umcg_release_worker(struct thread *self)
{
	if (kind_of(self) == WORKER)
		go_on(self, IDLE | LOCKED);
}

/* The server that has last run a worker, which is LOCKED. NULL in direct mode if it is gone. */
static struct thread *own_server(struct thread *self)
{
	return is_direct(self) ? umcg_direct_server_of(self) :
				 atomic_load_explicit(&self->server, memory_order_relaxed);
}

/* The server of a worker is RUNNING from now on; it must still be woken. Not in direct mode. */
void umcg_start_own_server(struct thread *self)
{
	struct thread *server = atomic_load_explicit(&self->server, memory_order_relaxed);

	change_thread(server, IDLE, RUNNING);
}

/* Claims an idle worker, in state @from, to be run. The kernel holds it until umcg_run_under(). */
bool umcg_claim_worker(struct thread *worker, uint32_t from)
{
	return claim_state(&worker->words.state_ts, from, monotonic_ns());
}

/* Runs a claimed worker. The change of its state releases what is written before it. */
void umcg_run_under(struct thread *worker, struct thread *server)
{
	atomic_store_explicit(&worker->words.next_tid, server->tid, memory_order_relaxed);
	if (is_direct(worker)) {
		umcg_direct_run_under(worker, server);
	} else {
		atomic_store_explicit(&worker->server, server, memory_order_relaxed);
		atomic_store_explicit(&server->words.next_tid, worker->tid, memory_order_relaxed);
		atomic_store_explicit(&server->running, worker, memory_order_relaxed);
	}
	change_thread(worker, RUNNING | LOCKED, RUNNING);
}

/* Whether a worker waits to be woken. It may be about to sleep, LOCKED. */
static bool waits(uint32_t bits)
{
	return (bits & ~LOCKED) == (IDLE | WAITS);
}

/* Ends the wait of a worker, which is to be put on the list then. False if it does not wait any more. */
static bool end_wait(struct thread *worker, uint32_t bits)
{
	return change_thread(worker, bits, (bits & LOCKED) | IDLE | QUEUED);
}

/* Puts a worker that waits on the list of its group. False if it does not wait any more. */
static bool queue_waiting_worker(struct thread *self, struct thread *worker, uint32_t bits)
{
	if (!end_wait(worker, bits))
		return false;

	umcg_add_idle_worker(worker->group, self, worker);
	return true;
}

/*
 * Wakes a worker. The caller is LOCKED, if it is a worker. Fails if no server can be
 * started for it.
 */
int umcg_wake_worker(struct thread *self, struct thread *worker)
{
	int result;

	for (;;) {
		uint32_t bits = thread_bits(worker);

		if (waits(bits)) {
			if (is_direct(worker) &&
			    umcg_direct_run_waiting(self, worker, bits, &result))
				return result;
			if (end_wait(worker, bits))
				return umcg_add_idle_worker(worker->group, self, worker);
			continue;
		}
		/* The task writes its state, then checks for a wake-up; here it is the reverse. */
		give_wakeup(worker);
		if (!waits(thread_bits(worker)) || !take_wakeup(worker))
			return 0;
	}
}

/*
 * The timeout of a waiting worker has expired: the kernel has locked it, so that it cannot be run,
 * and lets it continue here. Unless it was woken before, it puts itself on the list. Then it waits
 * until a server runs it.
 */
static int times_out(struct thread *self)
{
	const bool is_late = queue_waiting_worker(self, self, IDLE | LOCKED | WAITS);

	atomic_store_explicit(&self->words.next_tid, 0, memory_order_relaxed);
	umcg_sys_wait(0, 0);
	errno = ETIMEDOUT;

	return is_late ? -1 : 0;
}

/*
 * Wakes the task that continues in place of the worker, which is next_tid, and sleeps
 * until a server runs the worker. That task may have run and exited before the call
 * (ESRCH); then there is no task to wake.
 */
static inline int sleep_until_run(struct thread *self, uint32_t flags, uint64_t timeout)
{
	int result = umcg_sys_wait(flags, timeout);

	if (result && errno == ESRCH && (thread_bits(self) & LOCKED)) {
		atomic_store_explicit(&self->words.next_tid, 0, memory_order_relaxed);
		result = umcg_sys_wait(flags, timeout);
	}

	return result;
}

/* The same with a timeout, out of the way of those who have none. */
static int give_way_until(struct thread *self, uint64_t timeout)
{
	int result;

	/* Published by the end of the lock: who sees that the worker is not LOCKED sees this. */
	atomic_store_explicit(&self->has_timeout, true, memory_order_relaxed);
	result = sleep_until_run(self, UMCG_WAIT_LOCK_ON_TIMEOUT, timeout);
	if (result && errno == ETIMEDOUT)
		result = times_out(self);
	atomic_store_explicit(&self->has_timeout, false, memory_order_relaxed);

	return result;
}

static int give_way(struct thread *self, uint64_t timeout)
{
	return timeout ? give_way_until(self, timeout) : sleep_until_run(self, 0, 0);
}

int umcg_worker_wait(struct thread *self, uint64_t timeout)
{
	if (take_wakeup(self))
		return 0;

	change_thread(self, RUNNING, IDLE | LOCKED | WAITS);
	/* A waker either sees that it waits, or has left the wake-up before this check. */
	if (take_wakeup(self)) {
		if (go_on(self, IDLE | LOCKED | WAITS))
			return 0;
		/* It was woken twice, once through the list, and this ends one wait. */
		give_wakeup(self);
	}

	if (is_direct(self))
		umcg_direct_gives_server_up(self);
	else
		umcg_start_own_server(self);
	return give_way(self, timeout);
}

/*
 * Claims a worker that is to run in place of the caller: one that waits, or that was taken off the
 * list and has not been run yet. One that is about to wait gets the wake-up instead.
 *
 * One that was taken does not wait: it gets the wake-up as well, unless it has never run and
 * waits in its registration.
 */
static bool claim_next(struct thread *next)
{
	uint32_t bits;

	if (umcg_claim_worker(next, IDLE | WAITS))
		return true;
	if (!(thread_bits(next) & TAKEN))
		return false;

	bits = umcg_claim_idle_worker(next);
	if (is_direct(next))
		umcg_direct_claimed(next->group, bits);
	if (bits & TAKEN && atomic_load_explicit(&next->has_run, memory_order_relaxed))
		give_wakeup(next);

	return bits;
}

int umcg_worker_swap(struct thread *self, struct thread *next, uint64_t timeout)
{
	struct thread *server;

	umcg_hold_worker(self);
	server = own_server(self);
	if (!server || !claim_next(next)) {
		umcg_wake_worker(self, next);
		umcg_release_worker(self);
		return umcg_worker_wait(self, timeout);
	}

	change_thread(self, IDLE | LOCKED, IDLE | LOCKED | WAITS);
	/* With a wake-up it still switches, but is queued again at once. */
	if (take_wakeup(self) && !queue_waiting_worker(self, self, IDLE | LOCKED | WAITS))
		give_wakeup(self);

	atomic_store_explicit(&self->words.next_tid, next->tid, memory_order_relaxed);
	umcg_run_under(next, server);

	return give_way(self, timeout);
}

/* The kernel has left the caller alone because of the section. */
void umcg_critical_give_way(umcg_tid self)
{
	kick_again(thread_of(self));
}

int umcg_preempt_worker(umcg_tid utid)
{
	struct thread *worker = thread_of(utid);

	/* The worker may leave, and its group be destroyed, between the two checks. */
	if (kind_of(worker) != WORKER ||
	    !(worker->group_flags & UMCG_GROUP_ENABLE_PREEMPTION)) {
		errno = EINVAL;
		return -1;
	}

	return umcg_sys_kick(worker->tid);
}
