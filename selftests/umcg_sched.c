// SPDX-License-Identifier: GPL-2.0
/* Slots and deschedule notifications, as the kernel sees the calls. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "umcg_sched.h"

const struct umcg_sched_state *slots;

bool slots_map(void)
{
	void *address = mmap(NULL, UMCG_SCHED_STATE_SIZE, PROT_READ, MAP_SHARED, umcg_fd, 0);

	slots = address;
	return address != MAP_FAILED;
}

int slot_register(uint32_t flags)
{
	struct umcg_sched_state_args args = {
		.size = sizeof(args),
		.flags = UMCG_SCHED_STATE_REGISTER | flags,
		.slot = UINT_MAX,
	};

	return umcg_ioctl(UMCG_IOC_SCHED_STATE, &args) ?: (int)args.slot;
}

int slot_unregister(void)
{
	struct umcg_sched_state_args args = {
		.size = sizeof(args),
		.flags = UMCG_SCHED_STATE_UNREGISTER,
	};

	return umcg_ioctl(UMCG_IOC_SCHED_STATE, &args);
}

int desched_add(uint64_t cookie, uint32_t flags, void *address, uint32_t width, uint64_t value)
{
	struct umcg_desched_args args = {
		.size = sizeof(args),
		.flags = flags,
		.cookie = cookie,
		.addr = (uintptr_t)address,
		.value = value,
		.width = width,
	};

	return umcg_ioctl(UMCG_IOC_DESCHED_ADD, &args);
}

int desched_remove(uint64_t cookie)
{
	struct umcg_desched_args args = {
		.size = sizeof(args),
		.cookie = cookie,
	};

	return umcg_ioctl(UMCG_IOC_DESCHED_REMOVE, &args);
}

__attribute__((constructor)) static void tell_what_exec_has_left(void)
{
	const char *fd = getenv("UMCG_SCHED_FD");

	if (!fd)
		return;
	umcg_fd = atoi(fd);
	_exit((slot_unregister() == -ENOENT ? 0 : HAS_SLOT) +
	      (desched_remove(COOKIE) == -ENOENT ? 0 : HAS_NOTIFICATION));
}

void exec_and_tell(void)
{
	char *const arguments[] = { "umcg-exec", NULL };
	char fd[32], *const environment[] = { fd, NULL };

	snprintf(fd, sizeof(fd), "UMCG_SCHED_FD=%d", dup(umcg_fd));
	execve("/proc/self/exe", arguments, environment);
	_exit(HAS_NOT_BEGUN);
}

/* Acquire: what is read after this is read later. Pairs with the release stores of the kernel. */
uint32_t slot_state(int slot)
{
	return __atomic_load_n(&slots[slot].state, __ATOMIC_ACQUIRE);
}

uint32_t slot_seq(int slot)
{
	return __atomic_load_n(&slots[slot].seq, __ATOMIC_ACQUIRE);
}

bool slot_snapshot(int slot, struct umcg_sched_state *copy)
{
	const struct umcg_sched_state *from = &slots[slot];

	for (int try = 0; try < 1000; try++) {
		copy->seq = slot_seq(slot);
		copy->version = __atomic_load_n(&from->version, __ATOMIC_RELAXED);
		copy->state = __atomic_load_n(&from->state, __ATOMIC_RELAXED);
		copy->tid = __atomic_load_n(&from->tid, __ATOMIC_RELAXED);
		copy->off_ns = __atomic_load_n(&from->off_ns, __ATOMIC_RELAXED);
		copy->on_ns = __atomic_load_n(&from->on_ns, __ATOMIC_RELAXED);
		copy->cpu = __atomic_load_n(&from->cpu, __ATOMIC_RELAXED);
		copy->vcpu = __atomic_load_n(&from->vcpu, __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (copy->seq % 2 == 0 && copy->seq == slot_seq(slot))
			return true;
	}
	return false;
}

void stay_with_slot(struct umcg_thread *self)
{
	self->result = slot_register(0);
	self->phase = 1;
	stay_until_told(self);
}

/* Waits to be preempted, yields, or sleeps. */
static void perhaps_depart(unsigned int round)
{
	if (round % 4 == 0)
		block_once();
	else if (round % 64 != 1)
		sched_yield();
}

/* Whether it was descheduled. */
static bool watch_once(struct watch *watch, int slot, unsigned int round)
{
	uint64_t value;
	uint32_t seq;

	*watch->word = MARK;
	seq = slot_seq(slot);
	perhaps_depart(round);
	for (int look = 0; look < 100; look++) {
		const uint32_t now = slot_seq(slot);

		value = *watch->word;
		if (now != seq) {
			watch->lies += value != 0;
			return true;
		}
		/* Written, perhaps since the slot was read: it may have been descheduled after that. */
		if (value == 0) {
			watch->lies += slot_seq(slot) == seq;
			return true;
		}
	}
	return false;
}

void watch_word(struct umcg_thread *self)
{
	struct watch *watch = self->arg;
	const int slot = slot_register(0);
	unsigned int round = 0;

	self->result = slot < 0 ? slot : desched_add(COOKIE, ALWAYS, (void *)watch->word, 8, 0);
	self->phase = 1;
	while (!self->result && !watch->over) {
		watch->departures += watch_once(watch, slot, round++);
		if (watch->enough && watch->departures >= watch->enough)
			break;
	}
}

long own_switches(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw + usage.ru_nivcsw;
}

static long own_sleeps(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

void block_once(void)
{
	struct timespec moment = { .tv_nsec = 20000 };
	const long before = own_sleeps();

	/* If the timeout expires before the thread sleeps, it is not descheduled. */
	do {
		nanosleep(&moment, NULL);
		moment.tv_nsec *= 2;
	} while (own_sleeps() == before);
}
