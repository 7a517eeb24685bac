/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * libumcg: user-managed concurrency groups for C programs.
 *
 * A *group* has *servers* and *workers*, which are threads of one process. A
 * server runs one worker at a time; when that worker blocks in the kernel, the
 * server is woken and runs another one. A *basic task* is a thread without a
 * group that waits, wakes and swaps.
 *
 * The loop of a server, which umcg_serve() is in one call:
 *
 *	for (;;) {
 *		umcg_tid worker = umcg_get_idle_worker(true);
 *
 *		if (worker == UMCG_NONE)
 *			break;
 *		umcg_run_worker(worker);
 *	}
 *
 * Calls that fail return -1 or UMCG_NONE and set errno. If the calling thread must
 * be registered and is not, they fail with EINVAL.
 *
 * Timeouts are absolute, in nanoseconds of CLOCK_REALTIME (umcg_get_time_ns());
 * 0 means no timeout. A wake-up for a task that does not wait stays pending, and
 * ends its next wait at once: so each wake-up ends one wait.
 *
 * The calls are not async-signal-safe, and a handler must not leave a call by
 * siglongjmp() or pthread_exit().
 *
 * Some calls of a server wait with sched_yield() until a worker has executed a few
 * more instructions. So a server must not have a higher real-time priority than its
 * workers.
 *
 * A worker that is idle or blocked may hold locks of the program or of the C library,
 * such as those of malloc() and stdio. A server that waits for such a lock depends on
 * another server to run that worker; so if a group has one server, or workers can be
 * preempted, servers must not take the locks of workers.
 *
 * The library opens UMCG_DEVICE once, and keeps the descriptor. The program must not
 * close it.
 *
 * A child starts unregistered, whether it was created by fork() or by clone() without
 * CLONE_VM. Groups belong to the process that created them; the child may only destroy its
 * copies. The thread that has called fork() keeps its tag in the child.
 *
 * A plugin that contains the static library may be unloaded when no thread is registered
 * through it, or is just exiting after having used it.
 */
#ifndef _LIBUMCG_H
#define _LIBUMCG_H

#ifndef __LP64__
#error "libumcg is for 64-bit programs"
#endif

/* Some are for programs that relied on the header of 2021 to include them. */
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

/* A thread, registered or not. Valid until the thread exits. */
typedef intptr_t umcg_tid;

/* No group, no thread. */
#define UMCG_NONE	0

/**
 * enum umcg_create_group_flag - flags of umcg_create_group()
 * @UMCG_GROUP_ENABLE_PREEMPTION: umcg_preempt_worker() may be used
 * @UMCG_GROUP_DIRECT: direct mode: a worker that wakes goes on under a server that waits for
 *	workers, which sleeps on; one that blocks, waits or leaves while no worker is idle
 *	leaves its server asleep. So a worker costs about what a plain thread costs. See
 *	umcg_serve()
 * @UMCG_GROUP_FIFO: with UMCG_GROUP_DIRECT: first come, first served will do, so a worker
 *	that blocks, waits or leaves passes its server on to the next idle worker by itself
 * @UMCG_GROUP_OVERTAKE: with UMCG_GROUP_DIRECT: a worker that wakes may take a server that
 *	waits before others that are idle already
 * @UMCG_GROUP_LEND: with UMCG_GROUP_DIRECT: a worker that the kernel takes off its CPU for
 *	another thread lends its server to other workers meanwhile, and is blocked until
 *	it goes on
 * @UMCG_GROUP_BATCH: workers of the normal policy have SCHED_BATCH as long as they are
 *	registered: one that wakes does not take the CPU from the thread that has woken it
 * @UMCG_GROUP_CRITICAL: workers have critical sections; see umcg_critical_enter()
 */
enum umcg_create_group_flag {
	UMCG_GROUP_ENABLE_PREEMPTION	= 1,
	UMCG_GROUP_DIRECT		= 2,
	UMCG_GROUP_FIFO			= 4,
	UMCG_GROUP_OVERTAKE		= 8,
	UMCG_GROUP_LEND			= 16,
	UMCG_GROUP_BATCH		= 32,
	UMCG_GROUP_CRITICAL		= 64,
};

#ifndef NSEC_PER_SEC
#define NSEC_PER_SEC	1000000000L
#endif

/*
 * Flags of umcg_get_task_state(), in addition to those of struct umcg_task: the worker
 * waits in umcg_wait() or umcg_swap(); a wake-up is pending for the next wait of the task.
 */
#define UMCG_UTF_WORKER_IN_WAIT	(1ULL << 16)
#define UMCG_UTF_WAKEUP_QUEUED	(1ULL << 17)

/**
 * umcg_enabled() - whether this process can use UMCG
 *
 * Returns: true, or false and errno: ENOENT, the module umcg is not loaded;
 * EACCES or EPERM, the user is not permitted to open UMCG_DEVICE; EPROTO, the ABI
 * version of the module is not that of this library; EBADF, the program has closed
 * the library's descriptor, as by closefrom(), and all other functions fail, too.
 */
bool umcg_enabled(void);

/**
 * umcg_get_utid() - ID of the calling thread
 *
 * It need not be registered.
 *
 * Returns: its ID, or UMCG_NONE and errno ENOMEM.
 */
umcg_tid umcg_get_utid(void);

/**
 * umcg_set_task_tag() - set the user data of a thread
 * @utid: the thread
 * @tag: any value
 */
void umcg_set_task_tag(umcg_tid utid, intptr_t tag);

/**
 * umcg_get_task_tag() - get the user data of a thread
 * @utid: the thread
 *
 * Returns: the tag of the last umcg_set_task_tag() or umcg_register_*().
 */
intptr_t umcg_get_task_tag(umcg_tid utid);

/**
 * umcg_get_task_state() - state of a thread
 * @utid: the thread
 *
 * Returns: UMCG_TASK_NONE if it is not registered; else UMCG_TASK_RUNNING,
 * UMCG_TASK_IDLE or UMCG_TASK_BLOCKED, in the bits of UMCG_TASK_STATE_MASK, with the flags
 * UMCG_TF_* and UMCG_UTF_* that apply. The state may change at any time.
 */
uint64_t umcg_get_task_state(umcg_tid utid);

/**
 * umcg_get_task_since() - time of the last change of the state of a thread
 * @utid: the thread
 *
 * Returns: nanoseconds of CLOCK_MONOTONIC, also in a time namespace, in steps of 16.
 * Correct for changes within the last 6 days.
 */
uint64_t umcg_get_task_since(umcg_tid utid);

/**
 * umcg_create_group() - create a group without tasks
 * @flags: of enum umcg_create_group_flag, or zero
 *
 * Returns: the group, or UMCG_NONE and errno: EINVAL, unknown flag, or one of direct mode
 * without UMCG_GROUP_DIRECT; ENOMEM. With UMCG_GROUP_DIRECT or UMCG_GROUP_CRITICAL also
 * EPROTO, the module is too old, and the errors of umcg_enabled(). The program can do
 * without then: all else works without these flags, too.
 */
umcg_t umcg_create_group(uint32_t flags);

/**
 * umcg_destroy_group() - free a group
 * @group: the group
 *
 * A worker has left the group when umcg_run_worker() has returned UMCG_NONE for it; a
 * server, when its umcg_unregister_task() has returned or its thread has exited.
 *
 * Returns: 0, or -1 and errno: EBUSY, it has tasks; EINVAL, it has been destroyed, and no new
 * group has this ID.
 */
int umcg_destroy_group(umcg_t group);

/**
 * umcg_register_basic_task() - register the calling thread as a basic task
 * @tag: see umcg_set_task_tag()
 *
 * Returns: the ID of the thread, or UMCG_NONE and errno: EINVAL, it is
 * registered already, or the group is UMCG_NONE or of another process; ENOMEM,
 * no memory, or RLIMIT_MEMLOCK is exceeded; EAGAIN, the limit of registered threads
 * of the process or user is reached; or the errors of umcg_enabled().
 */
umcg_tid umcg_register_basic_task(intptr_t tag);

/**
 * umcg_register_worker() - register the calling thread as a worker
 * @group: its group
 * @tag: see umcg_set_task_tag()
 *
 * The worker is idle at first: the call returns when a server runs it.
 *
 * Returns: as umcg_register_basic_task().
 */
umcg_tid umcg_register_worker(umcg_t group, intptr_t tag);

/**
 * umcg_set_immediate_signals() - set the signals that workers handle even while idle
 * @signals: 1 << (n - 1) for each signal n
 *
 * For signals sent to each thread by a thread that waits for all to respond. A worker
 * that waits for a server executes the handler of such a signal, and nothing else, and
 * waits again. Applies to threads of the process that register as workers from now on.
 * Signals 32 and 33, by which the C library cancels threads and changes the credentials
 * of all threads, are always immediate.
 */
void umcg_set_immediate_signals(uint64_t signals);

/**
 * umcg_register_server() - register the calling thread as a server
 * @group: its group
 * @tag: see umcg_set_task_tag()
 *
 * Returns: as umcg_register_basic_task(); ENOSPC besides, in a group with
 * UMCG_GROUP_DIRECT: it has UMCG_DIRECT_SERVERS servers.
 */
umcg_tid umcg_register_server(umcg_t group, intptr_t tag);

/**
 * umcg_unregister_task() - unregister the calling thread
 *
 * The server of a worker continues; see umcg_run_worker(). A thread that returns from
 * its start function or calls pthread_exit() is unregistered automatically.
 *
 * Returns: 0, or -1 and errno EINVAL.
 */
int umcg_unregister_task(void);

/**
 * umcg_wait() - wait for umcg_wake() or umcg_swap() by another task
 * @timeout: absolute timeout
 *
 * A worker releases its server, and is IDLE, with or without a timeout. It may also be
 * run again without a wake-up, by a server that has obtained it.
 *
 * Returns: 0, or -1 and errno: ETIMEDOUT; EINTR, the caller is not a worker, and a
 * signal handler installed without SA_RESTART has run.
 */
int umcg_wait(uint64_t timeout);

/**
 * umcg_wake() - wake a task
 * @next: the task, registered
 * @wf_current_cpu: whether it should run on this CPU, for a caller that is about to
 *	sleep. Ignored for a worker, which runs on the CPU of its server
 *
 * A worker becomes idle: umcg_get_idle_worker() will find it. A server that
 * waits in umcg_get_idle_worker() is woken, too. A system call is made only if a
 * thread must be woken. Never waits: wake-ups for a task that does not wait are
 * counted, and each of them ends one of its next waits.
 *
 * Returns: 0, or -1 and errno EINVAL: the caller or @next is not registered.
 */
int umcg_wake(umcg_tid next, bool wf_current_cpu);

/**
 * umcg_swap() - wake a task and wait, in one step
 * @next: a worker of the same group if the caller is a worker, else a server or
 *	a basic task
 * @timeout: absolute timeout
 *
 * If @next waits, it runs at once: on this CPU and, if it is a worker, under the same
 * server. So does a worker that was taken by umcg_get_idle_worker() and has not been
 * run since. As it does not wait, the wake-up also stays pending, unless it has never
 * run. In all other cases this is umcg_wake() followed by umcg_wait().
 *
 * Returns: as umcg_wait(); or -1 and errno EINVAL: @next is the caller, or of
 * the wrong kind.
 */
int umcg_swap(umcg_tid next, uint64_t timeout);

/**
 * umcg_get_idle_worker() - get a worker that is ready to run
 * @wait: whether to wait until there is one
 *
 * For servers; any number of them may call this concurrently. First come, first
 * served. The caller owns the worker then, and must run it, or have another worker
 * swap to it.
 *
 * With @wait, a wake-up takes precedence over a worker, and ends the current call or
 * the next one.
 *
 * Returns: the worker, or UMCG_NONE and errno: EAGAIN, there is none, and @wait
 * is false; EINTR, umcg_wake() was called for this server, or a signal handler
 * installed without SA_RESTART has run; EINVAL, the caller is not a server.
 */
umcg_tid umcg_get_idle_worker(bool wait);

/**
 * umcg_run_worker() - run a worker until it blocks, waits or unregisters
 * @worker: a worker from umcg_get_idle_worker(); or one that umcg_run_worker()
 *	has returned because it waits in umcg_wait() or umcg_swap()
 *
 * For servers. The returned worker may be another one, because workers swap. It has
 * blocked, waits, or was preempted. If it has blocked, umcg_get_task_state() returns
 * UMCG_TASK_BLOCKED, unless it is already idle again. To distinguish the other cases,
 * run the worker again at once: this succeeds if it waits, and fails with EAGAIN if it
 * was preempted or has blocked. It is then returned by umcg_get_idle_worker(), perhaps
 * in another server, perhaps already.
 *
 * Returns: the worker; or UMCG_NONE with errno 0: it has unregistered or exited, and has
 * left the group; or UMCG_NONE and errno: EAGAIN, @worker is not idle, perhaps because
 * another worker has swapped to it, or is queued for umcg_get_idle_worker(); EINVAL, the
 * caller is not a server, or @worker is not a worker of its group.
 */
umcg_tid umcg_run_worker(umcg_tid worker);

/**
 * umcg_serve() - runs idle workers, first come, first served, until it is woken
 * @group: the group of the caller
 *
 * For servers: umcg_get_idle_worker() and umcg_run_worker() in a loop. In a group with
 * UMCG_GROUP_DIRECT the server sleeps for as long as there is nothing to decide. Returns after
 * umcg_wake() of the server; if a worker runs under it, when that next blocks, waits,
 * leaves or is preempted, and no other one is to go on in its place.
 *
 * Returns: 0 after umcg_wake(); or -1 and errno: EINTR, a signal handler has run that was
 * installed without SA_RESTART; EINVAL, the caller is not a server of the group.
 */
int umcg_serve(umcg_t group);

/**
 * umcg_preempt_worker() - preempt a running worker
 * @worker: the worker, of a group with UMCG_GROUP_ENABLE_PREEMPTION
 *
 * Any thread may call this, registered or not. No signal is sent. The worker
 * becomes idle before it next executes user code, at once if it is executing user
 * code; its server returns from umcg_run_worker(), and the worker is queued for
 * umcg_get_idle_worker(), behind those already idle. If it blocks, waits or
 * unregisters first, that takes the place of the preemption.
 *
 * Returns: 0, or -1 and errno: EAGAIN, the worker is not running, or is in a call
 * of this library; EINVAL, @worker is not a worker, or its group does not have the
 * flag; ESRCH, it has exited.
 */
int umcg_preempt_worker(umcg_tid worker);

/*
 * The end of a critical section finds that the caller is to give way: for umcg_critical_leave()
 * only.
 */
void umcg_critical_give_way(umcg_tid self);

/**
 * umcg_critical_enter() - begins a section in which the calling worker is not preempted
 * @self: the calling thread, from umcg_register_worker() or umcg_get_utid()
 *
 * In a group with UMCG_GROUP_CRITICAL, umcg_preempt_worker() of a worker that is in such a
 * section takes effect at the end of the section. Sections may be nested. They do not keep
 * the worker from blocking, nor the kernel from running other threads on its CPU. Of other
 * threads, and in other groups, they mean nothing. None may be open when the thread registers
 * or unregisters.
 */
static inline void umcg_critical_enter(umcg_tid self)
{
	struct umcg_task *task = (struct umcg_task *)self;

	task->critical++;
	/* Only the kernel looks at it, in the context of this thread. */
	__asm__ volatile("" : : : "memory");
}

/**
 * umcg_critical_leave() - ends the section that was entered last
 * @self: as for umcg_critical_enter()
 *
 * If it is the outermost one, and the worker is to give way, that happens now.
 */
static inline void umcg_critical_leave(umcg_tid self)
{
	struct umcg_task *task = (struct umcg_task *)self;

	__asm__ volatile("" : : : "memory");
	if (--task->critical)
		return;
	__asm__ volatile("" : : : "memory");
	/* The byte that has the flag; another thread may set it at any time. */
	if (__atomic_load_n((unsigned char *)&task->state_ts, __ATOMIC_RELAXED) &
	    UMCG_TF_PREEMPTED)
		umcg_critical_give_way(self);
}

/**
 * umcg_get_time_ns() - clock for timeouts
 *
 * Returns: CLOCK_REALTIME in nanoseconds.
 */
uint64_t umcg_get_time_ns(void);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop

#endif /* _LIBUMCG_H */
