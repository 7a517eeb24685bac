// SPDX-License-Identifier: GPL-2.0
/*
 * Makes the task works of the running kernel look unknown to sys/task_work.c: while it is loaded,
 * the kernel threads that it creates exit with a wrong list of works. The parameter kind selects the
 * fault.
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched.h>

enum kind {
	NO_MARK,
	DIFFERENT_MARKS,
	MARK_WITH_NEXT,
	MARK_WITH_FUNCTION,
};

static int kind;
module_param(kind, int, 0);
MODULE_PARM_DESC(kind, "0: no mark, 1: one for each task, 2: one with a next, 3: one with a function");

static struct callback_head plain[2];
static struct callback_head with_next = { .next = &plain[0] };
static struct callback_head with_function;

static void do_nothing(struct callback_head *work)
{
}

static struct callback_head *wrong_mark(void)
{
	static unsigned int threads;

	switch (kind) {
	case DIFFERENT_MARKS:
		return &plain[threads++ % ARRAY_SIZE(plain)];
	case MARK_WITH_NEXT:
		return &with_next;
	case MARK_WITH_FUNCTION:
		return &with_function;
	default:
		return NULL;
	}
}

/* In do_exit(), after exit_task_work() and before exit_notify(), in the task that exits. */
static int task_exits(struct kprobe *probe, struct pt_regs *registers)
{
	if (!strcmp(current->comm, "umcg_works"))
		WRITE_ONCE(current->task_works, wrong_mark());
	return 0;
}

static struct kprobe probe = {
	.symbol_name = "cgroup_task_exit",
	.pre_handler = task_exits,
};

static int __init unknown_works_init(void)
{
	with_function.func = do_nothing;
	return register_kprobe(&probe);
}

static void __exit unknown_works_exit(void)
{
	unregister_kprobe(&probe);
}

module_init(unknown_works_init);
module_exit(unknown_works_exit);
MODULE_DESCRIPTION("Unknown task works, for the tests of UMCG");
MODULE_LICENSE("GPL");
