/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the tests on the fake kernel know of the library: the bits of a state word, the beginning of
 * a group, and some of its functions. See ../c/src/raw/{bits,record}.rs and ../c/src/hooks.rs.
 */
#ifndef INTERNAL_H
#define INTERNAL_H

#include <sys/types.h>

#include "direct_words.h"
#include "libumcg.h"

#define NONE	UMCG_TASK_NONE
#define RUNNING	UMCG_TASK_RUNNING
#define IDLE	UMCG_TASK_IDLE
#define BLOCKED	UMCG_TASK_BLOCKED
#define LOCKED	UMCG_TF_LOCKED
#define PREEMPTED UMCG_TF_PREEMPTED

#define TAKEN	(1U << 15)
#define WAITS	(1U << 16)
#define QUEUED	(1U << 17)

/* struct umcg_task with members that are atomic where the kernel writes or reads at any time. */
struct task_words {
	alignas(64) _Atomic uint64_t state_ts;
	_Atomic uint32_t next_tid;
	uint32_t flags;
	_Atomic uint64_t idle_workers_ptr;
	uint64_t idle_server_tid_ptr;
	_Atomic uint32_t server_nr;
	_Atomic uint32_t critical;
	_Atomic uint64_t signals;
	uint64_t reserved[2];
};

static_assert(sizeof(struct task_words) == sizeof(struct umcg_task), "size");
static_assert(offsetof(struct task_words, critical) == offsetof(struct umcg_task, critical),
	      "critical");

enum thread_kind {
	UNREGISTERED,
	BASIC_TASK,
	SERVER,
	WORKER,
};

/* It begins with its words. */
struct thread;

struct umcg_group {
	alignas(64) _Atomic uint64_t idle_workers;
	_Atomic uint32_t idle_server_tid;
	uint32_t flags;
	struct direct_words direct;
};

static inline struct thread *thread_of(umcg_tid utid)
{
	return (struct thread *)utid;
}

static inline umcg_tid utid_of(struct thread *thread)
{
	return (umcg_tid)thread;
}

static inline struct umcg_group *group_of(umcg_t group)
{
	return (struct umcg_group *)group;
}

/* The library's own. */
bool umcg_direct_call(struct thread *server);
int umcg_direct_poll(struct thread *self);

/* What it calls in the place of the module. They return 0, or -1 and errno. */
bool umcg_sys_has_features(uint64_t features);
int umcg_sys_ctl(uint32_t flags, void *self, void *direct, uint32_t server_nr);
int umcg_sys_wait(uint32_t flags, uint64_t timeout);
int umcg_sys_kick(pid_t tid);

#endif /* INTERNAL_H */
