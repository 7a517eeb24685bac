/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The steps of a group in direct mode: a server that runs workers first come, first
 * served, until all of them have left.
 */
#ifndef DIRECT_STEPS_H
#define DIRECT_STEPS_H

#include "steps.h"

#define DIRECT_WORKERS 16

struct direct_group {
	_Alignas(2048) struct umcg_direct_group words;
	struct umcg_thread *servers[UMCG_DIRECT_SERVERS];
	struct umcg_thread *workers[DIRECT_WORKERS];
	unsigned int worker_count;
	_Atomic unsigned int left;
	/* Taken from the kernel's list, oldest first; protected by the lock. */
	struct umcg_thread *taken[DIRECT_WORKERS];
	unsigned int first, last;
	pthread_mutex_t lock;
};

/* Prepares a group with these umcg_direct_group::flags. */
void direct_init(struct direct_group *group, uint32_t flags);
void direct_server_register(struct umcg_thread *self, struct direct_group *group, uint32_t nr);
/* Joins, and returns when the worker runs. */
void direct_worker_register(struct umcg_thread *self, struct direct_group *group);
void direct_worker_leave(struct umcg_thread *self, struct direct_group *group);
/* Serves until this number of workers have left. */
void direct_serve(struct umcg_thread *self, struct direct_group *group, uint32_t nr,
		  unsigned int workers);

#endif
