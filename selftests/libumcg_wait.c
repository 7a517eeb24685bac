// SPDX-License-Identifier: GPL-2.0
/*
 * libumcg on the module: waits, wake-ups and swaps of basic tasks and of workers.
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include "libumcg_crew.h"

#define SWAPS		(10000 / (int)slowness())

TEST(a_wait_times_out)
{
	const uint64_t end = umcg_get_time_ns() + 20000000;

	umcg_register_basic_task(0);
	EXPECT_FAILS(ETIMEDOUT, umcg_wait(end));
	EXPECT_GE(umcg_get_time_ns(), end);
	umcg_unregister_task();
}

TEST(every_wake_up_counts)
{
	umcg_tid self = umcg_register_basic_task(0);

	for (int i = 0; i < 200; i++) {
		EXPECT_EQ(0, umcg_wake(self, i % 2));
		EXPECT_TRUE(umcg_get_task_state(self) & UMCG_UTF_WAKEUP_QUEUED);
	}
	for (int i = 0; i < 200; i++) {
		EXPECT_EQ(0, umcg_wait(i % 2));
	}
	EXPECT_FALSE(umcg_get_task_state(self) & UMCG_UTF_WAKEUP_QUEUED);
	EXPECT_FAILS(ETIMEDOUT, umcg_wait(1));
	EXPECT_EQ(0, umcg_wake(self, false));
	umcg_unregister_task();
	umcg_register_basic_task(0);
	EXPECT_FAILS(ETIMEDOUT, umcg_wait(1))
		TH_LOG("of the wake-ups of an earlier registration");
	umcg_unregister_task();
}

TEST(only_tasks_wake_and_are_woken)
{
	EXPECT_FAILS(EINVAL, umcg_wake(umcg_get_utid(), false));
	umcg_register_basic_task(0);
	EXPECT_FAILS(EINVAL, umcg_wake(UMCG_NONE, false));
	EXPECT_FAILS(EINVAL, umcg_swap(UMCG_NONE, 0));
	EXPECT_FAILS(EINVAL, umcg_swap(umcg_get_utid(), 0));
	umcg_unregister_task();
}

static void wait_and_count(struct member *self)
{
	for (int i = 0; i < 100; i++) {
		MUST(!umcg_wait(0));
		atomic_fetch_add(&self->done, 1);
	}
}

TEST(a_basic_task_is_woken_in_any_state)
{
	struct member sleeper = { .body = wait_and_count };

	umcg_register_basic_task(0);
	start_basic_task(&sleeper);
	for (int i = 1; i <= 100; i++) {
		if (i % 2)
			SOON(state_of(sleeper.tid) == UMCG_TASK_IDLE);
		EXPECT_EQ(0, umcg_wake(sleeper.tid, i % 3 == 0));
		EXPECT_TRUE(SOON(sleeper.done == i));
	}
	join(&sleeper);
	umcg_unregister_task();
}

/* Neither leaves while the other one may swap. */
static void swap_with_partner(struct member *self)
{
	struct member *partner = self->arg;

	MUST(SOON(is_registered(partner)));
	do {
		MUST(!umcg_swap(partner->tid, 0));
		if (++self->done == SWAPS)
			self->step = 1;
	} while (!self->step || !partner->step);

	MUST(!umcg_wake(partner->tid, false));
	self->step = 2;
	MUST(SOON(partner->step == 2));
}

TEST(basic_tasks_swap)
{
	struct member one = { .body = swap_with_partner };
	struct member other = { .body = swap_with_partner };

	one.arg = &other;
	other.arg = &one;
	start_basic_task(&one);
	start_basic_task(&other);
	join(&one);
	join(&other);
	EXPECT_LE(2 * SWAPS, one.done + other.done);
}

/* The partner does the same, so each of its swaps ends one of these. */
static void swap_without_a_look(struct member *self)
{
	struct member *partner = self->arg;

	MUST(SOON(is_registered(partner)));
	for (int k = 0; k < 2 * SWAPS; k++)
		MUST(!umcg_swap(partner->tid, 0));
	self->step = 1;
}

TEST(basic_tasks_swap_without_a_look)
{
	for (int i = 0; i < 5; i++) {
		struct member one = { .body = swap_without_a_look };
		struct member other = { .body = swap_without_a_look };

		one.arg = &other;
		other.arg = &one;
		start_basic_task(&one);
		start_basic_task(&other);
		EXPECT_TRUE(SOON(one.step && other.step))
			TH_LOG("round %d", i);
		if (!one.step || !other.step)
			return;
		join(&one);
		join(&other);
	}
}

static void wait_five_times(struct member *self)
{
	for (int i = 0; i < 5; i++) {
		MUST(!umcg_wait(0));
		atomic_fetch_add(&self->done, 1);
	}
}

TEST(a_worker_that_waits_is_run_again_or_woken)
{
	struct member worker = { .body = wait_five_times };

	be_server(0);
	start_worker(&worker);
	ASSERT_EQ(worker.tid, umcg_get_idle_worker(true));
	ASSERT_EQ(worker.tid, umcg_run_worker(worker.tid));
	EXPECT_EQ(UMCG_TASK_IDLE, state_of(worker.tid));
	EXPECT_NONE(EAGAIN, umcg_get_idle_worker(false));

	ASSERT_EQ(worker.tid, umcg_run_worker(worker.tid));
	EXPECT_EQ(1, worker.done);

	EXPECT_EQ(0, umcg_wake(worker.tid, false));
	EXPECT_NONE(EAGAIN, umcg_run_worker(worker.tid));
	ASSERT_EQ(worker.tid, umcg_get_idle_worker(true));
	ASSERT_EQ(worker.tid, umcg_run_worker(worker.tid));
	EXPECT_EQ(2, worker.done);

	/* Of those that come after the first one it is told by its next waits. */
	EXPECT_EQ(0, umcg_wake(worker.tid, false));
	EXPECT_EQ(0, umcg_wake(worker.tid, false));
	ASSERT_EQ(worker.tid, umcg_get_idle_worker(true));
	EXPECT_EQ(0, umcg_wake(worker.tid, false));
	EXPECT_NONE(0, umcg_run_worker(worker.tid));
	EXPECT_EQ(5, worker.done);
	join(&worker);
	be_server_no_more();
}

/* When the timeout of the worker expires. */
static _Atomic uint64_t deadline;

static void wait_with_timeout(struct member *self)
{
	uint64_t end = umcg_get_time_ns() + 50000000ULL * slowness();

	MUST(umcg_wait(end) == -1 && errno == ETIMEDOUT && umcg_get_time_ns() >= end);
	MUST(!umcg_wake(umcg_get_utid(), false));
	MUST(!umcg_wait(end));
	MUST(umcg_wait(1) == -1 && errno == ETIMEDOUT);
	self->step = 1;
	deadline = umcg_get_time_ns() + SOON_NS;
	MUST(!umcg_wait(deadline));
	self->step = 2;
	MUST(!umcg_wait(deadline));
	self->step = 3;
}

TEST(a_worker_waits_with_a_timeout)
{
	const uint64_t waits = UMCG_TASK_IDLE | UMCG_UTF_WORKER_IN_WAIT;
	struct member worker = { .body = wait_with_timeout };

	be_server(0);
	start_worker(&worker);
	/* It becomes idle twice because its timeout expires. */
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(worker.tid, umcg_get_idle_worker(true));
		ASSERT_EQ(0, worker.step);
		ASSERT_EQ(worker.tid, umcg_run_worker(worker.tid));
	}
	ASSERT_EQ(1, worker.step);
	if (umcg_get_time_ns() < deadline) {
		EXPECT_EQ(waits, umcg_get_task_state(worker.tid));
		EXPECT_NONE(EAGAIN, umcg_get_idle_worker(false));
		/* The server may run it again, as one that waits for ever. */
		ASSERT_EQ(worker.tid, umcg_run_worker(worker.tid));
		ASSERT_EQ(2, worker.step);
		EXPECT_EQ(0, umcg_wake(worker.tid, false));
		EXPECT_NONE(EAGAIN, umcg_run_worker(worker.tid));
	}
	EXPECT_NONE(0, umcg_run_worker(umcg_get_idle_worker(true)));
	EXPECT_EQ(3, worker.step);
	join(&worker);
	be_server_no_more();
}

static void swap_with_timeout(struct member *self)
{
	const umcg_tid next = ((struct member *)self->arg)->tid;

	/* The other one waits, and wakes no task. */
	MUST(umcg_swap(next, umcg_get_time_ns() + 50000000ULL * slowness()) == -1);
	MUST(errno == ETIMEDOUT);
	self->step = 1;
	MUST(!umcg_swap(next, umcg_get_time_ns() + SOON_NS));
	self->step = 2;
}

static void wait_and_swap_back(struct member *self)
{
	struct member *other = self->arg;

	MUST(!umcg_wait(0));
	self->step = 1;
	MUST(!umcg_wait(0));
	self->step = 2;
	MUST(!umcg_swap(other->tid, umcg_get_time_ns() + SOON_NS));
}

/* It switches at once, as without a timeout. */
TEST(a_worker_swaps_with_a_timeout)
{
	struct member one = { .body = swap_with_timeout };
	struct member other = { .body = wait_and_swap_back };

	one.arg = &other;
	other.arg = &one;
	be_server(0);
	start_worker(&other);
	ASSERT_EQ(other.tid, umcg_run_worker(umcg_get_idle_worker(true)));
	start_worker(&one);
	ASSERT_EQ(other.tid, umcg_run_worker(umcg_get_idle_worker(true)));
	ASSERT_EQ(1, other.step);
	/* Its timeout has expired. */
	ASSERT_EQ(one.tid, umcg_get_idle_worker(true));
	ASSERT_EQ(0, one.step);
	/* Swaps to the other one, which swaps back; then it leaves. */
	EXPECT_NONE(0, umcg_run_worker(one.tid));
	EXPECT_EQ(2, one.step);
	EXPECT_EQ(2, other.step);
	EXPECT_NONE(0, umcg_run_worker(other.tid));
	join(&one);
	join(&other);
	be_server_no_more();
}

static void swap_once(struct member *self)
{
	MUST(!umcg_swap(((struct member *)self->arg)->tid, 0));
	self->step = 1;
}

static void wait_once(struct member *self)
{
	self->step = 1;
	MUST(!umcg_wait(0));
	self->step = 2;
}

/* It was not woken, and is not on the list: it can run in place of another one. */
TEST(a_worker_that_was_taken_is_swapped_to)
{
	struct member taken = { .body = wait_once };
	struct member swapper = { .body = swap_once, .arg = &taken };

	be_server(0);
	start_worker(&taken);
	ASSERT_EQ(taken.tid, umcg_get_idle_worker(true));
	start_worker(&swapper);
	ASSERT_EQ(swapper.tid, umcg_get_idle_worker(true));
	ASSERT_EQ(taken.tid, umcg_run_worker(swapper.tid));
	EXPECT_EQ(1, taken.step);
	EXPECT_EQ(0, swapper.step);
	/* Now both wait. */
	EXPECT_NONE(EAGAIN, umcg_get_idle_worker(false));
	EXPECT_NONE(0, umcg_run_worker(swapper.tid));
	EXPECT_NONE(0, umcg_run_worker(taken.tid));
	EXPECT_EQ(2, taken.step);
	join(&taken);
	join(&swapper);
	be_server_no_more();
}

static void wait_and_swap(struct member *self)
{
	MUST(!umcg_wait(0));
	swap_with_partner(self);
}

/*
 * The server is needed to start them, and to let them go. One of them waits when the other one
 * begins: a wake-up that came too early would have both want to run from then on.
 */
TEST(workers_swap_without_their_server)
{
	struct member one = { .body = swap_with_partner };
	struct member other = { .body = wait_and_swap };
	long runs;

	one.arg = &other;
	other.arg = &one;
	start_servers(1, 0);
	start_worker(&other);
	ASSERT_TRUE(SOON(umcg_get_task_state(other.tid) & UMCG_UTF_WORKER_IN_WAIT));
	start_worker(&one);
	join(&one);
	join(&other);
	runs = stop_servers();
	EXPECT_LE(2 * SWAPS, one.done + other.done);
	EXPECT_LT(runs, SWAPS / 10);
}

TEST_HARNESS_MAIN
