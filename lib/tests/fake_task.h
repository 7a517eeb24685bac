/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * The threads that the fake kernel knows, for its own files.
 */
#ifndef FAKE_TASK_H
#define FAKE_TASK_H

#include "internal.h"

/**
 * struct fake_task - a registered thread
 * @tid: its TID, or 0
 * @words: its struct umcg_task
 * @kind: a worker, or anything else
 * @wakes: counts the times it was woken, as a futex
 * @work: whether it has to go through wake detection
 * @idles: whether it is idle by the rules
 * @in_kernel: whether it is in a call, so that a signal has to wait for the end
 * @direct: its group in direct mode, or NULL
 * @nr: its number there, if it is a server
 * @has_sections: whether it is left alone in critical sections
 */
struct fake_task {
	_Atomic pid_t tid;
	struct task_words *_Atomic words;
	_Atomic(enum thread_kind) kind;
	_Atomic uint32_t wakes;
	_Atomic bool work;
	bool idles;
	_Atomic bool in_kernel;
	struct direct_words *_Atomic direct;
	uint32_t nr;
	bool has_sections;
};

/* fake_kernel.c */

/* Gives the other side of a race some time. */
void fake_dawdle(void);
_Noreturn void fake_broken(const char *what);
struct fake_task *fake_find(pid_t tid);
bool fake_wake(pid_t tid);
void fake_start_server(pid_t tid);
void fake_push(struct fake_task *self, _Atomic uint64_t *head);

uint64_t fake_state_of(struct fake_task *task);
bool fake_is(uint64_t word, uint32_t state);
/* Whether it runs, and is not locked. */
bool fake_runs(uint64_t word);
uint32_t fake_flags_of(uint64_t word);
/* Replaces state and flags, and keeps the bits of the user. */
bool fake_replace(struct fake_task *task, uint64_t old, uint32_t state, uint32_t flags);

/* fake_direct.c: what is different in direct mode. */
void fake_direct_enter(struct fake_task *server);
void fake_direct_leave(struct fake_task *server);
/* A worker is BLOCKED, or RUNNING and preempted. */
void fake_direct_queue(struct fake_task *self, uint64_t seen);
/* A worker has become BLOCKED. */
void fake_direct_gives_up_server(struct fake_task *self);
/* A worker that runs lets others go first, in some groups and sometimes. False if it goes on. */
bool fake_direct_lends(struct fake_task *self, uint64_t seen);

#endif /* FAKE_TASK_H */
