// SPDX-License-Identifier: GPL-2.0
/*
 * Groups of libumcg in direct mode: a server sleeps for as long as there is nothing to decide.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "libumcg_serving.h"

TEST(a_server_sleeps_on_while_its_worker_blocks_and_wakes)
{
	long sleeps;

	begin_group(DIRECT);
	start_member(0, read_until_dot);
	ASSERT_TRUE(SOON(blocks(&members[0])));
	sleeps = sleeps_of(serving.tid);
	for (int i = 1; i <= ROUNDS; i++) {
		ASSERT_TRUE(send_byte(0, 'x'));
		ASSERT_TRUE(SOON(members[0].done == i && blocks(&members[0])));
	}
	EXPECT_EQ(sleeps, sleeps_of(serving.tid));
	ASSERT_TRUE(send_byte(0, '.'));
	join(&members[0]);
	EXPECT_EQ(sleeps, sleeps_of(serving.tid))
		TH_LOG("a worker that leaves leaves its server idle");
	EXPECT_EQ(0, serving.returns);
	end_group();
}

TEST(workers_pass_a_server_on_first_come_first_served)
{
	long sleeps;

	begin_group(FIFO);
	for (int i = 0; i < MEMBERS; i++)
		start_member(i, relay);
	for (int i = 0; i < MEMBERS; i++)
		ASSERT_TRUE(SOON(blocks(&members[i])));
	sleeps = sleeps_of(serving.tid);
	/* Two of them are under way, so one is queued while another one runs. */
	ASSERT_TRUE(send_byte(0, 'x'));
	ASSERT_TRUE(send_byte(MEMBERS / 2, 'x'));
	for (int i = 0; i < MEMBERS; i++)
		join(&members[i]);
	EXPECT_GT(ROUNDS * MEMBERS / 4, sleeps_of(serving.tid) - sleeps);
	for (int i = 0; i < MEMBERS; i++)
		EXPECT_EQ(ROUNDS, members[i].done);
	end_group();
}

static void wait_thrice(struct member *self)
{
	for (int i = 0; i < 3; i++) {
		MUST(!umcg_wait(0));
		self->done++;
	}
}

TEST(a_worker_that_is_woken_goes_on_under_an_idle_server)
{
	long sleeps;

	begin_group(DIRECT);
	start_member(0, wait_thrice);
	ASSERT_TRUE(SOON(waits(&members[0]) && serves(&serving)));
	sleeps = sleeps_of(serving.tid);
	for (int i = 1; i <= 3; i++) {
		ASSERT_TRUE(SOON(waits(&members[0])));
		ASSERT_EQ(0, umcg_wake(members[0].tid, false));
		ASSERT_TRUE(SOON(members[0].done == i));
	}
	join(&members[0]);
	EXPECT_EQ(sleeps, sleeps_of(serving.tid));
	end_group();
}

/* It may have left: the waker below ends waits, too. */
static void wake_partner(int i)
{
	if (umcg_wake(members[i ^ 1].tid, false))
		MUST(errno == EINVAL);
}

static void wait_for_partner(struct member *self)
{
	const int i = self - members;

	MUST(SOON(is_registered(&members[i ^ 1])));
	for (; self->done < ROUNDS; self->done++) {
		if (i & 1 || self->done)
			MUST(!umcg_wait(0));
		wake_partner(i);
		if (self->done % 4 == 0 && umcg_wait(umcg_get_time_ns() + 100000))
			MUST(errno == ETIMEDOUT);
	}
	wake_partner(i);
}

static void wake_the_even_one(struct member *self)
{
	while (self->step == 0) {
		umcg_wake(members[0].tid, false);
		umcg_wake(members[1].tid, false);
		usleep(100);
	}
}

TEST(workers_wait_with_timeouts_and_wake_one_another)
{
	struct member waker = { .body = wake_the_even_one };

	begin_group(FIFO);
	start_member(0, wait_for_partner);
	start_member(1, wait_for_partner);
	start_basic_task(&waker);
	join(&members[0]);
	join(&members[1]);
	waker.step = 1;
	join(&waker);
	EXPECT_EQ(2 * ROUNDS, members[0].done + members[1].done);
	end_group();
}

static void time_out_thrice(struct member *self)
{
	for (int i = 0; i < 3; i++) {
		MUST(umcg_wait(umcg_get_time_ns() + 1000000) == -1 && errno == ETIMEDOUT);
		self->done++;
	}
}

TEST(a_wait_of_a_worker_times_out)
{
	begin_group(FIFO);
	for (int i = 0; i < MEMBERS; i++)
		start_member(i, time_out_thrice);
	for (int i = 0; i < MEMBERS; i++) {
		join(&members[i]);
		EXPECT_EQ(3, members[i].done);
	}
	end_group();
}

static void swap_to_the_second(struct member *self)
{
	MUST(SOON(waits(&members[1])));
	MUST(!umcg_swap(members[1].tid, 0));
	self->done++;
}

static void wake_the_first(struct member *self)
{
	MUST(!umcg_wait(0));
	self->done++;
	MUST(!umcg_wake(members[0].tid, false));
}

TEST(a_worker_swaps_to_another_one)
{
	begin_group(DIRECT);
	start_member(1, wake_the_first);
	ASSERT_TRUE(SOON(waits(&members[1])));
	start_member(0, swap_to_the_second);
	join(&members[0]);
	join(&members[1]);
	EXPECT_EQ(1, members[0].done);
	EXPECT_EQ(1, members[1].done);
	end_group();
}

static void *wake_when_two_have_ended(void *server)
{
	MUST(umcg_register_basic_task(0) != UMCG_NONE);
	join(&members[0]);
	join(&members[1]);
	MUST(!umcg_wake((umcg_tid)server, false));
	MUST(!umcg_unregister_task());

	return NULL;
}

static void append_name(struct member *self)
{
	static _Atomic int place;

	members[place++].arg = self;
}

/* While it has taken workers that it has not run it hears of each one that stops. */
TEST(a_server_runs_workers_in_any_order)
{
	pthread_t waker;

	/* It does not wait for them: they would run under it at once. */
	be_server(FIFO);
	for (int i = 0; i < 2; i++) {
		start_member(i, append_name);
		ASSERT_TRUE(SOON(state_of(members[i].tid) == UMCG_TASK_IDLE));
		ASSERT_TRUE(SOON(umcg_get_idle_worker(false) == members[i].tid));
	}
	EXPECT_NONE(EAGAIN, umcg_get_idle_worker(false));

	EXPECT_NONE(0, umcg_run_worker(members[1].tid));
	EXPECT_EQ(&members[1], members[0].arg);
	ASSERT_EQ(0, pthread_create(&waker, NULL, wake_when_two_have_ended,
				    (void *)umcg_get_utid()));
	EXPECT_NONE(0, umcg_run_worker(members[0].tid));
	EXPECT_NONE(EINTR, umcg_get_idle_worker(true));
	EXPECT_EQ(&members[0], members[1].arg);
	pthread_join(waker, NULL);
	be_server_no_more();
}

/* The server hears of a thread that ends past the library; the group is empty then. */
static void exit_at_once(struct member *self)
{
	self->done = 1;
	syscall(SYS_exit, 0);
}

TEST(a_worker_may_end_without_unregistering)
{
	begin_group(DIRECT);
	for (int i = 0; i < MEMBERS; i++)
		start_member(i, exit_at_once);
	for (int i = 0; i < MEMBERS; i++) {
		join(&members[i]);
		EXPECT_EQ(1, members[i].done);
		EXPECT_TRUE(SOON(!is_registered(&members[i])));
	}
	end_group();
}

TEST(a_preempted_worker_makes_room_for_the_next_one)
{
	begin_group(FIFO | UMCG_GROUP_ENABLE_PREEMPTION);
	start_member(0, spin_until_step);
	ASSERT_TRUE(SOON(members[0].done));
	start_member(1, spin_until_step);
	ASSERT_TRUE(SOON(state_of(members[1].tid) == UMCG_TASK_IDLE));
	EXPECT_EQ(0, members[1].done);
	for (int i = 0; i < 10; i++) {
		struct member *next = &members[(i + 1) % 2];
		const long before = next->done;

		ASSERT_TRUE(SOON(!umcg_preempt_worker(members[i % 2].tid)));
		EXPECT_TRUE(SOON(next->done > before));
	}
	members[0].step = 1;
	members[1].step = 1;
	join(&members[0]);
	join(&members[1]);
	end_group();
}

static void be_critical(struct member *self)
{
	const umcg_tid own = umcg_get_utid();

	umcg_critical_enter(own);
	umcg_critical_enter(own);
	while (self->step == 0)
		self->done++;
	umcg_critical_leave(own);
	self->step = 2;
	while (self->step == 2)
		self->done++;
	umcg_critical_leave(own);
	self->step = 4;
}

static void note_the_step(struct member *self)
{
	self->step = members[0].step;
}

static void critical_sections_in(struct __test_metadata *_metadata, uint32_t flags)
{
	const umcg_tid *worker = (umcg_tid *)&members[0].tid;
	long before;

	begin_group(flags | UMCG_GROUP_ENABLE_PREEMPTION | UMCG_GROUP_CRITICAL);
	start_member(0, be_critical);
	ASSERT_TRUE(SOON(members[0].done));
	start_member(1, note_the_step);
	ASSERT_TRUE(SOON(state_of(members[1].tid) == UMCG_TASK_IDLE));
	ASSERT_EQ(0, umcg_preempt_worker(*worker));
	ASSERT_TRUE(SOON(umcg_get_task_state(*worker) & UMCG_TF_PREEMPTED));
	/* It goes on in the section, and in what is left of it. */
	before = members[0].done;
	EXPECT_TRUE(SOON(members[0].done > before));
	members[0].step = 1;
	ASSERT_TRUE(SOON(members[0].step == 2));
	before = members[0].done;
	EXPECT_TRUE(SOON(members[0].done > before));
	EXPECT_TRUE(umcg_get_task_state(*worker) & UMCG_TF_PREEMPTED);
	EXPECT_TRUE(SOON(state_of(members[1].tid) == UMCG_TASK_IDLE));
	/* At its end it gives way. */
	members[0].step = 3;
	join(&members[1]);
	join(&members[0]);
	EXPECT_EQ(3, members[1].step)
		TH_LOG("the other one was not first");
	EXPECT_EQ(4, members[0].step);
	end_group();
}

TEST(critical_sections_end_before_a_worker_gives_way)
{
	critical_sections_in(_metadata, 0);
}

TEST(critical_sections_in_direct_mode)
{
	critical_sections_in(_metadata, FIFO);
}

static int policy_before, policy_after;

static void *be_batch_worker(void *arg)
{
	struct member *self = arg;

	self->step = sched_getscheduler(0);
	policy_before = self->step;
	MUST(umcg_register_worker(group, 0) != UMCG_NONE);
	self->done = sched_getscheduler(0);
	MUST(!umcg_unregister_task());
	policy_after = sched_getscheduler(0);

	return NULL;
}

TEST(workers_of_a_batch_group_do_not_preempt)
{
	const struct sched_param none = { .sched_priority = 0 };
	struct member worker = { };

	begin_group(UMCG_GROUP_BATCH);
	ASSERT_EQ(0, pthread_create(&worker.thread, NULL, be_batch_worker, &worker));
	join(&worker);
	EXPECT_EQ(SCHED_OTHER, policy_before);
	EXPECT_EQ(SCHED_BATCH, worker.done);
	EXPECT_EQ(SCHED_OTHER, policy_after);

	/* What the program has chosen stays. */
	ASSERT_EQ(0, sched_setscheduler(0, SCHED_IDLE, &none));
	ASSERT_EQ(0, pthread_create(&worker.thread, NULL, be_batch_worker, &worker));
	join(&worker);
	EXPECT_EQ(SCHED_IDLE, policy_before);
	EXPECT_EQ(SCHED_IDLE, worker.done);
	EXPECT_EQ(SCHED_IDLE, policy_after);
	ASSERT_EQ(0, sched_setscheduler(0, SCHED_OTHER, &none));
	end_group();
}

TEST(options_of_direct_mode_are_refused_without_it)
{
	EXPECT_NONE(EINVAL, umcg_create_group(UMCG_GROUP_FIFO));
	EXPECT_NONE(EINVAL, umcg_create_group(UMCG_GROUP_OVERTAKE));
	EXPECT_NONE(EINVAL, umcg_create_group(UMCG_GROUP_LEND));
	EXPECT_NONE(EINVAL, umcg_create_group(1U << 7));
}

TEST_HARNESS_MAIN
