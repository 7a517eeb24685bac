// SPDX-License-Identifier: GPL-2.0
/*
 * umcg_serve(): when it returns, and what becomes of the workers.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "libumcg_serving.h"

static void read_forever(struct member *self)
{
	char byte = 0;

	while (self->step == 0 && read(pipes[self - members][0], &byte, 1) == 1) {
		self->done++;
		/* It blocks once in a while, and wakes: nothing is ever queued. */
		usleep(100);
		MUST(send_byte(self - members, 'x'));
	}
}

TEST(umcg_serve_returns_when_the_server_is_woken)
{
	begin_group(DIRECT);
	/* While it has no worker. */
	ASSERT_EQ(0, umcg_wake(serving.task, false));
	ASSERT_TRUE(SOON(serving.returns == 1));
	EXPECT_EQ(0, serving.result);

	start_member(0, read_forever);
	ASSERT_TRUE(send_byte(0, 'x'));
	for (int i = 2; i < 20; i++) {
		ASSERT_TRUE(SOON(serves(&serving)));
		ASSERT_EQ(0, umcg_wake(serving.task, false));
		ASSERT_TRUE(SOON(serving.returns == i));
		EXPECT_EQ(0, serving.result);
		/* The worker goes on, whether it has run since the last wake-up or not. */
		if (i % 2 == 0) {
			const long done = members[0].done;

			EXPECT_TRUE(SOON(members[0].done > done));
		}
	}
	members[0].step = 1;
	join(&members[0]);
	end_group();
}

static void do_nothing(int number __attribute__((unused)))
{
}

/* Sends the signal, and has the worker that spins, if there is one, give way. */
static bool is_disturbed(void)
{
	MUST(!syscall(SYS_tgkill, getpid(), (pid_t)serving.tid, SIGUSR1));
	usleep(1000);
	umcg_preempt_worker(members[1].tid);

	return true;
}

/*
 * A signal may come while the server is about to wait: then that is over, and another one is
 * sent.
 */
static bool returns_by_a_signal(void)
{
	const int before = serving.returns;

	return SOON(is_disturbed() && serving.returns > before) && serving.result == -1 &&
	       serving.error == EINTR;
}

static void handles_signals_in(struct __test_metadata *_metadata, uint32_t flags)
{
	struct sigaction action = { .sa_handler = do_nothing };

	ASSERT_EQ(0, sigaction(SIGUSR1, &action, NULL));
	begin_group(flags);
	for (int i = 0; i < 10; i++)
		EXPECT_TRUE(returns_by_a_signal());
	/* Now it has a worker half of the time. */
	start_member(0, read_forever);
	ASSERT_TRUE(send_byte(0, 'x'));
	for (int i = 0; i < 10; i++)
		EXPECT_TRUE(returns_by_a_signal());
	members[0].step = 1;
	join(&members[0]);
	/* Now it has one all the time, which is asked to give way. */
	start_member(1, spin_until_step);
	ASSERT_TRUE(SOON(members[1].done));
	for (int i = 0; i < 10; i++)
		EXPECT_TRUE(returns_by_a_signal());
	members[1].step = 1;
	join(&members[1]);
	end_group();
}

TEST(umcg_serve_returns_when_a_signal_is_handled)
{
	handles_signals_in(_metadata, UMCG_GROUP_ENABLE_PREEMPTION);
}

TEST(umcg_serve_returns_when_a_signal_is_handled_in_direct_mode)
{
	handles_signals_in(_metadata, UMCG_GROUP_ENABLE_PREEMPTION | DIRECT);
}

TEST(umcg_serve_returns_when_a_signal_is_handled_and_workers_are_passed_on)
{
	handles_signals_in(_metadata, UMCG_GROUP_ENABLE_PREEMPTION | FIFO);
}

static void *be_one_of_many(void *arg)
{
	struct member *self = arg;

	self->tid = umcg_register_server(group, 0);
	if (self->tid == UMCG_NONE) {
		MUST(errno == ENOSPC);
		self->step = 1;
		return NULL;
	}
	MUST(!umcg_serve(group));
	MUST(!umcg_unregister_task());

	return NULL;
}

static void *preempt_when_it_spins(void *unused)
{
	MUST(SOON(members[0].done && !umcg_preempt_worker(members[0].tid)));
	return unused;
}

/* It was started for the worker, and has more to do: the other one, which sleeps, is to run it. */
TEST(a_server_that_stops_serving_passes_on_what_it_leaves)
{
	struct member other = { };

	begin_group(DIRECT | UMCG_GROUP_ENABLE_PREEMPTION);
	start_member(0, spin_until_step);
	ASSERT_TRUE(SOON(members[0].done));
	ASSERT_EQ(0, pthread_create(&other.thread, NULL, be_one_of_many, &other));
	ASSERT_TRUE(SOON(other.tid != UMCG_NONE && state_of(other.tid) == UMCG_TASK_IDLE));
	serving.stays = true;
	ASSERT_EQ(0, umcg_wake(serving.task, false));
	ASSERT_TRUE(SOON(!umcg_preempt_worker(members[0].tid)));
	ASSERT_TRUE(SOON(serving.returns == 1));
	members[0].done = 0;
	EXPECT_TRUE(SOON(members[0].done));
	members[0].step = 1;
	join(&members[0]);
	ASSERT_EQ(0, umcg_wake(other.tid, false));
	join(&other);
	serving.stays = false;
	end_group();
}

TEST(a_preempted_worker_is_run_by_a_server_that_waits)
{
	struct member other = { };

	be_server(DIRECT | UMCG_GROUP_ENABLE_PREEMPTION);
	start_member(0, spin_until_step);
	ASSERT_TRUE(SOON(state_of(members[0].tid) == UMCG_TASK_IDLE));
	ASSERT_TRUE(SOON(umcg_get_idle_worker(false) == members[0].tid));
	ASSERT_EQ(0, pthread_create(&other.thread, NULL, be_one_of_many, &other));
	ASSERT_TRUE(SOON(other.tid != UMCG_NONE && state_of(other.tid) == UMCG_TASK_IDLE));
	ASSERT_EQ(0, pthread_create(&members[1].thread, NULL, preempt_when_it_spins, NULL));
	EXPECT_EQ(members[0].tid, umcg_run_worker(members[0].tid));
	members[0].done = 0;
	EXPECT_TRUE(SOON(members[0].done));
	members[0].step = 1;
	join(&members[0]);
	join(&members[1]);
	EXPECT_EQ(0, umcg_wake(other.tid, false));
	join(&other);
	be_server_no_more();
}

static void *end_as_a_server(void *unused)
{
	MUST(umcg_register_server(group, 0) != UMCG_NONE);
	syscall(SYS_exit, 0);
	return unused;
}

TEST(a_group_has_at_most_64_servers)
{
	static struct member servers[UMCG_DIRECT_SERVERS];
	struct member last = { };

	/* One is there. */
	begin_group(DIRECT);
	for (unsigned int i = 1; i < UMCG_DIRECT_SERVERS; i++) {
		ASSERT_EQ(0, pthread_create(&servers[i].thread, NULL, be_one_of_many,
					    &servers[i]));
		ASSERT_TRUE(SOON(is_registered(&servers[i])));
	}
	ASSERT_EQ(0, pthread_create(&last.thread, NULL, be_one_of_many, &last));
	join(&last);
	EXPECT_EQ(1, last.step);
	for (unsigned int i = 1; i < UMCG_DIRECT_SERVERS; i++) {
		ASSERT_EQ(0, umcg_wake(servers[i].tid, false));
		join(&servers[i]);
	}
	/* Numbers of servers that end in another way are free, too. */
	for (unsigned int i = 0; i < 2 * UMCG_DIRECT_SERVERS; i++) {
		ASSERT_EQ(0, pthread_create(&last.thread, NULL, end_as_a_server, NULL));
		join(&last);
	}
	end_group();
}

TEST(umcg_serve_needs_a_server_of_the_group)
{
	umcg_t other = umcg_create_group(0);

	EXPECT_FAILS(EINVAL, umcg_serve(other));
	be_server(0);
	EXPECT_FAILS(EINVAL, umcg_serve(other));
	EXPECT_FAILS(EINVAL, umcg_serve(UMCG_NONE));
	be_server_no_more();
	EXPECT_EQ(0, umcg_destroy_group(other));
}

TEST(umcg_serve_runs_workers_of_any_group)
{
	begin_group(0);
	for (int i = 0; i < MEMBERS; i++)
		start_member(i, relay);
	ASSERT_TRUE(send_byte(0, 'x'));
	for (int i = 0; i < MEMBERS; i++)
		join(&members[i]);
	EXPECT_EQ(0, umcg_wake(serving.task, false));
	EXPECT_TRUE(SOON(serving.returns == 1));
	EXPECT_EQ(0, serving.result);
	end_group();
}

TEST_HARNESS_MAIN
