/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Internal declarations of the library.
 *
 * Locking: a worker takes the mutex of a group, and workers from it, only while it is
 * LOCKED, so that it cannot be preempted meanwhile. The same holds for the lock of unused
 * records, which nests inside that of a group. Neither is held across a call that sleeps.
 */
#ifndef _UMCG_INTERNAL_H
#define _UMCG_INTERNAL_H

#include <assert.h>
#include <pthread.h>
#include <stdalign.h>
#include <stddef.h>
#include <sys/types.h>

#include "direct.h"
#include "libumcg.h"
#include "state.h"

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
static_assert(offsetof(struct task_words, next_tid) == offsetof(struct umcg_task, next_tid),
	      "next_tid");
static_assert(offsetof(struct task_words, idle_workers_ptr) ==
	      offsetof(struct umcg_task, idle_workers_ptr), "idle_workers_ptr");
static_assert(offsetof(struct task_words, idle_server_tid_ptr) ==
	      offsetof(struct umcg_task, idle_server_tid_ptr), "idle_server_tid_ptr");
static_assert(offsetof(struct task_words, server_nr) == offsetof(struct umcg_task, server_nr),
	      "server_nr");
static_assert(offsetof(struct task_words, critical) == offsetof(struct umcg_task, critical),
	      "critical");
static_assert(offsetof(struct task_words, signals) == offsetof(struct umcg_task, signals),
	      "signals");

enum thread_kind {
	UNREGISTERED,
	BASIC_TASK,
	SERVER,
	WORKER,
};

/**
 * struct thread - a thread that the library knows
 * @words: what the kernel shares
 * @wakeups: how often the task was woken when it did not wait, less the waits that have
 *	ended by that. It has 64 bits, so that it does not overflow
 * @kind: what it is registered as
 * @tid: its TID
 * @group_flags: those of its group, which may be gone sooner than this record
 * @group: its group; not for basic tasks
 * @tag: see umcg_set_task_tag()
 * @running: of a server: the worker that runs under it. Written by the server,
 *	or by that worker while it is LOCKED
 * @server: of a worker: the server that has last run it. Written by the thread that has
 *	made it RUNNING and LOCKED. In direct mode the kernel does that, too, and does not
 *	know this field: see umcg_direct_server_of()
 * @next_waiting: of a server in umcg_get_idle_worker(): the next one; of an
 *	unused record: the next one
 * @next_member: the next member of its group
 * @member_link: what points to this member of the group
 * @server_nr: of a server in direct mode: its number
 * @has_run: of a worker: whether its registration is over. Written by itself
 * @has_timeout: of a worker: whether it sleeps with a timeout. Written by itself while it is LOCKED
 *	or RUNNING
 * @is_called: of a server in direct mode: whether it was called; see umcg_direct_call(). Under
 *	the lock of its group
 * @is_interrupted: of a server: whether a signal has interrupted its sleep; for umcg_serve()
 * @is_batch: whether it had the normal policy before it registered
 *
 * Memory of a record is never unmapped, so an old umcg_tid can only name another thread.
 * In a child all records are zero, which means unused.
 */
struct thread {
	struct task_words words;
	_Atomic uint64_t wakeups;
	_Atomic(enum thread_kind) kind;
	_Atomic pid_t tid;
	_Atomic uint32_t group_flags;
	struct umcg_group *_Atomic group;
	_Atomic intptr_t tag;
	struct thread *_Atomic running;
	struct thread *_Atomic server;
	struct thread *next_waiting;
	struct thread *next_member;
	struct thread **member_link;
	uint32_t server_nr;
	_Atomic bool has_run;
	_Atomic bool has_timeout;
	_Atomic bool is_called;
	bool is_interrupted;
	bool is_batch;
};

/* umcg_tid points to what the kernel shares: umcg_critical_enter() relies on it. */
static_assert(offsetof(struct thread, words) == 0, "words");

/**
 * struct process - data that a child does not inherit
 * @has_opened: whether this process has opened the device; looked at when no call is made any more
 * @knows_clock: whether umcg_clock_offset is that of this process
 * @registered: how many threads are registered, and those that have ended without unregistering
 * @records_lock: for @unused. A thread that is registered has a record, so no worker needs one;
 *	see also the rule of locks
 * @unused: unused records, linked by next_waiting
 * @slots_lock: for the mapping of the slots
 * @slots: that mapping, or NULL
 * @tids: threads by TID; see tids.c
 *
 * Zeros are its first state, locks included: PTHREAD_MUTEX_INITIALIZER has no other bits.
 */
struct process {
	_Atomic bool has_opened;
	_Atomic bool knows_clock;
	_Atomic uint32_t registered;
	pthread_mutex_t records_lock;
	struct thread *unused;
	pthread_mutex_t slots_lock;
	const struct umcg_sched_state *_Atomic slots;
	void *_Atomic tids;
};

/**
 * struct umcg_group - a group, in a page of its own
 * @idle_workers: the kernel's list of idle workers, newest first
 * @idle_server_tid: the server that the kernel is to start for the next worker
 * @is_here: whether this is the process that it belongs to; in a child all is zero
 * @flags: those of umcg_create_group()
 * @lock: for what follows
 * @members: the threads that have registered in it
 * @first_idle: the library's list of idle workers, oldest first, linked by
 *	their idle_workers_ptr
 * @last_idle: the end of that list, undefined if it is empty
 * @waiting: the servers that wait in umcg_get_idle_worker(), newest first
 * @announced: the one of them that was written to @idle_server_tid. The kernel
 *	may have taken it from there, and then starts it
 * @servers: in direct mode: the servers, by number. Written under the lock
 * @direct: in direct mode: what the kernel shares. Its idle_workers is in the place of
 *	@idle_workers, and @waiting and @announced are not used
 */
struct umcg_group {
	alignas(64) _Atomic uint64_t idle_workers;
	_Atomic uint32_t idle_server_tid;
	bool is_here;
	uint32_t flags;

	pthread_mutex_t lock;
	struct thread *members;
	struct thread *first_idle;
	struct thread *last_idle;
	struct thread *waiting;
	struct thread *announced;

	struct thread *_Atomic servers[UMCG_DIRECT_SERVERS];
	struct direct_words direct;
};

/* All that the kernel shares lies in the page of the group. */
static_assert(sizeof(struct umcg_group) <= 4096, "size");

/* process.c */
size_t umcg_page_size(void);
void *umcg_map_page(void);
void umcg_unmap_page(void *page);
void *umcg_map_pages(size_t size);
void umcg_unmap_pages(void *pages, size_t size);
struct process *umcg_process(void);
bool umcg_somebody_is_registered(void);
void umcg_learn_clock(void);

/* sys.c */
bool umcg_sys_has_features(uint64_t features);
int umcg_sys_ctl(uint32_t flags, void *self, void *direct, uint32_t server_nr);
void umcg_sys_close(void);
bool umcg_sys_clock_offset(int64_t *offset);
int umcg_sys_wait(uint32_t flags, uint64_t timeout);
int umcg_sys_kick(pid_t tid);
int umcg_sys_sched_state(struct umcg_sched_state_args *args);
int umcg_sys_desched(unsigned long command, const struct umcg_desched_args *args);
const struct umcg_sched_state *umcg_sys_map_slots(void);
bool umcg_sys_map_slots_again(const struct umcg_sched_state *place);

/* thread.c */
struct thread *umcg_own_thread(void);
struct thread *umcg_own_thread_as(enum thread_kind kind);
void umcg_free_thread(struct thread *thread);

/* tids.c */
bool umcg_add_tid(struct thread *thread);
void umcg_remove_tid(struct thread *thread);
struct thread *umcg_find_tid(uint32_t tid);

/* group.c */
void umcg_append_idle_worker(struct umcg_group *group, struct thread *worker);
struct thread *umcg_first_idle_worker(struct umcg_group *group);
void umcg_drop_first_idle_worker(struct umcg_group *group);
void umcg_return_idle_worker(struct umcg_group *group, struct thread *worker);
struct thread *umcg_take_idle_worker(struct umcg_group *group);
int umcg_add_idle_worker(struct umcg_group *group, struct thread *self, struct thread *worker);
struct thread *umcg_server_to_start(struct umcg_group *group);
void umcg_server_polls(struct umcg_group *group, struct thread *server);
bool umcg_server_is_back(struct umcg_group *group, struct thread *server);

/* direct.c */
bool umcg_direct_enter(struct umcg_group *group, struct thread *server);
void umcg_direct_leave(struct umcg_group *group, struct thread *server);
struct thread *umcg_direct_server_of(struct thread *worker);
void umcg_direct_run_under(struct thread *worker, struct thread *server);
void umcg_direct_gives_server_up(struct thread *self);
struct thread *umcg_direct_take_worker(struct umcg_group *group);
void umcg_direct_claimed(struct umcg_group *group, uint32_t bits);
int umcg_direct_add_worker(struct umcg_group *group, struct thread *self, struct thread *worker);
bool umcg_direct_run_waiting(struct thread *self, struct thread *worker, uint32_t bits,
			     int *result);
void umcg_direct_pass_on(struct thread *self);
int umcg_direct_poll(struct thread *self);
int umcg_direct_run(struct thread *self, struct thread *worker);
bool umcg_direct_call(struct thread *server);

/* serve.c */
struct thread *umcg_direct_next_worker(struct thread *self, bool wait, int woken);
umcg_tid umcg_direct_run_worker(struct thread *self, struct thread *worker);

/* server.c */
int umcg_sleep_as_server(struct thread *self);
struct thread *umcg_next_worker(struct thread *self, bool wait, int woken);

/* register.c */
void umcg_bury_members(struct umcg_group *group);

/* server.c */
uint32_t umcg_claim_idle_worker(struct thread *worker);

/* wait.c */
int umcg_wake_thread(struct thread *self, struct thread *target, uint32_t flags);

/* worker.c */
void umcg_hold_worker(struct thread *self);
void umcg_release_worker(struct thread *self);
void umcg_start_own_server(struct thread *self);
int umcg_wake_worker(struct thread *self, struct thread *worker);
int umcg_worker_wait(struct thread *self, uint64_t timeout);
int umcg_worker_swap(struct thread *self, struct thread *next, uint64_t timeout);
bool umcg_claim_worker(struct thread *worker, uint32_t from);
void umcg_run_under(struct thread *worker, struct thread *server);

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

static inline enum thread_kind kind_of(struct thread *thread)
{
	return thread ? atomic_load_explicit(&thread->kind, memory_order_acquire) : UNREGISTERED;
}

/*
 * Pending wake-ups for a task that does not wait. Each one is consumed once, by the task for a
 * wait that it ends, or by a waker that finds the task waiting by now. So none is lost.
 * Sequentially consistent; see state_bits().
 */
static inline bool has_wakeup(struct thread *thread)
{
	return atomic_load(&thread->wakeups) != 0;
}

static inline void give_wakeup(struct thread *thread)
{
	atomic_fetch_add(&thread->wakeups, 1);
}

/* Consumes a pending wake-up, if there is one. */
static inline bool take_wakeup(struct thread *thread)
{
	uint64_t wakeups = atomic_load(&thread->wakeups);

	while (wakeups) {
		if (atomic_compare_exchange_weak(&thread->wakeups, &wakeups, wakeups - 1))
			return true;
	}

	return false;
}

static inline bool is_direct(const struct thread *thread)
{
	return atomic_load_explicit(&thread->group_flags, memory_order_relaxed) & UMCG_GROUP_DIRECT;
}

static inline uint32_t thread_bits(struct thread *thread)
{
	return state_bits(&thread->words.state_ts);
}

static inline bool change_thread(struct thread *thread, uint32_t from, uint32_t to)
{
	return change_state(&thread->words.state_ts, from, to, monotonic_ns());
}

/* Whether a worker was kicked, and was not run again since. */
static inline bool is_preempted(struct thread *worker)
{
	return atomic_load(&worker->words.state_ts) & PREEMPTED;
}

#endif /* _UMCG_INTERNAL_H */
