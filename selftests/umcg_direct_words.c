// SPDX-License-Identifier: GPL-2.0
/*
 * The words of a group in direct mode: the set of idle servers, and the ring.
 */
#include "umcg_direct_words.h"

uint64_t direct_idle_servers(struct direct *direct)
{
	return atomic_load(WORD64(direct->words->idle_servers));
}

uint32_t direct_running(struct direct *direct, uint32_t nr)
{
	return atomic_load(WORD32(direct->words->running[nr]));
}

static uint64_t place(uint32_t position, uint32_t tid)
{
	return (uint64_t)(position / UMCG_DIRECT_RING) << 32 | tid;
}

static _Atomic uint64_t *ring(struct direct *direct, uint32_t position)
{
	return WORD64(direct->words->ready[position % UMCG_DIRECT_RING]);
}

/* Counts one more popped or filled, if the ends of the ring are as they were seen. */
static void count(struct direct *direct, uint64_t *ends, uint64_t one)
{
	/* The head may not carry over into the tail. */
	const uint64_t next = one == 1 ? (*ends & ~0xffffffffULL) | (uint32_t)(*ends + 1) :
					 *ends + one;

	if (atomic_compare_exchange_strong(WORD64(direct->words->ready_ends), ends, next))
		*ends = next;
}

/* The first word of the ring that is not popped yet; 0 if there is none. */
static uint64_t first_ready(struct direct *direct, uint32_t *head)
{
	uint64_t ends = atomic_load(WORD64(direct->words->ready_ends));

	while ((uint32_t)ends != ends >> 32) {
		uint64_t word = atomic_load(ring(direct, ends));

		*head = ends;
		if (word >> 32 == *head / UMCG_DIRECT_RING)
			return (uint32_t)word ? word : 0;
		/* Popped, and not counted. */
		count(direct, &ends, 1);
	}
	return 0;
}

/* In the order in which workers move. Sequentially consistent, as what comes before it. */
bool direct_has_work(struct direct *direct)
{
	uint32_t head;

	return atomic_load(WORD64(direct->words->idle_workers)) ||
	       atomic_load(WORD32(direct->words->queued)) || first_ready(direct, &head);
}

bool direct_push(struct direct *direct, uint32_t tid)
{
	uint64_t ends = atomic_load(WORD64(direct->words->ready_ends));

	for (;;) {
		const uint32_t tail = ends >> 32;
		uint64_t word = atomic_load(ring(direct, tail));

		if (word == place(tail, 0)) {
			if (!atomic_compare_exchange_strong(ring(direct, tail), &word,
							    place(tail, tid)))
				continue;
			while (ends >> 32 == tail)
				count(direct, &ends, 1ULL << 32);
			return true;
		}
		if (word >> 32 == place(tail, 0) >> 32 ||
		    word >> 32 == place(tail + UMCG_DIRECT_RING, 0) >> 32) {
			/* Filled, and perhaps popped, but not counted. */
			count(direct, &ends, 1ULL << 32);
		} else {
			const uint64_t now = atomic_load(WORD64(direct->words->ready_ends));

			if (now == ends)
				return false;
			ends = now;
		}
	}
}

uint32_t direct_pop(struct direct *direct)
{
	uint32_t head;
	uint64_t word;

	while ((word = first_ready(direct, &head))) {
		const uint32_t tid = word;
		uint64_t ends;

		if (!atomic_compare_exchange_strong(ring(direct, head), &word,
						    place(head + UMCG_DIRECT_RING, 0)))
			continue;
		ends = atomic_load(WORD64(direct->words->ready_ends));
		while ((uint32_t)ends == head)
			count(direct, &ends, 1);
		return tid;
	}
	return 0;
}

void direct_put(struct direct *direct, uint32_t nr)
{
	atomic_store_explicit(WORD32(direct->words->running[nr]), 0, memory_order_relaxed);
	atomic_fetch_or(WORD64(direct->words->idle_servers), 1ULL << nr);
}

bool direct_take_back(struct direct *direct, uint32_t nr)
{
	const uint64_t bit = 1ULL << nr;

	return atomic_fetch_and(WORD64(direct->words->idle_servers), ~bit) & bit;
}

struct umcg_thread *direct_take_server(struct direct *direct)
{
	uint64_t set = direct_idle_servers(direct);

	while (set) {
		if (atomic_compare_exchange_strong(WORD64(direct->words->idle_servers), &set,
						   set & (set - 1)))
			return direct->servers[__builtin_ctzll(set)];
	}
	return NULL;
}
