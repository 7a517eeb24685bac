// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Waits, wake-ups and swaps on the fake kernel: every wake-up ends a wait.
 */
#include <errno.h>
#include <sched.h>

#include "crowd.h"

#define WAKERS	WORKERS

static struct member wakers[WAKERS];
static _Atomic int heard[WAKERS];

static void wake_the_worker(struct member *self)
{
	const int i = self - wakers;

	for (int round = 1; round <= ROUNDS; round++) {
		atomic_store_explicit(&tokens[i], round, memory_order_relaxed);
		CHECK(!umcg_wake(workers[0].tid, false));
		while (heard[i] != round)
			sched_yield();
	}
	self->step = 1;
}

static void hear_everybody(struct member *self)
{
	bool is_last = false;

	(void)self;
	while (!is_last) {
		CHECK(!umcg_wait(0));
		is_last = true;
		for (int i = 0; i < WAKERS; i++) {
			int token = atomic_load_explicit(&tokens[i], memory_order_relaxed);

			heard[i] = token;
			is_last = is_last && token == ROUNDS;
		}
	}
}

/* Each wake-up by one of many threads counts, though most find the worker woken already. */
static void many_wake_one_worker(void)
{
	fake_kernel_start();
	start_servers(1, 0);
	start_workers(1, hear_everybody);
	CHECK(SOON(is_registered(&workers[0])));
	for (int i = 0; i < WAKERS; i++) {
		wakers[i].body = wake_the_worker;
		start_basic_task(&wakers[i]);
	}
	join_workers(1);
	for (int i = 0; i < WAKERS; i++)
		join(&wakers[i]);
	stop_servers();
}

/* Wakes the first task, whatever it does, without checking the result. */
static void wake_again_and_again(struct member *self)
{
	for (int i = 0; i < ROUNDS; i++) {
		CHECK(!umcg_wake(workers[0].tid, false));
		if (random_number() % 8 == 0)
			usleep(random_number() % 20);
	}
	self->step = 1;
}

/* Ends as many waits as it was woken, with and without a timeout, and not one more. */
static void wait_for_every_wake_up(struct member *self)
{
	while (self->done < WAKERS * ROUNDS) {
		if (random_number() % 2)
			CHECK(!umcg_wait(0));
		else if (umcg_wait(umcg_get_time_ns() + 1 + random_number() % 100000))
			continue;
		self->done++;
	}
	CHECK(umcg_wait(umcg_get_time_ns() + 20000000) == -1 && errno == ETIMEDOUT);
}

static void wake_from_all_sides(void)
{
	CHECK(SOON(is_registered(&workers[0])));
	for (int i = 0; i < WAKERS; i++) {
		wakers[i].body = wake_again_and_again;
		start_basic_task(&wakers[i]);
	}
	join(&workers[0]);
	for (int i = 0; i < WAKERS; i++)
		join(&wakers[i]);
	CHECK(workers[0].done == WAKERS * ROUNDS);
}

static void every_wake_up_ends_a_wait_of_a_task(void)
{
	workers[0] = (struct member){ .body = wait_for_every_wake_up };
	start_basic_task(&workers[0]);
	wake_from_all_sides();
}

static void every_wake_up_ends_a_wait_of_a_worker(void)
{
	fake_kernel_start();
	start_servers(2, 0);
	start_workers(1, wait_for_every_wake_up);
	wake_from_all_sides();
	stop_servers();
}

/* As many swaps as the partner does, without a look at what it does. */
static void swap_without_a_look(struct member *self)
{
	struct member *partner = &workers[(self - workers) ^ 1];

	self->step = 1;
	while (!partner->step)
		fake_block(10);
	for (int i = 0; i < 10 * ROUNDS; i++) {
		CHECK(!umcg_swap(partner->tid, 0));
		self->done++;
	}
}

static void tasks_swap_without_a_look(void)
{
	for (int i = 0; i < 2; i++)
		workers[i] = (struct member){ .body = swap_without_a_look };
	for (int i = 0; i < 2; i++)
		start_basic_task(&workers[i]);
	CHECK(join_workers(2) == 20 * ROUNDS);
}

/* With a second server, one may hold a worker that is swapped to, and run it once more. */
static void workers_swap_without_a_look(void)
{
	fake_kernel_start();
	start_servers(1, 0);
	start_workers(WORKERS, swap_without_a_look);
	CHECK(join_workers(WORKERS) == WORKERS * 10 * ROUNDS);
	stop_servers();
}

static void swap_to_the_second(struct member *self)
{
	for (int i = 0; i < ROUNDS; i++) {
		while (tokens[0] == i)
			CHECK(!umcg_wait(0));
		CHECK(!umcg_swap(workers[1].tid, 0));
		self->done++;
	}
}

/* The first swap has ended its registration; each of the others is a wake-up. */
static void block_and_count(struct member *self)
{
	for (int i = 0; i < ROUNDS; i++) {
		self->done++;
		fake_block(10);
	}
	self->done++;
	for (int i = 1; i < ROUNDS; i++)
		CHECK(!umcg_wait(0));
	CHECK(umcg_wait(umcg_get_time_ns() + 20000000) == -1 && errno == ETIMEDOUT);
}

/*
 * It runs in place of the one that swaps; its server keeps it meanwhile, and runs no
 * other worker.
 */
static void a_worker_that_was_taken_is_swapped_to(void)
{
	fake_kernel_start();
	be_server(0);
	start_workers(1, swap_to_the_second);
	CHECK(umcg_get_idle_worker(true) == workers[0].tid);
	CHECK(umcg_run_worker(workers[0].tid) == workers[0].tid);
	workers[1] = (struct member){ .body = block_and_count };
	start_worker(&workers[1]);
	for (int i = 0; i < ROUNDS; i++) {
		CHECK(umcg_get_idle_worker(true) == workers[1].tid);
		CHECK(workers[1].done == i);
		tokens[0] = i + 1;
		CHECK(umcg_run_worker(workers[0].tid) == workers[1].tid);
		CHECK(workers[1].done == i + 1);
	}
	CHECK(umcg_run_worker(workers[0].tid) == UMCG_NONE && errno == 0);
	while (umcg_run_worker(umcg_get_idle_worker(true)) != UMCG_NONE)
		continue;
	join_workers(2);
	be_server_no_more();
}

static void wait_long(struct member *self)
{
	for (int i = 0; i < ROUNDS; i++) {
		CHECK(!umcg_wait(umcg_get_time_ns() + 20000000000));
		self->done++;
	}
}

/* A timeout that does not come makes no difference. */
static void a_worker_that_waits_with_a_timeout_is_run_again(void)
{
	umcg_tid worker;

	fake_kernel_start();
	be_server(0);
	start_workers(1, wait_long);
	worker = umcg_get_idle_worker(true);
	for (int i = 0; i < ROUNDS; i++) {
		CHECK(umcg_run_worker(worker) == worker);
		CHECK(state_of(worker) == UMCG_TASK_IDLE);
		CHECK(umcg_get_task_state(worker) & UMCG_UTF_WORKER_IN_WAIT);
		CHECK(umcg_get_idle_worker(false) == UMCG_NONE && errno == EAGAIN);
		CHECK(workers[0].done == i);
	}
	CHECK(umcg_run_worker(worker) == UMCG_NONE && errno == 0);
	join_workers(1);
	be_server_no_more();
}

static void *wait_once_and_leave(void *arg)
{
	struct member *self = arg;

	for (int round = 0; round < ROUNDS; round++) {
		CHECK(umcg_register_basic_task(0) != UMCG_NONE);
		self->tid = umcg_get_utid();
		CHECK(!umcg_wait(0));
		CHECK(!umcg_unregister_task());
	}
	self->step = 1;

	return NULL;
}

/* A task that swaps to another one waits, even if that exits before the swap is complete. */
static void a_task_is_swapped_to_and_leaves(void)
{
	struct member leaver = { 0 };

	CHECK(umcg_register_basic_task(0) != UMCG_NONE);
	CHECK(!pthread_create(&leaver.thread, NULL, wait_once_and_leave, &leaver));
	CHECK(SOON(leaver.tid));
	while (!leaver.step) {
		/* It has not gone to sleep yet. */
		while (state_of(leaver.tid) != UMCG_TASK_IDLE && !leaver.step)
			sched_yield();
		CHECK(umcg_swap(leaver.tid, umcg_get_time_ns() + 500000) == -1);
		CHECK(errno == EINVAL || errno == ETIMEDOUT);
	}
	join(&leaver);
	CHECK(!umcg_unregister_task());
}

const struct test tests[] = {
	TEST_IN_ANY_GROUP(many_wake_one_worker),
	TEST(every_wake_up_ends_a_wait_of_a_task),
	TEST_IN_ANY_GROUP(every_wake_up_ends_a_wait_of_a_worker),
	TEST(tasks_swap_without_a_look),
	TEST_IN_ANY_GROUP(workers_swap_without_a_look),
	TEST(a_worker_that_was_taken_is_swapped_to),
	TEST(a_worker_that_waits_with_a_timeout_is_run_again),
	TEST(a_task_is_swapped_to_and_leaves),
	{ NULL, NULL, false },
};
