// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * The library on the fake kernel: no task is lost, whatever happens concurrently.
 */
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "crowd.h"
#include "internal.h"

static void block_often(struct member *self)
{
	for (int i = 0; i < ROUNDS; i++) {
		fake_block(random_number() % 50);
		self->done++;
	}
}

static void workers_block(void)
{
	fake_kernel_start();
	start_servers(3, 0);
	start_workers(WORKERS, block_often);
	CHECK(join_workers(WORKERS) == WORKERS * ROUNDS);
	/* In direct mode they are woken only if there is something to decide. */
	CHECK(stop_servers() >= WORKERS * ROUNDS || crew_group_flags & UMCG_GROUP_DIRECT);
}

/* More servers than workers: most of them wait, and are passed the starts. */
static void most_servers_wait(void)
{
	fake_kernel_start();
	start_servers(8, 0);
	start_workers(2, block_often);
	CHECK(join_workers(2) == 2 * ROUNDS);
	stop_servers();
}

static void give_token(int i, int value)
{
	const umcg_tid partner = workers[i ^ 1].tid;

	tokens[i ^ 1] = value;
	switch (i & 1 ? 0 : random_number() % 3) {
	case 0:
		CHECK(!umcg_wake(partner, false));
		break;
	case 1:
		if (umcg_swap(partner, umcg_get_time_ns() + 1 + random_number() % 200000))
			CHECK(errno == ETIMEDOUT);
		break;
	default:
		CHECK(!umcg_swap(partner, 0));
	}
}

static void await_token(int i, int value)
{
	while (tokens[i] != value) {
		if (random_number() % 3)
			CHECK(!umcg_wait(0));
		else if (umcg_wait(umcg_get_time_ns() + 1 + random_number() % 300000))
			CHECK(errno == ETIMEDOUT);
	}
}

/* The odd ones do not swap: at the end they would not be swapped back to. */
static void pass_tokens(struct member *self)
{
	const int i = self - workers;

	CHECK(SOON(is_registered(&workers[i ^ 1])));
	for (int round = 1; round <= ROUNDS; round++) {
		if (i & 1)
			await_token(i, round);
		give_token(i, round);
		if (!(i & 1))
			await_token(i, round);
		if (random_number() % 8 == 0)
			fake_block(10);
		self->done++;
	}
	self->step = 1;
	while (!workers[i ^ 1].step)
		fake_block(100);
}

static void workers_wait_wake_and_swap(void)
{
	fake_kernel_start();
	start_servers(2, 0);
	start_workers(WORKERS, pass_tokens);
	CHECK(join_workers(WORKERS) == WORKERS * ROUNDS);
	stop_servers();
}

static void preempt_everybody(struct member *self)
{
	while (!is_over) {
		self->done += !umcg_preempt_worker(workers[random_number() % WORKERS].tid);
		usleep(20);
	}
}

static void pass_tokens_under_preemption(int server_count)
{
	struct member preempter = { .body = preempt_everybody };

	fake_kernel_start();
	start_servers(server_count, UMCG_GROUP_ENABLE_PREEMPTION);
	start_workers(WORKERS, pass_tokens);
	start_basic_task(&preempter);
	CHECK(join_workers(WORKERS) == WORKERS * ROUNDS);
	join(&preempter);
	stop_servers();
	CHECK(preempter.done > 0);
}

static void workers_are_preempted_at_any_instruction(void)
{
	pass_tokens_under_preemption(1);
}

static void preempted_workers_change_servers(void)
{
	pass_tokens_under_preemption(3);
}

static void spin(struct member *self)
{
	while (!is_over) {
		self->done++;
		sched_yield();
	}
}

static bool all_progress(void)
{
	long before[WORKERS];
	bool all = true;

	for (int i = 0; i < WORKERS; i++)
		before[i] = workers[i].done;
	usleep(1000);
	for (int i = 0; i < WORKERS; i++)
		all = SOON(workers[i].done > before[i]) && all;

	return all;
}

static void spinning_workers_take_turns(void)
{
	struct member preempter = { .body = preempt_everybody };

	fake_kernel_start();
	start_servers(1, UMCG_GROUP_ENABLE_PREEMPTION);
	start_workers(WORKERS, spin);
	start_basic_task(&preempter);
	for (int i = 0; i < 5; i++)
		CHECK(all_progress());
	is_over = true;
	join_workers(WORKERS);
	join(&preempter);
	stop_servers();
}

static void leave_at_once(struct member *self)
{
	self->done++;
}

/*
 * As soon as umcg_run_worker() has reported the last worker, which may still be about to
 * unregister.
 */
static void a_group_that_its_workers_have_left_is_empty(void)
{
	fake_kernel_start();
	for (int i = 0; i < ROUNDS; i++) {
		be_server(0);
		start_workers(1, leave_at_once);
		CHECK(umcg_run_worker(umcg_get_idle_worker(true)) == UMCG_NONE && errno == 0);
		be_server_no_more();
		join_workers(1);
	}
}

static _Atomic int slices;

static void wake_itself(struct member *self)
{
	while (!is_over)
		CHECK(!umcg_wake(self->tid, false));
}

static void preempt_once_a_slice(struct member *self)
{
	while (!is_over) {
		if (self->done == slices)
			sched_yield();
		else if (!umcg_preempt_worker(workers[0].tid))
			self->done++;
		else
			CHECK(errno == EAGAIN);
	}
}

/* A worker that is kicked in a call of the library is preempted after it. */
static void one_request_is_enough(void)
{
	struct member preempter = { .body = preempt_once_a_slice };

	fake_kernel_start();
	be_server(UMCG_GROUP_ENABLE_PREEMPTION);
	start_workers(1, wake_itself);
	start_basic_task(&preempter);
	/* Fewer than elsewhere: a round takes several time slices, as nobody sleeps in it. */
	for (int i = 0; i < ROUNDS / 5; i++) {
		CHECK(umcg_get_idle_worker(true) == workers[0].tid);
		slices++;
		CHECK(umcg_run_worker(workers[0].tid) == workers[0].tid);
	}
	is_over = true;
	join(&preempter);
	while (umcg_run_worker(umcg_get_idle_worker(true)) != UMCG_NONE)
		continue;
	join_workers(1);
	be_server_no_more();
}

/* A server without a running worker does not look for workers either. */
static void a_preempted_worker_is_not_left_to_its_server(void)
{
	struct member preempter = { .body = preempt_everybody };

	fake_kernel_start();
	be_server(UMCG_GROUP_ENABLE_PREEMPTION);
	start_workers(1, spin);
	CHECK(umcg_get_idle_worker(true) == workers[0].tid);
	start_servers_in_group(1);
	start_basic_task(&preempter);
	CHECK(umcg_run_worker(workers[0].tid) == workers[0].tid);
	CHECK(SOON(state_of(workers[0].tid) == UMCG_TASK_RUNNING));
	is_over = true;
	join_workers(1);
	join(&preempter);
	CHECK(!umcg_unregister_task());
	stop_servers();
}

/* While the kernel makes it idle, and until it is taken off the list, it cannot be run. */
static void a_worker_that_has_blocked_is_run_by_who_takes_it_only(void)
{
	umcg_tid stopped;

	fake_kernel_start();
	be_server(0);
	start_workers(1, block_often);
	while ((stopped = umcg_run_worker(umcg_get_idle_worker(true))) != UMCG_NONE) {
		for (int i = 0; i < 1000; i++)
			CHECK(umcg_run_worker(stopped) == UMCG_NONE && errno == EAGAIN);
	}
	CHECK(errno == 0);
	join_workers(1);
	be_server_no_more();
}

static _Atomic int wanted, granted;

static void *grant(void *arg)
{
	struct member *self = arg;

	self->tid = umcg_register_server(group, 0);
	while (granted >= 0) {
		umcg_tid worker = umcg_get_idle_worker(true);

		if (worker != UMCG_NONE)
			umcg_run_worker(worker);
		else
			granted = wanted;
	}
	CHECK(!umcg_unregister_task());

	return NULL;
}

static void block_until_granted(struct member *self)
{
	while (granted < 2 * ROUNDS)
		fake_block(self - workers);
}

static void a_server_is_told_of_every_wake_up(void)
{
	struct member server = { 0 };

	fake_kernel_start();
	group = umcg_create_group(crew_group_flags);
	umcg_register_basic_task(0);
	CHECK(!pthread_create(&server.thread, NULL, grant, &server));
	CHECK(SOON(server.tid));
	start_workers(WORKERS, block_until_granted);
	for (int i = 1; i <= 2 * ROUNDS; i++) {
		wanted = i;
		CHECK(!umcg_wake(server.tid, false));
		CHECK(SOON(granted == i));
	}
	join_workers(WORKERS);
	wanted = -1;
	CHECK(!umcg_wake(server.tid, false));
	join(&server);
	CHECK(!umcg_unregister_task());
	CHECK(!umcg_destroy_group(group));
}

static void swap_to_server(struct member *self)
{
	umcg_tid server = *(umcg_tid *)self->arg;

	CHECK(SOON(state_of(server) == UMCG_TASK_IDLE));
	CHECK(umcg_swap(server, umcg_get_time_ns() + 10000000) == -1 && errno == ETIMEDOUT);
}

static void a_swap_ends_the_wait_for_workers(void)
{
	struct member task = { .body = swap_to_server };
	umcg_tid self;

	fake_kernel_start();
	be_server(0);
	self = umcg_get_utid();
	task.arg = &self;
	start_basic_task(&task);
	CHECK(umcg_get_idle_worker(true) == UMCG_NONE && errno == EINTR);
	join(&task);
	be_server_no_more();
}

static void *come_and_go(void *arg)
{
	struct member *self = arg;

	self->tid = umcg_get_utid();
	for (int round = 0; round < ROUNDS; round++) {
		CHECK(umcg_register_worker(group, 0) == self->tid);
		CHECK(!umcg_wait(0));
		self->done++;
		CHECK(!umcg_unregister_task());
	}
	self->step = 1;

	return NULL;
}

static void swap_with_leavers(struct member *self)
{
	(void)self;
	while (!workers[1].step || !workers[2].step) {
		for (int i = 1; i <= 2; i++) {
			uint64_t end = umcg_get_time_ns() + 300000;

			if (umcg_swap(workers[i].tid, random_number() % 3 ? end : 0))
				CHECK(errno == EINVAL || errno == ETIMEDOUT);
		}
	}
}

static void wake_the_swapper(struct member *self)
{
	(void)self;
	while (is_registered(&workers[0])) {
		umcg_wake(workers[0].tid, false);
		usleep(200);
	}
}

static void workers_come_and_go(void)
{
	struct member waker = { .body = wake_the_swapper };

	fake_kernel_start();
	start_servers(2, 0);
	for (int i = 1; i <= 2; i++) {
		CHECK(!pthread_create(&workers[i].thread, NULL, come_and_go, &workers[i]));
		CHECK(SOON(workers[i].tid));
	}
	start_workers(1, swap_with_leavers);
	CHECK(SOON(is_registered(&workers[0])));
	start_basic_task(&waker);
	CHECK(join_workers(3) == 2 * ROUNDS);
	join(&waker);
	stop_servers();
}

static void *take_a_record(void *arg)
{
	umcg_tid self = umcg_get_utid();

	CHECK(self != UMCG_NONE);
	umcg_set_task_tag(self, (intptr_t)arg);
	sched_yield();
	CHECK(umcg_get_task_tag(self) == (intptr_t)arg);

	return NULL;
}

/* Two threads never have one record, though records are used again. */
static void threads_have_records_of_their_own(void)
{
	pthread_t threads[16];

	for (int round = 0; round < 20; round++) {
		for (intptr_t i = 0; i < 16; i++)
			CHECK(!pthread_create(&threads[i], NULL, take_a_record, (void *)(i + 1)));
		for (int i = 0; i < 16; i++)
			CHECK(!pthread_join(threads[i], NULL));
	}
}

#define SPAWNERS	8
#define SPAWNED		2000

static umcg_tid records[SPAWNERS * SPAWNED];

static void *note_own_record(void *place)
{
	*(umcg_tid *)place = umcg_get_utid();
	return NULL;
}

static void *spawn_one_after_the_other(void *first)
{
	pthread_t thread;

	for (int i = 0; i < SPAWNED; i++) {
		CHECK(!pthread_create(&thread, NULL, note_own_record, (umcg_tid *)first + i));
		CHECK(!pthread_join(thread, NULL));
	}
	return NULL;
}

/* What it has been before makes no difference. */
static void a_destroyed_group_becomes_another_one(void)
{
	const uint32_t modes[] = { 0, UMCG_GROUP_DIRECT | UMCG_GROUP_FIFO, UMCG_GROUP_DIRECT, 0 };
	umcg_t first = UMCG_NONE;

	fake_kernel_start();
	for (int i = 0; i < 4; i++) {
		crew_group_flags = modes[i];
		start_servers(3, 0);
		if (!i)
			first = group;
		CHECK(group == first);
		start_workers(WORKERS, block_often);
		CHECK(join_workers(WORKERS) == WORKERS * ROUNDS);
		stop_servers();
		CHECK(umcg_destroy_group(first) == -1 && errno == EINVAL);
		CHECK(umcg_register_server(first, 0) == UMCG_NONE && errno == EINVAL);
	}
}

static void a_new_group_has_no_words_of_another_one(void)
{
	const umcg_t used = umcg_create_group(UMCG_GROUP_DIRECT), fresh = umcg_create_group(0);
	struct umcg_group *words = group_of(used);

	CHECK(!umcg_destroy_group(used));
	words->idle_workers = words->direct.idle_workers = words->direct.idle_servers = 1;
	words->idle_server_tid = words->direct.queued = 1;
	words->direct.ready_ends = words->direct.ready[UMCG_DIRECT_RING - 1] = 1;
	words->direct.server_tid[0] = words->direct.running[UMCG_DIRECT_SERVERS - 1] = 1;
	CHECK(umcg_create_group(0) == used);
	CHECK(!memcmp(words, group_of(fresh), sizeof(*words)));
	CHECK(!umcg_destroy_group(used) && !umcg_destroy_group(fresh));
}

static int compare_records(const void *a, const void *b)
{
	const umcg_tid left = *(const umcg_tid *)a, right = *(const umcg_tid *)b;

	return (left > right) - (left < right);
}

/* Each spawner may find none and map a page, once. A record is not smaller than its words. */
static void threads_that_come_and_go_share_a_few_records(void)
{
	const int most = SPAWNERS * sysconf(_SC_PAGESIZE) / sizeof(struct umcg_task);
	pthread_t spawners[SPAWNERS];
	int count = 1;

	for (int i = 0; i < SPAWNERS; i++)
		CHECK(!pthread_create(&spawners[i], NULL, spawn_one_after_the_other,
				      &records[i * SPAWNED]));
	for (int i = 0; i < SPAWNERS; i++)
		CHECK(!pthread_join(spawners[i], NULL));
	qsort(records, SPAWNERS * SPAWNED, sizeof(*records), compare_records);
	for (int i = 1; i < SPAWNERS * SPAWNED; i++)
		count += records[i] != records[i - 1];
	CHECK(count <= most);
}

const struct test tests[] = {
	TEST(threads_have_records_of_their_own),
	TEST(threads_that_come_and_go_share_a_few_records),
	TEST_IN_ANY_GROUP(workers_block),
	TEST_IN_ANY_GROUP(most_servers_wait),
	TEST_IN_ANY_GROUP(workers_wait_wake_and_swap),
	TEST_IN_ANY_GROUP(workers_come_and_go),
	TEST(a_group_that_its_workers_have_left_is_empty),
	TEST(a_destroyed_group_becomes_another_one),
	TEST(a_new_group_has_no_words_of_another_one),
	TEST(a_worker_that_has_blocked_is_run_by_who_takes_it_only),
	TEST_IN_ANY_GROUP(a_server_is_told_of_every_wake_up),
	TEST_IN_ANY_GROUP(a_swap_ends_the_wait_for_workers),
	TEST_IN_ANY_GROUP(workers_are_preempted_at_any_instruction),
	TEST_IN_ANY_GROUP(preempted_workers_change_servers),
	TEST(one_request_is_enough),
	TEST_IN_ANY_GROUP(spinning_workers_take_turns),
	TEST(a_preempted_worker_is_not_left_to_its_server),
	{ NULL, NULL, false },
};
