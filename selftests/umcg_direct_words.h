/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The words of a group in direct mode: the set of idle servers, and the ring.
 */
#ifndef UMCG_DIRECT_WORDS_H
#define UMCG_DIRECT_WORDS_H

#include "umcg_test.h"

#define DIRECT_THREADS	32

/* A group and its members. */
struct direct {
	struct umcg_direct_group *words;
	/* Its threads, found by TID. */
	struct umcg_thread *_Atomic threads[DIRECT_THREADS];
	/* Of these the servers, by number. */
	struct umcg_thread *_Atomic servers[UMCG_DIRECT_SERVERS];
	/* The workers that were taken from the kernel's list, oldest first. */
	pthread_mutex_t lock;
	struct umcg_thread *taken;
	/* The servers are to come to an end. */
	_Atomic bool over;
	/* Workers have critical sections. */
	bool critical;
	/* How long a server that serves waits in the set; 0 for a short time. */
	unsigned int idle_ms;
	/* Whether a server that serves puts further workers into the ring. */
	bool fills_ring;
	/* The first thing that was wrong, or NULL. */
	const char *_Atomic fault;
};

/* A word of the group, which the kernel and other threads change, too. */
#define WORD64(field) ((_Atomic uint64_t *)&(field))
#define WORD32(field) ((_Atomic uint32_t *)&(field))

/* The words. */
uint64_t direct_idle_servers(struct direct *direct);
uint32_t direct_running(struct direct *direct, uint32_t nr);
bool direct_has_work(struct direct *direct);
/* Puts a server, which is IDLE, into the set. */
void direct_put(struct direct *direct, uint32_t nr);
/* Takes this server out of the set, if it is there. */
bool direct_take_back(struct direct *direct, uint32_t nr);
/* Takes any server out of the set, or NULL. */
struct umcg_thread *direct_take_server(struct direct *direct);
/* The ring, of which a test may fill any place. */
bool direct_push(struct direct *direct, uint32_t tid);
uint32_t direct_pop(struct direct *direct);

#endif /* UMCG_DIRECT_WORDS_H */
