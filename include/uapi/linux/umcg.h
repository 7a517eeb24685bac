/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR MIT */
/*
 * User-Managed Concurrency Groups: the ABI of /dev/umcg.
 *
 * A process that opens /dev/umcg can register its own threads as *servers*
 * and *workers*. A worker runs application code under a server. When it blocks
 * in the kernel, its server is woken at once; when it is runnable again, it is
 * queued as idle until a server runs it.
 *
 * Every call is an ioctl on a file descriptor of /dev/umcg; the most frequent one
 * also has a short form (see UMCG_FEATURE_FADVISE). The descriptor has no state:
 * a call acts on the calling thread and its address space.
 *
 * Errors that every call can return:
 *
 * - ENOTTY: this version of the module does not know the call.
 * - EFAULT: an argument structure cannot be read or written.
 * - EINVAL: an argument structure is smaller than its first version, or has an
 *   invalid value.
 * - E2BIG: an argument structure is larger than the module knows, and the
 *   unknown part is not zero.
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
 * bits  8 - 12: reserved, must be zero; otherwise the word is invalid
 * bits 13 - 17: for user space; preserved by the kernel
 * bits 18 - 63: CLOCK_MONOTONIC nanoseconds of the last change, without their
 *               four lowest bits; the previous timestamp plus one if that is not
 *               later, so that no two changes look the same
 *
 * CLOCK_MONOTONIC is that of the initial time namespace here, and in all other times
 * that the kernel writes; see umcg_version_args::clock_offset.
 */
#define UMCG_TASK_NONE			0ULL
#define UMCG_TASK_RUNNING		1ULL
#define UMCG_TASK_IDLE			2ULL
#define UMCG_TASK_BLOCKED		3ULL

/* User space is changing the state of the task; the kernel does not touch it. */
#define UMCG_TF_LOCKED			(1ULL << 6)

/* The worker is to be preempted in favour of its server. */
#define UMCG_TF_PREEMPTED		(1ULL << 7)

/* As wide as the word: the complement of a mask keeps the timestamp. */
#define UMCG_TASK_STATE_MASK		0x0000003fULL
#define UMCG_TASK_RESERVED_MASK		0x00001f00ULL
#define UMCG_TASK_USER_MASK		0x0003e000ULL
#define UMCG_TASK_STATE_MASK_FULL	0x0003ffffULL

#define UMCG_STATE_TIMESTAMP_SHIFT	18
#define UMCG_STATE_TIMESTAMP_BITS	46
#define UMCG_STATE_TIMESTAMP_GRANULARITY 4

/* A node of the idle-worker list whose link has not been written yet. */
#define UMCG_IDLE_NODE_PENDING		1ULL

/**
 * struct umcg_task - what a registered thread shares with the kernel
 * @state_ts: state, flags, user bits and timestamp; both sides change it, by
 *	compare-exchange only
 * @next_tid: the thread to switch to or to wake, as a TID in the PID namespace of
 *	this thread; for a running worker: its server. Written by user space, read
 *	by the kernel
 * @flags: must be zero
 * @idle_workers_ptr: while a worker is not idle: the address of the head of the
 *	idle-worker list, a __u64, 8-byte aligned; while it is on the list: the
 *	address of this field of the next worker, zero for the last one, or
 *	UMCG_IDLE_NODE_PENDING. Not used in a server. In direct mode used only while
 *	the worker is on the list
 * @idle_server_tid_ptr: the address of a __u32, 4-byte aligned, which holds the
 *	TID of an idle server that is to be woken when a worker becomes idle, or
 *	zero; the kernel takes the TID out by exchange. Not used in a server, nor
 *	in direct mode
 * @server_nr: of a worker in direct mode: the number of the server named by
 *	@next_tid. Both are written together when the worker is run
 * @critical: with UMCG_CTL_CRITICAL: not zero while the worker must not be
 *	preempted. Written only by the worker, with plain stores
 * @signals: with UMCG_CTL_SIGNALS: the immediate signals of the worker, 1 << (n - 1)
 *	for signal n, in addition to 32 and 33. Written by user space at any time;
 *	takes effect when the worker is next held
 * @reserved: must be zero with UMCG_CTL_DIRECT, UMCG_CTL_CRITICAL or
 *	UMCG_CTL_SIGNALS; so must @signals be without the last of these
 *
 * Must be 64-byte aligned, and stay mapped in place, writable, until the thread
 * has unregistered or exited. The targets of the two pointers must do so until
 * the last worker that points to them has.
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

/* The maximum number of servers of a group in direct mode, and the size of its ring. */
#define UMCG_DIRECT_SERVERS		64U
#define UMCG_DIRECT_RING		64U

/* umcg_direct_group::flags */
#define UMCG_DIRECT_FIFO		1U
#define UMCG_DIRECT_OVERTAKE		2U
#define UMCG_DIRECT_LEND		4U

/**
 * struct umcg_direct_group - what the threads of a group in direct mode share
 * @size: sizeof(struct umcg_direct_group)
 * @flags: UMCG_DIRECT_FIFO: the kernel pushes workers that wake to the ring, while
 *	no worker is queued elsewhere; user space does not fill it.
 *	UMCG_DIRECT_OVERTAKE: a worker that wakes may take an idle server although
 *	others are queued. UMCG_DIRECT_LEND: a worker that the scheduler preempts on
 *	its return to user mode puts its server into the set, if no worker is queued
 *	and it is not in a critical section: it becomes BLOCKED, and takes a server
 *	again, or is queued, when it continues
 * @idle_workers: the head of the idle-worker list
 * @idle_servers: the set of servers that are IDLE and have no worker: bit n for
 *	server n. The thread or kernel that clears a bit owns the server
 * @ready_ends: the position of the ring to pop next, in bits 0 - 31, and the one to
 *	fill next, in bits 32 - 63
 * @queued: not zero while user space has idle workers in lists of its own
 * @watcher_tid: the thread to start when a worker is queued and no server is idle,
 *	or zero; the kernel takes the TID out by exchange
 * @refused_servers: a set like @idle_servers, of servers that would run none of the
 *	workers in the lists of user space: the kernel ignores @queued when it puts such
 *	a server into the set (UMCG_FEATURE_REFUSE)
 * @reserved: must be zero
 * @server_tid: the TID of each server, or zero; written by the kernel when the
 *	server registers, unregisters or exits
 * @running: the TID of the worker that runs under each server, or zero; written
 *	when a worker is run, or the server is put into the set
 * @ready: the ring of workers to be run next, in this order. The word of
 *	position p is @ready[p % 64]: a TID in bits 0 - 31, or zero if it is free,
 *	and the round, p / 64, in bits 32 - 63
 *
 * @flags are read when a thread registers. Must be 64-byte aligned, lie within one
 * page, and stay mapped in place, writable, while a thread is registered with it.
 */
struct umcg_direct_group {
	__u32	size;
	__u32	flags;
	__u64	idle_workers;
	__u64	idle_servers;
	__u64	ready_ends;
	__u32	queued;
	__u32	watcher_tid;
	__u64	refused_servers;
	__u64	reserved[2];
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
 * @flags: UMCG_CTL_REGISTER, optionally with UMCG_CTL_WORKER, UMCG_CTL_DIRECT, and
 *	for a worker UMCG_CTL_CRITICAL and UMCG_CTL_SIGNALS; or UMCG_CTL_UNREGISTER
 * @self: the address of the struct umcg_task of the calling thread; zero with
 *	UMCG_CTL_UNREGISTER
 * @direct: the address of the struct umcg_direct_group with UMCG_CTL_DIRECT, else
 *	zero
 * @server_nr: the number of a server in that group, less than
 *	UMCG_DIRECT_SERVERS; else zero
 * @reserved: must be zero
 *
 * A server registers as UMCG_TASK_RUNNING, and its pointers are ignored; a worker
 * as UMCG_TASK_BLOCKED with both pointers set, or zero in direct mode. @next_tid and
 * @flags of the struct umcg_task must be zero. The worker becomes idle at once, and
 * the call returns when a server runs it. A worker in direct mode stays in its
 * group until it unregisters.
 *
 * While a worker is held, handled signals stay pending until a server runs it,
 * except for immediate signals. For such a signal the worker leaves the hold, with
 * umcg_task::state_ts unchanged, executes the handler, and is held again when the
 * handler returns. Signals 32 and 33 are used by C libraries to cancel threads and to
 * change the credentials of all threads.
 *
 * Errors:
 *
 * - EINVAL: another combination of flags; @self is zero, misaligned, or must
 *   be zero and is not; the struct umcg_task is not as described above; the thread
 *   is registered already, or must be registered and is not.
 * - EFAULT: @self, or the target of a pointer in it, is not writable memory of the
 *   caller.
 * - ENOMEM: no memory, or RLIMIT_MEMLOCK is exceeded: each page that holds a
 *   struct umcg_task, or a word that a pointer in one points to, is pinned and
 *   charged once to the address space; a huge page is charged as a whole.
 * - EAGAIN: the limit of registered threads of the process or user is reached.
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
 * @flags: UMCG_WAIT_WAKE_ONLY, optionally with UMCG_WAIT_WF_CURRENT_CPU; or
 *	UMCG_WAIT_LOCK_ON_TIMEOUT; or zero
 * @abs_timeout: absolute timeout in nanoseconds of CLOCK_REALTIME, or zero for
 *	none; zero with UMCG_WAIT_WAKE_ONLY, not zero with UMCG_WAIT_LOCK_ON_TIMEOUT
 *
 * With UMCG_WAIT_WAKE_ONLY: wakes the thread umcg_task::next_tid. Without it:
 * wakes that thread, if it is not zero, on this CPU, and sleeps until
 * umcg_task::state_ts of the caller is UMCG_TASK_RUNNING. The caller has
 * written the states of both before; the kernel only clears UMCG_TF_LOCKED of
 * a worker that calls without UMCG_WAIT_WAKE_ONLY, after the thread to wake was
 * looked up. If the lookup fails, nothing is changed.
 *
 * When the timeout of a worker expires while it is UMCG_TASK_IDLE and not locked, it is
 * queued like a worker that wakes. With UMCG_WAIT_LOCK_ON_TIMEOUT it is not: it becomes
 * UMCG_TASK_IDLE | UMCG_TF_LOCKED, and the call returns at once, without a server.
 *
 * A null pointer in place of the structure means no flags and no timeout.
 *
 * Errors:
 *
 * - EINVAL: the calling thread is not registered; another combination of flags;
 *   a timeout, or no umcg_task::next_tid, with UMCG_WAIT_WAKE_ONLY; no timeout, or the
 *   caller is a server, with UMCG_WAIT_LOCK_ON_TIMEOUT; the state word of a server is
 *   invalid.
 * - ESRCH: umcg_task::next_tid does not exist, or is not registered.
 * - EPERM: umcg_task::next_tid is a thread of another address space.
 * - ETIMEDOUT: the timeout has expired. A worker returns with this error after it was
 *   queued and a server has run it, unless UMCG_WAIT_LOCK_ON_TIMEOUT has locked it.
 * - EINTR: a server has run a signal handler that was installed without
 *   SA_RESTART. Its target was woken; if the call is repeated with umcg_task::state_ts
 *   unchanged, it is not woken again. Workers do not get this error: signals that a
 *   worker handles while it waits do not end the wait.
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
 * @tid: the worker to preempt
 * @reserved: must be zero
 *
 * Sets UMCG_TF_PREEMPTED of a running worker, unless it is set, and interrupts the
 * worker if it is in user mode. Before the worker next returns to user mode, it
 * becomes idle, and its own server is started: the one in its umcg_task::next_tid.
 * A worker that blocks before that is reported as usual, and keeps the flag.
 *
 * While umcg_task::critical of a worker with UMCG_CTL_CRITICAL is not zero, it
 * continues and keeps the flag, and must kick itself after it has set that word to
 * zero. UMCG_KICK_INSIST preempts it nevertheless.
 *
 * Alternatively, set UMCG_TF_PREEMPTED and send the worker any signal that it handles
 * and does not block; the handler runs when a server runs the worker again, or at once
 * if the signal is immediate.
 *
 * Errors:
 *
 * - EINVAL: @tid is no worker, or something must be zero and is not.
 * - EAGAIN: the worker is not running, or is locked.
 * - ESRCH: @tid does not exist, or is not registered.
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
 * @state: UMCG_SCHED_ON_CPU; or, since it was descheduled: UMCG_SCHED_PREEMPTED, it
 *	was runnable; UMCG_SCHED_BLOCKED, it sleeps, or was woken and has not run
 *	yet. UMCG_SCHED_EXITED: it has exited, or called execve(). Zero: it has
 *	released the slot
 * @tid: the thread, as a TID in its own PID namespace
 * @seq: incremented before a change of the fields below @seq or of @state, and
 *	again after it: odd in between
 * @off_ns: when the thread was last switched out, in nanoseconds of CLOCK_MONOTONIC
 * @on_ns: when it was last switched in
 * @cpu: its last CPU
 * @vcpu: while it is on a CPU, its number among the threads of the process on a CPU
 *	with UMCG_SCHED_STATE_VCPU; less than the number of CPUs. Otherwise
 *	UMCG_SCHED_NO_VCPU
 * @reserved: zero
 *
 * A slot in kernel memory, which processes map to read it: by mmap() of a
 * descriptor of UMCG_DEVICE with PROT_READ and MAP_SHARED, UMCG_SCHED_STATE_SIZE
 * bytes from offset zero, or a part of that. All such mappings of a process show
 * the same slots, and remain valid until they are unmapped, whatever happens to the
 * threads. They are not inherited by fork(), and cannot be enlarged. Only the kernel
 * writes.
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

/* The number of slots of a process, and the size of their mapping. */
#define UMCG_SCHED_STATE_SLOTS		32768U
#define UMCG_SCHED_STATE_SIZE		(UMCG_SCHED_STATE_SLOTS * 64U)

/* umcg_sched_state_args::flags */
#define UMCG_SCHED_STATE_REGISTER	1U
#define UMCG_SCHED_STATE_UNREGISTER	2U
#define UMCG_SCHED_STATE_VCPU		0x10000U

/**
 * struct umcg_sched_state_args - arguments of UMCG_IOC_SCHED_STATE
 * @size: sizeof(struct umcg_sched_state_args)
 * @flags: UMCG_SCHED_STATE_REGISTER, optionally with UMCG_SCHED_STATE_VCPU; or
 *	UMCG_SCHED_STATE_UNREGISTER
 * @slot: written by the kernel with UMCG_SCHED_STATE_REGISTER, also if that fails
 *	with EEXIST: the slot of the calling thread, the lowest free one
 * @reserved: must be zero
 *
 * Assigns a slot to the calling thread, or releases it. The thread need not be a
 * server or worker. The slot is released when the thread exits or calls execve(); a
 * free slot may be assigned to another thread of the process, which changes
 * umcg_sched_state::tid and umcg_sched_state::seq.
 *
 * Errors:
 *
 * - EINVAL: another combination of flags; something must be zero and is not.
 * - EEXIST: the thread has a slot.
 * - ENOENT: the thread has no slot.
 * - ENOSPC: all slots of the process are in use: UMCG_SCHED_STATE_SLOTS, or fewer if
 *	the module was loaded with a lower limit.
 * - EAGAIN: the limit of threads of the process or user with a slot is reached.
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

/* The maximum number of notifications of a thread. */
#define UMCG_DESCHED_MAX		8U

/**
 * struct umcg_desched_args - arguments of UMCG_IOC_DESCHED_ADD and
 *	UMCG_IOC_DESCHED_REMOVE
 * @size: sizeof(struct umcg_desched_args)
 * @flags: UMCG_DESCHED_ON_PREEMPT, when the thread is switched out while runnable;
 *	UMCG_DESCHED_ON_BLOCK, when it is switched out to sleep; or both. With
 *	UMCG_DESCHED_WRITE_TIME the nanoseconds of CLOCK_MONOTONIC are written
 *	instead of @value
 * @cookie: identifies the notification among those of the thread. The address of an
 *	object of the caller is unique among the libraries of a process
 * @addr: where to write: a multiple of @width
 * @value: what to write; zero with UMCG_DESCHED_WRITE_TIME
 * @width: how many bytes: 1, 2, 4 or 8; 8 with UMCG_DESCHED_WRITE_TIME
 * @reserved: must be zero
 *
 * UMCG_IOC_DESCHED_ADD makes the kernel write to the memory of the calling thread
 * whenever it was descheduled, before it executes user code again, and once
 * before the call returns. If the memory is unmapped by then, the thread gets SIGSEGV
 * with the address. A protection key is ignored if the thread had the rights to it
 * when it made the call.
 *
 * UMCG_IOC_DESCHED_REMOVE removes the notification with @cookie; all other fields but
 * @size must be zero. Exit and execve() remove all notifications of the thread.
 *
 * Errors:
 *
 * - EINVAL: a field is not as described above.
 * - EFAULT: @addr is not writable memory of the caller.
 * - EEXIST: the thread has a notification with this @cookie.
 * - ENOENT: it has no notification with this @cookie.
 * - ENOSPC: it has UMCG_DESCHED_MAX notifications.
 * - EAGAIN: the limit of threads of the process or user with notifications is reached.
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

/* Incremented with each incompatible change of this file. */
#define UMCG_ABI_VERSION		2U

/*
 * umcg_version_args::features: posix_fadvise(fd, abs_timeout, flags, UMCG_FADVISE_WAIT)
 * is UMCG_IOC_WAIT with these arguments, at lower cost: it returns zero or one of
 * the same errors.
 *
 * No other file accepts this advice. If the descriptor was closed and reused for
 * another file, the call fails (EINVAL, or ESPIPE for a pipe), and that file is not
 * affected.
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

/*
 * umcg_direct_group::refused_servers. A module without it registers no thread
 * (EINVAL) while the word is not zero.
 */
#define UMCG_FEATURE_REFUSE		(1ULL << 6)

/**
 * struct umcg_version_args - arguments of UMCG_IOC_VERSION
 * @size: sizeof(struct umcg_version_args)
 * @abi: written by the kernel: UMCG_ABI_VERSION of the module
 * @features: written by the kernel: UMCG_FEATURE_*, a bit for each addition
 * @clock_offset: written by the kernel: by how many nanoseconds CLOCK_MONOTONIC of the
 *	calling thread is ahead of that of the initial time namespace
 */
struct umcg_version_args {
	__u32	size;
	__u32	abi;
	__u64	features;
	__s64	clock_offset;
};

#define UMCG_DEVICE			"/dev/umcg"

/*
 * The ioctl numbers encode the size of the first version of the structure, and do not
 * change when a structure grows: its first field has the actual size.
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
