/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A mutex whose waiters spin while its owner is on a CPU, for then it will be free
 * soon, and sleep on a futex otherwise.
 *
 * The word of the mutex names the slot of its owner, so that whoever reads the one
 * knows where to look for the other; and as slots are never unmapped, it does not
 * matter that the owner may have left in between.
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

/* Bits of the word: the number of the owner's slot plus one, and whether somebody sleeps. */
#define ADAPTIVE_SLEEPERS	0x80000000U
/* After so many looks at an owner that stays on its CPU, it is no short section. */
#define ADAPTIVE_MAX_SPINS	1000

struct adaptive_mutex {
	_Atomic uint32_t word;
};

/* What the calling thread needs to take such a mutex. */
struct adaptive_thread {
	const struct umcg_sched_state *slots;
	uint32_t name;
};

/* Returns false if the thread cannot get a slot; errno says why. */
static inline bool adaptive_thread_init(struct adaptive_thread *self)
{
	const struct umcg_sched_state *slot = umcg_sched_state_register(0);

	if (!slot)
		return false;
	self->slots = umcg_sched_slots();
	self->name = umcg_sched_number(self->slots, slot) + 1;
	return true;
}

static inline void adaptive_relax(void)
{
#ifdef __x86_64__
	__builtin_ia32_pause();
#endif
}

static inline bool adaptive_owner_runs(const struct adaptive_thread *self, uint32_t word)
{
	return umcg_on_cpu(&self->slots[(word & ~ADAPTIVE_SLEEPERS) - 1]);
}

/* Waits for a moment at which the mutex is free; false if that is not worth while. */
static inline bool adaptive_spin(struct adaptive_mutex *mutex, const struct adaptive_thread *self)
{
	for (int i = 0; i < ADAPTIVE_MAX_SPINS; i++) {
		const uint32_t word = atomic_load_explicit(&mutex->word, memory_order_relaxed);

		if (!word)
			return true;
		if (!adaptive_owner_runs(self, word))
			return false;
		adaptive_relax();
	}
	return false;
}

static inline void adaptive_sleep(struct adaptive_mutex *mutex)
{
	uint32_t word = atomic_load_explicit(&mutex->word, memory_order_relaxed);

	if (!word)
		return;
	if (!(word & ADAPTIVE_SLEEPERS) &&
	    !atomic_compare_exchange_strong(&mutex->word, &word, word | ADAPTIVE_SLEEPERS))
		return;
	syscall(SYS_futex, &mutex->word, FUTEX_WAIT_PRIVATE, word | ADAPTIVE_SLEEPERS, NULL, NULL,
		0);
}

static inline void adaptive_lock(struct adaptive_mutex *mutex, const struct adaptive_thread *self)
{
	uint32_t wanted = self->name;
	uint32_t word = 0;

	/* Acquire: pairs with the release of adaptive_unlock(). */
	while (!atomic_compare_exchange_weak_explicit(&mutex->word, &word, wanted,
						      memory_order_acquire,
						      memory_order_relaxed)) {
		if (word && !adaptive_spin(mutex, self)) {
			adaptive_sleep(mutex);
			/* There may be others who sleep: whoever has slept sees to them. */
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
