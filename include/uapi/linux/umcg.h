/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * User-Managed Concurrency Groups: the ABI of /dev/umcg.
 *
 * A process that opens /dev/umcg can register its own threads as *servers*
 * and *workers*. A worker runs application code under a server. When it blocks
 * in the kernel, its server is woken at once; when the blocking ends, the
 * worker is queued as idle and waits until a server runs it again.
 *
 * Every call is an ioctl on a file descriptor of /dev/umcg; the most frequent one
 * has a short form besides (see UMCG_FEATURE_FADVISE). The descriptor carries no
 * state: what a call does, it does to the calling thread, in the address space of
 * the calling thread.
 *
 * Errors that every call can return:
 *
 * - ENOTTY: the call is not known to this version of the module.
 * - EFAULT: an argument structure cannot be read or written.
 * - EINVAL: an argument structure is smaller than its first version, or has a
 *   value that its description does not allow.
 * - E2BIG: an argument structure is larger than the module knows, and the part
 *   that it does not know is not zero.
 */
#ifndef _UAPI_LINUX_UMCG_H
#define _UAPI_LINUX_UMCG_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * The layout of umcg_task::state_ts.
 *
 * bits  0 -  5: the state, one of UMCG_TASK_*
 * bit   6     : UMCG_TF_LOCKED
 * bit   7     : UMCG_TF_PREEMPTED
 * bits  8 - 12: reserved, must be zero: a word with one of them is in no state
 * bits 13 - 17: for user space; the kernel keeps them as they are
 * bits 18 - 63: CLOCK_MONOTONIC nanoseconds of the last change, without their
 *               four lowest bits; one more than the previous timestamp where
 *               they would not differ, so that no two changes look the same
 */
#define UMCG_TASK_NONE			0ULL
#define UMCG_TASK_RUNNING		1ULL
#define UMCG_TASK_IDLE			2ULL
#define UMCG_TASK_BLOCKED		3ULL

/* The user has taken the task for a change of state; the kernel keeps off. */
#define UMCG_TF_LOCKED			(1ULL << 6)

/* The user wants the worker to give way to its server. */
#define UMCG_TF_PREEMPTED		(1ULL << 7)

/* As wide as the word: the complement of a mask keeps the timestamp. */
#define UMCG_TASK_STATE_MASK		0x0000003fULL
#define UMCG_TASK_RESERVED_MASK		0x00001f00ULL
#define UMCG_TASK_USER_MASK		0x0003e000ULL
#define UMCG_TASK_STATE_MASK_FULL	0x0003ffffULL

#define UMCG_STATE_TIMESTAMP_SHIFT	18
#define UMCG_STATE_TIMESTAMP_BITS	46
#define UMCG_STATE_TIMESTAMP_GRANULARITY 4

/* A node of the idle-worker list whose link is not written yet. */
#define UMCG_IDLE_NODE_PENDING		1ULL

/**
 * struct umcg_task - what a registered thread shares with the kernel
 * @state_ts: state, flags, user bits and timestamp; both sides change it, by
 *	compare-exchange only
 * @next_tid: the thread that this one gives its place to, as a TID in the PID
 *	namespace of this thread; for a running worker: its server. Written by
 *	the user, read by the kernel
 * @flags: must be zero
 * @idle_workers_ptr: while a worker is not idle: the address of the head of the
 *	idle-worker list, a __u64, 8-byte aligned; while it is on the list: the
 *	address of this field of the next worker, zero for the last one, or
 *	UMCG_IDLE_NODE_PENDING. Not used in a server. In direct mode it is used while
 *	the worker is on the list only
 * @idle_server_tid_ptr: the address of a __u32, 4-byte aligned, which holds the
 *	TID of an idle server that is to be woken when a worker becomes idle, or
 *	zero; the kernel takes the TID out by exchange. Not used in a server, nor
 *	in direct mode
 * @server_nr: of a worker in direct mode: the number of the server that
 *	@next_tid names. Written together with it by whoever runs the worker
 * @critical: with UMCG_CTL_CRITICAL: not zero while the worker must not be
 *	preempted. Written by the worker alone, with plain stores
 * @signals: with UMCG_CTL_SIGNALS: the immediate signals of the worker, 1 << (n - 1)
 *	for signal n, besides 32 and 33, which always are. Written by the user, at
 *	any time; it counts when the worker is held next
 * @reserved: must be zero with UMCG_CTL_DIRECT, UMCG_CTL_CRITICAL or
 *	UMCG_CTL_SIGNALS; so must @signals be without the last of these
 *
 * Must be 64-byte aligned, and stay mapped in place, writable, until the thread
 * is unregistered or gone. So must what the two pointers point to until the
 * last worker that names it is.
 */
struct umcg_task {
	__u64	state_ts;
	__u32	next_tid;
	__u32	flags;
	__u64	idle_workers_ptr;
	__u64	idle_server_tid_ptr;
	__u32	server_nr;
	__u32	critical;
	__u64	signals;
	__u64	reserved[2];
} __attribute__((packed, aligned(64)));

/* How many servers a group in direct mode has at most, and places its ring. */
#define UMCG_DIRECT_SERVERS		64U
#define UMCG_DIRECT_RING		64U

/* umcg_direct_group::flags */
#define UMCG_DIRECT_FIFO		1U
#define UMCG_DIRECT_OVERTAKE		2U
#define UMCG_DIRECT_LEND		4U

/**
 * struct umcg_direct_group - what the threads of a group in direct mode share
 * @size: sizeof(struct umcg_direct_group)
 * @flags: UMCG_DIRECT_FIFO: workers that wake go to the ring by themselves, while
 *	nobody is queued elsewhere; user space leaves the filling to them.
 *	UMCG_DIRECT_OVERTAKE: a worker that wakes may take an idle server although
 *	others are queued. UMCG_DIRECT_LEND: a worker that the kernel preempts on
 *	its way to user mode puts its server into the set, while nobody is queued
 *	and it is not in a critical section: it becomes BLOCKED, and takes a server
 *	again, or is queued, when it goes on
 * @idle_workers: the head of the idle-worker list
 * @idle_servers: the set of servers that are IDLE and have no worker: bit n is
 *	the server with the number n. Who clears the bit owns the server
 * @ready_ends: the position of the ring that is popped next, in bits 0 - 31, and the
 *	one that is filled next, in bits 32 - 63
 * @queued: not zero while user space has workers that are idle in lists of its
 *	own
 * @watcher_tid: who is started when a worker is queued and no server is idle, or
 *	zero; the kernel takes the TID out by exchange
 * @reserved: must be zero
 * @server_tid: the TID of each server, or zero; written by the kernel when the
 *	server registers and when it leaves
 * @running: the TID of the worker that runs under each server, or zero; written
 *	by whoever runs a worker, or puts the server into the set
 * @ready: the ring of workers to be run next, in this order. The word of the
 *	position p is @ready[p % 64]: in bits 0 - 31 a TID, or zero if it is free,
 *	in bits 32 - 63 the number of the turn, p / 64
 *
 * @flags are looked at when a thread registers. Must be 64-byte aligned, lie
 * within one page, and stay mapped in place, writable, as long as a thread is
 * registered with it.
 */
struct umcg_direct_group {
	__u32	size;
	__u32	flags;
	__u64	idle_workers;
	__u64	idle_servers;
	__u64	ready_ends;
	__u32	queued;
	__u32	watcher_tid;
	__u64	reserved[3];
	__u32	server_tid[UMCG_DIRECT_SERVERS];
	__u32	running[UMCG_DIRECT_SERVERS];
	__u64	ready[UMCG_DIRECT_RING];
} __attribute__((aligned(64)));

/* umcg_ctl_args::flags */
enum umcg_ctl_flag {
	UMCG_CTL_REGISTER	= 0x00001,
	UMCG_CTL_UNREGISTER	= 0x00002,
	UMCG_CTL_WORKER		= 0x10000,
	UMCG_CTL_DIRECT		= 0x20000,
	UMCG_CTL_CRITICAL	= 0x40000,
	UMCG_CTL_SIGNALS	= 0x80000,
};

/**
 * struct umcg_ctl_args - arguments of UMCG_IOC_CTL
 * @size: sizeof(struct umcg_ctl_args)
 * @flags: UMCG_CTL_REGISTER, perhaps with UMCG_CTL_WORKER, UMCG_CTL_DIRECT, and
 *	UMCG_CTL_CRITICAL and UMCG_CTL_SIGNALS if it is a worker; or
 *	UMCG_CTL_UNREGISTER
 * @self: the address of the struct umcg_task of the calling thread; zero with
 *	UMCG_CTL_UNREGISTER
 * @direct: the address of the struct umcg_direct_group with UMCG_CTL_DIRECT, else
 *	zero
 * @server_nr: the number of a server in that group, less than
 *	UMCG_DIRECT_SERVERS; else zero
 * @reserved: must be zero
 *
 * A server registers as UMCG_TASK_RUNNING, and its pointers are ignored; a worker
 * as UMCG_TASK_BLOCKED with both pointers set, or in direct mode zero. @next_tid and
 * @flags of the struct umcg_task are zero. The worker becomes idle at once, and
 * the call returns when a server runs it. A worker in direct mode stays in its
 * group until it is unregistered.
 *
 * While a worker is held, signals that have a handler wait until a server runs it;
 * but not immediate ones. For such a signal the worker leaves the hold, with
 * umcg_task::state_ts as it is, executes the handler, and is held again when that
 * returns. 32 and 33 are those by which C libraries cancel threads and change the
 * credentials of all threads.
 *
 * Errors:
 *
 * - EINVAL: another combination of flags; @self is zero, not aligned, or must
 *   be zero and is not; the struct umcg_task is not as said above; the thread
 *   is registered already, or is not and should be.
 * - EFAULT: @self, or what a pointer in it points to, is not writable memory of
 *   the caller.
 * - ENOMEM: no memory, or RLIMIT_MEMLOCK is reached: each page that holds a
 *   struct umcg_task, or a word that a pointer in one points to, is pinned and
 *   counts once for the address space; a huge page counts whole.
 * - EAGAIN: as many threads of the process or of the user are registered as the
 *   parameters of the module allow.
 * - EEXIST: another server of the group has this number.
 * - E2BIG: umcg_direct_group::size is larger than the module knows.
 */
struct umcg_ctl_args {
	__u32	size;
	__u32	flags;
	__u64	self;
	__u64	direct;
	__u32	server_nr;
	__u32	reserved;
};

/* umcg_wait_args::flags */
enum umcg_wait_flag {
	UMCG_WAIT_WAKE_ONLY		= 1,
	UMCG_WAIT_WF_CURRENT_CPU	= 2,
	UMCG_WAIT_LOCK_ON_TIMEOUT	= 4,
};

/**
 * struct umcg_wait_args - arguments of UMCG_IOC_WAIT
 * @size: sizeof(struct umcg_wait_args)
 * @flags: UMCG_WAIT_WAKE_ONLY, perhaps with UMCG_WAIT_WF_CURRENT_CPU; or
 *	UMCG_WAIT_LOCK_ON_TIMEOUT; or zero
 * @abs_timeout: when to give up, in nanoseconds of CLOCK_REALTIME, or zero for
 *	never; zero with UMCG_WAIT_WAKE_ONLY, not zero with UMCG_WAIT_LOCK_ON_TIMEOUT
 *
 * With UMCG_WAIT_WAKE_ONLY: wakes the thread umcg_task::next_tid. Without it:
 * wakes that thread, if it is not zero, on this CPU, and sleeps until
 * umcg_task::state_ts of the caller is UMCG_TASK_RUNNING. The caller has
 * written the states of both before; the kernel only drops UMCG_TF_LOCKED from
 * a worker that calls without UMCG_WAIT_WAKE_ONLY, after it has found the thread
 * to wake. An error of that search leaves all as it was.
 *
 * When the timeout of a worker expires while it is UMCG_TASK_IDLE and not locked, it is
 * queued as one that wakes. With UMCG_WAIT_LOCK_ON_TIMEOUT it is not: it becomes
 * UMCG_TASK_IDLE | UMCG_TF_LOCKED, and the call returns at once, without a server.
 *
 * A null pointer in place of the structure means no flags and no timeout.
 *
 * Errors:
 *
 * - EINVAL: the calling thread is not registered; another combination of flags;
 *   a timeout, or no umcg_task::next_tid, with UMCG_WAIT_WAKE_ONLY; no timeout, or the
 *   caller is a server, with UMCG_WAIT_LOCK_ON_TIMEOUT; the state word of a server has
 *   a reserved bit, or an unknown state.
 * - ESRCH: umcg_task::next_tid is not there, or not registered.
 * - EPERM: umcg_task::next_tid is a thread of another address space.
 * - ETIMEDOUT: the timeout has expired. A worker has been idle, and has been run by a
 *   server, when it gets this error, unless UMCG_WAIT_LOCK_ON_TIMEOUT has it locked.
 * - EINTR: a server has run a signal handler that was installed without
 *   SA_RESTART. It has woken its target; the same call again, with
 *   umcg_task::state_ts as it was, does not do so twice. A worker does not get
 *   this error: the signals that it handles while it waits do not end the wait.
 */
struct umcg_wait_args {
	__u32	size;
	__u32	flags;
	__u64	abs_timeout;
};

/* umcg_kick_args::flags */
#define UMCG_KICK_INSIST		1U

/**
 * struct umcg_kick_args - arguments of UMCG_IOC_KICK
 * @size: sizeof(struct umcg_kick_args)
 * @flags: UMCG_KICK_INSIST, or zero
 * @tid: the worker that is to give way to its server
 * @reserved: must be zero
 *
 * Sets UMCG_TF_PREEMPTED of a running worker, unless the caller has done so, and
 * interrupts the worker if it is in user mode. When it is about to return there,
 * it becomes idle, and its own server is started: the one in its
 * umcg_task::next_tid. A worker that blocks before that is reported as usual,
 * and keeps the flag.
 *
 * While umcg_task::critical of a worker with UMCG_CTL_CRITICAL is not zero, it goes
 * on and keeps the flag, and is to kick itself when it has set that word to zero.
 * UMCG_KICK_INSIST has it give way all the same.
 *
 * A caller who sets UMCG_TF_PREEMPTED can also send the worker any signal which
 * it does not block and for which it has a handler; the handler runs when a server
 * runs the worker again, or at once if that signal is immediate.
 *
 * Errors:
 *
 * - EINVAL: @tid is no worker, or something must be zero and is not.
 * - EAGAIN: the worker does not run.
 * - ESRCH: @tid is not there, or not registered.
 * - EPERM: @tid is a thread of another address space.
 */
struct umcg_kick_args {
	__u32	size;
	__u32	flags;
	__u32	tid;
	__u32	reserved;
};

/* Bits of umcg_sched_state::state, of which at most one is set. */
#define UMCG_SCHED_ON_CPU		1U
#define UMCG_SCHED_PREEMPTED		2U
#define UMCG_SCHED_BLOCKED		4U
#define UMCG_SCHED_EXITED		8U

/* umcg_sched_state::version, and umcg_sched_state::vcpu of a thread that has none. */
#define UMCG_SCHED_STATE_VERSION	1U
#define UMCG_SCHED_NO_VCPU		0xffffffffU

/**
 * struct umcg_sched_state - whether a thread is on a CPU
 * @version: UMCG_SCHED_STATE_VERSION, or zero in a slot that was never used
 * @state: UMCG_SCHED_ON_CPU; or, since it has left its CPU: UMCG_SCHED_PREEMPTED,
 *	it could have gone on; UMCG_SCHED_BLOCKED, it sleeps, or has been woken and
 *	not run yet. UMCG_SCHED_EXITED: it has ended, or called execve(). Zero: it
 *	has given the slot back
 * @tid: the thread, as a TID in its own PID namespace
 * @seq: raised by one before a change of the fields below @seq or of @state, and
 *	by one after it: odd in between, another number after it
 * @off_ns: when the thread has last left a CPU, in nanoseconds of CLOCK_MONOTONIC
 * @on_ns: when it has last got one
 * @cpu: the last CPU that it has got
 * @vcpu: its number among the threads of the process that are on a CPU and have
 *	asked for one, if it is on a CPU; less than the number of CPUs. Or
 *	UMCG_SCHED_NO_VCPU
 * @reserved: zero
 *
 * A slot in memory of the kernel, which processes map to read it: by mmap() of a
 * descriptor of UMCG_DEVICE with PROT_READ and MAP_SHARED, UMCG_SCHED_STATE_SIZE
 * bytes from offset zero, or a part of that. All such mappings of a process show
 * the same slots. They stay what they are until they are unmapped, whatever
 * becomes of the threads. They are not inherited by fork(), and cannot be made
 * larger. Only the kernel writes.
 */
struct umcg_sched_state {
	__u32	version;
	__u32	state;
	__u32	tid;
	__u32	seq;
	__u64	off_ns;
	__u64	on_ns;
	__u32	cpu;
	__u32	vcpu;
	__u64	reserved[3];
} __attribute__((aligned(64)));

/* How many slots a process has, and how large their mapping is. */
#define UMCG_SCHED_STATE_SLOTS		32768U
#define UMCG_SCHED_STATE_SIZE		(UMCG_SCHED_STATE_SLOTS * 64U)

/* umcg_sched_state_args::flags */
#define UMCG_SCHED_STATE_REGISTER	1U
#define UMCG_SCHED_STATE_UNREGISTER	2U
#define UMCG_SCHED_STATE_VCPU		0x10000U

/**
 * struct umcg_sched_state_args - arguments of UMCG_IOC_SCHED_STATE
 * @size: sizeof(struct umcg_sched_state_args)
 * @flags: UMCG_SCHED_STATE_REGISTER, perhaps with UMCG_SCHED_STATE_VCPU; or
 *	UMCG_SCHED_STATE_UNREGISTER
 * @slot: written by the kernel with UMCG_SCHED_STATE_REGISTER, also if that fails
 *	with EEXIST: the slot of the calling thread, the lowest one that was free
 * @reserved: must be zero
 *
 * Gives the calling thread a slot, or takes it back. The thread need not be a
 * server or worker. It loses the slot when it ends or calls execve(); a slot that
 * is free may be given to another thread of the process, which is seen by
 * umcg_sched_state::tid and umcg_sched_state::seq.
 *
 * Errors:
 *
 * - EINVAL: another combination of flags; something must be zero and is not.
 * - EEXIST: the thread has a slot.
 * - ENOENT: the thread has no slot to give back.
 * - ENOSPC: as many slots are in use as the process may have: UMCG_SCHED_STATE_SLOTS,
 *	or fewer if the module was loaded with a lower limit.
 * - EAGAIN: as many threads of the process or of the user have one as the parameters
 *	of the module allow.
 * - ENOMEM.
 */
struct umcg_sched_state_args {
	__u32	size;
	__u32	flags;
	__u32	slot;
	__u32	reserved;
};

/* umcg_desched_args::flags */
#define UMCG_DESCHED_ON_PREEMPT		1U
#define UMCG_DESCHED_ON_BLOCK		2U
#define UMCG_DESCHED_WRITE_TIME		4U

/* How many notifications a thread can have. */
#define UMCG_DESCHED_MAX		8U

/**
 * struct umcg_desched_args - arguments of UMCG_IOC_DESCHED_ADD and
 *	UMCG_IOC_DESCHED_REMOVE
 * @size: sizeof(struct umcg_desched_args)
 * @flags: UMCG_DESCHED_ON_PREEMPT, when the thread leaves a CPU and could have
 *	gone on; UMCG_DESCHED_ON_BLOCK, when it leaves one to sleep; or both. With
 *	UMCG_DESCHED_WRITE_TIME the nanoseconds of CLOCK_MONOTONIC are written in
 *	the place of @value
 * @cookie: names the notification among those of the thread. An address of whoever
 *	adds it is a good one, for it tells the libraries of a process apart
 * @addr: where to write: a multiple of @width
 * @value: what to write; zero with UMCG_DESCHED_WRITE_TIME
 * @width: how many bytes: 1, 2, 4 or 8; 8 with UMCG_DESCHED_WRITE_TIME
 * @reserved: must be zero
 *
 * UMCG_IOC_DESCHED_ADD has the kernel write to the memory of the calling thread
 * whenever that has left a CPU, before it executes user code again, and once
 * before the call returns. If the memory is gone by then, the thread gets SIGSEGV
 * with the address. A protection key does not matter if the thread had the rights to
 * it when it made the call.
 *
 * UMCG_IOC_DESCHED_REMOVE ends that for one @cookie; all else but @size must be
 * zero. The end of the thread, and execve(), remove all its notifications.
 *
 * Errors:
 *
 * - EINVAL: something is not as said above.
 * - EFAULT: @addr is not writable memory of the caller.
 * - EEXIST: the thread has a notification of this @cookie.
 * - ENOENT: it has none, so there is nothing to remove.
 * - ENOSPC: it has UMCG_DESCHED_MAX notifications.
 * - EAGAIN: as many threads of the process or of the user have some as the parameters
 *	of the module allow.
 * - ENOMEM.
 */
struct umcg_desched_args {
	__u32	size;
	__u32	flags;
	__u64	cookie;
	__u64	addr;
	__u64	value;
	__u32	width;
	__u32	reserved;
};

/* Counts incompatible changes of this file. */
#define UMCG_ABI_VERSION		2U

/*
 * umcg_version_args::features: posix_fadvise(fd, abs_timeout, flags, UMCG_FADVISE_WAIT)
 * is UMCG_IOC_WAIT with these arguments, at a lower price: it returns zero or one of
 * the same errors.
 *
 * No other file knows this advice. If the descriptor is one of another file, because
 * the program has closed it and opened something else, then the call fails (EINVAL,
 * or ESPIPE for a pipe), and nothing happens to that file.
 */
#define UMCG_FEATURE_FADVISE		(1ULL << 0)
#define UMCG_FADVISE_WAIT		0x756d6367

/* UMCG_IOC_SCHED_STATE and mmap(); UMCG_IOC_DESCHED_ADD and UMCG_IOC_DESCHED_REMOVE. */
#define UMCG_FEATURE_SCHED_STATE	(1ULL << 1)
#define UMCG_FEATURE_DESCHED		(1ULL << 2)

/* UMCG_CTL_DIRECT and struct umcg_direct_group. */
#define UMCG_FEATURE_DIRECT		(1ULL << 3)

/* UMCG_CTL_CRITICAL and UMCG_KICK_INSIST. */
#define UMCG_FEATURE_CRITICAL		(1ULL << 4)

/* UMCG_CTL_SIGNALS; held workers handle immediate signals. */
#define UMCG_FEATURE_SIGNALS		(1ULL << 5)

/**
 * struct umcg_version_args - arguments of UMCG_IOC_VERSION
 * @size: sizeof(struct umcg_version_args)
 * @abi: written by the kernel: UMCG_ABI_VERSION of the module
 * @features: written by the kernel: UMCG_FEATURE_*, a bit for each addition
 */
struct umcg_version_args {
	__u32	size;
	__u32	abi;
	__u64	features;
};

#define UMCG_DEVICE			"/dev/umcg"

/*
 * The numbers of the calls have the size of the first version of the structure, and do
 * not change when a structure grows: its first field has the size that counts.
 */
#define UMCG_VERSION_ARGS_SIZE_VER0	16
#define UMCG_CTL_ARGS_SIZE_VER0		16
#define UMCG_WAIT_ARGS_SIZE_VER0	16
#define UMCG_KICK_ARGS_SIZE_VER0	16
#define UMCG_SCHED_STATE_ARGS_SIZE_VER0	16
#define UMCG_DESCHED_ARGS_SIZE_VER0	40

#define UMCG_IOC_MAGIC			0xbb
#define UMCG_IOW(nr, size)		_IOC(_IOC_WRITE, UMCG_IOC_MAGIC, nr, size)
#define UMCG_IOWR(nr, size)		_IOC(_IOC_READ | _IOC_WRITE, UMCG_IOC_MAGIC, nr, size)

#define UMCG_IOC_VERSION		UMCG_IOWR(0x80, UMCG_VERSION_ARGS_SIZE_VER0)
#define UMCG_IOC_CTL			UMCG_IOW(0x81, UMCG_CTL_ARGS_SIZE_VER0)
#define UMCG_IOC_WAIT			UMCG_IOW(0x82, UMCG_WAIT_ARGS_SIZE_VER0)
#define UMCG_IOC_KICK			UMCG_IOW(0x83, UMCG_KICK_ARGS_SIZE_VER0)
#define UMCG_IOC_SCHED_STATE		UMCG_IOWR(0x84, UMCG_SCHED_STATE_ARGS_SIZE_VER0)
#define UMCG_IOC_DESCHED_ADD		UMCG_IOW(0x85, UMCG_DESCHED_ARGS_SIZE_VER0)
#define UMCG_IOC_DESCHED_REMOVE		UMCG_IOW(0x86, UMCG_DESCHED_ARGS_SIZE_VER0)

#endif /* _UAPI_LINUX_UMCG_H */
