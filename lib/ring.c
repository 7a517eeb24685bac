// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The ring of workers to be run next, in a group in direct mode. Any thread may push and pop, and
 * so does the kernel.
 *
 * A position is filled and popped by an exchange of its word, and counted in ready_ends after
 * that, by whoever is there first.
 */
#include "direct.h"

/* The word of a position, with this TID or none. The turn says which position it is valid for. */
static uint64_t place(uint32_t position, uint32_t tid)
{
	return (uint64_t)(position / UMCG_DIRECT_RING) << 32 | tid;
}

static bool is_of_turn(uint64_t word, uint32_t position)
{
	return word >> 32 == position / UMCG_DIRECT_RING;
}

static _Atomic uint64_t *word_of(struct direct_words *words, uint32_t position)
{
	return &words->ready[position % UMCG_DIRECT_RING];
}

/* The head may not carry over into the tail. */
static uint64_t with_one_popped(uint64_t ends)
{
	return (ends & ~0xffffffffULL) | (uint32_t)(ends + 1);
}

static uint64_t with_one_filled(uint64_t ends)
{
	return ends + (1ULL << 32);
}

/* Changes the ends from what was seen, unless somebody else has. They are what was seen then. */
static void count(struct direct_words *words, uint64_t *seen, uint64_t next)
{
	if (atomic_compare_exchange_strong(&words->ready_ends, seen, next))
		*seen = next;
}

/*
 * Appends a worker, which is IDLE, not LOCKED, and in no list. False if the ring is full. The
 * caller looks at the set of servers after that.
 */
bool umcg_ring_push(struct direct_words *words, uint32_t tid)
{
	uint64_t ends = atomic_load(&words->ready_ends);

	for (;;) {
		const uint32_t tail = ends >> 32;
		uint64_t word = atomic_load(word_of(words, tail));
		uint64_t now;

		if (word == place(tail, 0)) {
			if (!atomic_compare_exchange_strong(word_of(words, tail), &word,
							    place(tail, tid)))
				continue;
			while (ends >> 32 == tail)
				count(words, &ends, with_one_filled(ends));
			return true;
		}
		if (is_of_turn(word, tail) || is_of_turn(word, tail + UMCG_DIRECT_RING)) {
			/* Filled, and perhaps popped, but not counted. */
			count(words, &ends, with_one_filled(ends));
			continue;
		}
		now = atomic_load(&words->ready_ends);
		if (now == ends)
			return false;
		ends = now;
	}
}

/*
 * Takes the first worker out: its TID, which may be any number; or 0. Who has it owns the worker.
 */
uint32_t umcg_ring_pop(struct direct_words *words)
{
	uint64_t ends = atomic_load(&words->ready_ends);

	while ((uint32_t)ends != ends >> 32) {
		const uint32_t head = ends;
		uint64_t word = atomic_load(word_of(words, head));

		if (word == place(head, 0))
			return 0;
		if (!is_of_turn(word, head)) {
			/* Popped, but not counted. */
			count(words, &ends, with_one_popped(ends));
			continue;
		}
		if (!atomic_compare_exchange_strong(word_of(words, head), &word,
						    place(head + UMCG_DIRECT_RING, 0)))
			continue;
		while ((uint32_t)ends == head)
			count(words, &ends, with_one_popped(ends));
		return word;
	}

	return 0;
}
