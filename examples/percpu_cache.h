/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A cache of free objects for each CPU, without locks and atomic instructions in the fast
 * path.
 *
 * Each thread has a word with the address of the cache of its CPU. The kernel resets the
 * word when the thread was descheduled: so the word is zero, or correct. A restartable
 * sequence (rseq) ensures that it stays correct while an object is taken: a thread that
 * is interrupted in it starts over, and finds the word reset.
 *
 * The CPUs are virtual ones: as many as threads run at the same time, and no more.
 */
#ifndef PERCPU_CACHE_H
#define PERCPU_CACHE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/rseq.h>

#include <umcg_sched.h>

#include "percpu_sequence.h"

#define PERCPU_CAPACITY		64
/* Values of the word that are no address of a cache. */
#define PERCPU_NONE		((uintptr_t)0)
#define PERCPU_LOOKING		((uintptr_t)1)

/* Changed only by the thread on the virtual CPU. */
struct percpu_cache {
	_Alignas(64) uint64_t count;
	void *objects[PERCPU_CAPACITY];
};

struct percpu_thread {
	/* PERCPU_NONE, PERCPU_LOOKING, or the address of a cache. The kernel resets it. */
	_Alignas(64) _Atomic uintptr_t word;
	const struct umcg_sched_state *slot;
	struct percpu_cache *caches;
	/* How often the word was found reset. */
	unsigned long lookups;
};

enum percpu_result {
	PERCPU_DONE,
	/* Nothing to take, or no room. */
	PERCPU_BOUND,
	/* The word is reset. */
	PERCPU_LOST,
	/* The sequence was interrupted. */
	PERCPU_AGAIN,
};

/*
 * Makes the kernel reset the word of the calling thread. @caches has one cache for each
 * CPU. Returns false with errno set if this fails.
 */
static inline bool percpu_thread_init(struct percpu_thread *self, struct percpu_cache *caches)
{
	*self = (struct percpu_thread){ .caches = caches };
	self->slot = umcg_sched_state_register(UMCG_SCHED_STATE_VCPU);
	return self->slot && self->slot->vcpu != UMCG_SCHED_NO_VCPU &&
	       !umcg_desched_add(self, UMCG_DESCHED_ON_PREEMPT | UMCG_DESCHED_ON_BLOCK,
				 (void *)&self->word, sizeof(self->word), PERCPU_NONE);
}

static inline void percpu_thread_exit(struct percpu_thread *self)
{
	umcg_desched_remove(self);
}

/* If the thread is descheduled in between, the word is reset, and the last step fails. */
static inline void percpu_look_up(struct percpu_thread *self)
{
	uintptr_t expected;

	self->lookups++;
	do {
		uint32_t vcpu;

		atomic_store_explicit(&self->word, PERCPU_LOOKING, memory_order_relaxed);
		atomic_signal_fence(memory_order_seq_cst);
		vcpu = __atomic_load_n(&self->slot->vcpu, __ATOMIC_RELAXED);
		expected = PERCPU_LOOKING;
		/* Acquire: what others have left in the cache is seen with its number. */
		if (atomic_compare_exchange_strong_explicit(&self->word, &expected,
							    (uintptr_t)&self->caches[vcpu],
							    memory_order_acquire,
							    memory_order_relaxed))
			return;
	} while (true);
}

/* Where glibc has registered the restartable sequences of this thread. */
static inline uint64_t *percpu_rseq_cs(void)
{
	struct rseq *area = (void *)((char *)__builtin_thread_pointer() + __rseq_offset);

	return (uint64_t *)&area->rseq_cs;
}

/* Takes an object, once. */
static inline enum percpu_result percpu_try_take(struct percpu_thread *self, void **object)
{
	__asm__ goto(
		PERCPU_SEQUENCE(PERCPU_TAKE)
		:
		: [rseq_cs] "r"(percpu_rseq_cs()), [word] "r"(&self->word), [object] "r"(object)
		: PERCPU_CLOBBERS
		: lost, bound, again);
	return PERCPU_DONE;
lost:
	return PERCPU_LOST;
bound:
	return PERCPU_BOUND;
again:
	return PERCPU_AGAIN;
}

/* Puts an object there, once. It counts when the number has been written. */
static inline enum percpu_result percpu_try_put(struct percpu_thread *self, void *object)
{
	__asm__ goto(
		PERCPU_SEQUENCE(PERCPU_PUT)
		:
		: [rseq_cs] "r"(percpu_rseq_cs()), [word] "r"(&self->word), [object] "r"(object),
		  [capacity] "i"(PERCPU_CAPACITY)
		: PERCPU_CLOBBERS
		: lost, bound, again);
	return PERCPU_DONE;
lost:
	return PERCPU_LOST;
bound:
	return PERCPU_BOUND;
again:
	return PERCPU_AGAIN;
}

/* Takes an object of this CPU; NULL if there is none. */
static inline void *percpu_take(struct percpu_thread *self)
{
	enum percpu_result result;
	void *object;

	while ((result = percpu_try_take(self, &object)) != PERCPU_DONE) {
		if (result == PERCPU_BOUND)
			return NULL;
		if (result == PERCPU_LOST)
			percpu_look_up(self);
	}
	return object;
}

/* Gives an object to this CPU; false if there is no room. */
static inline bool percpu_put(struct percpu_thread *self, void *object)
{
	enum percpu_result result;

	while ((result = percpu_try_put(self, object)) != PERCPU_DONE) {
		if (result == PERCPU_BOUND)
			return false;
		if (result == PERCPU_LOST)
			percpu_look_up(self);
	}
	return true;
}

/* The objects lie behind the count, the first one at index 1. */
_Static_assert(offsetof(struct percpu_cache, objects) == sizeof(uint64_t), "layout");

#endif
