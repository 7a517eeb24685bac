// SPDX-License-Identifier: GPL-2.0
/*
 * Groups of libumcg in direct mode: a server sleeps for as long as there is nothing to decide.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "libumcg_crew.h"

#define ROUNDS		50
#define MEMBERS		6
#define DIRECT		UMCG_GROUP_DIRECT
#define FIFO		(UMCG_GROUP_DIRECT | UMCG_GROUP_FIFO)

/* A server that serves until it is told to end. */
static struct serving {
	pthread_t thread;
	_Atomic umcg_tid task;
	_Atomic pid_t tid;
	/* What the last call has returned, and its errno. */
	_Atomic int result;
	_Atomic int error;
	_Atomic int returns;
	/* It does something else after that call. */
	_Atomic bool stays;
	_Atomic bool ends;
} serving;

static struct member members[MEMBERS];
static int pipes[MEMBERS][2];

static void *serve(void *arg)
{
	struct serving *self = arg;

	self->tid = gettid();
	self->task = umcg_register_server(group, 0);
	MUST(self->task != UMCG_NONE);
	while (!self->ends) {
		self->result = umcg_serve(group);
		self->error = errno;
		self->returns++;
		while (self->stays)
			usleep(100);
	}
	MUST(!umcg_unregister_task());

	return NULL;
}

static bool serves(struct serving *server)
{
	return server->task != UMCG_NONE && state_of(server->task) == UMCG_TASK_IDLE;
}

static void start_serving(void)
{
	serving = (struct serving){ };
	MUST(!pthread_create(&serving.thread, NULL, serve, &serving));
	MUST(SOON(serves(&serving)));
}

/* Makes the caller a basic task, and a group with one server that serves. */
static void begin(uint32_t flags)
{
	MUST(umcg_register_basic_task(0) != UMCG_NONE);
	group = umcg_create_group(flags);
	MUST(group != UMCG_NONE);
	start_serving();
	for (int i = 0; i < MEMBERS; i++)
		MUST(!pipe(pipes[i]));
}

static void stop_serving(void)
{
	serving.ends = true;
	MUST(!umcg_wake(serving.task, false));
	MUST(!pthread_join(serving.thread, NULL));
}

static void end(void)
{
	for (int i = 0; i < MEMBERS; i++) {
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
	stop_serving();
	MUST(!umcg_destroy_group(group));
	MUST(!umcg_unregister_task());
}

/* How often a thread of this process has gone to sleep. */
static long sleeps_of(pid_t tid)
{
	char path[64], line[128];
	long sleeps = -1;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	status = fopen(path, "re");
	MUST(status);
	while (fgets(line, sizeof(line), status))
		sscanf(line, "voluntary_ctxt_switches: %ld", &sleeps);
	fclose(status);
	MUST(sleeps >= 0);

	return sleeps;
}

static void start_member(int i, void (*body)(struct member *self))
{
	members[i] = (struct member){ .body = body };
	start_worker(&members[i]);
}

static bool blocks(struct member *worker)
{
	return worker->tid != UMCG_NONE && state_of(worker->tid) == UMCG_TASK_BLOCKED;
}

static bool waits(struct member *worker)
{
	return umcg_get_task_state(worker->tid) & UMCG_UTF_WORKER_IN_WAIT;
}

static void read_until_dot(struct member *self)
{
	char byte = 0;

	while (byte != '.') {
		MUST(read(pipes[self - members][0], &byte, 1) == 1);
		self->done++;
	}
}

static bool send(int i, char byte)
{
	return write(pipes[i][1], &byte, 1) == 1;
}

TEST(a_server_sleeps_on_while_its_worker_blocks_and_wakes)
{
	long sleeps;

	begin(DIRECT);
	start_member(0, read_until_dot);
	ASSERT_TRUE(SOON(blocks(&members[0])));
	sleeps = sleeps_of(serving.tid);
	for (int i = 1; i <= ROUNDS; i++) {
		ASSERT_TRUE(send(0, 'x'));
		ASSERT_TRUE(SOON(members[0].done == i && blocks(&members[0])));
	}
	EXPECT_EQ(sleeps, sleeps_of(serving.tid));
	ASSERT_TRUE(send(0, '.'));
	join(&members[0]);
	EXPECT_EQ(sleeps, sleeps_of(serving.tid))
		TH_LOG("a worker that leaves leaves its server idle");
	EXPECT_EQ(0, serving.returns);
	end();
}

/* Passes what it reads to the next one, until there have been so many rounds. */
static void relay(struct member *self)
{
	const int i = self - members;
	char byte;

	do {
		MUST(read(pipes[i][0], &byte, 1) == 1);
		self->done++;
		MUST(send((i + 1) % MEMBERS, byte));
	} while (self->done < ROUNDS);
}

TEST(workers_pass_a_server_on_first_come_first_served)
{
	long sleeps;

	begin(FIFO);
	for (int i = 0; i < MEMBERS; i++)
		start_member(i, relay);
	for (int i = 0; i < MEMBERS; i++)
		ASSERT_TRUE(SOON(blocks(&members[i])));
	sleeps = sleeps_of(serving.tid);
	/* Two of them are under way, so one is queued while another one runs. */
	ASSERT_TRUE(send(0, 'x'));
	ASSERT_TRUE(send(MEMBERS / 2, 'x'));
	for (int i = 0; i < MEMBERS; i++)
		join(&members[i]);
	EXPECT_GT(ROUNDS * MEMBERS / 4, sleeps_of(serving.tid) - sleeps);
	for (int i = 0; i < MEMBERS; i++)
		EXPECT_EQ(ROUNDS, members[i].done);
	end();
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

	begin(DIRECT);
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
	end();
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

	begin(FIFO);
	start_member(0, wait_for_partner);
	start_member(1, wait_for_partner);
	start_basic_task(&waker);
	join(&members[0]);
	join(&members[1]);
	waker.step = 1;
	join(&waker);
	EXPECT_EQ(2 * ROUNDS, members[0].done + members[1].done);
	end();
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
	begin(FIFO);
	for (int i = 0; i < MEMBERS; i++)
		start_member(i, time_out_thrice);
	for (int i = 0; i < MEMBERS; i++) {
		join(&members[i]);
		EXPECT_EQ(3, members[i].done);
	}
	end();
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
	begin(DIRECT);
	start_member(1, wake_the_first);
	ASSERT_TRUE(SOON(waits(&members[1])));
	start_member(0, swap_to_the_second);
	join(&members[0]);
	join(&members[1]);
	EXPECT_EQ(1, members[0].done);
	EXPECT_EQ(1, members[1].done);
	end();
}

static void read_forever(struct member *self)
{
	char byte = 0;

	while (self->step == 0 && read(pipes[self - members][0], &byte, 1) == 1) {
		self->done++;
		/* It blocks once in a while, and wakes: nothing is ever queued. */
		usleep(100);
		MUST(send(self - members, 'x'));
	}
}

TEST(umcg_serve_returns_when_the_server_is_woken)
{
	begin(DIRECT);
	/* While it has no worker. */
	ASSERT_EQ(0, umcg_wake(serving.task, false));
	ASSERT_TRUE(SOON(serving.returns == 1));
	EXPECT_EQ(0, serving.result);

	start_member(0, read_forever);
	ASSERT_TRUE(send(0, 'x'));
	for (int i = 2; i < 20; i++) {
		ASSERT_TRUE(SOON(serves(&serving)));
		ASSERT_EQ(0, umcg_wake(serving.task, false));
		ASSERT_TRUE(SOON(serving.returns == i));
		EXPECT_EQ(0, serving.result);
	}
	/* The worker has gone on all the time, and goes on. */
	EXPECT_LT(0, members[0].done);
	members[0].step = 1;
	join(&members[0]);
	end();
}

static void spin(struct member *self)
{
	while (self->step == 0)
		self->done++;
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
	begin(flags);
	for (int i = 0; i < 10; i++)
		EXPECT_TRUE(returns_by_a_signal());
	/* Now it has a worker half of the time. */
	start_member(0, read_forever);
	ASSERT_TRUE(send(0, 'x'));
	for (int i = 0; i < 10; i++)
		EXPECT_TRUE(returns_by_a_signal());
	members[0].step = 1;
	join(&members[0]);
	/* Now it has one all the time, which is asked to give way. */
	start_member(1, spin);
	ASSERT_TRUE(SOON(members[1].done));
	for (int i = 0; i < 10; i++)
		EXPECT_TRUE(returns_by_a_signal());
	members[1].step = 1;
	join(&members[1]);
	end();
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
	begin(DIRECT);
	for (int i = 0; i < MEMBERS; i++)
		start_member(i, exit_at_once);
	for (int i = 0; i < MEMBERS; i++) {
		join(&members[i]);
		EXPECT_EQ(1, members[i].done);
		EXPECT_TRUE(SOON(!is_registered(&members[i])));
	}
	end();
}

TEST(a_preempted_worker_makes_room_for_the_next_one)
{
	begin(FIFO | UMCG_GROUP_ENABLE_PREEMPTION);
	start_member(0, spin);
	ASSERT_TRUE(SOON(members[0].done));
	start_member(1, spin);
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
	end();
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

	begin(DIRECT | UMCG_GROUP_ENABLE_PREEMPTION);
	start_member(0, spin);
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
	end();
}

TEST(a_preempted_worker_is_run_by_a_server_that_waits)
{
	struct member other = { };

	be_server(DIRECT | UMCG_GROUP_ENABLE_PREEMPTION);
	start_member(0, spin);
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

	begin(flags | UMCG_GROUP_ENABLE_PREEMPTION | UMCG_GROUP_CRITICAL);
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
	end();
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

	begin(UMCG_GROUP_BATCH);
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
	end();
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
	begin(DIRECT);
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
	end();
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
	begin(0);
	for (int i = 0; i < MEMBERS; i++)
		start_member(i, relay);
	ASSERT_TRUE(send(0, 'x'));
	for (int i = 0; i < MEMBERS; i++)
		join(&members[i]);
	EXPECT_EQ(0, umcg_wake(serving.task, false));
	EXPECT_TRUE(SOON(serving.returns == 1));
	EXPECT_EQ(0, serving.result);
	end();
}

TEST(options_of_direct_mode_are_refused_without_it)
{
	EXPECT_NONE(EINVAL, umcg_create_group(UMCG_GROUP_FIFO));
	EXPECT_NONE(EINVAL, umcg_create_group(UMCG_GROUP_OVERTAKE));
	EXPECT_NONE(EINVAL, umcg_create_group(UMCG_GROUP_LEND));
	EXPECT_NONE(EINVAL, umcg_create_group(1U << 7));
}

TEST_HARNESS_MAIN
