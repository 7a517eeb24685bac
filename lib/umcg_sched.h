/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Who is on a CPU, for C programs: slots that the kernel writes, and words that the
 * kernel resets when a thread has left its CPU. Part of libumcg; threads need not be
 * servers or workers.
 *
 * The calls fail with -1 or NULL and errno, as those of libumcg.h do; besides what
 * is said below also with what umcg_enabled() says, or with EPROTO where the module
 * is older. None may be made from a signal handler, but all the inline functions may.
 *
 * A child has no slot and no notification. If it was made by fork(), what it knows of
 * slots of its parent stays readable, and says that nobody is on a CPU.
 */
#ifndef _UMCG_SCHED_H
#define _UMCG_SCHED_H

#ifndef __LP64__
#error "libumcg is for 64-bit programs"
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/umcg.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/**
 * umcg_sched_slots() - all slots of the process
 *
 * Returns: UMCG_SCHED_STATE_SLOTS slots, readable until the process ends; or NULL and
 * errno ENOMEM.
 */
const struct umcg_sched_state *umcg_sched_slots(void);

/**
 * umcg_sched_state_register() - has the kernel say whether the calling thread runs
 * @flags: UMCG_SCHED_STATE_VCPU, or zero
 *
 * A thread that has a slot gets the same one again, so the libraries of a process
 * need not know of each other; but the first one has said whether there is a
 * virtual CPU. The slot goes with the thread.
 *
 * Returns: the slot of the thread, which stays readable when the thread is gone; or
 * NULL and errno: ENOSPC or EAGAIN, too many threads have one; EINVAL, there is no such
 * flag; ENOMEM.
 */
const struct umcg_sched_state *umcg_sched_state_register(uint32_t flags);

/**
 * umcg_sched_state_unregister() - gives the slot of the calling thread back
 *
 * For whoever knows that nobody else in the thread uses it.
 *
 * Returns: 0, or -1 and errno ENOENT: the thread has none.
 */
int umcg_sched_state_unregister(void);

/**
 * umcg_desched_add() - has the kernel write a word when this thread has left its CPU
 * @cookie: names the notification; the address of something of the caller's
 * @flags: UMCG_DESCHED_ON_PREEMPT, UMCG_DESCHED_ON_BLOCK, or both; perhaps with
 *	UMCG_DESCHED_WRITE_TIME
 * @word: where to write, a multiple of @width
 * @width: 1, 2, 4 or 8 bytes
 * @value: what to write
 *
 * The word is written once now, and after each departure before the thread executes
 * user code again. It must stay writable until the notification is removed, or the
 * thread has ended.
 *
 * Returns: 0, or -1 and errno: EINVAL; EFAULT, the word cannot be written; EEXIST,
 * the thread has a notification of this @cookie; ENOSPC, it has UMCG_DESCHED_MAX;
 * EAGAIN, too many threads have some; ENOMEM.
 */
int umcg_desched_add(const void *cookie, uint32_t flags, void *word, size_t width,
		     uint64_t value);

/**
 * umcg_desched_remove() - ends what umcg_desched_add() has begun in this thread
 * @cookie: names the notification
 *
 * Returns: 0, or -1 and errno ENOENT.
 */
int umcg_desched_remove(const void *cookie);

/**
 * umcg_on_cpu() - whether the thread of a slot is on a CPU
 * @slot: the slot
 *
 * A hint: it may be another way a moment later. Orders nothing.
 */
static inline bool umcg_on_cpu(const struct umcg_sched_state *slot)
{
	return __atomic_load_n(&slot->state, __ATOMIC_RELAXED) == UMCG_SCHED_ON_CPU;
}

/**
 * umcg_sched_number() - the number of a slot
 * @slots: umcg_sched_slots()
 * @slot: one of them
 */
static inline uint32_t umcg_sched_number(const struct umcg_sched_state *slots,
					 const struct umcg_sched_state *slot)
{
	return (uint32_t)(slot - slots);
}

/**
 * umcg_sched_read() - the fields of a slot as they were at one moment
 * @slot: the slot
 * @copy: where to write them
 *
 * Returns: true; or false if they change just now: then @copy is of no use.
 */
static inline bool umcg_sched_read(const struct umcg_sched_state *slot,
				   struct umcg_sched_state *copy)
{
	/* Acquire, here and in the fence: pairs with the release stores of the kernel. */
	copy->seq = __atomic_load_n(&slot->seq, __ATOMIC_ACQUIRE);
	copy->version = __atomic_load_n(&slot->version, __ATOMIC_RELAXED);
	copy->state = __atomic_load_n(&slot->state, __ATOMIC_RELAXED);
	copy->tid = __atomic_load_n(&slot->tid, __ATOMIC_RELAXED);
	copy->off_ns = __atomic_load_n(&slot->off_ns, __ATOMIC_RELAXED);
	copy->on_ns = __atomic_load_n(&slot->on_ns, __ATOMIC_RELAXED);
	copy->cpu = __atomic_load_n(&slot->cpu, __ATOMIC_RELAXED);
	copy->vcpu = __atomic_load_n(&slot->vcpu, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);

	return copy->seq % 2 == 0 && __atomic_load_n(&slot->seq, __ATOMIC_RELAXED) == copy->seq;
}

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop

#endif /* _UMCG_SCHED_H */
