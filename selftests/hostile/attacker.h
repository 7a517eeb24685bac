/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Attackers: threads that make arbitrary system calls, the contested memory, and the
 * operations.
 */
#ifndef ATTACKER_H
#define ATTACKER_H

#include "kselftest.h"
#include "hostile.h"

#define ATTACKERS	6
/* Tells the program that an attack has executed it. */
#define EXECUTED	"UMCG_ATTACKED"

/* Descriptors that all threads close, replace and use. */
#define FIRST_FD	100
#define FDS		8

/* The contested memory: pages with a few structures and words in each. */
#define ARENA_PAGES	8
#define ARENA_SIZE	(ARENA_PAGES * PAGE)
#define TASKS_IN_PAGE	8
/* Where the words of groups are in a page, behind the structures. */
#define WORDS_OFFSET	2048

/* Notifications are known by less than this: more than a thread can have. */
#define COOKIES		(UMCG_DESCHED_MAX + 2)

/* How far an attack goes. */
enum manner {
	/* User space follows the protocol, as far as states are concerned. */
	BY_THE_RULES,
	/* States change to valid but wrong ones. */
	RASH,
	/* Any bits anywhere. */
	WILD,
	MANNERS
};

struct attack;

/* A thread that attacks, or a process that does so alone. */
struct attacker {
	struct attack *attack;
	struct dice dice;
	unsigned int number;
	/* Threads that come one after the other in this place. */
	unsigned int generation;
	_Atomic pid_t tid;
	/* The number of its system calls; in memory shared with the judge. */
	_Atomic unsigned long *thrown;
	/* Where it has registered, or tried to. */
	struct umcg_task *task;
	/* It is to end, and another thread takes its place. */
	bool leaves;
};

/* In memory shared with the judge. */
struct attack {
	uint64_t seed;
	uint64_t number;
	enum manner manner;
	/* Runs as an unprivileged user who may pin this many pages; as root if that is negative. */
	int pages_allowed;
	char *arena;
	int sockets[2];
	int memory_file;
	struct attacker attackers[ATTACKERS];
	/* Others that it aims at. */
	struct witness *witnesses[2];
	_Atomic unsigned long thrown[ATTACKERS];
	/* Does one thing at random that is fit for a process which shares memory with others. */
	void (*once_alone)(struct attacker *self);
};

/* Makes one system call. Relaxed: a count. */
#define THROW(self, ...) ({							\
	atomic_fetch_add_explicit((self)->thrown, 1, memory_order_relaxed);	\
	syscall(__VA_ARGS__);							\
})

/* arena.c: the contested memory */

/* Maps missing pages of the arena when they are accessed. */
void arena_begin(struct attack *attack);
char *arena_page(struct attacker *self);
struct umcg_task *arena_task(struct attacker *self);

/* attack_memory.c: what is done to it, and to the descriptors */

void op_map(struct attacker *self);
void op_protect(struct attacker *self);
void op_advise(struct attacker *self);
void op_move(struct attacker *self);
void op_scribble(struct attacker *self);
void op_descriptor(struct attacker *self);
void op_pass_descriptor(struct attacker *self);

/* attack_sched.c: short waits, slots, and deschedule notifications */

void op_fadvise(struct attacker *self);
void op_slot(struct attacker *self);
void op_desched(struct attacker *self);
void op_see(struct attacker *self);

/* attack_process.c: signals, and processes that come and go */

void signals_begin(void);
void op_signal(struct attacker *self);
void op_mask(struct attacker *self);
void op_child(struct attacker *self);
void op_fork(struct attacker *self);
void op_vfork(struct attacker *self);
void op_clone(struct attacker *self);
void op_leave(struct attacker *self);
void op_end(struct attacker *self);

#endif /* ATTACKER_H */
