// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Uses every name of libumcg.h and umcg_sched.h, as C and as C++, on a machine without the
 * module: each call fails accordingly, and none does harm.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <libumcg.h>
#include <umcg_sched.h>

static int failures;

static void check(int good, const char *what)
{
	if (good)
		return;
	printf("# not so: %s\n", what);
	failures++;
}

#define CHECK(condition)		check(condition, #condition)
#define CHECK_FAILS(error, call)	check((call) == -1 && errno == (error), #call)
#define CHECK_NONE(error, call)		check((call) == UMCG_NONE && errno == (error), #call)

static void check_slots(void)
{
	static struct umcg_sched_state slots[2], copy;

	slots[1].state = UMCG_SCHED_ON_CPU;
	slots[1].tid = 7;
	CHECK(umcg_on_cpu(&slots[1]) && !umcg_on_cpu(&slots[0]));
	CHECK(umcg_sched_number(slots, &slots[1]) == 1);
	CHECK(umcg_sched_read(&slots[1], &copy) && copy.tid == 7);
	slots[1].seq = 1;
	CHECK(!umcg_sched_read(&slots[1], &copy));
}

int main(void)
{
	umcg_t group = umcg_create_group(UMCG_GROUP_ENABLE_PREEMPTION);
	umcg_tid self = umcg_get_utid();
	uint64_t since;

	if (access(UMCG_DEVICE, F_OK) == 0) {
		printf("%s is there\n", UMCG_DEVICE);
		return 77;
	}

	errno = 0;
	CHECK(!umcg_enabled() && errno == ENOENT);
	CHECK_NONE(ENOENT, umcg_register_basic_task(0));
	CHECK_NONE(ENOENT, umcg_register_server(group, 0));
	CHECK_NONE(ENOENT, umcg_register_worker(group, 7));
	CHECK_FAILS(EINVAL, umcg_unregister_task());
	CHECK_FAILS(EINVAL, umcg_wait(0));
	CHECK_FAILS(EINVAL, umcg_wake(self, false));
	CHECK_FAILS(EINVAL, umcg_swap(self, 0));
	CHECK_FAILS(EINVAL, umcg_preempt_worker(self));
	CHECK_NONE(EINVAL, umcg_get_idle_worker(true));
	CHECK_NONE(EINVAL, umcg_run_worker(self));

	CHECK(!umcg_sched_slots() && errno == ENOENT);
	CHECK(!umcg_sched_state_register(0) && errno == ENOENT);
	CHECK_FAILS(ENOENT, umcg_sched_state_unregister());
	CHECK_FAILS(ENOENT, umcg_desched_add(&since, UMCG_DESCHED_ON_BLOCK, &since, 8, 0));
	CHECK_FAILS(ENOENT, umcg_desched_remove(&since));
	check_slots();

	umcg_set_task_tag(self, -1);
	CHECK(umcg_get_task_tag(self) == -1);
	CHECK(umcg_get_task_state(self) == UMCG_TASK_NONE);
	CHECK(umcg_get_task_since(self) <= umcg_get_time_ns());
	CHECK(umcg_get_time_ns() > 0);
	CHECK(umcg_destroy_group(group) == 0);

	return failures != 0;
}
