/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A group of libumcg with a server that calls umcg_serve(), and workers with a pipe each.
 */
#ifndef LIBUMCG_SERVING_H
#define LIBUMCG_SERVING_H

#include "libumcg_crew.h"

#define ROUNDS		50
#define MEMBERS		6
#define DIRECT		UMCG_GROUP_DIRECT
#define FIFO		(UMCG_GROUP_DIRECT | UMCG_GROUP_FIFO)

/* A server that serves until it is told to end. */
struct serving {
	pthread_t thread;
	_Atomic umcg_tid task;
	_Atomic pid_t tid;
	/* What the last call has returned, and its errno. */
	_Atomic int result;
	_Atomic int error;
	_Atomic int returns;
	/* It does something else after that call. */
	_Atomic bool stays;
	_Atomic bool ends;
};

extern struct serving serving;
extern struct member members[MEMBERS];
extern int pipes[MEMBERS][2];

/* Makes the caller a basic task, and a group with one server that serves; frees all of them. */
void begin_group(uint32_t flags);
void end_group(void);
void start_member(int i, void (*body)(struct member *self));

/* Whether a server is in umcg_serve() and has nothing to do. */
bool serves(struct serving *server);
bool blocks(struct member *worker);
bool waits(struct member *worker);
/* How often a thread of this process has gone to sleep. */
long sleeps_of(pid_t tid);

/* Writes to the pipe of a member. */
bool send_byte(int i, char byte);
/* Bodies of members. Reads its pipe up to a dot. */
void read_until_dot(struct member *self);
/* Passes what it reads to the next member, ROUNDS times. */
void relay(struct member *self);
void spin_until_step(struct member *self);

#endif /* LIBUMCG_SERVING_H */
