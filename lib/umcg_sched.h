/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Scheduling state for C programs: slots that tell whether a thread is on a CPU, and
 * words that the kernel writes when their thread was descheduled. Part of libumcg;
 * threads need not be servers or workers.
 *
 * The calls fail with -1 or NULL and errno, like those of libumcg.h; in addition to
 * the errors below with those of umcg_enabled(), or with EPROTO if the module does not
 * support them. They are not async-signal-safe, except for the inline functions.
 *
 * A child has no slot and no notification. If it was created by fork(), slots known to its
 * parent stay readable, and say that no thread is on a CPU.
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
 * Returns: UMCG_SCHED_STATE_SLOTS slots, readable until the process exits; or NULL and
 * errno ENOMEM.
 */
const struct umcg_sched_state *umcg_sched_slots(void);

/**
 * umcg_sched_state_register() - assign a slot to the calling thread
 * @flags: UMCG_SCHED_STATE_VCPU, or zero
 *
 * A thread that has a slot gets the same one again, so the libraries of a process
 * need not know of each other; but the first call determines whether there is a
 * virtual CPU. The slot is released when the thread exits.
 *
 * Returns: the slot of the thread, which stays readable when the thread has exited; or
 * NULL and errno: ENOSPC or EAGAIN, too many threads have one; EINVAL, unknown flag;
 * ENOMEM.
 */
const struct umcg_sched_state *umcg_sched_state_register(uint32_t flags);

/**
 * umcg_sched_state_unregister() - release the slot of the calling thread
 *
 * Call it only if no other code in the thread uses the slot.
 *
 * Returns: 0, or -1 and errno ENOENT: the thread has none.
 */
int umcg_sched_state_unregister(void);

/**
 * umcg_desched_add() - make the kernel write a word when this thread was descheduled
 * @cookie: identifies the notification; the address of an object of the caller
 * @flags: UMCG_DESCHED_ON_PREEMPT, UMCG_DESCHED_ON_BLOCK, or both; optionally with
 *	UMCG_DESCHED_WRITE_TIME
 * @word: where to write, a multiple of @width
 * @width: 1, 2, 4 or 8 bytes
 * @value: what to write
 *
 * The word is written once now, and whenever the thread was descheduled, before it
 * executes user code again. It must stay writable until the notification is removed, or
 * the thread has exited.
 *
 * Returns: 0, or -1 and errno: EINVAL; EFAULT, the word cannot be written; EEXIST,
 * the thread has a notification with this @cookie; ENOSPC, it has UMCG_DESCHED_MAX;
 * EAGAIN, too many threads have some; ENOMEM.
 */
int umcg_desched_add(const void *cookie, uint32_t flags, void *word, size_t width,
		     uint64_t value);

/**
 * umcg_desched_remove() - remove a notification of this thread
 * @cookie: identifies the notification
 *
 * Returns: 0, or -1 and errno ENOENT.
 */
int umcg_desched_remove(const void *cookie);

/**
 * umcg_on_cpu() - whether the thread of a slot is on a CPU
 * @slot: the slot
 *
 * A hint: it may change at any time. Orders nothing.
 */
static inline bool umcg_on_cpu(const struct umcg_sched_state *slot)
{
	return __atomic_load_n(&slot->state, __ATOMIC_RELAXED) == UMCG_SCHED_ON_CPU;
}

/**
 * umcg_sched_number() - the index of a slot
 * @slots: umcg_sched_slots()
 * @slot: one of them
 */
static inline uint32_t umcg_sched_number(const struct umcg_sched_state *slots,
					 const struct umcg_sched_state *slot)
{
	return (uint32_t)(slot - slots);
}

/**
 * umcg_sched_read() - read the fields of a slot consistently
 * @slot: the slot
 * @copy: where to write them
 *
 * Returns: true; or false if they are being changed: @copy is invalid then.
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
