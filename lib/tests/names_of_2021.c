// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A program that was written against the names, types and values of the library that came with
 * the patches of 2021, as C and as C++. It includes that header alone.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "libumcg.h"

#ifdef __cplusplus
#define ASSERT(condition)	static_assert(condition, #condition)
#else
#define ASSERT(condition)	_Static_assert(condition, #condition)
#endif

/* A call whose type differs does not fit in its place. */
static const struct {
	bool (*enabled)(void);
	umcg_tid (*get_utid)(void);
	void (*set_task_tag)(umcg_tid, intptr_t);
	intptr_t (*get_task_tag)(umcg_tid);
	umcg_t (*create_group)(uint32_t);
	int (*destroy_group)(umcg_t);
	umcg_tid (*register_basic_task)(intptr_t);
	umcg_tid (*register_worker)(umcg_t, intptr_t);
	umcg_tid (*register_server)(umcg_t, intptr_t);
	int (*unregister_task)(void);
	int (*wait)(uint64_t);
	int (*wake)(umcg_tid, bool);
	int (*swap)(umcg_tid, uint64_t);
	umcg_tid (*get_idle_worker)(bool);
	umcg_tid (*run_worker)(umcg_tid);
	int (*preempt_worker)(umcg_tid);
	uint64_t (*get_task_state)(umcg_tid);
	uint64_t (*get_time_ns)(void);
} library = {
	umcg_enabled, umcg_get_utid, umcg_set_task_tag, umcg_get_task_tag, umcg_create_group,
	umcg_destroy_group, umcg_register_basic_task, umcg_register_worker, umcg_register_server,
	umcg_unregister_task, umcg_wait, umcg_wake, umcg_swap, umcg_get_idle_worker,
	umcg_run_worker, umcg_preempt_worker, umcg_get_task_state, umcg_get_time_ns,
};

ASSERT(UMCG_TASK_NONE == 0 && UMCG_TASK_RUNNING == 1 && UMCG_TASK_IDLE == 2);
ASSERT(UMCG_TASK_BLOCKED == 3 && UMCG_TF_LOCKED == 1 << 6 && UMCG_TF_PREEMPTED == 1 << 7);
ASSERT(UMCG_UTF_WORKER_IN_WAIT == 1 << 16 && UMCG_UTF_WAKEUP_QUEUED == 1 << 17);
ASSERT(UMCG_CTL_REGISTER == 1 && UMCG_CTL_UNREGISTER == 2 && UMCG_CTL_WORKER == 0x10000);
ASSERT(UMCG_WAIT_WAKE_ONLY == 1 && UMCG_WAIT_WF_CURRENT_CPU == 2);
ASSERT(UMCG_IDLE_NODE_PENDING == 1 && UMCG_NONE == 0 && NSEC_PER_SEC == 1000000000);
ASSERT(UMCG_STATE_TIMESTAMP_BITS == 46 && UMCG_STATE_TIMESTAMP_GRANULARITY == 4);
ASSERT(sizeof(struct umcg_task) == 64 && sizeof(umcg_t) == sizeof(intptr_t));

/* What is left of a word without its state is its timestamp, whole. */
ASSERT((~0ULL & ~UMCG_TASK_STATE_MASK_FULL) >> (64 - UMCG_STATE_TIMESTAMP_BITS) ==
       (1ULL << UMCG_STATE_TIMESTAMP_BITS) - 1);
ASSERT((~0ULL & ~UMCG_TASK_STATE_MASK) == ~0x3fULL && (~0ULL & ~UMCG_TF_LOCKED) == ~0x40ULL);

/* A word made by the program itself. */
static uint64_t state_now(const struct umcg_task *task, uint64_t state)
{
	struct timespec now;
	__u64 stamp;

	clock_gettime(CLOCK_MONOTONIC, &now);
	stamp = (now.tv_sec * NSEC_PER_SEC + now.tv_nsec) >> UMCG_STATE_TIMESTAMP_GRANULARITY;
	state |= task->state_ts & UMCG_UTF_WORKER_IN_WAIT;

	return stamp << (64 - UMCG_STATE_TIMESTAMP_BITS) | state;
}

static int use_what_needs_no_module(void)
{
	const enum umcg_create_group_flag group_flag = UMCG_GROUP_ENABLE_PREEMPTION;
	const enum umcg_ctl_flag ctl_flag = UMCG_CTL_WORKER;
	const enum umcg_wait_flag wait_flag = UMCG_WAIT_WAKE_ONLY;
	static struct umcg_task task;
	umcg_t group = library.create_group(group_flag);
	/* A group and a task are numbers. */
	const intptr_t number = group;
	umcg_tid self = library.get_utid();

	if (group == UMCG_NONE || number != group || self == UMCG_NONE)
		return 1;
	if ((ctl_flag | wait_flag) != 0x10001)
		return 2;
	task.state_ts = state_now(&task, UMCG_TASK_BLOCKED);
	if (!(task.state_ts & ~UMCG_TASK_STATE_MASK_FULL))
		return 3;
	library.set_task_tag(self, number);
	if (library.get_task_tag(self) != number || library.get_task_state(self) != UMCG_TASK_NONE)
		return 4;
	if (library.destroy_group(group) || library.wait(0) != -1 || errno != EINVAL)
		return 5;

	return 0;
}

int main(void)
{
	/* From the headers that the old one included. */
	if (syscall(SYS_getpid) != getpid() || INT_MAX < 1)
		return 6;
	if (library.get_time_ns() < (uint64_t)NSEC_PER_SEC)
		return 7;

	return use_what_needs_no_module();
}
