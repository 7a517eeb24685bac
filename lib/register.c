// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Groups and their members: registration and exit.
 */
#include <errno.h>
#include <sched.h>
#include <unistd.h>

#include "internal.h"

#define DIRECT_OPTIONS	(UMCG_GROUP_FIFO | UMCG_GROUP_OVERTAKE | UMCG_GROUP_LEND)
#define GROUP_FLAGS	(UMCG_GROUP_ENABLE_PREEMPTION | UMCG_GROUP_DIRECT | DIRECT_OPTIONS | \
			 UMCG_GROUP_BATCH | UMCG_GROUP_CRITICAL)

/* What the module has to have for a group with these flags. */
static uint64_t features_for(uint32_t flags)
{
	return (flags & UMCG_GROUP_DIRECT ? UMCG_FEATURE_DIRECT : 0) |
	       (flags & UMCG_GROUP_CRITICAL ? UMCG_FEATURE_CRITICAL : 0);
}

static uint32_t direct_flags(uint32_t flags)
{
	return (flags & UMCG_GROUP_FIFO ? UMCG_DIRECT_FIFO : 0) |
	       (flags & UMCG_GROUP_OVERTAKE ? UMCG_DIRECT_OVERTAKE : 0) |
	       (flags & UMCG_GROUP_LEND ? UMCG_DIRECT_LEND : 0);
}

umcg_t umcg_create_group(uint32_t flags)
{
	const uint64_t features = features_for(flags);
	struct umcg_group *group;

	if (flags & ~GROUP_FLAGS || (flags & DIRECT_OPTIONS && !(flags & UMCG_GROUP_DIRECT))) {
		errno = EINVAL;
		return UMCG_NONE;
	}
	if (features && !umcg_sys_has_features(features))
		return UMCG_NONE;

	group = umcg_map_page();
	if (!group) {
		errno = ENOMEM;
		return UMCG_NONE;
	}

	pthread_mutex_init(&group->lock, NULL);
	group->is_here = true;
	group->flags = flags;
	group->direct.size = sizeof(group->direct);
	group->direct.flags = direct_flags(flags);

	return (umcg_t)group;
}

/* Fails if all numbers of servers in direct mode are in use. */
static bool join_group(struct thread *thread)
{
	struct umcg_group *group = thread->group;

	if (!group)
		return true;

	pthread_mutex_lock(&group->lock);
	if (thread->kind == SERVER && is_direct(thread) && !umcg_direct_enter(group, thread)) {
		pthread_mutex_unlock(&group->lock);
		return false;
	}
	thread->member_link = &group->members;
	thread->next_member = group->members;
	if (group->members)
		group->members->member_link = &thread->next_member;
	group->members = thread;
	pthread_mutex_unlock(&group->lock);

	return true;
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
	umcg_direct_leave(group, thread);
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

/* A thread that is in no group any more, or never was in one. */
static void leave_tids(struct thread *thread)
{
	if (is_direct(thread))
		umcg_remove_tid(thread);
}

/* Forgets members that have ended, and frees their records. */
void umcg_bury_members(struct umcg_group *group)
{
	struct thread *next;

	pthread_mutex_lock(&group->lock);
	for (struct thread *member = group->members; member; member = next) {
		next = member->next_member;
		if (has_ended(member)) {
			umcg_direct_leave(group, member);
			unlink_member(member);
			leave_server(member);
			leave_tids(member);
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
	const uint32_t state = kind == WORKER ? BLOCKED : RUNNING;
	const uint32_t flags = group ? group->flags : 0;
	const bool has_pointers = kind == WORKER && !(flags & UMCG_GROUP_DIRECT);

	atomic_store(&self->words.state_ts, state_at(state, monotonic_ns()));
	atomic_store(&self->words.next_tid, 0);
	atomic_store(&self->words.idle_workers_ptr,
		     has_pointers ? (uintptr_t)&group->idle_workers : 0);
	self->words.idle_server_tid_ptr = has_pointers ? (uintptr_t)&group->idle_server_tid : 0;
	atomic_store(&self->words.server_nr, 0);
	atomic_store(&self->words.critical, 0);
	atomic_store(&self->words.signals, kind == WORKER ? atomic_load(&immediate_signals) : 0);
	atomic_store(&self->wakeups, 0);
	atomic_store(&self->running, NULL);
	atomic_store(&self->server, NULL);
	atomic_store(&self->has_run, false);
	atomic_store(&self->has_timeout, false);
	self->tid = gettid();
	self->group = group;
	self->group_flags = flags;
	umcg_set_task_tag(utid_of(self), tag);
	atomic_store_explicit(&self->kind, kind, memory_order_release);
}

/* What the kernel is to know of the thread. */
static uint32_t ctl_flags(struct thread *self, enum thread_kind kind)
{
	uint32_t flags = UMCG_CTL_REGISTER;

	if (kind == WORKER)
		flags |= UMCG_CTL_WORKER;
	if (is_direct(self))
		flags |= UMCG_CTL_DIRECT;
	if (kind == WORKER && self->group_flags & UMCG_GROUP_CRITICAL)
		flags |= UMCG_CTL_CRITICAL;
	if (atomic_load(&self->words.signals))
		flags |= UMCG_CTL_SIGNALS;

	return flags;
}

/* Replaces one of the two policies of ordinary threads by the other, for the calling thread. */
static bool replace_policy(int from, int to)
{
	const int policy = sched_getscheduler(0);
	const int options = policy & SCHED_RESET_ON_FORK;
	const struct sched_param none = { .sched_priority = 0 };

	return policy >= 0 && (policy & ~options) == from &&
	       !sched_setscheduler(0, to | options, &none);
}

/* A worker has the policy of its group from before it may first run in it until it has left. */
static void take_policy(struct thread *self)
{
	self->is_batch = kind_of(self) == WORKER && self->group_flags & UMCG_GROUP_BATCH &&
			 replace_policy(SCHED_OTHER, SCHED_BATCH);
}

/* The program may have given it another one since. */
static void give_policy_back(struct thread *self)
{
	if (self->is_batch)
		replace_policy(SCHED_BATCH, SCHED_OTHER);
	self->is_batch = false;
}

static void take_registration_back(struct thread *self)
{
	const int error = errno;

	give_policy_back(self);
	leave_group(self);
	leave_tids(self);
	forget_registration(self);
	errno = error;
}

/* A server that has ended without unregistering may have the number that is missing. */
static bool find_place(struct thread *self)
{
	if (join_group(self))
		return true;

	umcg_bury_members(self->group);
	return join_group(self);
}

static umcg_tid register_as(enum thread_kind kind, struct umcg_group *group, intptr_t tag)
{
	struct thread *self = umcg_own_thread();

	if (!self)
		return UMCG_NONE;
	if (kind_of(self) != UNREGISTERED || (kind != BASIC_TASK && !(group && group->is_here))) {
		errno = EINVAL;
		return UMCG_NONE;
	}

	umcg_learn_clock();
	prepare(self, kind, group, tag);
	/* The kernel may name it as soon as it knows it. */
	if (is_direct(self) && !umcg_add_tid(self)) {
		forget_registration(self);
		errno = ENOMEM;
		return UMCG_NONE;
	}
	if (!find_place(self)) {
		leave_tids(self);
		forget_registration(self);
		errno = ENOSPC;
		return UMCG_NONE;
	}
	take_policy(self);
	if (umcg_sys_ctl(ctl_flags(self, kind), &self->words,
			 is_direct(self) ? &group->direct : NULL,
			 kind == SERVER ? self->server_nr : 0)) {
		take_registration_back(self);
		return UMCG_NONE;
	}
	atomic_store_explicit(&self->has_run, true, memory_order_relaxed);
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

/* In direct mode nobody hears of it: the server goes to another worker, or into the set. */
static void part_from_group(struct thread *self)
{
	umcg_hold_worker(self);
	umcg_direct_gives_server_up(self);
	if (atomic_load_explicit(&self->words.next_tid, memory_order_relaxed))
		umcg_sys_wait(UMCG_WAIT_WAKE_ONLY, 0);
	leave_group(self);
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

	if (kind == WORKER && is_direct(self))
		part_from_group(self);
	else if (kind == WORKER)
		part_from_server(self);
	leave_tids(self);
	/* The kernel may set the state to NONE; has_ended() must not take that for the end. */
	atomic_store_explicit(&self->kind, UNREGISTERED, memory_order_release);
	result = umcg_sys_ctl(UMCG_CTL_UNREGISTER, NULL, NULL, 0);
	is_registered_no_more();
	give_policy_back(self);
	if (kind == SERVER)
		leave_group(self);
	forget_registration(self);

	return result;
}
