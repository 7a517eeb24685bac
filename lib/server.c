// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Servers: taking idle workers, and running them.
 */
#include <errno.h>
#include <sched.h>

#include "internal.h"

static void start(struct thread *self, struct thread *server)
{
	if (server && server != self)
		umcg_wake_thread(self, server, 0);
}

/*
 * Wakes next_tid, and sleeps until the state of the server is set to RUNNING, or fails.
 */
int umcg_sleep_as_server(struct thread *self)
{
	int result = umcg_sys_wait(0, 0);

	if (result && errno == EINTR)
		self->is_interrupted = true;

	return result;
}

static int sleep_idle(struct thread *self)
{
	atomic_store_explicit(&self->words.next_tid, 0, memory_order_relaxed);
	return umcg_sleep_as_server(self);
}

/*
 * Waits for an event: a worker may be idle, or this server is woken. The caller has the
 * lock. Returns 0, or the error of the wait: EINTR after a signal.
 */
static int wait_for_work(struct umcg_group *group, struct thread *self)
{
	struct thread *other;
	int error = 0;

	umcg_server_polls(group, self);
	other = umcg_server_to_start(group);
	/* A waker either sees that it waits, or has left the wake-up before this check. */
	if ((other == self || has_wakeup(self)) && umcg_server_is_back(group, self)) {
		pthread_mutex_unlock(&group->lock);
		start(self, other);
		pthread_mutex_lock(&group->lock);
		return 0;
	}

	do {
		pthread_mutex_unlock(&group->lock);
		start(self, other);
		other = NULL;
		if (sleep_idle(self))
			error = errno;
		pthread_mutex_lock(&group->lock);
	} while (!umcg_server_is_back(group, self));

	return error;
}

/*
 * Takes an idle worker, or returns why there is none. Wake-ups come first, so that they
 * also reach a server that always finds workers. The caller has the lock.
 */
static struct thread *next_worker(struct umcg_group *group, struct thread *self, bool wait,
				  int woken)
{
	struct thread *worker;
	int error = 0;

	for (;;) {
		if (wait && take_wakeup(self)) {
			errno = woken;
			return NULL;
		}
		worker = umcg_take_idle_worker(group);
		if (worker)
			return worker;
		if (!wait || error) {
			errno = wait ? error : EAGAIN;
			return NULL;
		}
		error = wait_for_work(group, self);
	}
}

/* Takes an idle worker; or returns NULL, and errno: @woken for a wake-up. */
struct thread *umcg_next_worker(struct thread *self, bool wait, int woken)
{
	struct umcg_group *group = self->group;
	struct thread *worker, *other;
	int error;

	if (is_direct(self))
		return umcg_direct_next_worker(self, wait, woken);

	pthread_mutex_lock(&group->lock);
	worker = next_worker(group, self, wait, woken);
	error = errno;
	other = umcg_server_to_start(group);
	pthread_mutex_unlock(&group->lock);
	start(self, other);
	errno = error;

	return worker;
}

umcg_tid umcg_get_idle_worker(bool wait)
{
	struct thread *self = umcg_own_thread_as(SERVER);

	return self ? utid_of(umcg_next_worker(self, wait, EINTR)) : UMCG_NONE;
}

/*
 * Claims a worker that was taken off the list, or waits. One that is about to sleep
 * clears its lock soon. One that is idle for another reason is on the list, or is being
 * put there by the kernel.
 *
 * Returns: its previous bits TAKEN and WAITS, or zero.
 */
static inline uint32_t claim_idle_worker(struct thread *worker)
{
	for (;;) {
		uint32_t bits = thread_bits(worker);

		if (!(bits & (TAKEN | WAITS)))
			return 0;
		if (bits & LOCKED)
			sched_yield();
		else if (umcg_claim_worker(worker, bits))
			return bits & (TAKEN | WAITS);
	}
}

uint32_t umcg_claim_idle_worker(struct thread *worker)
{
	return claim_idle_worker(worker);
}

/*
 * The worker that ran under the server until it was started again. Only that worker, or
 * the kernel for it, starts the server; what they wrote before is visible. A worker that
 * has exited is removed by the first server that finds it, and is not found any more in
 * the second check.
 */
static umcg_tid worker_that_stopped(struct thread *self)
{
	struct thread *worker = atomic_load(&self->running);

	if (worker && thread_bits(worker) == NONE)
		umcg_bury_members(self->group);
	worker = atomic_load(&self->running);
	if (!worker)
		errno = 0;

	return utid_of(worker);
}

/*
 * The kernel has put the worker on its list, but started this server, and not
 * the one that waits for idle workers.
 */
static void pass_on_preempted(struct thread *self)
{
	struct umcg_group *group = self->group;
	struct thread *other;

	pthread_mutex_lock(&group->lock);
	other = umcg_server_to_start(group);
	pthread_mutex_unlock(&group->lock);
	start(self, other);
}

umcg_tid umcg_run_worker(umcg_tid utid)
{
	struct thread *self = umcg_own_thread_as(SERVER);
	struct thread *worker = thread_of(utid);
	int result;

	if (!self)
		return UMCG_NONE;
	if (kind_of(worker) != WORKER || worker->group != self->group) {
		errno = EINVAL;
		return UMCG_NONE;
	}
	if (is_direct(self))
		return umcg_direct_run_worker(self, worker);

	change_thread(self, RUNNING, IDLE);
	if (!claim_idle_worker(worker)) {
		change_thread(self, IDLE, RUNNING);
		errno = EAGAIN;
		return UMCG_NONE;
	}
	umcg_run_under(worker, self);

	/*
	 * The worker need not be woken again after a signal. It may also have
	 * run and ended before the call (ESRCH); then it has started the server.
	 */
	result = umcg_sleep_as_server(self);
	while (result && (errno == EINTR || errno == ESRCH))
		result = sleep_idle(self);

	if (result)
		return UMCG_NONE;

	utid = worker_that_stopped(self);
	if (utid != UMCG_NONE && is_preempted(thread_of(utid)))
		pass_on_preempted(self);

	return utid;
}
