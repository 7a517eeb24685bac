/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A mutex whose waiters spin while its owner is on a CPU, because it will be free soon,
 * and sleep on a futex otherwise. An unlock with sleepers wakes one; the next unlocks
 * need no system call until that one has had the mutex, or sleeps again.
 *
 * The word of the mutex has the slot index of its owner, so that a waiter can read the
 * slot; as slots are never unmapped, it does not matter if the owner has exited in
 * between.
 */
#ifndef ADAPTIVE_MUTEX_H
#define ADAPTIVE_MUTEX_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <umcg_sched.h>

/* Bits of the word: the index of the owner's slot plus one, and whether a thread sleeps. */
#define ADAPTIVE_SLEEPERS	0x80000000U
/*
 * The number of pauses between two sleeps: a longer section is not short, and sleeping
 * threads must get the mutex, too.
 */
#define ADAPTIVE_PAUSES		3000
/* The most of them between two looks: each look takes the word away from its owner. */
#define ADAPTIVE_MAX_WAIT	16

struct adaptive_mutex {
	_Atomic uint32_t word;
};

/* What the calling thread needs to take such a mutex. */
struct adaptive_thread {
	const struct umcg_sched_state *slots;
	uint32_t name;
	/* How many pauses are left until it sleeps. */
	int pauses;
};

/* Returns false if the thread cannot get a slot; errno says why. */
static inline bool adaptive_thread_init(struct adaptive_thread *self)
{
	const struct umcg_sched_state *slot = umcg_sched_state_register(0);

	if (!slot)
		return false;
	self->slots = umcg_sched_slots();
	self->name = umcg_sched_number(self->slots, slot) + 1;
	self->pauses = ADAPTIVE_PAUSES;
	return true;
}

static inline void adaptive_pause(struct adaptive_thread *self, int count)
{
	self->pauses -= count;
	while (count--) {
#if defined(__x86_64__)
		__builtin_ia32_pause();
#elif defined(__aarch64__)
		__asm__ volatile("yield" : : : "memory");
#endif
	}
}

static inline bool adaptive_owner_runs(const struct adaptive_thread *self, uint32_t word)
{
	return umcg_on_cpu(&self->slots[(word & ~ADAPTIVE_SLEEPERS) - 1]);
}

/* Spins until the mutex is free; false if that is not worthwhile. */
static inline bool adaptive_spin(struct adaptive_mutex *mutex, struct adaptive_thread *self)
{
	int wait = 1;

	while (self->pauses > 0) {
		const uint32_t word = atomic_load_explicit(&mutex->word, memory_order_relaxed);

		if (!word)
			return true;
		if (!adaptive_owner_runs(self, word))
			return false;
		adaptive_pause(self, wait);
		if (wait < ADAPTIVE_MAX_WAIT)
			wait *= 2;
	}
	return false;
}

static inline void adaptive_sleep(struct adaptive_mutex *mutex, struct adaptive_thread *self)
{
	uint32_t word = atomic_load_explicit(&mutex->word, memory_order_relaxed);

	if (!word)
		return;
	if (!(word & ADAPTIVE_SLEEPERS) &&
	    !atomic_compare_exchange_strong(&mutex->word, &word, word | ADAPTIVE_SLEEPERS))
		return;
	syscall(SYS_futex, &mutex->word, FUTEX_WAIT_PRIVATE, word | ADAPTIVE_SLEEPERS, NULL, NULL,
		0);
	self->pauses = ADAPTIVE_PAUSES;
}

static inline void adaptive_lock(struct adaptive_mutex *mutex, struct adaptive_thread *self)
{
	uint32_t wanted = self->name;
	uint32_t word = 0;

	/* Acquire: pairs with the release of adaptive_unlock(). */
	while (!atomic_compare_exchange_weak_explicit(&mutex->word, &word, wanted,
						      memory_order_acquire,
						      memory_order_relaxed)) {
		if (word && !adaptive_spin(mutex, self)) {
			adaptive_sleep(mutex, self);
			/* Others may sleep: a thread that has slept takes care of them. */
			wanted = self->name | ADAPTIVE_SLEEPERS;
		}
		word = 0;
	}
}

static inline void adaptive_unlock(struct adaptive_mutex *mutex)
{
	const uint32_t word = atomic_exchange_explicit(&mutex->word, 0, memory_order_release);

	if (word & ADAPTIVE_SLEEPERS)
		syscall(SYS_futex, &mutex->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

#endif
