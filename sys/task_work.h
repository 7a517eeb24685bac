/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Task works, on kernels that export task_work_add() and on those that do not: Kbuild says which
 * this one is. bindgen reads this file, see helpers.h.
 */
#ifndef _UMCG_SYS_TASK_WORK_H
#define _UMCG_SYS_TASK_WORK_H

struct callback_head;
struct task_struct;

/*
 * Makes the function below usable: to be called once, before it. In process context, may sleep.
 * -EOPNOTSUPP, with a line in the log, on a kernel that it does not know; -ENOMEM, -EAGAIN or
 * -EINTR if no kernel thread can be made to find out.
 */
int umcg_task_work_init(void);

/*
 * task_work_add(): @notify is an enum task_work_notify_mode, TWA_NONE, TWA_RESUME or
 * TWA_SIGNAL_NO_IPI. 0, or -ESRCH if the task has run its last work. Where it is exported this is
 * its name.
 */
int umcg_task_work_add(struct task_struct *task, struct callback_head *work, unsigned int notify)
#ifdef UMCG_TASK_WORK_EXPORTED
	__asm__("task_work_add")
#endif
	;

#endif /* _UMCG_SYS_TASK_WORK_H */
