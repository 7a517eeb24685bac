/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The trace events: the constants used in umcg_events.h, and a function for each place
 * where events are emitted. These are called from Rust, behind the static key that tells
 * whether any event is enabled.
 */
#ifndef _UMCG_SYS_TRACE_H
#define _UMCG_SYS_TRACE_H

#include <linux/types.h>

struct task_struct;

enum umcg_role {
	UMCG_ROLE_SERVER,
	UMCG_ROLE_WORKER,
};

/* Why the state of a task changes. */
enum umcg_reason {
	UMCG_REASON_REGISTER,
	UMCG_REASON_BLOCK,
	UMCG_REASON_WAKE,
	UMCG_REASON_PREEMPT,
	UMCG_REASON_TIMEOUT,
	UMCG_REASON_WAIT,
	UMCG_REASON_EXIT,
	UMCG_REASON_EXEC,
	/*
	 * Of workers in direct mode. The last one changes a state only if the worker
	 * lends its server.
	 */
	UMCG_REASON_ADOPT,
	UMCG_REASON_PASS,
	UMCG_REASON_PUT_BACK,
};

/* How a process has violated the protocol. */
enum umcg_breach {
	UMCG_BREACH_STATE,
	UMCG_BREACH_SERVER,
	UMCG_BREACH_MEMORY,
};

/*
 * The task is the current one unless another is named. Any context without a run-queue
 * lock. The values are those of the enums above and of UMCG_TASK_*; a @word is a
 * umcg_task::state_ts, and @server, @next and @tid are TIDs of user space.
 */
void umcg_trace_register(__u32 role);
void umcg_trace_unregister(__u32 role);
void umcg_trace_exit(__u32 role, __u64 word, __u32 reason);
void umcg_trace_state(__u32 role, __u32 old, __u32 new, __u32 reason);
void umcg_trace_block(__u32 server);
void umcg_trace_adopt(__u64 word, __u32 server);
void umcg_trace_pass(__u32 worker);
void umcg_trace_put_back(__u32 server);
void umcg_trace_start(__u32 tid, __u32 reason);
void umcg_trace_wake(__u32 tid);
void umcg_trace_wait(__u32 role, __u64 word, __u32 next);
void umcg_trace_run(__u32 role, __u64 word, __u32 server);
void umcg_trace_kick(struct task_struct *worker);
void umcg_trace_broken(__u64 word, __u32 breach);

#endif /* _UMCG_SYS_TRACE_H */
