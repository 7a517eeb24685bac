// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Groups in direct mode on the fake kernel. The tests of the other files that do not mind are run
 * in such groups, too.
 */
#include <errno.h>
#include <sched.h>

#include "crowd.h"
#include "internal.h"

#define FIFO_GROUP	(UMCG_GROUP_DIRECT | UMCG_GROUP_FIFO)

static struct member server;
/* How often the server was given a worker. */
static _Atomic int decisions;

static void *decide(void *arg)
{
	struct member *self = arg;
	umcg_tid worker;

	self->tid = umcg_register_server(group, 0);
	CHECK(self->tid != UMCG_NONE);
	while ((worker = umcg_get_idle_worker(true)) != UMCG_NONE) {
		decisions++;
		CHECK(umcg_run_worker(worker) != UMCG_NONE || !errno);
	}
	CHECK(errno == EINTR);
	CHECK(!umcg_unregister_task());

	return NULL;
}

static void *serve_once(void *arg)
{
	struct member *self = arg;

	self->tid = umcg_register_server(group, 0);
	CHECK(self->tid != UMCG_NONE);
	CHECK(!umcg_serve(group));
	/* What brought it back is over. */
	CHECK(SOON(!(group_of(group)->direct.queued & QUEUED_CALLS)));
	self->step = 1;
	CHECK(!umcg_unregister_task());

	return NULL;
}

static void start_server(uint32_t flags, void *(*thread)(void *))
{
	group = umcg_create_group(flags);
	CHECK(group);
	CHECK(umcg_register_basic_task(0) != UMCG_NONE);
	CHECK(!pthread_create(&server.thread, NULL, thread, &server));
	CHECK(SOON(server.tid && state_of(server.tid) == UMCG_TASK_IDLE));
}

static void stop_server(void)
{
	CHECK(!umcg_wake(server.tid, false));
	join(&server);
	CHECK(!umcg_destroy_group(group));
	CHECK(!umcg_unregister_task());
}

static void block_often(struct member *self)
{
	for (int i = 0; i < ROUNDS; i++) {
		fake_block(random_number() % 20);
		self->done++;
	}
}

/* One server, one worker: there is nothing to decide, ever. */
static void a_server_sleeps_on_while_no_worker_is_idle(void)
{
	fake_kernel_start();
	start_server(UMCG_GROUP_DIRECT, decide);
	start_workers(1, block_often);
	CHECK(join_workers(1) == ROUNDS);
	stop_server();
	CHECK(decisions <= 1);
}

/*
 * Workers that block or wait pass the server on. It has to be asked when the ring was not filled
 * yet.
 */
static void workers_pass_a_server_on_by_themselves(void)
{
	fake_kernel_start();
	start_server(FIFO_GROUP, decide);
	start_workers(WORKERS, block_often);
	CHECK(join_workers(WORKERS) == WORKERS * ROUNDS);
	stop_server();
	CHECK(decisions < WORKERS * ROUNDS / 4);
}

static void block_until_it_is_over(struct member *self)
{
	while (!is_over) {
		fake_block(random_number() % 20);
		self->done++;
	}
}

/* It has a worker all the time, or waits for one, and nothing is ever queued. */
static void a_server_that_is_woken_comes_back(void)
{
	fake_kernel_start();
	for (int i = 0; i < 200; i++) {
		server = (struct member){ 0 };
		start_server(i % 2 ? FIFO_GROUP : UMCG_GROUP_DIRECT, serve_once);
		start_workers(1, block_until_it_is_over);
		CHECK(SOON(workers[0].done > 3));
		CHECK(!umcg_wake(server.tid, false));
		CHECK(SOON(server.step));
		join(&server);

		/* The worker goes on when there is a server again. */
		server = (struct member){ 0 };
		CHECK(!pthread_create(&server.thread, NULL, serve_once, &server));
		CHECK(SOON(server.tid));
		is_over = true;
		join_workers(1);
		stop_server();
	}
}

/* A worker that leaves wakes none of the threads that sleep. */
static void *wake_when_all_have_ended(void *arg)
{
	struct member *self = arg;

	CHECK(umcg_register_basic_task(0) != UMCG_NONE);
	CHECK(join_workers(WORKERS) == WORKERS);
	CHECK(!umcg_wake((umcg_tid)self->arg, false));
	CHECK(!umcg_unregister_task());

	return NULL;
}

static void end_at_once(struct member *self)
{
	self->done++;
}

/* It has taken both before it runs either, and is to hear when the first one has left its place. */
static void a_server_that_has_taken_workers_comes_back_for_them(void)
{
	umcg_tid taken[WORKERS];

	fake_kernel_start();
	for (int round = 0; round < 100; round++) {
		be_server(round % 2 ? FIFO_GROUP : UMCG_GROUP_DIRECT);
		start_workers(WORKERS, end_at_once);
		/* It does not wait for them: they would run under it at once. */
		for (int i = 0; i < WORKERS; i++)
			CHECK(SOON((taken[i] = umcg_get_idle_worker(false)) != UMCG_NONE));
		CHECK(umcg_get_idle_worker(false) == UMCG_NONE && errno == EAGAIN);
		/* After the last one there is nothing to decide. */
		for (int i = 0; i < WORKERS - 1; i++)
			CHECK(umcg_run_worker(taken[i]) == UMCG_NONE && !errno);
		server = (struct member){ .arg = (void *)umcg_get_utid() };
		CHECK(!pthread_create(&server.thread, NULL, wake_when_all_have_ended, &server));
		CHECK(umcg_run_worker(taken[WORKERS - 1]) == UMCG_NONE && !errno);
		CHECK(umcg_get_idle_worker(true) == UMCG_NONE && errno == EINTR);
		join(&server);
		be_server_no_more();
	}
}

/*
 * What is there before a server waits is seen: by the kernel too late, for the server was not
 * idle.
 */
static void a_server_looks_again_before_it_sleeps(void)
{
	struct thread *self;

	fake_kernel_start();
	be_server(UMCG_GROUP_DIRECT);
	self = thread_of(umcg_get_utid());
	start_workers(1, end_at_once);
	CHECK(SOON(state_of(workers[0].tid) == UMCG_TASK_IDLE));
	CHECK(!umcg_direct_poll(self));
	CHECK(umcg_get_idle_worker(false) == workers[0].tid);
	CHECK(!umcg_wake(utid_of(self), false));
	CHECK(!umcg_direct_poll(self));
	CHECK(umcg_run_worker(workers[0].tid) == UMCG_NONE && !errno);
	CHECK(umcg_get_idle_worker(true) == UMCG_NONE && errno == EINTR);
	join_workers(1);
	be_server_no_more();
}

/* The caller has seen it idle, but it has seen the wake-up and is back before it is called. */
static void a_server_that_is_back_is_not_called(void)
{
	be_server(UMCG_GROUP_DIRECT);
	CHECK(!umcg_direct_call(thread_of(umcg_get_utid())));
	CHECK(!group_of(group)->direct.queued);
	be_server_no_more();
}

/* The worker goes on for ever, and nothing is ever queued. */
static void a_server_that_was_woken_before_it_runs_a_worker_comes_back(void)
{
	fake_kernel_start();
	be_server(UMCG_GROUP_DIRECT);
	start_workers(1, block_until_it_is_over);
	CHECK(SOON(umcg_get_idle_worker(false) == workers[0].tid));
	CHECK(!umcg_wake(umcg_get_utid(), false));
	CHECK(umcg_run_worker(workers[0].tid) != UMCG_NONE || !errno);
	CHECK(umcg_get_idle_worker(true) == UMCG_NONE && errno == EINTR);
	CHECK(!umcg_unregister_task());

	start_servers_in_group(1);
	is_over = true;
	join_workers(1);
	stop_servers();
}

static void spin_until_it_is_over(struct member *self)
{
	while (!is_over) {
		self->done++;
		sched_yield();
	}
}

static void *serve_once_and_stay(void *arg)
{
	struct member *self = arg;

	self->tid = umcg_register_server(group, 0);
	CHECK(self->tid != UMCG_NONE);
	CHECK(!umcg_serve(group));
	self->step = 1;
	while (self->step == 1)
		usleep(100);
	CHECK(!umcg_unregister_task());

	return NULL;
}

/* It was started for the worker, and has more to do: the other one, which sleeps, is to run it. */
static void a_server_that_stops_serving_passes_on_what_it_leaves(void)
{
	struct member other = { 0 };

	fake_kernel_start();
	start_server(UMCG_GROUP_DIRECT | UMCG_GROUP_ENABLE_PREEMPTION, serve_once_and_stay);
	start_workers(1, spin_until_it_is_over);
	CHECK(SOON(workers[0].done));
	CHECK(!pthread_create(&other.thread, NULL, serve_once, &other));
	CHECK(SOON(other.tid && state_of(other.tid) == UMCG_TASK_IDLE));
	CHECK(!umcg_wake(server.tid, false));
	CHECK(SOON(!umcg_preempt_worker(workers[0].tid)));
	CHECK(SOON(server.step));
	workers[0].done = 0;
	CHECK(SOON(workers[0].done));
	is_over = true;
	join_workers(1);
	server.step = 2;
	join(&server);
	server = other;
	stop_server();
}

static void *be_one_of_many(void *arg)
{
	struct member *self = arg;

	self->tid = umcg_register_server(group, 0);
	if (self->tid == UMCG_NONE) {
		CHECK(errno == ENOSPC);
		self->step = 1;
		return NULL;
	}
	CHECK(!umcg_serve(group));
	CHECK(!umcg_unregister_task());

	return NULL;
}

/* There is no place for one more; when one has left, there is. */
static void a_group_has_64_servers(void)
{
	static struct member many[UMCG_DIRECT_SERVERS];
	struct member last = { 0 };

	fake_kernel_start();
	group = umcg_create_group(UMCG_GROUP_DIRECT);
	CHECK(umcg_register_basic_task(0) != UMCG_NONE);
	for (unsigned int i = 0; i < UMCG_DIRECT_SERVERS; i++) {
		CHECK(!pthread_create(&many[i].thread, NULL, be_one_of_many, &many[i]));
		CHECK(SOON(many[i].tid));
	}
	CHECK(!pthread_create(&last.thread, NULL, be_one_of_many, &last));
	join(&last);
	CHECK(last.step == 1);

	CHECK(!umcg_wake(many[7].tid, false));
	join(&many[7]);
	CHECK(!pthread_create(&many[7].thread, NULL, be_one_of_many, &many[7]));
	CHECK(SOON(many[7].tid != UMCG_NONE && state_of(many[7].tid) == UMCG_TASK_IDLE));

	start_workers(WORKERS, block_often);
	CHECK(join_workers(WORKERS) == WORKERS * ROUNDS);
	for (unsigned int i = 0; i < UMCG_DIRECT_SERVERS; i++)
		CHECK(!umcg_wake(many[i].tid, false));
	for (unsigned int i = 0; i < UMCG_DIRECT_SERVERS; i++)
		join(&many[i]);
	CHECK(!umcg_destroy_group(group));
}

static void some_flags_go_with_direct_mode_only(void)
{
	const uint32_t options[] = { UMCG_GROUP_FIFO, UMCG_GROUP_OVERTAKE, UMCG_GROUP_LEND };
	umcg_t all;

	for (int i = 0; i < 3; i++)
		CHECK(umcg_create_group(options[i]) == UMCG_NONE && errno == EINVAL);
	CHECK(umcg_create_group(128) == UMCG_NONE && errno == EINVAL);
	all = umcg_create_group(127);
	CHECK(all);
	CHECK(umcg_serve(all) == -1 && errno == EINVAL);
	CHECK(!umcg_destroy_group(all));
}

static void an_old_module_has_other_groups(void)
{
	umcg_t old;

	fake_kernel_is_old();
	CHECK(umcg_create_group(UMCG_GROUP_DIRECT) == UMCG_NONE && errno == EPROTO);
	CHECK(umcg_create_group(UMCG_GROUP_CRITICAL) == UMCG_NONE && errno == EPROTO);
	old = umcg_create_group(UMCG_GROUP_ENABLE_PREEMPTION | UMCG_GROUP_BATCH);
	CHECK(old);
	CHECK(!umcg_destroy_group(old));
}

/* Not even if the worker does not run any more, as this thread never has. */
static void end_of_a_section_does_not_change_errno(void)
{
	errno = E2BIG;
	umcg_critical_give_way(umcg_get_utid());
	CHECK(errno == E2BIG);
}

static struct direct_words ring;

static void the_ring_is_first_in_first_out(void)
{
	uint32_t in = 0, out = 0;

	/* From just before the positions wrap. */
	ring.ready_ends = 0xffffffc0ffffffc0ULL;
	for (uint32_t i = 0; i < UMCG_DIRECT_RING; i++)
		ring.ready[i] = (0xffffffc0ULL + i) / UMCG_DIRECT_RING << 32;

	CHECK(!umcg_ring_pop(&ring));
	for (int round = 0; round < 1000; round++) {
		while (umcg_ring_push(&ring, in + 1))
			in++;
		CHECK(in - out == UMCG_DIRECT_RING);
		for (int i = random_number() % (UMCG_DIRECT_RING + 1); i; i--)
			CHECK(umcg_ring_pop(&ring) == ++out);
	}
	while (out != in)
		CHECK(umcg_ring_pop(&ring) == ++out);
	CHECK(!umcg_ring_pop(&ring) && !has_queued(&ring));
}

#define RING_TIDS	40000U

static _Atomic unsigned char seen[RING_TIDS + 1];
static _Atomic uint32_t popped;

static void *push_many(void *first)
{
	for (uint32_t tid = (uintptr_t)first; tid <= RING_TIDS; tid += 2) {
		while (!umcg_ring_push(&ring, tid))
			sched_yield();
	}
	return NULL;
}

static void *pop_many(void *unused)
{
	(void)unused;
	while (popped < RING_TIDS) {
		const uint32_t tid = umcg_ring_pop(&ring);

		if (!tid) {
			sched_yield();
			continue;
		}
		CHECK(tid <= RING_TIDS && !seen[tid]++);
		popped++;
	}
	return NULL;
}

static void what_is_pushed_is_popped_once(void)
{
	pthread_t threads[4];

	for (uintptr_t i = 0; i < 4; i++)
		CHECK(!pthread_create(&threads[i], NULL, i < 2 ? push_many : pop_many,
				      (void *)(i + 1)));
	for (int i = 0; i < 4; i++)
		CHECK(!pthread_join(threads[i], NULL));
	CHECK(!umcg_ring_pop(&ring));
}

/* What workers of one server change, which are preempted at any instruction. */
static struct {
	long left, right;
} pair;

static void change_the_pair(struct member *self)
{
	const umcg_tid own = umcg_get_utid();

	for (int i = 0; i < ROUNDS; i++) {
		umcg_critical_enter(own);
		umcg_critical_enter(own);
		CHECK(pair.left == pair.right);
		pair.left++;
		sched_yield();
		umcg_critical_leave(own);
		sched_yield();
		pair.right++;
		umcg_critical_leave(own);
		self->done++;
		if (random_number() % 16 == 0)
			fake_block(1);
	}
}

static void preempt_everybody(struct member *self)
{
	while (!is_over) {
		self->done += !umcg_preempt_worker(workers[random_number() % WORKERS].tid);
		usleep(20);
	}
}

static void sections_are_not_interrupted(void)
{
	struct member preempter = { .body = preempt_everybody };

	fake_kernel_start();
	start_servers(1, UMCG_GROUP_ENABLE_PREEMPTION | UMCG_GROUP_CRITICAL);
	start_workers(WORKERS, change_the_pair);
	start_basic_task(&preempter);
	CHECK(join_workers(WORKERS) == WORKERS * ROUNDS);
	join(&preempter);
	stop_servers();
	CHECK(pair.left == WORKERS * ROUNDS && pair.right == pair.left);
}

static void *preempt_in_a_section(void *arg)
{
	struct member *worker = arg;

	CHECK(SOON(worker->step == 1));
	CHECK(!umcg_preempt_worker(worker->tid));
	worker->step = 2;

	return NULL;
}

static void leave_a_section(struct member *self)
{
	const umcg_tid own = umcg_get_utid();

	umcg_critical_enter(own);
	self->step = 1;
	while (self->step == 1)
		sched_yield();
	umcg_critical_leave(own);
	self->done = 1;
}

/* The worker gives way as soon as the section is over, not when it is next in the kernel. */
static void a_worker_gives_way_at_the_end_of_a_section(void)
{
	umcg_tid worker;
	pthread_t thread;

	fake_kernel_start();
	be_server(UMCG_GROUP_ENABLE_PREEMPTION | UMCG_GROUP_CRITICAL);
	start_workers(1, leave_a_section);
	worker = umcg_get_idle_worker(true);
	CHECK(!pthread_create(&thread, NULL, preempt_in_a_section, &workers[0]));
	CHECK(umcg_run_worker(worker) == worker);
	CHECK(workers[0].step == 2 && !workers[0].done);
	CHECK(!pthread_join(thread, NULL));
	CHECK(umcg_get_idle_worker(true) == worker);
	CHECK(umcg_run_worker(worker) == UMCG_NONE && !errno);
	join_workers(1);
	CHECK(workers[0].done == 1);
	be_server_no_more();
}

const struct test tests[] = {
	TEST(some_flags_go_with_direct_mode_only),
	TEST(an_old_module_has_other_groups),
	TEST(the_ring_is_first_in_first_out),
	TEST(what_is_pushed_is_popped_once),
	TEST(a_server_sleeps_on_while_no_worker_is_idle),
	TEST(workers_pass_a_server_on_by_themselves),
	TEST(a_server_that_is_woken_comes_back),
	TEST(a_server_that_has_taken_workers_comes_back_for_them),
	TEST(a_server_looks_again_before_it_sleeps),
	TEST(a_server_that_is_back_is_not_called),
	TEST(a_server_that_was_woken_before_it_runs_a_worker_comes_back),
	TEST(a_server_that_stops_serving_passes_on_what_it_leaves),
	TEST(a_group_has_64_servers),
	TEST_IN_ANY_GROUP(sections_are_not_interrupted),
	TEST(a_worker_gives_way_at_the_end_of_a_section),
	TEST(end_of_a_section_does_not_change_errno),
	{ NULL, NULL, false },
};
