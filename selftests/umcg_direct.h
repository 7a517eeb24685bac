/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Groups in direct mode: the protocol of servers and workers there, based on the UAPI
 * header alone.
 */
#ifndef UMCG_DIRECT_H
#define UMCG_DIRECT_H

#include "umcg_direct_words.h"

#define DIRECT_SERVER_FLAGS	(SERVER_FLAGS | UMCG_CTL_DIRECT)
#define DIRECT_WORKER_FLAGS	(WORKER_FLAGS | UMCG_CTL_DIRECT)

/* A group of no threads, with these umcg_direct_group::flags. */
bool direct_init(struct direct *direct, uint32_t flags);
void direct_fault(struct direct *direct, const char *fault);

/* UMCG_IOC_CTL for a thread in direct mode. */
int direct_ctl(uint32_t flags, const void *self, const void *group, uint32_t server_nr);
/* Makes the calling thread a server with this number. */
int direct_server_register(struct umcg_thread *self, struct direct *direct, uint32_t nr);
/* Makes it a worker; returns when it runs. */
int direct_worker_register(struct umcg_thread *self, struct direct *direct);
/* Starts a thread that registers as a server, runs the body and unregisters. `arg` is the group. */
void direct_server_start(struct umcg_thread *self, struct direct *direct, uint32_t nr,
			 void (*body)(struct umcg_thread *self));
/* Starts a thread that registers as a worker, runs the body and leaves; `arg` stays what it is. */
void direct_worker_start(struct umcg_thread *self, struct direct *direct,
			 void (*body)(struct umcg_thread *self));
/* The group that a thread has registered in. */
struct direct *direct_of(struct umcg_thread *self);
uint32_t direct_nr(struct umcg_thread *server);

/* The worker that has run under this server last, or NULL. */
struct umcg_thread *direct_running_thread(struct direct *direct, uint32_t nr);

/*
 * The calling server waits in the set until it is started: 0, and then it is
 * RUNNING; or -ETIMEDOUT or -EINTR, when it has taken itself back. If it has a worker
 * then, or somebody is starting it, it waits again, up to the same moment.
 */
int direct_wait(struct umcg_thread *self, uint64_t abs_timeout);
/* Takes the worker that has been queued for longest, or NULL. */
struct umcg_thread *direct_take_worker(struct direct *direct);
/* Waits in the set until there is a worker, and takes it; NULL if none comes soon. */
struct umcg_thread *direct_next_worker(struct umcg_thread *self);
/* Runs a worker until this server is started. */
int direct_run(struct umcg_thread *self, struct umcg_thread *worker);
/* Runs queued workers, first come, first served, until the group ends. */
void direct_serve(struct umcg_thread *self);

/* Steps of a worker. It yields to its server, which is started, and is on no list. */
int direct_worker_yield(struct umcg_thread *self, uint64_t abs_timeout);
/* The same, but the server is put into the set, if no worker is queued. */
int direct_worker_wait(struct umcg_thread *self, uint64_t abs_timeout);
/* Runs a worker that waits under an idle server, or queues it. Not from a worker. */
bool direct_wake_worker(struct umcg_thread *self, struct umcg_thread *worker);
int direct_worker_leave(struct umcg_thread *self);

/* Bodies: reads bytes from the pipe `arg`, until one is a dot; `phase` counts them. */
void direct_reads(struct umcg_thread *self);
/* Spins until it is told to stop; `result` counts. */
void direct_spins(struct umcg_thread *self);
/* Of a server: waits in the set once, `phase` is 1 then, and stays until it is told to exit. */
void direct_waits_once(struct umcg_thread *self);

bool direct_sends(int ends[2], char byte);
/* Whether a worker sleeps in the kernel, and is known to be blocked. */
bool direct_blocks(struct umcg_thread *worker);
/* Whether a worker was queued because it was kicked, and sleeps. */
bool direct_gave_way(struct umcg_thread *worker);
/* Whether a server is in the set and asleep. */
bool direct_is_idle(struct umcg_thread *server);
/* Starts a server with the body direct_waits_once(). Whether it is idle soon. */
bool direct_start_idle_server(struct direct *direct, struct umcg_thread *server, uint32_t nr);
/* Starts such a server, if it is idle, and has it end. For a thread that is not registered. */
bool direct_dismiss(struct umcg_thread *server);
/*
 * Has all servers return from direct_serve(), and waits for their threads. For a thread that
 * is not registered, when there are no workers.
 */
bool direct_end(struct direct *direct);

#endif /* UMCG_DIRECT_H */
