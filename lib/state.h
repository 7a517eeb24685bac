/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The state word: its values, and how it changes.
 */
#ifndef _UMCG_STATE_H
#define _UMCG_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include <linux/umcg.h>

#define NONE	UMCG_TASK_NONE
#define RUNNING	UMCG_TASK_RUNNING
#define IDLE	UMCG_TASK_IDLE
#define BLOCKED	UMCG_TASK_BLOCKED
#define LOCKED	UMCG_TF_LOCKED
#define PREEMPTED UMCG_TF_PREEMPTED

/*
 * Three of the five bits for user space have additional states of an idle task; the other
 * two belong to the program, and are preserved.
 *
 * TAKEN:  a worker that was taken off the list of its group, to be run
 * WAITS:  it is in umcg_wait() or umcg_swap(), and may be woken
 * QUEUED: a worker that was woken there, and is on the list of its group
 * POLLS:  a server that is in umcg_get_idle_worker()
 */
#define TAKEN	(1U << 15)
#define WAITS	(1U << 16)
#define QUEUED	(1U << 17)
#define POLLS	(1U << 17)

#define PROGRAM_BITS	(UMCG_TASK_USER_MASK & ~(TAKEN | WAITS | QUEUED | POLLS))

#define TIMESTAMP_MASK	(~0ULL >> UMCG_STATE_TIMESTAMP_SHIFT)

/* By how many nanoseconds CLOCK_MONOTONIC is ahead here, in a time namespace; see process.c. */
extern _Atomic int64_t umcg_clock_offset;

/* CLOCK_MONOTONIC in nanoseconds, as the kernel has it in its own timestamps. */
static inline uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec -
	       atomic_load_explicit(&umcg_clock_offset, memory_order_relaxed);
}

/* The first word of a task: there is no earlier one that it has to be later than. */
static inline uint64_t state_at(uint32_t bits, uint64_t now_ns)
{
	return now_ns >> UMCG_STATE_TIMESTAMP_GRANULARITY << UMCG_STATE_TIMESTAMP_SHIFT | bits;
}

/* The word after @old with these @bits, later than @old, at @now_ns if that is later. */
static inline uint64_t state_successor(uint64_t old, uint32_t bits, uint64_t now_ns)
{
	uint64_t before = old >> UMCG_STATE_TIMESTAMP_SHIFT;
	uint64_t now = (now_ns >> UMCG_STATE_TIMESTAMP_GRANULARITY) & TIMESTAMP_MASK;
	uint64_t ahead = (now - before) & TIMESTAMP_MASK;

	if (ahead == 0 || ahead > TIMESTAMP_MASK / 2)
		now = before + 1;

	return now << UMCG_STATE_TIMESTAMP_SHIFT | (old & PROGRAM_BITS) | bits;
}

/* When the word was written, by a clock that says @now_ns. The word may be some steps ahead. */
static inline uint64_t state_time_ns(uint64_t word, uint64_t now_ns)
{
	uint64_t now = now_ns >> UMCG_STATE_TIMESTAMP_GRANULARITY;
	uint64_t ago = (now - (word >> UMCG_STATE_TIMESTAMP_SHIFT)) & TIMESTAMP_MASK;

	if (ago > TIMESTAMP_MASK / 2)
		ago = 0;

	return (now - ago) << UMCG_STATE_TIMESTAMP_GRANULARITY;
}

/*
 * State, lock and the library's bits. Without PREEMPTED: any thread may set it in RUNNING
 * at any time, and it changes nothing for the library.
 */
static inline uint32_t bits_of(uint64_t word)
{
	return word & UMCG_TASK_STATE_MASK_FULL & ~(PROGRAM_BITS | PREEMPTED);
}

/*
 * Reads the bits of a word. Sequentially consistent: if one side changes its word and
 * then reads a second one, and the other side does the reverse, one of them sees the
 * other's change. Pairs with change_state() and with the fully ordered changes by the
 * kernel.
 */
static inline uint32_t state_bits(const _Atomic uint64_t *word)
{
	return bits_of(atomic_load(word));
}

/* Changes the word from @from to @to and keeps the flags @kept, or leaves it if it is not @from. */
static inline bool replace_bits(_Atomic uint64_t *word, uint32_t from, uint32_t to, uint32_t kept,
				uint64_t now_ns)
{
	uint64_t old = atomic_load_explicit(word, memory_order_relaxed);

	do {
		if (bits_of(old) != from)
			return false;
	} while (!atomic_compare_exchange_weak(word, &old,
					       state_successor(old, (old & kept) | to, now_ns)));

	return true;
}

/*
 * Changes the word from @from to @to, or leaves it if it is not @from. PREEMPTED stays
 * until the worker was preempted, whatever it does before. Sequentially consistent; see
 * state_bits().
 */
static inline bool change_state(_Atomic uint64_t *word, uint32_t from, uint32_t to,
				uint64_t now_ns)
{
	return replace_bits(word, from, to, PREEMPTED, now_ns);
}

/*
 * Takes an idle worker, whose bits are @from, to run it. It does not run any more, so
 * PREEMPTED is cleared. Sequentially consistent; see state_bits().
 */
static inline bool claim_state(_Atomic uint64_t *word, uint32_t from, uint64_t now_ns)
{
	return replace_bits(word, from, RUNNING | LOCKED, 0, now_ns);
}

#endif /* _UMCG_STATE_H */
