/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the threads of a group in direct mode share with the kernel: the set of idle servers, and
 * the ring of workers to be run next. See Documentation/userspace-api/direct.rst, which is the
 * contract; no name of the library is needed here. See ../c/src/raw/{queued,ring}.rs.
 *
 * All accesses are sequentially consistent. A thread that queues a worker checks the set after that,
 * and one that puts a server into the set checks for workers after that, in the kernel as here: one
 * of the two sees what the other has done.
 */
#ifndef DIRECT_WORDS_H
#define DIRECT_WORDS_H

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/umcg.h>

/* struct umcg_direct_group with members that are atomic. */
struct direct_words {
	alignas(64) uint32_t size;
	uint32_t flags;
	_Atomic uint64_t idle_workers;
	_Atomic uint64_t idle_servers;
	_Atomic uint64_t ready_ends;
	_Atomic uint32_t queued;
	_Atomic uint32_t watcher_tid;
	uint64_t reserved[3];
	_Atomic uint32_t server_tid[UMCG_DIRECT_SERVERS];
	_Atomic uint32_t running[UMCG_DIRECT_SERVERS];
	_Atomic uint64_t ready[UMCG_DIRECT_RING];
};

static_assert(sizeof(struct direct_words) == sizeof(struct umcg_direct_group), "size");
static_assert(offsetof(struct direct_words, queued) ==
	      offsetof(struct umcg_direct_group, queued), "queued");
static_assert(offsetof(struct direct_words, running) ==
	      offsetof(struct umcg_direct_group, running), "running");
static_assert(offsetof(struct direct_words, ready) ==
	      offsetof(struct umcg_direct_group, ready), "ready");

/*
 * direct_words::queued, of which the kernel knows only whether it is zero: whether the library has
 * idle workers; how many servers are called; how many workers were taken from the library, and not
 * run yet. A server that looks for workers finds only the first.
 */
#define QUEUED_WORKERS	1U
#define QUEUED_CALL	(1U << 1)
#define QUEUED_CALLS	(QUEUED_TAKEN - QUEUED_CALL)
#define QUEUED_TAKEN	(1U << 8)

static_assert(QUEUED_CALL * UMCG_DIRECT_SERVERS < QUEUED_TAKEN, "calls");

static inline bool has_ready(struct direct_words *words)
{
	const uint64_t ends = atomic_load(&words->ready_ends);

	return (uint32_t)ends != ends >> 32;
}

/*
 * Whether the kernel, and workers, start a server rather than leave it in the set. Looks where
 * workers are in the order in which they move on, as the kernel does: from its list to that of the
 * library, and to the ring. So none is missed that moves on meanwhile.
 */
static inline bool has_queued(struct direct_words *words)
{
	return atomic_load(&words->idle_workers) || atomic_load(&words->queued) || has_ready(words);
}

/* Puts a server into the set. It is IDLE and has no worker. */
static inline void put_server(struct direct_words *words, uint32_t nr)
{
	/* Nobody has a worker there from now on: published by the change of the set. */
	atomic_store_explicit(&words->running[nr], 0, memory_order_relaxed);
	atomic_fetch_or(&words->idle_servers, 1ULL << nr);
}

/* Takes this server out of the set. False if it is not there: somebody else has it. */
static inline bool take_server_back(struct direct_words *words, uint32_t nr)
{
	return atomic_fetch_and(&words->idle_servers, ~(1ULL << nr)) & 1ULL << nr;
}

/* Takes the first server out of the set; -1 if there is none. */
static inline int take_server(struct direct_words *words)
{
	uint64_t set = atomic_load(&words->idle_servers);

	while (set) {
		if (atomic_compare_exchange_weak(&words->idle_servers, &set, set & (set - 1)))
			return __builtin_ctzll(set);
	}

	return -1;
}

/* The library's own. */
bool umcg_ring_push(struct direct_words *words, uint32_t tid);
uint32_t umcg_ring_pop(struct direct_words *words);

#endif /* DIRECT_WORDS_H */
