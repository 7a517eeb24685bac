// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Slots and deschedule notifications. The mapping of the slots is made once, and stays:
 * pointers to slots are valid as long as the process exists.
 */
#include <errno.h>

#include "internal.h"
#include "umcg_sched.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Where the slots are of the thread that calls fork(). */
static _Thread_local const struct umcg_sched_state *place;

static void before_fork(void)
{
	place = atomic_load_explicit(&umcg_process()->slots, memory_order_relaxed);
}

/*
 * The mapping is not inherited. The child gets its own one, at the place that it may know, or
 * elsewhere if that is taken; and elsewhere, if it was made by clone(), when it asks for it.
 */
static void child_begins(void)
{
	if (place && umcg_sys_map_slots_again(place))
		atomic_store_explicit(&umcg_process()->slots, place, memory_order_release);
}

static void watch_forks(void)
{
	pthread_atfork(before_fork, NULL, child_begins);
}

const struct umcg_sched_state *umcg_sched_slots(void)
{
	struct process *process = umcg_process();
	const struct umcg_sched_state *found;

	if (!process) {
		errno = ENOMEM;
		return NULL;
	}
	/* Acquire: pairs with the release below. */
	found = atomic_load_explicit(&process->slots, memory_order_acquire);
	if (found)
		return found;

	pthread_once(&once, watch_forks);
	pthread_mutex_lock(&process->slots_lock);
	found = atomic_load_explicit(&process->slots, memory_order_relaxed);
	if (!found) {
		found = umcg_sys_map_slots();
		atomic_store_explicit(&process->slots, found, memory_order_release);
	}
	pthread_mutex_unlock(&process->slots_lock);

	return found;
}

const struct umcg_sched_state *umcg_sched_state_register(uint32_t flags)
{
	const struct umcg_sched_state *all = umcg_sched_slots();
	struct umcg_sched_state_args args = {
		.size = sizeof(args),
		.flags = UMCG_SCHED_STATE_REGISTER | flags,
	};

	if (!all)
		return NULL;
	if (umcg_sys_sched_state(&args) && errno != EEXIST)
		return NULL;

	return &all[args.slot];
}

int umcg_sched_state_unregister(void)
{
	struct umcg_sched_state_args args = {
		.size = sizeof(args),
		.flags = UMCG_SCHED_STATE_UNREGISTER,
	};

	return umcg_sys_sched_state(&args);
}

int umcg_desched_add(const void *cookie, uint32_t flags, void *word, size_t width, uint64_t value)
{
	const struct umcg_desched_args args = {
		.size = sizeof(args),
		.flags = flags,
		.cookie = (uintptr_t)cookie,
		.addr = (uintptr_t)word,
		.value = value,
		.width = width > sizeof(value) ? 0 : (uint32_t)width,
	};

	return umcg_sys_desched(UMCG_IOC_DESCHED_ADD, &args);
}

int umcg_desched_remove(const void *cookie)
{
	const struct umcg_desched_args args = {
		.size = sizeof(args),
		.cookie = (uintptr_t)cookie,
	};

	return umcg_sys_desched(UMCG_IOC_DESCHED_REMOVE, &args);
}
