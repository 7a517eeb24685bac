// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Wait, wake and swap: for servers and basic tasks; calls those of workers.
 */
#include <errno.h>

#include "internal.h"

/*
 * Wakes a task whose state is already RUNNING. If it does not exist any more (ESRCH), it
 * was awake and has run. The caller is LOCKED if it is a worker, because otherwise
 * next_tid must name its server.
 */
int umcg_wake_thread(struct thread *self, struct thread *target, uint32_t flags)
{
	const uint32_t before = atomic_load_explicit(&self->words.next_tid, memory_order_relaxed);
	int result;

	atomic_store_explicit(&self->words.next_tid, target->tid, memory_order_relaxed);
	result = umcg_sys_wait(UMCG_WAIT_WAKE_ONLY | flags, 0);
	atomic_store_explicit(&self->words.next_tid, before, memory_order_relaxed);

	return result && errno != ESRCH ? -1 : 0;
}

/* A server that waits for workers is woken with the wake-up that it finds when it is back. */
static void end_polling(struct thread *self, struct thread *server)
{
	struct umcg_group *group = server->group;
	struct thread *other;
	bool is_back;

	pthread_mutex_lock(&group->lock);
	is_back = thread_bits(server) == (IDLE | POLLS) && umcg_server_is_back(group, server);
	other = umcg_server_to_start(group);
	pthread_mutex_unlock(&group->lock);

	if (other)
		umcg_wake_thread(self, other, 0);
	if (is_back)
		umcg_wake_thread(self, server, 0);
}

/*
 * Makes a waiting server or basic task RUNNING, or leaves it a pending wake-up.
 *
 * Returns: whether it waited, and must be woken by the kernel now.
 */
static bool let_run(struct thread *task)
{
	for (;;) {
		if (change_thread(task, IDLE | WAITS, RUNNING))
			return true;

		/* The task writes its state, then checks for a wake-up; here it is the reverse. */
		give_wakeup(task);
		if (thread_bits(task) != (IDLE | WAITS) || !take_wakeup(task))
			return false;
	}
}

/* A server in direct mode that waits for workers, or has one, comes back for its wake-up. */
static int call_server(struct thread *self, struct thread *server)
{
	if (umcg_direct_call(server) && change_thread(server, IDLE, RUNNING))
		return umcg_wake_thread(self, server, 0);

	return 0;
}

/* A wake-up was given to a server: it may have to be told. The others hear of it when they wait. */
static inline int tell_server(struct thread *self, struct thread *server)
{
	const uint32_t bits = thread_bits(server);

	if (bits == (IDLE | POLLS))
		end_polling(self, server);
	else if (bits == IDLE && is_direct(server))
		return call_server(self, server);

	return 0;
}

static int wake_task(struct thread *self, struct thread *task, uint32_t flags)
{
	return let_run(task) ? umcg_wake_thread(self, task, flags) : tell_server(self, task);
}

int umcg_wake(umcg_tid next, bool wf_current_cpu)
{
	struct thread *self = umcg_own_thread();
	struct thread *target = thread_of(next);
	int result = 0;

	if (kind_of(self) == UNREGISTERED || kind_of(target) == UNREGISTERED) {
		errno = EINVAL;
		return -1;
	}

	umcg_hold_worker(self);
	if (kind_of(target) == WORKER)
		result = umcg_wake_worker(self, target);
	else
		result = wake_task(self, target, wf_current_cpu ? UMCG_WAIT_WF_CURRENT_CPU : 0);
	umcg_release_worker(self);

	return result;
}

/*
 * The kernel remembers a call that was interrupted by a signal, because it may be
 * restarted, and wakes the same task only once. The next call of a task is a new one.
 */
static void forget_interrupted_call(struct thread *self)
{
	atomic_store_explicit(&self->words.next_tid, 0, memory_order_relaxed);
	umcg_sys_wait(0, 0);
}

/* Waits, and wakes @next in the same call, if there is one. */
static int task_wait(struct thread *self, struct thread *next, uint64_t timeout)
{
	bool runs_next, is_interrupted;
	int result;

	change_thread(self, RUNNING, IDLE | WAITS);
	runs_next = next && let_run(next);
	if (next && !runs_next)
		tell_server(self, next);

	/* A waker either sees that it waits, or has left the wake-up before this check. */
	if (take_wakeup(self)) {
		/* It was woken twice, and this ends one wait. */
		if (!change_thread(self, IDLE | WAITS, RUNNING))
			give_wakeup(self);
		if (runs_next)
			umcg_wake_thread(self, next, 0);
		return 0;
	}

	atomic_store_explicit(&self->words.next_tid, runs_next ? next->tid : 0,
			      memory_order_relaxed);
	result = umcg_sys_wait(0, timeout);
	/* The other one was awake, has run, and has exited. */
	if (result && errno == ESRCH) {
		atomic_store_explicit(&self->words.next_tid, 0, memory_order_relaxed);
		result = umcg_sys_wait(0, timeout);
	}
	is_interrupted = result && errno == EINTR;
	/* It may have been woken when its timeout was about to expire. */
	if (result && !change_thread(self, IDLE | WAITS, RUNNING))
		result = 0;
	if (is_interrupted)
		forget_interrupted_call(self);

	return result;
}

int umcg_wait(uint64_t timeout)
{
	struct thread *self = umcg_own_thread();

	switch (kind_of(self)) {
	case WORKER:
		return umcg_worker_wait(self, timeout);
	case SERVER:
	case BASIC_TASK:
		return task_wait(self, NULL, timeout);
	default:
		errno = EINVAL;
		return -1;
	}
}

int umcg_swap(umcg_tid next, uint64_t timeout)
{
	struct thread *self = umcg_own_thread();
	struct thread *target = thread_of(next);
	bool is_worker = kind_of(self) == WORKER;

	if (kind_of(self) == UNREGISTERED || kind_of(target) == UNREGISTERED || target == self ||
	    is_worker != (kind_of(target) == WORKER) ||
	    (is_worker && target->group != self->group)) {
		errno = EINVAL;
		return -1;
	}

	return is_worker ? umcg_worker_swap(self, target, timeout) :
			   task_wait(self, target, timeout);
}
