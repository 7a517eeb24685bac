// SPDX-License-Identifier: GPL-2.0
/*
 * umcg_preempt_worker() on the module.
 */
#define _GNU_SOURCE
#include "kselftest_harness.h"
#include "libumcg_crew.h"

#define SPINNERS	4

static void wait_thrice(struct member *self)
{
	for (int i = 0; i < 3; i++) {
		MUST(!umcg_wait(0));
		atomic_fetch_add(&self->done, 1);
	}
}

static void spin(struct member *self)
{
	self->step = 1;
	while (self->step == 1)
		self->done++;
}

static void *preempt_when_it_spins(void *arg)
{
	struct member *worker = arg;

	MUST(SOON(worker->step == 1));
	MUST(!umcg_preempt_worker(worker->tid));
	return NULL;
}

TEST(invalid_preemption_is_refused)
{
	struct member worker = { .body = wait_thrice };

	EXPECT_FAILS(EINVAL, umcg_preempt_worker(UMCG_NONE));
	be_server(0);
	EXPECT_FAILS(EINVAL, umcg_preempt_worker(umcg_get_utid()));
	start_worker(&worker);
	ASSERT_EQ(worker.tid, umcg_get_idle_worker(true));
	EXPECT_FAILS(EINVAL, umcg_preempt_worker(worker.tid))
		TH_LOG("the group was made without UMCG_GROUP_ENABLE_PREEMPTION");
	while (umcg_run_worker(worker.tid) != UMCG_NONE)
		;
	join(&worker);
	be_server_no_more();

	be_server(UMCG_GROUP_ENABLE_PREEMPTION);
	worker = (struct member){ .body = wait_thrice };
	start_worker(&worker);
	ASSERT_EQ(worker.tid, umcg_get_idle_worker(true));
	EXPECT_FAILS(EAGAIN, umcg_preempt_worker(worker.tid));
	while (umcg_run_worker(worker.tid) != UMCG_NONE) {
		EXPECT_FAILS(EAGAIN, umcg_preempt_worker(worker.tid));
	}
	join(&worker);
	be_server_no_more();
}

TEST(a_preempted_worker_comes_back_idle)
{
	struct member worker = { .body = spin };
	pthread_t preempter;

	be_server(UMCG_GROUP_ENABLE_PREEMPTION);
	start_worker(&worker);
	ASSERT_EQ(worker.tid, umcg_get_idle_worker(true));
	pthread_create(&preempter, NULL, preempt_when_it_spins, &worker);
	ASSERT_EQ(worker.tid, umcg_run_worker(worker.tid));
	EXPECT_EQ(UMCG_TASK_IDLE, state_of(worker.tid));
	EXPECT_NONE(EAGAIN, umcg_run_worker(worker.tid));
	EXPECT_FAILS(EAGAIN, umcg_preempt_worker(worker.tid));
	pthread_join(preempter, NULL);
	ASSERT_EQ(worker.tid, umcg_get_idle_worker(false));
	worker.step = 2;
	EXPECT_NONE(0, umcg_run_worker(worker.tid));
	join(&worker);
	be_server_no_more();
}

/* A server that has got a preempted worker may do something else than to look for it. */
TEST(a_preempted_worker_is_taken_by_a_server_that_waits)
{
	struct member worker = { .body = spin };
	pthread_t preempter;

	be_server(UMCG_GROUP_ENABLE_PREEMPTION);
	start_worker(&worker);
	ASSERT_EQ(worker.tid, umcg_get_idle_worker(true));
	start_servers_in_group(1);
	pthread_create(&preempter, NULL, preempt_when_it_spins, &worker);
	ASSERT_EQ(worker.tid, umcg_run_worker(worker.tid));
	pthread_join(preempter, NULL);
	EXPECT_TRUE(SOON(state_of(worker.tid) == UMCG_TASK_RUNNING));
	worker.step = 2;
	join(&worker);
	umcg_unregister_task();
	stop_servers();
}

static void preempt_itself(struct member *self)
{
	for (int i = 0; i < 100; i++) {
		self->step++;
		MUST(!umcg_preempt_worker(umcg_get_utid()));
	}
}

TEST(a_worker_preempts_itself)
{
	struct member worker = { .body = preempt_itself };

	be_server(UMCG_GROUP_ENABLE_PREEMPTION);
	start_worker(&worker);
	for (int i = 1; i <= 100; i++) {
		ASSERT_EQ(worker.tid, umcg_run_worker(umcg_get_idle_worker(true)));
		ASSERT_EQ(i, worker.step);
	}
	EXPECT_NONE(0, umcg_run_worker(umcg_get_idle_worker(true)));
	join(&worker);
	be_server_no_more();
}

static bool preempt_after_a_slice(struct member *workers)
{
	usleep(5000);
	for (int i = 0; i < SPINNERS; i++)
		umcg_preempt_worker(workers[i].tid);
	return true;
}

static bool all_have_run(struct member *workers, const long *before)
{
	for (int i = 0; i < SPINNERS; i++) {
		if (workers[i].done == before[i])
			return false;
	}
	return true;
}

/* One server gives each of its spinning workers a slice in turn. */
TEST(spinning_workers_share_one_server)
{
	struct member workers[SPINNERS] = { };
	long before[SPINNERS];

	umcg_register_basic_task(0);
	start_servers(1, UMCG_GROUP_ENABLE_PREEMPTION);
	for (int i = 0; i < SPINNERS; i++) {
		workers[i].body = spin;
		start_worker(&workers[i]);
	}
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < SPINNERS; i++)
			before[i] = workers[i].done;
		EXPECT_TRUE(SOON(preempt_after_a_slice(workers) && all_have_run(workers, before)))
			TH_LOG("a worker starves");
	}
	for (int i = 0; i < SPINNERS; i++)
		workers[i].step = 2;
	/* A worker that spins when the others are told to end does so by itself. */
	for (int i = 0; i < SPINNERS; i++)
		join(&workers[i]);
	EXPECT_LT(10 * SPINNERS, stop_servers());
}

TEST_HARNESS_MAIN
