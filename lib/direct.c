// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Groups in direct mode: a server is woken only when there is something to decide.
 *
 * A server is RUNNING; or IDLE and in the set, where it waits for work; or IDLE and has a worker.
 * Whoever takes it out of the set owns it, and gives it a worker or starts it. A worker that
 * blocks, or waits, passes its server on to the first worker of the ring, or puts it into the
 * set; so a server sleeps for as long as nobody is queued elsewhere.
 *
 * The ring is filled where first come, first served will do: by the kernel, and from the list of
 * the library. A worker is in it as one that the kernel may run at any moment: IDLE without any
 * bit of the library.
 *
 * A worker takes the lock only while it is LOCKED; see internal.h.
 */
#include <errno.h>
#include <sched.h>

#include "internal.h"

/* Gives a server that registers a number. False if all are in use. The caller has the lock. */
bool umcg_direct_enter(struct umcg_group *group, struct thread *server)
{
	for (uint32_t nr = 0; nr < UMCG_DIRECT_SERVERS; nr++) {
		if (!atomic_load(&group->servers[nr])) {
			server->server_nr = nr;
			atomic_store(&group->servers[nr], server);
			return true;
		}
	}

	return false;
}

/* Says whether the list of the library has workers. The caller has the lock. */
static void publish_list(struct umcg_group *group)
{
	if (group->first_idle)
		atomic_fetch_or(&group->direct.queued, QUEUED_WORKERS);
	else if (atomic_load(&group->direct.queued) & QUEUED_WORKERS)
		atomic_fetch_and(&group->direct.queued, ~QUEUED_WORKERS);
}

/* The call has been heard. The caller has the lock. */
static void end_call(struct umcg_group *group, struct thread *server)
{
	if (!atomic_load(&server->is_called))
		return;

	atomic_store(&server->is_called, false);
	atomic_fetch_sub(&group->direct.queued, QUEUED_CALL);
}

/* A thread has left: if it was a server, nobody finds it any more. The caller has the lock. */
void umcg_direct_leave(struct umcg_group *group, struct thread *thread)
{
	if (atomic_load(&group->servers[thread->server_nr]) != thread)
		return;

	end_call(group, thread);
	atomic_store(&group->servers[thread->server_nr], NULL);
}

/*
 * The server of a worker that is LOCKED, or NULL. What the worker says is true then; the kernel has
 * written it, if it was that which ran the worker.
 */
struct thread *umcg_direct_server_of(struct thread *worker)
{
	const uint32_t nr = atomic_load_explicit(&worker->words.server_nr, memory_order_relaxed);
	const uint32_t tid = atomic_load_explicit(&worker->words.next_tid, memory_order_relaxed);
	struct thread *server = atomic_load(&worker->group->servers[nr % UMCG_DIRECT_SERVERS]);

	return server && (uint32_t)server->tid == tid ? server : NULL;
}

/*
 * What the kernel wants to know besides when a worker is run. Published by the state of the worker.
 * Only the server itself writes its next_tid.
 */
void umcg_direct_run_under(struct thread *worker, struct thread *server)
{
	struct direct_words *words = &server->group->direct;

	atomic_store_explicit(&worker->words.server_nr, server->server_nr, memory_order_relaxed);
	atomic_store_explicit(&words->running[server->server_nr], worker->tid,
			      memory_order_relaxed);
}

/* Takes a server out of the set, or returns NULL. */
static struct thread *take_idle_server(struct umcg_group *group)
{
	struct thread *server = NULL;
	int nr;

	/* A bit without a server is dropped. */
	while (!server && (nr = take_server(&group->direct)) >= 0)
		server = atomic_load(&group->servers[nr]);

	return server;
}

/* Starts a server that the caller owns. */
static int start(struct thread *self, struct thread *server)
{
	if (!change_thread(server, IDLE, RUNNING))
		return 0;

	return server == self ? 0 : umcg_wake_thread(self, server, 0);
}

/*
 * Puts a server that the caller owns into the set. If somebody was queued meanwhile, it is owned
 * again, unless somebody else has it, and is to be started.
 */
static bool put_back(struct umcg_group *group, struct thread *server)
{
	put_server(&group->direct, server->server_nr);
	return !has_queued(&group->direct) || !take_server_back(&group->direct, server->server_nr);
}

/* The worker that the TID in the ring names, off the ring. NULL if it names none of this group. */
static struct thread *worker_of_tid(struct umcg_group *group, uint32_t tid)
{
	struct thread *worker = umcg_find_tid(tid);

	return kind_of(worker) == WORKER && worker->group == group ? worker : NULL;
}

/*
 * Runs the next worker of the ring under this server: all but the wake-up. NULL if there is none.
 */
static struct thread *run_next_ready(struct umcg_group *group, struct thread *server)
{
	uint32_t tid;

	while ((tid = umcg_ring_pop(&group->direct))) {
		struct thread *worker = worker_of_tid(group, tid);

		if (worker && umcg_claim_worker(worker, IDLE)) {
			umcg_run_under(worker, server);
			return worker;
		}
	}

	return NULL;
}

/*
 * A worker that is LOCKED gives up its server, as the kernel does it for one that blocks: its
 * next_tid is who is to be woken then, if anybody.
 */
void umcg_direct_gives_server_up(struct thread *self)
{
	struct umcg_group *group = self->group;
	struct thread *server = umcg_direct_server_of(self);
	struct thread *next = NULL;

	if (server) {
		next = run_next_ready(group, server);
		if (!next && !put_back(group, server) && change_thread(server, IDLE, RUNNING))
			next = server;
	}
	atomic_store_explicit(&self->words.next_tid, next ? next->tid : 0, memory_order_relaxed);
}

/*
 * Moves workers from the list to the ring. Not one that is LOCKED, or may be at any moment
 * because its timeout expires: whoever pops it could not run it. Not while a server is called,
 * which comes back when the ring is empty. The caller has the lock.
 */
static void fill_ring(struct umcg_group *group)
{
	struct thread *worker;

	if (!(group->flags & UMCG_GROUP_FIFO))
		return;

	while (!(atomic_load(&group->direct.queued) & QUEUED_CALLS) &&
	       (worker = umcg_first_idle_worker(group))) {
		const uint32_t bits = thread_bits(worker);

		if (bits & LOCKED ||
		    atomic_load_explicit(&worker->has_timeout, memory_order_relaxed) ||
		    !change_thread(worker, bits, IDLE))
			return;
		/* As soon as it is in the ring it may run, and be queued again. */
		umcg_drop_first_idle_worker(group);
		if (!umcg_ring_push(&group->direct, worker->tid)) {
			umcg_return_idle_worker(group, worker);
			return;
		}
	}
}

/* The next worker off the ring, or NULL. */
static struct thread *take_ready(struct umcg_group *group)
{
	uint32_t tid;

	while ((tid = umcg_ring_pop(&group->direct))) {
		struct thread *worker = worker_of_tid(group, tid);

		if (worker && change_thread(worker, IDLE, IDLE | TAKEN))
			return worker;
	}

	return NULL;
}

/*
 * Takes the worker that has been queued for longest, or returns NULL. The ring is older than lists.
 * Until it is run it counts as queued: the server that has it is to decide about it.
 */
struct thread *umcg_direct_take_worker(struct umcg_group *group)
{
	struct thread *worker = take_ready(group);

	if (worker) {
		atomic_fetch_add(&group->direct.queued, QUEUED_TAKEN);
		return worker;
	}

	pthread_mutex_lock(&group->lock);
	worker = umcg_take_idle_worker(group);
	if (worker)
		atomic_fetch_add(&group->direct.queued, QUEUED_TAKEN);
	fill_ring(group);
	publish_list(group);
	pthread_mutex_unlock(&group->lock);

	return worker;
}

/* A worker that was taken has been claimed, whose bits of before these are. */
void umcg_direct_claimed(struct umcg_group *group, uint32_t bits)
{
	if (bits & TAKEN)
		atomic_fetch_sub(&group->direct.queued, QUEUED_TAKEN);
}

/*
 * Queues a worker that was woken, and starts a server for it, for which it may fail. Takes the
 * lock.
 */
int umcg_direct_add_worker(struct umcg_group *group, struct thread *self, struct thread *worker)
{
	struct thread *server;

	pthread_mutex_lock(&group->lock);
	umcg_append_idle_worker(group, worker);
	fill_ring(group);
	publish_list(group);
	pthread_mutex_unlock(&group->lock);

	server = take_idle_server(group);
	return server ? start(self, server) : 0;
}

/*
 * Has a worker that waits, whose bits were read, run under an idle server at once. The caller is
 * held, if it is a worker.
 *
 * Returns: whether it does; then @result is that of the call which woke it.
 */
bool umcg_direct_run_waiting(struct thread *self, struct thread *worker, uint32_t bits,
			     int *result)
{
	struct umcg_group *group = worker->group;
	struct thread *server;

	if (bits & LOCKED ||
	    (!(group->flags & UMCG_GROUP_OVERTAKE) && has_queued(&group->direct)))
		return false;
	server = take_idle_server(group);
	if (!server)
		return false;
	if (!umcg_claim_worker(worker, bits)) {
		if (!put_back(group, server))
			start(self, server);
		return false;
	}
	umcg_run_under(worker, server);
	*result = umcg_wake_thread(self, worker, 0);

	return true;
}

/*
 * Has an idle server start, if there is a worker for it: what a server does that has taken a
 * worker, or was started for one and leaves it to others.
 */
void umcg_direct_pass_on(struct thread *self)
{
	struct umcg_group *group = self->group;
	struct thread *server;

	if (has_workers(&group->direct)) {
		server = take_idle_server(group);
		if (server)
			start(self, server);
	}
}

/*
 * Has a server that may have a worker come back as soon as that blocks, waits or leaves. Until it
 * has heard of it, the kernel takes it that somebody is queued, so it starts servers rather than
 * put them back. Takes the lock.
 *
 * Returns: whether the server was in the set: then the caller owns it, and has to start it.
 */
bool umcg_direct_call(struct thread *server)
{
	struct umcg_group *group = server->group;

	pthread_mutex_lock(&group->lock);
	if (!atomic_load(&server->is_called)) {
		atomic_store(&server->is_called, true);
		atomic_fetch_add(&group->direct.queued, QUEUED_CALL);
	}
	/* It is back already, and has looked before: pairs with is_back(). */
	if (thread_bits(server) != IDLE)
		end_call(group, server);
	pthread_mutex_unlock(&group->lock);

	/* Who puts it into the set now sees that it is called. */
	return take_server_back(&group->direct, server->server_nr);
}

/* A worker that has ended without unregistering has started its server. */
static void bury_last_worker(struct thread *self)
{
	const uint32_t tid = atomic_load_explicit(&self->group->direct.running[self->server_nr],
						  memory_order_relaxed);
	struct thread *worker = tid ? umcg_find_tid(tid) : NULL;

	if (worker && thread_bits(worker) == NONE)
		umcg_bury_members(self->group);
}

/*
 * The server is RUNNING again. Who calls it looks at that after the call, or it sees the call
 * here.
 */
static void is_back(struct thread *self)
{
	struct umcg_group *group = self->group;

	if (atomic_load(&self->is_called)) {
		pthread_mutex_lock(&group->lock);
		end_call(group, self);
		pthread_mutex_unlock(&group->lock);
	}
	bury_last_worker(self);
}

/*
 * Waits in the set until there is work or a wake-up. Returns 0, or why the wait has failed: EINTR
 * after a signal. Workers may have run under the server meanwhile.
 */
int umcg_direct_poll(struct thread *self)
{
	struct umcg_group *group = self->group;
	struct direct_words *words = &group->direct;
	const uint32_t nr = self->server_nr;
	int error = 0;

	change_thread(self, RUNNING, IDLE);
	atomic_store_explicit(&self->words.next_tid, 0, memory_order_relaxed);
	put_server(words, nr);
	/*
	 * Whoever wakes it either sees that it is idle, or has left the wake-up before this look.
	 */
	if ((has_workers(words) || has_wakeup(self)) && take_server_back(words, nr))
		change_thread(self, IDLE, RUNNING);

	while (thread_bits(self) != RUNNING) {
		if (!umcg_sleep_as_server(self))
			continue;
		error = errno;
		/* If it has a worker, it is back when that has blocked. */
		if (take_server_back(words, nr) || umcg_direct_call(self))
			change_thread(self, IDLE, RUNNING);
	}
	is_back(self);

	return error;
}

/* Runs a worker that was taken, until this server is started. Returns 0, or -1 and errno. */
int umcg_direct_run(struct thread *self, struct thread *worker)
{
	uint32_t bits;
	int result;

	change_thread(self, RUNNING, IDLE);
	bits = umcg_claim_idle_worker(worker);
	umcg_direct_claimed(self->group, bits);
	if (!bits) {
		change_thread(self, IDLE, RUNNING);
		is_back(self);
		errno = EAGAIN;
		return -1;
	}
	/* It has been woken before it was idle, and is to come back for that. */
	if (has_wakeup(self))
		umcg_direct_call(self);
	atomic_store_explicit(&self->words.next_tid, worker->tid, memory_order_relaxed);
	umcg_run_under(worker, self);

	/* As in umcg_run_worker(); after a signal it comes back as soon as it can. */
	result = umcg_sleep_as_server(self);
	while (result && (errno == EINTR || errno == ESRCH)) {
		if (errno == EINTR && umcg_direct_call(self))
			change_thread(self, IDLE, RUNNING);
		atomic_store_explicit(&self->words.next_tid, 0, memory_order_relaxed);
		result = umcg_sleep_as_server(self);
	}
	is_back(self);

	return result;
}
