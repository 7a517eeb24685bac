// SPDX-License-Identifier: GPL-2.0

#include <linux/jump_label.h>
#include <linux/ktime.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>

#define CREATE_TRACE_POINTS
#include "umcg_events.h"

/* The events have these as numbers: programs that parse their formats do not know the names. */
static_assert(UMCG_ROLE_SERVER == 0 && UMCG_ROLE_WORKER == 1);
static_assert(UMCG_TASK_NONE == 0 && UMCG_TASK_RUNNING == 1 && UMCG_TASK_IDLE == 2 &&
	      UMCG_TASK_BLOCKED == 3 && UMCG_TASK_STATE_MASK == 0x3f);
static_assert(UMCG_TF_LOCKED == 0x40 && UMCG_TF_PREEMPTED == 0x80);
static_assert(UMCG_REASON_REGISTER == 0 && UMCG_REASON_EXEC == 7 &&
	      UMCG_REASON_ADOPT == 8 && UMCG_REASON_PUT_BACK == 10);
static_assert(UMCG_BREACH_STATE == 0 && UMCG_BREACH_MEMORY == 2);

/* Enabled while any event is; checked in sys/trace.rs. */
DEFINE_STATIC_KEY_FALSE(umcg_tracing);

int umcg_tracing_begins(void)
{
	static_branch_inc(&umcg_tracing);
	return 0;
}

void umcg_tracing_ends(void)
{
	static_branch_dec(&umcg_tracing);
}

/* How long ago the timestamp of a word was taken; 0 if user space has set it in the future. */
static u64 age_of(u64 word)
{
	const u64 step = 1ULL << UMCG_STATE_TIMESTAMP_SHIFT;
	u64 now = ktime_get_ns() >> UMCG_STATE_TIMESTAMP_GRANULARITY;
	s64 age = (now << UMCG_STATE_TIMESTAMP_SHIFT) - (word & ~(step - 1));

	/* The timestamp wraps: the difference, not the order, says which one is later. */
	return age > 0 ? (u64)age / step << UMCG_STATE_TIMESTAMP_GRANULARITY : 0;
}

void umcg_trace_register(u32 role)
{
	trace_umcg_register(role);
}

void umcg_trace_unregister(u32 role)
{
	trace_umcg_unregister(role);
}

void umcg_trace_exit(u32 role, u64 word, u32 reason)
{
	trace_umcg_exit(role, word, reason);
}

void umcg_trace_state(u32 role, u32 old, u32 new, u32 reason)
{
	trace_umcg_state(current, role, old, new, reason);
}

void umcg_trace_block(u32 server)
{
	trace_umcg_state(current, UMCG_ROLE_WORKER, UMCG_TASK_RUNNING, UMCG_TASK_BLOCKED,
			 UMCG_REASON_BLOCK);
	trace_umcg_block(server);
}

/* The task with this TID in the namespace of the current one; it may have exited by now. */
static struct task_struct *find_task(u32 tid)
{
	return pid_task(find_vpid(tid), PIDTYPE_PID);
}

void umcg_trace_start(u32 tid, u32 reason)
{
	struct task_struct *server;

	guard(rcu)();
	server = find_task(tid);
	if (!server)
		return;
	trace_umcg_state(server, UMCG_ROLE_SERVER, UMCG_TASK_IDLE, UMCG_TASK_RUNNING, reason);
	trace_umcg_wake(server);
}

void umcg_trace_adopt(u64 word, u32 server)
{
	trace_umcg_state(current, UMCG_ROLE_WORKER, UMCG_TASK_BLOCKED, UMCG_TASK_RUNNING,
			 UMCG_REASON_ADOPT);
	trace_umcg_run(UMCG_ROLE_WORKER, age_of(word), server);
}

void umcg_trace_pass(u32 tid)
{
	struct task_struct *worker;

	guard(rcu)();
	worker = find_task(tid);
	if (!worker)
		return;
	trace_umcg_state(worker, UMCG_ROLE_WORKER, UMCG_TASK_IDLE, UMCG_TASK_RUNNING,
			 UMCG_REASON_PASS);
	trace_umcg_wake(worker);
}

void umcg_trace_put_back(u32 server)
{
	trace_umcg_put_back(server);
}

void umcg_trace_wake(u32 tid)
{
	struct task_struct *task;

	guard(rcu)();
	task = find_task(tid);
	if (task)
		trace_umcg_wake(task);
}

void umcg_trace_wait(u32 role, u64 word, u32 next)
{
	trace_umcg_wait(role, word, next);
}

void umcg_trace_run(u32 role, u64 word, u32 server)
{
	trace_umcg_run(role, age_of(word), server);
}

void umcg_trace_kick(struct task_struct *worker)
{
	trace_umcg_kick(worker);
}

void umcg_trace_broken(u64 word, u32 breach)
{
	trace_umcg_broken(word, breach);
}
