// SPDX-License-Identifier: GPL-2.0
/*
 * Task works without task_work_add(), which is exported by Debian's kernels and not by mainline.
 *
 * It uses public data: the list of works in the task, the flags that make a task run its works,
 * and the wake-up. Only the mark at the end of the list of a task that has run its last work is
 * private, &work_exited in kernel/task_work.c. It is the same for all tasks, so the lists of two
 * exited tasks are compared, and the module is not loaded if they are not as expected.
 *
 * The mark is never met as long as records are detached in the exit tracepoint, before the last
 * work is run; missing it would queue a work that is never run.
 */
#include <linux/task_work.h>

#include "task_work.h"

#ifdef UMCG_TASK_WORK_EXPORTED

int umcg_task_work_init(void)
{
	return 0;
}

#else

#include <linux/kthread.h>
#include <linux/resume_user_mode.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/wait.h>

/* How long a thread that has returned may take to exit. */
#define EXIT_JIFFIES	(10 * HZ)

static struct callback_head *umcg_last_work __ro_after_init;

static int umcg_return_at_once(void *unused)
{
	return 0;
}

/*
 * Whether the task is past its last work: do_exit() sets the state after that.
 *
 * data_race(): the state is written plainly, under a lock; a later look sees it. Acquire: pairs
 * with the full barrier of the exchange in task_work_run(), which comes before the state.
 */
static bool umcg_has_run_works(const struct task_struct *task)
{
	return data_race(smp_load_acquire(&task->exit_state));
}

/*
 * Ends a kernel thread and returns its final list; NULL on timeout, or an error pointer if there
 * was no thread: -ENOMEM, -EAGAIN if there are too many, or -EINTR if the caller is being killed.
 */
static struct callback_head *umcg_ended_works(void)
{
	struct task_struct *task = kthread_create(umcg_return_at_once, NULL, "umcg_works");
	struct callback_head *works = NULL;

	if (IS_ERR(task))
		return ERR_CAST(task);
	get_task_struct(task);
	wake_up_process(task);
	/* Returns when the thread has begun to exit. */
	kthread_stop(task);
	for (int i = 0; i < EXIT_JIFFIES && !umcg_has_run_works(task); i++)
		schedule_timeout_uninterruptible(1);
	if (umcg_has_run_works(task))
		works = READ_ONCE(task->task_works);
	put_task_struct(task);
	return works;
}

int umcg_task_work_init(void)
{
	struct callback_head *first = umcg_ended_works(), *second;

	if (IS_ERR(first))
		return PTR_ERR(first);
	second = umcg_ended_works();
	if (IS_ERR(second))
		return PTR_ERR(second);
	if (!first || first != second || first->next || first->func ||
	    first == READ_ONCE(current->task_works)) {
		pr_err("umcg: this kernel does not export task_work_add(), and its implementation is unknown\n");
		return -EOPNOTSUPP;
	}
	umcg_last_work = first;
	return 0;
}

int umcg_task_work_add(struct task_struct *task, struct callback_head *work, unsigned int notify)
{
	struct callback_head *head = READ_ONCE(task->task_works);

	do {
		if (unlikely(head == umcg_last_work))
			return -ESRCH;
		work->next = head;
		/* Full barrier: pairs with the exchange in task_work_run(), which reads @work. */
	} while (!try_cmpxchg(&task->task_works, &head, work));

	if (notify == TWA_NONE)
		return 0;
	if (notify == TWA_RESUME) {
		set_notify_resume(task);
	} else if (!test_and_set_tsk_thread_flag(task, TIF_NOTIFY_SIGNAL)) {
		/* wake_up_state(), which is not exported. */
		struct wait_queue_entry entry = { .private = task };

		default_wake_function(&entry, TASK_INTERRUPTIBLE, 0, NULL);
	}
	return 0;
}

#endif
