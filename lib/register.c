// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Groups and their members: registration and exit.
 */
#include <errno.h>
#include <unistd.h>

#include "internal.h"

umcg_t umcg_create_group(uint32_t flags)
{
	struct umcg_group *group;

	if (flags & ~UMCG_GROUP_ENABLE_PREEMPTION) {
		errno = EINVAL;
		return UMCG_NONE;
	}

	group = umcg_map_page();
	if (!group) {
		errno = ENOMEM;
		return UMCG_NONE;
	}

	pthread_mutex_init(&group->lock, NULL);
	group->is_here = true;
	group->flags = flags;

	return (umcg_t)group;
}

static void join_group(struct thread *thread)
{
	struct umcg_group *group = thread->group;

	if (!group)
		return;

	pthread_mutex_lock(&group->lock);
	thread->member_link = &group->members;
	thread->next_member = group->members;
	if (group->members)
		group->members->member_link = &thread->next_member;
	group->members = thread;
	pthread_mutex_unlock(&group->lock);
}

/* The caller has the lock. */
static void unlink_member(struct thread *thread)
{
	*thread->member_link = thread->next_member;
	if (thread->next_member)
		thread->next_member->member_link = thread->member_link;
}

static void leave_group(struct thread *thread)
{
	struct umcg_group *group = thread->group;

	if (!group)
		return;

	pthread_mutex_lock(&group->lock);
	unlink_member(thread);
	pthread_mutex_unlock(&group->lock);
}

/*
 * Whether a thread has exited without unregistering: its kind is that of a task, but the
 * kernel has set its state to NONE.
 */
static bool has_ended(struct thread *thread)
{
	return kind_of(thread) != UNREGISTERED && thread_bits(thread) == NONE;
}

/* Release: a thread that finds another thread in this record sees that this one has left. */
static void leave_server(struct thread *worker)
{
	struct thread *server = atomic_load(&worker->server);
	struct thread *running = worker;

	if (server)
		atomic_compare_exchange_strong(&server->running, &running, NULL);
}

/* The thread is no longer known to the kernel. */
static void forget_registration(struct thread *thread)
{
	uint64_t old = atomic_load(&thread->words.state_ts);

	atomic_store(&thread->words.state_ts, state_successor(old, NONE, monotonic_ns()));
	atomic_store_explicit(&thread->kind, UNREGISTERED, memory_order_release);
}

/* Relaxed: only a count; the library must not be in use when it is unloaded. */
static void is_registered_no_more(void)
{
	atomic_fetch_sub_explicit(&umcg_process()->registered, 1, memory_order_relaxed);
}

/* Forgets members that have ended, and frees their records. */
void umcg_bury_members(struct umcg_group *group)
{
	struct thread *next;

	pthread_mutex_lock(&group->lock);
	for (struct thread *member = group->members; member; member = next) {
		next = member->next_member;
		if (has_ended(member)) {
			unlink_member(member);
			leave_server(member);
			forget_registration(member);
			umcg_free_thread(member);
			is_registered_no_more();
		}
	}
	pthread_mutex_unlock(&group->lock);
}

static bool is_empty(struct umcg_group *group)
{
	struct thread *self = umcg_own_thread();
	bool empty;

	umcg_hold_worker(self);
	umcg_bury_members(group);
	pthread_mutex_lock(&group->lock);
	empty = !group->members;
	pthread_mutex_unlock(&group->lock);
	umcg_release_worker(self);

	return empty;
}

int umcg_destroy_group(umcg_t umcg)
{
	struct umcg_group *group = group_of(umcg);

	if (group->is_here && !is_empty(group)) {
		errno = EBUSY;
		return -1;
	}

	pthread_mutex_destroy(&group->lock);
	umcg_unmap_page(group);
	return 0;
}

static _Atomic uint64_t immediate_signals;

/* Relaxed: an independent word. */
void umcg_set_immediate_signals(uint64_t signals)
{
	atomic_store_explicit(&immediate_signals, signals, memory_order_relaxed);
}

/* Release: pairs with kind_of(), so that a thread that sees the kind sees the rest. */
static void prepare(struct thread *self, enum thread_kind kind, struct umcg_group *group,
		    intptr_t tag)
{
	uint32_t state = kind == WORKER ? BLOCKED : RUNNING;

	atomic_store(&self->words.state_ts, state_at(state, monotonic_ns()));
	atomic_store(&self->words.next_tid, 0);
	atomic_store(&self->words.idle_workers_ptr,
		     kind == WORKER ? (uintptr_t)&group->idle_workers : 0);
	self->words.idle_server_tid_ptr =
		kind == WORKER ? (uintptr_t)&group->idle_server_tid : 0;
	atomic_store(&self->words.signals, kind == WORKER ? atomic_load(&immediate_signals) : 0);
	atomic_store(&self->wakeups, 0);
	atomic_store(&self->running, NULL);
	atomic_store(&self->server, NULL);
	self->tid = gettid();
	self->group = group;
	self->group_flags = group ? group->flags : 0;
	umcg_set_task_tag(utid_of(self), tag);
	atomic_store_explicit(&self->kind, kind, memory_order_release);
}

static umcg_tid register_as(enum thread_kind kind, struct umcg_group *group, intptr_t tag)
{
	struct thread *self = umcg_own_thread();
	uint32_t flags = UMCG_CTL_REGISTER | (kind == WORKER ? UMCG_CTL_WORKER : 0);

	if (!self)
		return UMCG_NONE;
	if (kind_of(self) != UNREGISTERED || (kind != BASIC_TASK && !(group && group->is_here))) {
		errno = EINVAL;
		return UMCG_NONE;
	}

	umcg_learn_clock();
	prepare(self, kind, group, tag);
	if (atomic_load(&self->words.signals))
		flags |= UMCG_CTL_SIGNALS;
	join_group(self);
	if (umcg_sys_ctl(flags, &self->words)) {
		leave_group(self);
		forget_registration(self);
		return UMCG_NONE;
	}
	atomic_fetch_add_explicit(&umcg_process()->registered, 1, memory_order_relaxed);

	return utid_of(self);
}

umcg_tid umcg_register_basic_task(intptr_t tag)
{
	return register_as(BASIC_TASK, NULL, tag);
}

umcg_tid umcg_register_worker(umcg_t group, intptr_t tag)
{
	return register_as(WORKER, group_of(group), tag);
}

umcg_tid umcg_register_server(umcg_t group, intptr_t tag)
{
	return register_as(SERVER, group_of(group), tag);
}

/*
 * The server of a worker is woken first: an unregistered thread cannot do it. A LOCKED
 * worker does not need a server to go on. Nor does the kernel use the words of its group, so
 * it leaves the group before: when its server is told, the group may be freed.
 */
static void part_from_server(struct thread *self)
{
	struct thread *server;

	umcg_hold_worker(self);
	leave_group(self);
	server = atomic_load_explicit(&self->server, memory_order_relaxed);
	atomic_store_explicit(&server->running, NULL, memory_order_relaxed);
	umcg_start_own_server(self);
	umcg_wake_thread(self, server, 0);
}

int umcg_unregister_task(void)
{
	struct thread *self = umcg_own_thread();
	const enum thread_kind kind = kind_of(self);
	int result;

	if (kind == UNREGISTERED) {
		errno = EINVAL;
		return -1;
	}
	/* The kernel would continue to use the words of a thread that it failed to unregister. */
	if (!umcg_enabled())
		return -1;

	if (kind == WORKER)
		part_from_server(self);
	/* The kernel may set the state to NONE; has_ended() must not take that for the end. */
	atomic_store_explicit(&self->kind, UNREGISTERED, memory_order_release);
	result = umcg_sys_ctl(UMCG_CTL_UNREGISTER, NULL);
	is_registered_no_more();
	if (kind == SERVER)
		leave_group(self);
	forget_registration(self);

	return result;
}
