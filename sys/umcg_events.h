/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The events of /sys/kernel/tracing/events/umcg. Their texts are parsed by programs, such
 * as those in tools/: existing fields must stay, more may follow.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM umcg

#if !defined(_UMCG_SYS_EVENTS_H) || defined(TRACE_HEADER_MULTI_READ)
#define _UMCG_SYS_EVENTS_H

#include <linux/sched.h>
#include <linux/tracepoint.h>
#include <linux/umcg.h>

#include "trace.h"

/* Each enabled event increments the static key that guards all of them. */
int umcg_tracing_begins(void);
void umcg_tracing_ends(void);

#define show_umcg_role(role)						\
	__print_symbolic(role,						\
		{ 0, "server" },					\
		{ 1, "worker" })

#define show_umcg_state(state)						\
	__print_symbolic(state,						\
		{ 0, "NONE" },						\
		{ 1, "RUNNING" },					\
		{ 2, "IDLE" },						\
		{ 3, "BLOCKED" })

/* State and flags of a word, for two %s. */
#define show_umcg_word(word)						\
	__print_symbolic((word) & 0x3f,					\
		{ 0, "NONE" },						\
		{ 1, "RUNNING" },					\
		{ 2, "IDLE" },						\
		{ 3, "BLOCKED" }),					\
	__print_flags((word) & 0xc0, "",				\
		{ 0x40, "|LOCKED" },					\
		{ 0x80, "|PREEMPTED" })

#define show_umcg_reason(reason)					\
	__print_symbolic(reason,					\
		{ 0, "register" },					\
		{ 1, "block" },						\
		{ 2, "wake" },						\
		{ 3, "preempt" },					\
		{ 4, "timeout" },					\
		{ 5, "wait" },						\
		{ 6, "exit" },						\
		{ 7, "exec" },						\
		{ 8, "adopt" },						\
		{ 9, "pass" },						\
		{ 10, "lend" })

#define show_umcg_breach(breach)					\
	__print_symbolic(breach,					\
		{ 0, "state" },						\
		{ 1, "server" },					\
		{ 2, "memory" })

/* A task and its role. */
DECLARE_EVENT_CLASS(umcg_role,
	TP_PROTO(u32 role),
	TP_ARGS(role),
	TP_STRUCT__entry(
		__field(pid_t, tid)
		__field(pid_t, tgid)
		__field(u32, role)
	),
	TP_fast_assign(
		__entry->tid = current->pid;
		__entry->tgid = current->tgid;
		__entry->role = role;
	),
	TP_printk("tid=%d tgid=%d role=%s", __entry->tid, __entry->tgid,
		  show_umcg_role(__entry->role))
);

DEFINE_EVENT_FN(umcg_role, umcg_register,
	TP_PROTO(u32 role),
	TP_ARGS(role),
	umcg_tracing_begins, umcg_tracing_ends
);

DEFINE_EVENT_FN(umcg_role, umcg_unregister,
	TP_PROTO(u32 role),
	TP_ARGS(role),
	umcg_tracing_begins, umcg_tracing_ends
);

/* A task leaves without having unregistered; its last word. */
TRACE_EVENT_FN(umcg_exit,
	TP_PROTO(u32 role, u64 word, u32 reason),
	TP_ARGS(role, word, reason),
	TP_STRUCT__entry(
		__field(pid_t, tid)
		__field(pid_t, tgid)
		__field(u32, role)
		__field(u32, word)
		__field(u32, reason)
	),
	TP_fast_assign(
		__entry->tid = current->pid;
		__entry->tgid = current->tgid;
		__entry->role = role;
		__entry->word = word & UMCG_TASK_STATE_MASK_FULL;
		__entry->reason = reason;
	),
	TP_printk("tid=%d tgid=%d role=%s state=%s%s reason=%s", __entry->tid, __entry->tgid,
		  show_umcg_role(__entry->role), show_umcg_word(__entry->word),
		  show_umcg_reason(__entry->reason)),
	umcg_tracing_begins, umcg_tracing_ends
);

/* The kernel changes the state of a task, which need not be the current one. */
TRACE_EVENT_FN(umcg_state,
	TP_PROTO(struct task_struct *task, u32 role, u32 old, u32 new, u32 reason),
	TP_ARGS(task, role, old, new, reason),
	TP_STRUCT__entry(
		__field(pid_t, tid)
		__field(pid_t, tgid)
		__field(u32, role)
		__field(u32, old)
		__field(u32, new)
		__field(u32, reason)
	),
	TP_fast_assign(
		__entry->tid = task->pid;
		__entry->tgid = task->tgid;
		__entry->role = role;
		__entry->old = old;
		__entry->new = new;
		__entry->reason = reason;
	),
	TP_printk("tid=%d tgid=%d role=%s old=%s new=%s reason=%s", __entry->tid, __entry->tgid,
		  show_umcg_role(__entry->role), show_umcg_state(__entry->old),
		  show_umcg_state(__entry->new), show_umcg_reason(__entry->reason)),
	umcg_tracing_begins, umcg_tracing_ends
);

/* A worker and the server that it runs under. */
DECLARE_EVENT_CLASS(umcg_server,
	TP_PROTO(u32 server),
	TP_ARGS(server),
	TP_STRUCT__entry(
		__field(pid_t, tid)
		__field(pid_t, tgid)
		__field(u32, server)
	),
	TP_fast_assign(
		__entry->tid = current->pid;
		__entry->tgid = current->tgid;
		__entry->server = server;
	),
	TP_printk("tid=%d tgid=%d server=%u", __entry->tid, __entry->tgid, __entry->server)
);

/* The current worker is about to sleep in the kernel: a stack trace says where. */
DEFINE_EVENT_FN(umcg_server, umcg_block,
	TP_PROTO(u32 server),
	TP_ARGS(server),
	umcg_tracing_begins, umcg_tracing_ends
);

/* It has put its server back into the idle set, in direct mode. */
DEFINE_EVENT_FN(umcg_server, umcg_put_back,
	TP_PROTO(u32 server),
	TP_ARGS(server),
	umcg_tracing_begins, umcg_tracing_ends
);

/* The current task acts on another one. */
DECLARE_EVENT_CLASS(umcg_target,
	TP_PROTO(struct task_struct *task),
	TP_ARGS(task),
	TP_STRUCT__entry(
		__field(pid_t, tid)
		__field(pid_t, tgid)
		__field(pid_t, by)
	),
	TP_fast_assign(
		__entry->tid = task->pid;
		__entry->tgid = task->tgid;
		__entry->by = current->pid;
	),
	TP_printk("tid=%d tgid=%d by=%d", __entry->tid, __entry->tgid, __entry->by)
);

DEFINE_EVENT_FN(umcg_target, umcg_wake,
	TP_PROTO(struct task_struct *task),
	TP_ARGS(task),
	umcg_tracing_begins, umcg_tracing_ends
);

/* A running worker is kicked. */
DEFINE_EVENT_FN(umcg_target, umcg_kick,
	TP_PROTO(struct task_struct *task),
	TP_ARGS(task),
	umcg_tracing_begins, umcg_tracing_ends
);

/* The current task is about to wait; with a next one that it has woken, it swaps. */
TRACE_EVENT_FN(umcg_wait,
	TP_PROTO(u32 role, u64 word, u32 next),
	TP_ARGS(role, word, next),
	TP_STRUCT__entry(
		__field(pid_t, tid)
		__field(pid_t, tgid)
		__field(u32, role)
		__field(u32, word)
		__field(u32, next)
	),
	TP_fast_assign(
		__entry->tid = current->pid;
		__entry->tgid = current->tgid;
		__entry->role = role;
		__entry->word = word & UMCG_TASK_STATE_MASK_FULL;
		__entry->next = next;
	),
	TP_printk("tid=%d tgid=%d role=%s state=%s%s next=%u", __entry->tid, __entry->tgid,
		  show_umcg_role(__entry->role), show_umcg_word(__entry->word), __entry->next),
	umcg_tracing_begins, umcg_tracing_ends
);

/* The current task continues, @delay nanoseconds after its state became RUNNING. */
TRACE_EVENT_FN(umcg_run,
	TP_PROTO(u32 role, u64 delay, u32 server),
	TP_ARGS(role, delay, server),
	TP_STRUCT__entry(
		__field(pid_t, tid)
		__field(pid_t, tgid)
		__field(u32, role)
		__field(u32, server)
		__field(u64, delay)
	),
	TP_fast_assign(
		__entry->tid = current->pid;
		__entry->tgid = current->tgid;
		__entry->role = role;
		__entry->server = server;
		__entry->delay = delay;
	),
	TP_printk("tid=%d tgid=%d role=%s server=%u delay=%llu", __entry->tid, __entry->tgid,
		  show_umcg_role(__entry->role), __entry->server, __entry->delay),
	umcg_tracing_begins, umcg_tracing_ends
);

/* The process of the current task is killed. */
TRACE_EVENT_FN(umcg_broken,
	TP_PROTO(u64 word, u32 breach),
	TP_ARGS(word, breach),
	TP_STRUCT__entry(
		__field(pid_t, tid)
		__field(pid_t, tgid)
		__field(u64, word)
		__field(u32, breach)
	),
	TP_fast_assign(
		__entry->tid = current->pid;
		__entry->tgid = current->tgid;
		__entry->word = word;
		__entry->breach = breach;
	),
	TP_printk("tid=%d tgid=%d word=%#llx breach=%s", __entry->tid, __entry->tgid,
		  __entry->word, show_umcg_breach(__entry->breach)),
	umcg_tracing_begins, umcg_tracing_ends
);

#endif /* _UMCG_SYS_EVENTS_H */

/*
 * Outside the guard, because this file is included repeatedly. It must not have the name
 * of a file beside define_trace.h, which would be included instead.
 */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE umcg_events
#include <trace/define_trace.h>
