// SPDX-License-Identifier: GPL-2.0
/*
 * The limit of slots of a process, and the memory that they take. The module is loaded with a
 * small limit when a test begins, and with the default one when it ends.
 */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "umcg_sched.h"

/* More than a page has. */
#define SLOTS		66
#define ROUNDS		10

FIXTURE(limits_slots) {
	int unused;
};

FIXTURE_SETUP(limits_slots)
{
	ASSERT_TRUE(module_unloads_soon());
	ASSERT_EQ(0, module_load_with("max_slots_per_process=66"));
	umcg_test_begin(TEST_SECONDS);
}

FIXTURE_TEARDOWN(limits_slots)
{
	close(umcg_fd);
	EXPECT_TRUE(module_unloads_soon());
	EXPECT_EQ(0, module_load());
}

static int take_a_slot(void *argument)
{
	(void)argument;
	return slot_register(0);
}

/* Root is not exempt: there are no more. */
TEST_F(limits_slots, are_what_a_process_can_have)
{
	static struct umcg_thread crowd[SLOTS];

	for (int i = 0; i < SLOTS; i++)
		thread_start(&crowd[i], stay_with_slot);
	for (int i = 0; i < SLOTS; i++) {
		ASSERT_TRUE(SOON(crowd[i].phase == 1));
		EXPECT_LE(0, crowd[i].result);
		EXPECT_GT(SLOTS, crowd[i].result);
	}
	for (int i = 0; i < ROUNDS; i++)
		EXPECT_EQ(-ENOSPC, slot_register(0));
	EXPECT_EQ(SLOTS, umcg_stat("watched"));
	EXPECT_EQ(0, result_of_process(take_a_slot, NULL))
		TH_LOG("the slot of another process");
	for (int i = 0; i < SLOTS; i++) {
		tell_to_go(&crowd[i]);
		EXPECT_TRUE(thread_ends(&crowd[i]));
		if (!i)
			EXPECT_EQ(crowd[i].result, slot_register(0));
	}
	EXPECT_EQ(0, slot_unregister());
}

/* The whole mapping can be read; beyond the last possible slot it shows the same page. */
TEST_F(limits_slots, have_as_many_pages_as_they_need_and_one_more)
{
	const int last = UMCG_SCHED_STATE_SLOTS - 1;
	const long pages = (SLOTS * sizeof(*slots) + PAGE - 1) / PAGE;

	ASSERT_TRUE(slots_map());
	for (int slot = 0; slot <= last; slot++)
		ASSERT_EQ(0, slot_state(slot) | slot_seq(slot) | slots[slot].tid);
	EXPECT_EQ(pages + 1, umcg_stat("slot_pages"));
	ASSERT_EQ(0, slot_register(0));
	EXPECT_EQ(gettid(), slots[0].tid);
	EXPECT_EQ(0, slots[last].tid);
	EXPECT_EQ(0, slot_unregister());
	EXPECT_EQ(pages + 1, umcg_stat("slot_pages"));
	EXPECT_EQ(0, munmap((void *)slots, UMCG_SCHED_STATE_SIZE));
	EXPECT_TRUE(SOON(umcg_stat("slot_pages") == 0));
}

TEST_HARNESS_MAIN
