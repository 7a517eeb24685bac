// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Idle workers, and servers that wait for them.
 *
 * The kernel pushes an idle worker on its list, and then starts the one server whose TID
 * it finds in the group. So one of the waiting servers at a time is announced to the
 * kernel. Invariant while the lock is free: while servers wait, no idle worker is missed.
 * Either the list of the library is empty, and a server is announced; or a server has
 * been started and has not returned yet. Every server that returns restores this by
 * umcg_server_to_start(), so a start is passed on while there is work.
 *
 * An announced server is started only by the kernel, unless its TID was withdrawn before
 * the kernel took it. So a late start by the kernel never hits a server that waits for
 * something else.
 *
 * The caller of each of these functions has the lock, except for
 * umcg_add_idle_worker().
 */
#include <sched.h>

#include "internal.h"

static struct thread *worker_of_node(uint64_t node)
{
	return (struct thread *)(node - offsetof(struct thread, words.idle_workers_ptr));
}

static struct thread *next_idle(struct thread *worker)
{
	uint64_t next = atomic_load_explicit(&worker->words.idle_workers_ptr,
					     memory_order_relaxed);

	return (struct thread *)next;
}

/* Relaxed: read only with the lock held, or by the kernel after the worker was run. */
static void point_to(struct thread *worker, void *target)
{
	atomic_store_explicit(&worker->words.idle_workers_ptr, (uintptr_t)target,
			      memory_order_relaxed);
}

static void append(struct umcg_group *group, struct thread *first, struct thread *last)
{
	if (group->first_idle)
		point_to(group->last_idle, first);
	else
		group->first_idle = first;
	group->last_idle = last;
}

/*
 * The next node of the kernel's list. It is written after the node can be
 * found. Acquire: pairs with the kernel's release of the link.
 */
static uint64_t wait_for_link(struct thread *worker)
{
	uint64_t next;

	while ((next = atomic_load_explicit(&worker->words.idle_workers_ptr,
					    memory_order_acquire)) == UMCG_IDLE_NODE_PENDING)
		sched_yield();

	return next;
}

static _Atomic uint64_t *kernel_list(struct umcg_group *group)
{
	return group->flags & UMCG_GROUP_DIRECT ? &group->direct.idle_workers :
						  &group->idle_workers;
}

/*
 * Moves the kernel's list to the end of ours, oldest first. The exchange pairs
 * with the kernel's, which publishes a node.
 */
static void drain_kernel_list(struct umcg_group *group)
{
	_Atomic uint64_t *list = kernel_list(group);
	struct thread *first = NULL;
	struct thread *last = NULL;
	uint64_t node;

	/* Sequentially consistent; see announce(). */
	if (!atomic_load(list))
		return;

	/* Somebody always sees that there are workers: here, until they are in our list. */
	if (group->flags & UMCG_GROUP_DIRECT)
		atomic_fetch_or(&group->direct.queued, QUEUED_WORKERS);
	node = atomic_exchange(list, 0);
	while (node) {
		struct thread *worker = worker_of_node(node);

		node = wait_for_link(worker);
		point_to(worker, first);
		first = worker;
		if (!last)
			last = worker;
	}
	if (first)
		append(group, first, last);
}

/* A worker may be run only when it is off the list. It may still be LOCKED, on its way to sleep. */
static void mark_taken(struct thread *worker)
{
	uint32_t bits;

	do {
		bits = thread_bits(worker);
	} while (!change_thread(worker, bits, (bits & ~QUEUED) | TAKEN));
}

/* The worker that has been idle for longest, or NULL. It stays in the list. */
struct thread *umcg_first_idle_worker(struct umcg_group *group)
{
	drain_kernel_list(group);
	return group->first_idle;
}

/* The kernel pushes the worker from where it points to when it next becomes idle. */
void umcg_drop_first_idle_worker(struct umcg_group *group)
{
	struct thread *worker = group->first_idle;

	group->first_idle = worker == group->last_idle ? NULL : next_idle(worker);
	point_to(worker, &group->idle_workers);
}

/* Takes the worker that has been idle longest, or returns NULL. */
struct thread *umcg_take_idle_worker(struct umcg_group *group)
{
	struct thread *worker = umcg_first_idle_worker(group);

	if (worker) {
		umcg_drop_first_idle_worker(group);
		mark_taken(worker);
	}

	return worker;
}

void umcg_append_idle_worker(struct umcg_group *group, struct thread *worker)
{
	point_to(worker, NULL);
	append(group, worker, worker);
}

/*
 * Tells the kernel which server to start. Sequentially consistent, like the check of the
 * kernel's list that must follow: the kernel pushes a worker and then takes the TID, both
 * fully ordered. It finds the TID, or this thread finds the worker.
 */
static void announce(struct umcg_group *group, struct thread *server)
{
	group->announced = server;
	atomic_store(&group->idle_server_tid, server->tid);
}

/* Takes back the TID of a server, or returns false if the kernel is starting this server. */
static bool unannounce(struct umcg_group *group, struct thread *server)
{
	uint32_t tid = server->tid;

	if (group->announced != server)
		return true;
	if (!atomic_compare_exchange_strong(&group->idle_server_tid, &tid, 0))
		return false;

	group->announced = NULL;
	return true;
}

static void forget_waiting(struct umcg_group *group, struct thread *server)
{
	struct thread **link = &group->waiting;

	while (*link != server)
		link = &(*link)->next_waiting;
	*link = server->next_waiting;
}

/*
 * Restores what holds while the lock is free; see above.
 *
 * Returns: a server that runs from now on, and is to be woken by
 * umcg_wake_thread() when the lock is free; or NULL.
 */
struct thread *umcg_server_to_start(struct umcg_group *group)
{
	struct thread *server;

	while (group->waiting) {
		server = group->announced ? group->announced : group->waiting;

		drain_kernel_list(group);
		if (group->first_idle) {
			if (!unannounce(group, server))
				return NULL;
			forget_waiting(group, server);
			change_thread(server, IDLE | POLLS, RUNNING);
			return server;
		}
		if (group->announced)
			return NULL;
		announce(group, server);
	}

	return NULL;
}

/* Puts a worker back that was dropped as the first one. */
void umcg_return_idle_worker(struct umcg_group *group, struct thread *worker)
{
	if (group->first_idle)
		point_to(worker, group->first_idle);
	else
		group->last_idle = worker;
	group->first_idle = worker;
}

/*
 * Puts a worker that was woken on the list, and starts a server for it, for which it may fail. Takes
 * the lock.
 */
int umcg_add_idle_worker(struct umcg_group *group, struct thread *self, struct thread *worker)
{
	struct thread *server;

	if (group->flags & UMCG_GROUP_DIRECT)
		return umcg_direct_add_worker(group, self, worker);

	pthread_mutex_lock(&group->lock);
	umcg_append_idle_worker(group, worker);
	server = umcg_server_to_start(group);
	pthread_mutex_unlock(&group->lock);

	return server ? umcg_wake_thread(self, server, 0) : 0;
}

/* A server begins to wait for a worker. */
void umcg_server_polls(struct umcg_group *group, struct thread *server)
{
	change_thread(server, RUNNING, IDLE | POLLS);
	server->next_waiting = group->waiting;
	group->waiting = server;
}

/*
 * Whether a server that waited runs again: because it was started, or because its TID is
 * withdrawn now. If not, the kernel is about to start it.
 */
bool umcg_server_is_back(struct umcg_group *group, struct thread *server)
{
	if (thread_bits(server) == RUNNING)
		return true;

	if (thread_bits(server) == (RUNNING | POLLS))
		group->announced = NULL;
	else if (!unannounce(group, server))
		return false;

	forget_waiting(group, server);
	if (!change_thread(server, RUNNING | POLLS, RUNNING))
		change_thread(server, IDLE | POLLS, RUNNING);

	return true;
}
