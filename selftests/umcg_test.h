/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Common code of the tests of /dev/umcg: the calls as the kernel sees them, the state
 * word, and the protocol of servers and workers. It is based on the UAPI header alone, so
 * that no library can hide a bug of the module.
 */
#ifndef UMCG_TEST_H
#define UMCG_TEST_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

#include <linux/umcg.h>

#include "slowness.h"

#define NSEC_PER_MSEC		1000000ULL
#define NSEC_PER_SEC		1000000000ULL

/* A test that has not ended after this many seconds is killed. */
#define TEST_SECONDS		(20 * slowness())
#define STRESS_SECONDS		(100 * slowness())

/* Timeout for events that must happen soon. */
#define SOON_MS			(8000 * slowness())
/* Timeout of waits for nothing: less, to distinguish them from events that came late. */
#define AT_ONCE_MS		(4000 * slowness())

/* As this kernel has them: arm64 may have pages of 16 or 64 KB. */
#define PAGE			((unsigned long)sysconf(_SC_PAGESIZE))
/* The largest of them. */
#define MAX_PAGE		65536

#define SERVER_FLAGS		UMCG_CTL_REGISTER
#define WORKER_FLAGS		(UMCG_CTL_REGISTER | UMCG_CTL_WORKER)

#define NONE			UMCG_TASK_NONE
#define RUNNING			UMCG_TASK_RUNNING
#define IDLE			UMCG_TASK_IDLE
#define BLOCKED			UMCG_TASK_BLOCKED
#define LOCKED			UMCG_TF_LOCKED
#define PREEMPTED		UMCG_TF_PREEMPTED

#define MUST_CHECK		__attribute__((warn_unused_result))

/* An address of the kernel, aligned for everything. */
#define KERNEL_ADDRESS		0xffff888000000000ULL

/* The words that the workers of a group share, and the idle ones taken from there. */
struct umcg_group {
	_Atomic uint64_t idle_workers;
	_Atomic uint32_t idle_server_tid;
	/* No worker will come any more. */
	_Atomic bool closed;
	pthread_mutex_t lock;
	struct umcg_thread *taken;
};

#define UMCG_GROUP_INIT		{ .lock = PTHREAD_MUTEX_INITIALIZER }

/* A thread, its struct umcg_task and its data for the test. */
struct umcg_thread {
	struct umcg_task task;
	struct umcg_group *group;
	/* Where the TID of an idle server stands; that of the group if it is NULL. */
	_Atomic uint32_t *idle_server_tid;
	/* The server that a worker runs under. */
	struct umcg_thread *server;
	struct umcg_thread *next;
	pthread_t thread;
	_Atomic pid_t tid;
	/* A worker in direct mode is registered and has been run. */
	_Atomic bool begun;
	/* The progress of the body, and its result. */
	_Atomic int phase;
	_Atomic long result;
	/* It is to go on: a futex of its own, so that no change of the phase undoes it. */
	_Atomic int told;
	void (*body)(struct umcg_thread *self);
	void *arg;
};

/* The descriptor of /dev/umcg. It has no state, so one serves all. */
extern int umcg_fd;

/* The immediate signals of workers that register from now on, and one of a set of signals. */
extern uint64_t immediate_signals;
#define SIGNAL_BIT(signal)	(1ULL << ((signal) - 1))

/* How many signals the handler of count_signal() has got. */
extern _Atomic int signals_handled;

/* Opens the device, and makes the process be killed after @seconds. */
void umcg_test_begin(unsigned int seconds);

/* The calls: 0 or a negative errno. */
int umcg_ioctl(unsigned int command, void *argument);
int umcg_ctl(uint32_t flags, const void *self);
int umcg_wait(uint32_t flags, uint64_t abs_timeout);

/* Whether umcg_wait() takes the short form. */
extern bool umcg_waits_by_fadvise;

uint64_t monotonic_ns(void);
uint64_t realtime_in_ms(int ms);
void sleep_ms(unsigned int ms);

/*
 * Whether @condition comes true soon. Sleeps between two looks, so it is not for
 * use in a worker.
 */
#define SOON(condition) ({						\
	const uint64_t _end = monotonic_ns() + SOON_MS * NSEC_PER_MSEC;	\
	bool _true;							\
									\
	while (!(_true = (condition)) && monotonic_ns() < _end)		\
		sleep_ms(1);						\
	_true;								\
})

uint64_t state_word(struct umcg_task *task);
uint64_t state_stamp(struct umcg_task *task);
/* State and flags, without user bits and timestamp. */
uint32_t state_of(struct umcg_task *task);
/*
 * Changes state and flags from @from to @to, and keeps the user bits. A step that continues
 * although this has failed loses a task: so the result must not be ignored.
 */
MUST_CHECK bool state_change(struct umcg_task *task, uint32_t from, uint32_t to);
/* The same, where only a bug can make it fail: that ends the test. */
void state_must_change(struct umcg_task *task, uint32_t from, uint32_t to);
/* The same, where another thread may have done it already, or something that takes precedence. */
void state_may_change(struct umcg_task *task, uint32_t from, uint32_t to);
/* Makes state and flags @to if the whole word is still @old. */
bool state_replace(struct umcg_task *task, uint64_t old, uint32_t to);
/* As state_change(), retried until it succeeds soon. May sleep, so not for workers. */
MUST_CHECK bool state_change_soon(struct umcg_task *task, uint32_t from, uint32_t to);
void set_next_tid(struct umcg_task *task, uint32_t tid);

/* Prepares a struct umcg_task for registration. */
void server_task_init(struct umcg_task *task);
void worker_task_init(struct umcg_task *task, struct umcg_group *group);

/* Makes the calling thread a server. */
int server_register(struct umcg_thread *self);
/* Starts a thread that runs the body. */
void thread_start(struct umcg_thread *self, void (*body)(struct umcg_thread *self));
/* Starts a thread that registers as a server, runs the body and unregisters. */
void server_start(struct umcg_thread *self, void (*body)(struct umcg_thread *self));
/* Starts a thread that registers as a worker, runs the body and unregisters. */
void worker_start(struct umcg_thread *self, struct umcg_group *group,
		  void (*body)(struct umcg_thread *self));
/* Sleeps in the kernel until tell_to_go(), however early that comes. */
void stay_until_told(struct umcg_thread *self);
bool told_to_go(struct umcg_thread *self);
void tell_to_go(struct umcg_thread *thread);
/* Whether the thread ends soon; then it is joined. */
bool thread_ends(struct umcg_thread *self);

/* Swaps from a server to another one, which waits. */
int server_swap(struct umcg_thread *self, struct umcg_thread *next);
/*
 * Starts a server, with these flags besides UMCG_WAIT_WAKE_ONLY. One that is not
 * asleep may be gone before the wake: then this is -ESRCH.
 */
int server_wake(struct umcg_thread *self, struct umcg_thread *target, uint32_t flags);
/* Becomes idle and waits until it is made RUNNING; then, or on an error, it is running. */
int server_wait(struct umcg_thread *self, uint64_t abs_timeout);
/* Takes the worker that has been idle for the longest time, or NULL. */
struct umcg_thread *group_take_idle(struct umcg_group *group);
/* Waits for an idle worker, and takes it; NULL if none comes, or none soon. */
struct umcg_thread *server_next_worker(struct umcg_thread *self, struct umcg_group *group);
/* Makes a worker running under this server, and the server idle; all but the call. */
bool server_prepare_run(struct umcg_thread *self, struct umcg_thread *worker);
/* The second half of that, after the worker has become running and locked. */
void server_finish_run(struct umcg_thread *self, struct umcg_thread *worker);
/* Runs an idle worker until it blocks, yields or unregisters. */
int server_run(struct umcg_thread *self, struct umcg_thread *worker);
/* Runs the only worker of a group again and again, until it has left and ended. */
bool server_run_to_end(struct umcg_thread *self, struct umcg_group *group,
		       struct umcg_thread *worker);

/*
 * The steps of a worker. In any of them it may be preempted, queued and run again by another
 * server. So it locks itself first: what it knows about its server is valid from then on.
 */
void worker_lock(struct umcg_thread *self);
void worker_unlock(struct umcg_thread *self);
/* Yields to the server; the worker is not put on the idle-worker list. */
int worker_yield(struct umcg_thread *self, uint64_t abs_timeout);
/* The same, of a worker that is locked. */
int worker_yield_locked(struct umcg_thread *self, uint64_t abs_timeout);
/* Switches to an idle worker. */
int worker_swap(struct umcg_thread *self, struct umcg_thread *next);
/* Starts the server and unregisters. */
int worker_leave(struct umcg_thread *self);

/* Whether a thread, of whatever process, is asleep. */
bool thread_sleeps(pid_t tid);
/* Whether a task is idle, and its thread asleep. */
bool thread_waits(struct umcg_thread *thread);
/* The number of voluntary context switches of a thread of this process. */
long thread_voluntary_switches(pid_t tid);
/* Whether a signal that was sent to this very thread waits for it. */
bool thread_has_pending(pid_t tid, int signal);
/* Lets a thread, 0 for the caller, run on these CPUs only. */
void allow_cpus(pid_t tid, int first, int last);
int thread_signal(struct umcg_thread *thread, int signal);
/* Counts a signal from now on. */
void count_signal(int signal, int sa_flags);

/*
 * Starts a process, which is killed with its parent and after TEST_SECONDS. Its
 * exit status is what @body returns.
 */
pid_t process_start(int (*body)(void *argument), void *argument);
/* The wait status of a process that ends soon, or -1. */
int process_ends(pid_t pid);
/* Its exit status, or -1 if it is killed or does not end soon. */
int process_result(pid_t pid);
/* The same, of a process that is started to do @body. */
int result_of_process(int (*body)(void *argument), void *argument);

/* Makes this process one of a user without groups. */
bool become_user(uid_t user);
/* Whether all of the text could be written. */
bool write_file(const char *path, const char *text);

/* An open file for another process; -1 if none came. */
bool send_descriptor(int socket, int fd);
int receive_descriptor(int socket);

/* The number that follows a key in a file of lines of both, or -1. */
long number_in_file(const char *path, const char *key, int base);
/* The pages of this process that are pinned, and count as locked memory. */
long pinned_pages(void);
/* A number that the module gives in debugfs, or -1. */
long umcg_stat(const char *key);
/* Whether nothing is registered or pinned soon. */
bool nothing_is_left(void);

/*
 * The error of delete_module() with O_NONBLOCK for a module in use. rmmod(8) does not
 * call it: it checks the reference count.
 */
#define MODULE_IN_USE	(-EWOULDBLOCK)

/* 0 or a negative errno. */
int module_load(void);
int module_load_with(const char *parameters);
int module_unload(void);
/* Whether the module can be unloaded after its users have had some time to exit. */
bool module_unloads_soon(void);

#endif /* UMCG_TEST_H */
