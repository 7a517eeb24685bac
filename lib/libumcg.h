/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * libumcg: user-managed concurrency groups for C programs.
 *
 * A *group* has *servers* and *workers*, which are threads of one process. A
 * server runs one worker at a time; when that worker blocks in the kernel, the
 * server gets its thread back and runs another one. A *basic task* is a thread
 * without a group that waits, wakes and swaps.
 *
 * The loop of a server:
 *
 *	for (;;) {
 *		umcg_tid worker = umcg_get_idle_worker(true);
 *
 *		if (worker == UMCG_NONE)
 *			break;
 *		umcg_run_worker(worker);
 *	}
 *
 * Calls that fail return -1 or UMCG_NONE, and say why in errno. Every call of a
 * thread that is not registered, where it has to be, fails with EINVAL.
 *
 * Timeouts are absolute, in nanoseconds of CLOCK_REALTIME (umcg_get_time_ns());
 * 0 is "never". A wake-up for a task that does not wait is remembered, and ends
 * its next wait at once: so each wake-up ends one wait.
 *
 * No call may be made from a signal handler, and no handler may leave a call by
 * siglongjmp() or pthread_exit().
 *
 * Some calls of a server wait, by sched_yield(), until a worker has gone a few
 * instructions further. So no server has a higher real-time priority than workers.
 *
 * A worker that is idle or blocked may hold locks: of the program, and in libc,
 * as those of malloc() and stdio. A server that waits for such a lock waits for
 * somebody else to run that worker; so where a group has one server, or workers
 * can be preempted, servers keep off the locks of workers.
 *
 * The library opens UMCG_DEVICE once, and keeps the descriptor. A program that
 * closes what it has not opened has to leave that one alone.
 *
 * A child starts unregistered, whether it was made by fork() or by clone() without
 * CLONE_VM. Groups stay with the process that made them; the child may only destroy its
 * copies. The thread that has called fork() keeps its tag in the child.
 *
 * A plugin that the static library is part of is unloaded when no thread is registered by
 * it, or is just ending after it has used it.
 */
#ifndef _LIBUMCG_H
#define _LIBUMCG_H

#ifndef __LP64__
#error "libumcg is for 64-bit programs"
#endif

/* Some are for those who relied on the header of 2021 to include them. */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/types.h>
#include <linux/umcg.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* A group of servers and workers. */
typedef intptr_t umcg_t;

/* A thread, registered or not. Valid until the thread ends. */
typedef intptr_t umcg_tid;

/* No group, no thread. */
#define UMCG_NONE	0

/**
 * enum umcg_create_group_flag - flags of umcg_create_group()
 * @UMCG_GROUP_ENABLE_PREEMPTION: umcg_preempt_worker() may be used
 */
enum umcg_create_group_flag {
	UMCG_GROUP_ENABLE_PREEMPTION	= 1,
};

#ifndef NSEC_PER_SEC
#define NSEC_PER_SEC	1000000000L
#endif

/*
 * Flags of umcg_get_task_state(), besides those of struct umcg_task: the worker waits in
 * umcg_wait() or umcg_swap(); the next wait of the task ends at once, for it was woken.
 */
#define UMCG_UTF_WORKER_IN_WAIT	(1ULL << 16)
#define UMCG_UTF_WAKEUP_QUEUED	(1ULL << 17)

/**
 * umcg_enabled() - whether this process can use UMCG
 *
 * Returns: true, or false and errno: ENOENT, the module umcg is not loaded;
 * EACCES or EPERM, this user may not open UMCG_DEVICE; EPROTO, the module has
 * another ABI than this library; EBADF, the program has closed the descriptor of
 * the library, as by closefrom(), and all other functions fail so, too.
 */
bool umcg_enabled(void);

/**
 * umcg_get_utid() - the calling thread
 *
 * It need not be registered.
 *
 * Returns: its ID, or UMCG_NONE and errno ENOMEM.
 */
umcg_tid umcg_get_utid(void);

/**
 * umcg_set_task_tag() - gives a thread a number of the program's own
 * @utid: the thread
 * @tag: any value
 */
void umcg_set_task_tag(umcg_tid utid, intptr_t tag);

/**
 * umcg_get_task_tag() - the number that a thread was given
 * @utid: the thread
 *
 * Returns: the tag of the last umcg_set_task_tag() or umcg_register_*().
 */
intptr_t umcg_get_task_tag(umcg_tid utid);

/**
 * umcg_get_task_state() - what a thread does, as far as its state word says
 * @utid: the thread
 *
 * Returns: UMCG_TASK_NONE if it is not registered; else UMCG_TASK_RUNNING,
 * UMCG_TASK_IDLE or UMCG_TASK_BLOCKED, in the bits of UMCG_TASK_STATE_MASK, with the flags
 * UMCG_TF_* and UMCG_UTF_* that apply. It may be another one a moment later.
 */
uint64_t umcg_get_task_state(umcg_tid utid);

/**
 * umcg_get_task_since() - when the state of a thread has last changed
 * @utid: the thread
 *
 * Returns: nanoseconds of CLOCK_MONOTONIC, in steps of 16. Right for changes of the
 * last 6 days.
 */
uint64_t umcg_get_task_since(umcg_tid utid);

/**
 * umcg_create_group() - makes a group without tasks
 * @flags: UMCG_GROUP_ENABLE_PREEMPTION, or zero
 *
 * Returns: the group, or UMCG_NONE and errno: EINVAL, there is no such flag;
 * ENOMEM.
 */
umcg_t umcg_create_group(uint32_t flags);

/**
 * umcg_destroy_group() - frees a group
 * @group: the group
 *
 * A worker is none of them any more when umcg_run_worker() has said UMCG_NONE, and any
 * other task when its umcg_unregister_task() has returned, or its thread has ended.
 *
 * Returns: 0, or -1 and errno: EBUSY, it has tasks.
 */
int umcg_destroy_group(umcg_t group);

/**
 * umcg_register_basic_task() - makes the calling thread a basic task
 * @tag: see umcg_set_task_tag()
 *
 * Returns: the ID of the thread, or UMCG_NONE and errno: EINVAL, it is
 * registered already, or the group is UMCG_NONE or of another process; ENOMEM,
 * no memory, or RLIMIT_MEMLOCK is reached; EAGAIN, as many threads of the process
 * or of the user are registered as the module allows; or what umcg_enabled() says.
 */
umcg_tid umcg_register_basic_task(intptr_t tag);

/**
 * umcg_register_worker() - makes the calling thread a worker
 * @group: its group
 * @tag: see umcg_set_task_tag()
 *
 * The worker is idle at first: the call returns when a server runs it.
 *
 * Returns: as umcg_register_basic_task().
 */
umcg_tid umcg_register_worker(umcg_t group, intptr_t tag);

/**
 * umcg_set_immediate_signals() - names signals that workers handle even while idle
 * @signals: 1 << (n - 1) for each signal n
 *
 * For those that are sent to each thread by somebody who waits until all have
 * answered. A worker that waits for a server executes the handler of such a signal,
 * and nothing else, and waits again. Holds for threads of the process that register
 * as workers from now on; those by which the C library cancels threads and changes
 * the credentials of all threads, 32 and 33, are immediate in any case.
 */
void umcg_set_immediate_signals(uint64_t signals);

/**
 * umcg_register_server() - makes the calling thread a server
 * @group: its group
 * @tag: see umcg_set_task_tag()
 *
 * Returns: as umcg_register_basic_task().
 */
umcg_tid umcg_register_server(umcg_t group, intptr_t tag);

/**
 * umcg_unregister_task() - makes the calling thread an ordinary one
 *
 * The server of a worker goes on; see umcg_run_worker(). A thread that ends
 * by returning from its function or by pthread_exit() is unregistered.
 *
 * Returns: 0, or -1 and errno EINVAL.
 */
int umcg_unregister_task(void);

/**
 * umcg_wait() - waits for umcg_wake() or umcg_swap() of another task
 * @timeout: when to give up
 *
 * A worker gives its server back, and is IDLE, with a timeout as without. It may also
 * be run again without having been woken, by a server that has got it.
 *
 * Returns: 0, or -1 and errno: ETIMEDOUT; EINTR, the caller is no worker, and a
 * signal handler has run that was installed without SA_RESTART.
 */
int umcg_wait(uint64_t timeout);

/**
 * umcg_wake() - ends a wait of a task, this one or a later one
 * @next: the task, registered
 * @wf_current_cpu: whether it should run on this CPU, which the caller is about
 *	to leave. Means nothing for a worker: its server says where it runs
 *
 * A worker becomes idle: umcg_get_idle_worker() will find it. A server that
 * waits in umcg_get_idle_worker() is woken, too. The kernel is called only if
 * there is a thread to be woken. Never waits: wake-ups that come before the task
 * waits are counted, and each of them ends one of its next waits.
 *
 * Returns: 0, or -1 and errno EINVAL: the caller or @next is not registered.
 */
int umcg_wake(umcg_tid next, bool wf_current_cpu);

/**
 * umcg_swap() - wakes a task and waits, in one step
 * @next: a worker of the same group if the caller is a worker, else a server or
 *	a basic task
 * @timeout: when to give up
 *
 * A task that waits takes the place of the caller at once: on this CPU and, if
 * it is a worker, under the same server. So does a worker that was taken by
 * umcg_get_idle_worker() and has not been run since. As it does not wait, the
 * wake-up is remembered besides, unless it has never run. In every other case this
 * is umcg_wake() and then umcg_wait().
 *
 * Returns: as umcg_wait(); or -1 and errno EINVAL: @next is the caller, or of
 * the wrong kind.
 */
int umcg_swap(umcg_tid next, uint64_t timeout);

/**
 * umcg_get_idle_worker() - takes a worker that wants to run
 * @wait: whether to wait until there is one
 *
 * For servers; any number of them may call at the same time. First come, first
 * served. The worker belongs to the caller, who has to run it, or to have another
 * worker swap to it.
 *
 * With @wait, a wake-up comes before a worker, and ends the call that it meets
 * or the next one.
 *
 * Returns: the worker, or UMCG_NONE and errno: EAGAIN, there is none, and @wait
 * is false; EINTR, umcg_wake() was called for this server, or a signal handler
 * has run that was installed without SA_RESTART; EINVAL, the caller is not a
 * server.
 */
umcg_tid umcg_get_idle_worker(bool wait);

/**
 * umcg_run_worker() - runs a worker until it blocks, waits or leaves
 * @worker: a worker from umcg_get_idle_worker(); or one that umcg_run_worker()
 *	has returned because it waits in umcg_wait() or umcg_swap()
 *
 * For servers. The worker that is returned may be another one: workers swap.
 * It has blocked, waits, or was preempted. umcg_get_task_state() tells the first
 * from the others: UMCG_TASK_BLOCKED, unless it is idle again already. Whoever
 * runs the worker again at once learns the rest: that succeeds if it waits, and
 * fails with EAGAIN if it was preempted or has blocked, for then it comes by way
 * of umcg_get_idle_worker(), perhaps to another server, perhaps already.
 *
 * Returns: the worker; or UMCG_NONE with errno 0: it has unregistered or ended, and is
 * no task of the group any more;
 * or UMCG_NONE and errno: EAGAIN, @worker is not idle, for another worker has swapped to
 * it perhaps, or is on its way to umcg_get_idle_worker(); EINVAL, the caller is not a server, or @worker is not
 * a worker of its group.
 */
umcg_tid umcg_run_worker(umcg_tid worker);

/**
 * umcg_preempt_worker() - takes a worker off its server
 * @worker: the worker, of a group with UMCG_GROUP_ENABLE_PREEMPTION
 *
 * Any thread may call this, registered or not. No signal is sent. The worker
 * becomes idle as soon as it would next execute user code, at once if it does so
 * now; its server gets it back from umcg_run_worker(), and
 * umcg_get_idle_worker() will find it, behind those that are idle already. If it
 * blocks, waits or leaves before that, this was all the preemption there is.
 *
 * Returns: 0, or -1 and errno: EAGAIN, the worker does not run, or is in a call
 * of this library just now; EINVAL, @worker is not a worker, or its group does
 * not have the flag; ESRCH, it has ended.
 */
int umcg_preempt_worker(umcg_tid worker);

/**
 * umcg_get_time_ns() - the clock of the timeouts
 *
 * Returns: CLOCK_REALTIME in nanoseconds.
 */
uint64_t umcg_get_time_ns(void);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop

#endif /* _LIBUMCG_H */
