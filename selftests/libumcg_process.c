// SPDX-License-Identifier: GPL-2.0
/*
 * libumcg and processes: fork(), and what else there is in one, such as filters of system calls
 * and other libraries.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <umcg_sched.h>

#include "kselftest_harness.h"
#include "ioctl_filter.h"
#include "libumcg_crew.h"

TEST(a_filter_that_refuses_registration_is_no_missing_thread)
{
	ASSERT_TRUE(umcg_enabled());
	ASSERT_TRUE(filter_ioctl(UMCG_IOC_CTL));
	EXPECT_NONE(EPERM, umcg_register_basic_task(0));
	EXPECT_EQ(UMCG_TASK_NONE, umcg_get_task_state(umcg_get_utid(), NULL));
}

static void sleep_often(struct member *self __attribute__((unused)))
{
	for (int i = 0; i < 100; i++)
		usleep(1 + i % 50);
}

static int register_in_child(void)
{
	struct member worker = { .body = sleep_often };

	MUST(umcg_wait(0) == -1 && errno == EINVAL);
	MUST(umcg_unregister_task() == -1 && errno == EINVAL);
	MUST(!umcg_register_server(group, 0) && errno == EINVAL);
	MUST(!umcg_destroy_group(group));
	MUST(umcg_register_basic_task(3));
	MUST(umcg_wait(1) == -1 && errno == ETIMEDOUT);
	MUST(!umcg_unregister_task());

	start_servers(1, 0);
	start_worker(&worker);
	join(&worker);
	return stop_servers() > 0 ? 7 : 1;
}

TEST(a_child_starts_unregistered)
{
	pid_t pid;
	int status;

	be_server(0);
	pid = fork();
	if (pid == 0)
		_exit(register_in_child());
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFEXITED(status));
	EXPECT_EQ(7, WEXITSTATUS(status));
	EXPECT_NONE(EAGAIN, umcg_get_idle_worker(false));
	be_server_no_more();
}

/* What another library has mapped in the child, where its parent has the slots. */
static const struct umcg_sched_state *slots_of_parent;
static char *of_other_library = MAP_FAILED;

static void other_library_begins_in_child(void)
{
	of_other_library = mmap((void *)slots_of_parent, 4096, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (of_other_library != MAP_FAILED)
		*of_other_library = 7;
}

static int in_child(void)
{
	const struct umcg_sched_state *slot;

	if ((const void *)of_other_library != slots_of_parent)
		return 1;
	if (*of_other_library != 7)
		return 2;
	slot = umcg_sched_state_register(0);
	if (!slot || !umcg_on_cpu(slot) || umcg_sched_slots() == slots_of_parent)
		return 3;
	*of_other_library = 8;
	return 0;
}

TEST(slots_in_a_child_are_mapped_where_nothing_else_is)
{
	int status;
	pid_t pid;

	/* Before the library is used: so this handler is called before its own. */
	ASSERT_EQ(0, pthread_atfork(NULL, NULL, other_library_begins_in_child));
	slots_of_parent = umcg_sched_slots();
	ASSERT_NE(NULL, slots_of_parent);
	pid = fork();
	if (!pid)
		_exit(in_child());
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_HARNESS_MAIN
