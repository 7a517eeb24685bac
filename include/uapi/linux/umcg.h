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
 * has a short form besides (see UMCG_FEATURE_SEEK). The descriptor carries no state: what a call does, it does to the calling thread, in the
 * address space of the calling thread.
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
 * bits  8 - 12: reserved, must be zero
 * bits 13 - 17: for user space; the kernel keeps them as they are
 * bits 18 - 63: CLOCK_MONOTONIC nanoseconds of the last change, without their
 *               four lowest bits; one more than the previous timestamp where
 *               they would not differ, so that no two changes look the same
 */
#define UMCG_TASK_NONE			0
#define UMCG_TASK_RUNNING		1
#define UMCG_TASK_IDLE			2
#define UMCG_TASK_BLOCKED		3

/* The user has taken the task for a change of state; the kernel keeps off. */
#define UMCG_TF_LOCKED			(1U << 6)

/* The user wants the worker to give way to its server. */
#define UMCG_TF_PREEMPTED		(1U << 7)

#define UMCG_TASK_STATE_MASK		0x0000003fU
#define UMCG_TASK_RESERVED_MASK		0x00001f00U
#define UMCG_TASK_USER_MASK		0x0003e000U
#define UMCG_TASK_STATE_MASK_FULL	0x0003ffffU

#define UMCG_STATE_TIMESTAMP_SHIFT	18
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
 *	UMCG_IDLE_NODE_PENDING. Zero in a server
 * @idle_server_tid_ptr: the address of a __u32, 4-byte aligned, which holds the
 *	TID of an idle server that is to be woken when a worker becomes idle, or
 *	zero; the kernel takes the TID out by exchange. Zero in a server
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
} __attribute__((packed, aligned(64)));

/* umcg_ctl_args::flags */
#define UMCG_CTL_REGISTER		0x00001U
#define UMCG_CTL_UNREGISTER		0x00002U
#define UMCG_CTL_WORKER			0x10000U

/**
 * struct umcg_ctl_args - arguments of UMCG_IOC_CTL
 * @size: sizeof(struct umcg_ctl_args)
 * @flags: UMCG_CTL_REGISTER, perhaps with UMCG_CTL_WORKER; or
 *	UMCG_CTL_UNREGISTER
 * @self: the address of the struct umcg_task of the calling thread; zero with
 *	UMCG_CTL_UNREGISTER
 *
 * A server registers as UMCG_TASK_RUNNING with both pointers zero; a worker as
 * UMCG_TASK_BLOCKED with both pointers set. @next_tid and @flags of the struct
 * umcg_task are zero. The worker becomes idle at once, and the call returns
 * when a server runs it.
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
 *   counts once for the address space.
 */
struct umcg_ctl_args {
	__u32	size;
	__u32	flags;
	__u64	self;
};

/* umcg_wait_args::flags */
#define UMCG_WAIT_WAKE_ONLY		1U
#define UMCG_WAIT_WF_CURRENT_CPU	2U

/**
 * struct umcg_wait_args - arguments of UMCG_IOC_WAIT
 * @size: sizeof(struct umcg_wait_args)
 * @flags: UMCG_WAIT_WAKE_ONLY, perhaps with UMCG_WAIT_WF_CURRENT_CPU; or zero
 * @abs_timeout: when to give up, in nanoseconds of CLOCK_REALTIME, or zero for
 *	never; zero with UMCG_WAIT_WAKE_ONLY
 *
 * With UMCG_WAIT_WAKE_ONLY: wakes the thread umcg_task::next_tid. Without it:
 * wakes that thread, if it is not zero, on this CPU, and sleeps until
 * umcg_task::state_ts of the caller is UMCG_TASK_RUNNING. The caller has
 * written the states of both before; the kernel only drops UMCG_TF_LOCKED from
 * a worker that calls without UMCG_WAIT_WAKE_ONLY, after it has found the thread
 * to wake. An error of that search leaves all as it was.
 *
 * A null pointer in place of the structure means no flags and no timeout.
 *
 * Errors:
 *
 * - EINVAL: the calling thread is not registered; another combination of flags;
 *   a timeout, or no umcg_task::next_tid, with UMCG_WAIT_WAKE_ONLY.
 * - ESRCH: umcg_task::next_tid is not there, or not registered.
 * - EPERM: umcg_task::next_tid is a thread of another address space.
 * - ETIMEDOUT: the time is over. A worker has been idle, and has been run by a
 *   server, when it gets this error.
 * - EINTR: a server has run a signal handler that was installed without
 *   SA_RESTART. It has woken its target; the same call again, with
 *   umcg_task::state_ts as it was, does not do so twice. A worker does not get
 *   this error: signals that have a handler wait until it runs.
 */
struct umcg_wait_args {
	__u32	size;
	__u32	flags;
	__u64	abs_timeout;
};

/**
 * struct umcg_kick_args - arguments of UMCG_IOC_KICK
 * @size: sizeof(struct umcg_kick_args)
 * @flags: must be zero
 * @tid: the worker that is to give way to its server
 * @reserved: must be zero
 *
 * Sets UMCG_TF_PREEMPTED of a running worker, unless the caller has done so, and
 * interrupts the worker if it is in user mode. When it is about to return there,
 * it becomes idle, and its own server is started: the one in its
 * umcg_task::next_tid. A worker that blocks before that is reported as usual,
 * and keeps the flag.
 *
 * A caller who sets UMCG_TF_PREEMPTED can also send the worker any signal which
 * it does not block and for which it has a handler; the handler runs when a server runs the worker again.
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

/* Counts incompatible changes of this file. */
#define UMCG_ABI_VERSION		1U

/*
 * umcg_version_args::features: lseek(fd, flags, SEEK_SET) is UMCG_IOC_WAIT with
 * these umcg_wait_args::flags and no timeout, at a lower price: it returns zero,
 * or fails with the same errors. Any other @whence is EINVAL.
 */
#define UMCG_FEATURE_SEEK		(1ULL << 0)

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

#define UMCG_IOC_MAGIC			0xbb
#define UMCG_IOC_VERSION		_IO(UMCG_IOC_MAGIC, 0x80)
#define UMCG_IOC_CTL			_IO(UMCG_IOC_MAGIC, 0x81)
#define UMCG_IOC_WAIT			_IO(UMCG_IOC_MAGIC, 0x82)
#define UMCG_IOC_KICK			_IO(UMCG_IOC_MAGIC, 0x83)

#endif /* _UAPI_LINUX_UMCG_H */
