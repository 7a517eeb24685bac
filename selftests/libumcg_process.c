// SPDX-License-Identifier: GPL-2.0
/*
 * libumcg among what else there is in a process, such as filters of system calls.
 */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "libumcg_crew.h"

/* Has ioctl() fail with this command from now on. */
static bool filter_ioctl(uint32_t command)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, command, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { .len = ARRAY_SIZE(filter), .filter = filter };

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

TEST(a_filter_that_refuses_registration_is_no_missing_thread)
{
	ASSERT_TRUE(umcg_enabled());
	ASSERT_TRUE(filter_ioctl(UMCG_IOC_CTL));
	EXPECT_NONE(EPERM, umcg_register_basic_task(0));
	EXPECT_EQ(UMCG_TASK_NONE, umcg_get_task_state(umcg_get_utid(), NULL));
}

TEST_HARNESS_MAIN
