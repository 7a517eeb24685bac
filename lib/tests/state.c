// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * state.h: words and how they change.
 */
#include "state.h"
#include "test.h"

#define PROGRAM_BIT	(1U << 13)
#define SECOND		1000000000ULL

static uint64_t stamp_of(uint64_t word)
{
	return word >> UMCG_STATE_TIMESTAMP_SHIFT;
}

static void a_change_needs_the_state_and_the_lock_as_they_were(void)
{
	_Atomic uint64_t word = state_at(RUNNING | LOCKED, SECOND);

	CHECK(!change_state(&word, RUNNING, IDLE, 2 * SECOND));
	CHECK(word == state_at(RUNNING | LOCKED, SECOND));
	CHECK(change_state(&word, RUNNING | LOCKED, IDLE | WAITS, 2 * SECOND));
	CHECK(state_bits(&word) == (IDLE | WAITS));
	CHECK(stamp_of(word) == 2 * SECOND >> 4);
	CHECK(!change_state(&word, IDLE, RUNNING, 2 * SECOND));
}

static void a_change_keeps_the_bits_of_the_program(void)
{
	_Atomic uint64_t word = state_at(RUNNING | PROGRAM_BIT, SECOND);

	CHECK(state_bits(&word) == RUNNING);
	CHECK(change_state(&word, RUNNING, IDLE | LOCKED | QUEUED, SECOND));
	CHECK(word & PROGRAM_BIT);
	CHECK(change_state(&word, IDLE | LOCKED | QUEUED, IDLE | TAKEN, SECOND));
	CHECK(claim_state(&word, IDLE | TAKEN, SECOND));
	CHECK(word & PROGRAM_BIT);
}

static void preemption_stays_until_the_worker_is_taken(void)
{
	_Atomic uint64_t word = state_at(RUNNING | PREEMPTED, SECOND);

	CHECK(state_bits(&word) == RUNNING);
	CHECK(change_state(&word, RUNNING, IDLE | LOCKED, SECOND));
	CHECK(word & PREEMPTED);
	CHECK(change_state(&word, IDLE | LOCKED, RUNNING, SECOND));
	CHECK(word & PREEMPTED);
	CHECK(change_state(&word, RUNNING, IDLE | WAITS, SECOND));
	CHECK(claim_state(&word, IDLE | WAITS, SECOND));
	CHECK(!(word & PREEMPTED));
	CHECK(state_bits(&word) == (RUNNING | LOCKED));
}

static void who_leaves_leaves_no_flag(void)
{
	uint64_t word = state_at(IDLE | LOCKED | PREEMPTED | WAITS | PROGRAM_BIT, SECOND);
	uint64_t gone = state_successor(word, NONE, SECOND);

	CHECK((gone & UMCG_TASK_STATE_MASK_FULL) == PROGRAM_BIT);
}

static void two_words_never_have_one_timestamp(void)
{
	_Atomic uint64_t word = state_at(RUNNING, SECOND);

	for (uint64_t i = 1; i <= 10; i++) {
		CHECK(change_state(&word, RUNNING, RUNNING, SECOND));
		CHECK(stamp_of(word) == (SECOND >> 4) + i);
	}
	CHECK(change_state(&word, RUNNING, RUNNING, SECOND / 2));
	CHECK(stamp_of(word) == (SECOND >> 4) + 11);
}

static void the_timestamp_wraps(void)
{
	uint64_t last = TIMESTAMP_MASK << UMCG_STATE_TIMESTAMP_SHIFT | IDLE;

	CHECK(stamp_of(state_successor(last, RUNNING, TIMESTAMP_MASK << 4)) == 0);
	CHECK(stamp_of(state_successor(last, RUNNING, (TIMESTAMP_MASK + 6) << 4)) == 5);
	CHECK(state_bits(&(_Atomic uint64_t){ state_successor(last, RUNNING, 0) }) == RUNNING);
}

static void a_timestamp_tells_when(void)
{
	const uint64_t then = 90 * 24 * 3600 * SECOND;

	CHECK(state_time_ns(state_at(RUNNING, then), then) == then);
	CHECK(state_time_ns(state_at(RUNNING, then), then + 5 * SECOND) == then);
	CHECK(state_time_ns(state_at(RUNNING, then + 32), then) == then);
	CHECK(state_time_ns(state_at(RUNNING, then), then + 5 * 24 * 3600 * SECOND) == then);
}

const struct test tests[] = {
	TEST(a_change_needs_the_state_and_the_lock_as_they_were),
	TEST(a_change_keeps_the_bits_of_the_program),
	TEST(preemption_stays_until_the_worker_is_taken),
	TEST(who_leaves_leaves_no_flag),
	TEST(two_words_never_have_one_timestamp),
	TEST(the_timestamp_wraps),
	TEST(a_timestamp_tells_when),
	{ NULL, NULL, false },
};
