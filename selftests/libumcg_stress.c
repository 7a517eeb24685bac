// SPDX-License-Identifier: GPL-2.0
/*
 * libumcg under load: no task is lost, whatever workers, servers and others do
 * concurrently.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "libumcg_crew.h"

#define SECONDS		(100 * slowness())
#define WORKERS		64
#define PAIRS		8
#define BLOCKS		20000
#define ROUNDS		(BLOCKS / 2 / WORKERS)
#define TOKENS		1000

/* Pairs share a place here: worker i and worker i ^ 1. */
static struct member workers[WORKERS];
static _Atomic pid_t threads[WORKERS];
static _Atomic int tokens[WORKERS];
static int pipes[WORKERS][2];
/* How many rounds a pair does: more, until there were enough blocks. */
static _Atomic int rounds[WORKERS / 2];
static _Atomic long blocks;
static _Atomic bool is_over;

/* Nothing is set up: only a fixture can have its own timeout. */
FIXTURE(load) {
};

FIXTURE_SETUP(load)
{
}

FIXTURE_TEARDOWN(load)
{
}

static int index_of(struct member *worker)
{
	return worker - workers;
}

static void start_workers(int count, void (*body)(struct member *))
{
	is_over = false;
	for (int i = 0; i < count; i++) {
		workers[i] = (struct member){ .body = body };
		threads[i] = 0;
		tokens[i] = 0;
	}
	for (int i = 0; i < count; i++)
		start_worker(&workers[i]);
}

static long join_workers(int count)
{
	long done = 0;

	for (int i = 0; i < count; i++) {
		join(&workers[i]);
		done += workers[i].done;
	}

	return done;
}

/* When its state has changed last: if it has blocked meanwhile, this is another time. */
static uint64_t last_change(void)
{
	return umcg_get_task_since(umcg_get_utid());
}

static void read_byte(int fd)
{
	const uint64_t before = last_change();
	char byte;

	MUST(read(fd, &byte, 1) == 1);
	blocks += last_change() != before;
}

static void nap(int microseconds)
{
	const uint64_t before = last_change();

	usleep(microseconds);
	blocks += last_change() != before;
}

/* Passes a byte back and forth, sleeps at times, and leaves in one of three ways. */
static void block_a_lot(struct member *self)
{
	const int i = index_of(self), partner = i ^ 1, pair = i / 2;

	for (int round = 0; round < rounds[pair]; round++) {
		if (i & 1)
			read_byte(pipes[i][0]);
		/* Before the last byte, which tells the partner so. */
		else if (round + 1 == rounds[pair] && blocks < BLOCKS)
			rounds[pair]++;
		MUST(write(pipes[partner][1], "", 1) == 1);
		if (!(i & 1))
			read_byte(pipes[i][0]);
		nap(1 + (i * 7 + round) % 50);
		self->done++;
	}
	if (i % 3 == 1)
		syscall(SYS_exit, 0);
	if (i % 3 == 2)
		pthread_exit(NULL);
}

/* Returns how often servers have run workers. */
static long block_twenty_thousand_times(struct __test_metadata *_metadata)
{
	long runs, done, wanted = 0;

	for (int i = 0; i < WORKERS; i++) {
		MUST(!pipe(pipes[i]));
		rounds[i / 2] = ROUNDS;
	}
	start_servers(2, 0);
	start_workers(WORKERS, block_a_lot);
	done = join_workers(WORKERS);
	for (int i = 0; i < WORKERS; i++)
		wanted += rounds[i / 2];
	EXPECT_EQ(wanted, done);
	runs = stop_servers();
	EXPECT_LE(BLOCKS, blocks);
	TH_LOG("%ld blocks, the servers ran workers %ld times", (long)blocks, runs);

	return runs;
}

TEST_F_TIMEOUT(load, twenty_thousand_blocks, SECONDS)
{
	long runs = block_twenty_thousand_times(_metadata);

	/* Each run but the last one of a worker ends when it blocks. */
	EXPECT_LE(WORKERS + blocks, runs);
}

TEST_F_TIMEOUT(load, twenty_thousand_blocks_in_direct_mode, SECONDS)
{
	crew_group_flags = UMCG_GROUP_DIRECT | UMCG_GROUP_FIFO;
	block_twenty_thousand_times(_metadata);
}

/* Waits until the partner has given the token, in any of the ways there are. */
static void await_token(int i, int value, unsigned int *random)
{
	while (tokens[i] != value) {
		if (rand_r(random) % 3)
			MUST(!umcg_wait(0));
		else if (umcg_wait(umcg_get_time_ns() + 1 + rand_r(random) % 300000))
			MUST(errno == ETIMEDOUT);
	}
}

/* Passes the token, and may swap to the partner, or wait for a while. */
static void give_token(int i, int value, unsigned int *random)
{
	const umcg_tid partner = workers[i ^ 1].tid;

	tokens[i ^ 1] = value;
	switch (rand_r(random) % 3) {
	case 0:
		MUST(!umcg_wake(partner, rand_r(random) & 1));
		break;
	case 1:
		if (umcg_swap(partner, umcg_get_time_ns() + 1 + rand_r(random) % 200000))
			MUST(errno == ETIMEDOUT);
		break;
	default:
		MUST(!umcg_swap(partner, 0));
	}
}

/*
 * The even one passes first, so the odd one must not swap: it would not be swapped back
 * to at the end.
 */
static void pass_tokens(struct member *self)
{
	const int i = index_of(self);
	unsigned int random = i + 1;

	threads[i] = gettid();
	MUST(SOON(is_registered(&workers[i ^ 1])));
	for (int round = 1; round <= TOKENS; round++) {
		if (i & 1) {
			await_token(i, round, &random);
			tokens[i ^ 1] = round;
			MUST(!umcg_wake(workers[i ^ 1].tid, false));
		} else {
			give_token(i, round, &random);
			await_token(i, round, &random);
		}
		if (rand_r(&random) % 8 == 0)
			usleep(10);
		self->done++;
	}
	self->step = 1;
	MUST(SOON(workers[i ^ 1].step == 1));
	threads[i] = 0;
}

static void pass_tokens_among_workers(struct __test_metadata *_metadata)
{
	start_servers(2, 0);
	start_workers(2 * PAIRS, pass_tokens);
	EXPECT_EQ(2 * PAIRS * TOKENS, join_workers(2 * PAIRS));
	stop_servers();
}

TEST_F_TIMEOUT(load, tokens_by_wait_wake_swap_and_timeouts, SECONDS)
{
	pass_tokens_among_workers(_metadata);
}

TEST_F_TIMEOUT(load, tokens_in_direct_mode, SECONDS)
{
	crew_group_flags = UMCG_GROUP_DIRECT | UMCG_GROUP_FIFO;
	pass_tokens_among_workers(_metadata);
}

TEST_F_TIMEOUT(load, tokens_in_direct_mode_when_workers_lend_and_overtake, SECONDS)
{
	crew_group_flags = UMCG_GROUP_DIRECT | UMCG_GROUP_LEND | UMCG_GROUP_OVERTAKE;
	pass_tokens_among_workers(_metadata);
}

/* Kicks without the library, as any thread of the process may. */
static void kick_everybody(struct member *self)
{
	int fd = open(UMCG_DEVICE, O_RDWR | O_CLOEXEC);

	MUST(fd >= 0);
	for (unsigned int i = 0; !is_over; i++) {
		struct umcg_kick_args args = {
			.size = sizeof(args),
			.tid = threads[i % (2 * PAIRS)],
		};

		self->done += args.tid && !ioctl(fd, UMCG_IOC_KICK, &args);
		sched_yield();
	}
	close(fd);
}

static void pass_tokens_under_kicks(struct __test_metadata *_metadata, int server_count)
{
	struct member kicker = { .body = kick_everybody };

	start_servers(server_count, 0);
	start_workers(2 * PAIRS, pass_tokens);
	start_basic_task(&kicker);
	EXPECT_EQ(2 * PAIRS * TOKENS, join_workers(2 * PAIRS));
	is_over = true;
	join(&kicker);
	stop_servers();
	EXPECT_LT(0, kicker.done);
	TH_LOG("%ld kicks", kicker.done);
}

TEST_F_TIMEOUT(load, tokens_while_all_are_kicked_one_server, SECONDS)
{
	pass_tokens_under_kicks(_metadata, 1);
}

TEST_F_TIMEOUT(load, tokens_while_all_are_kicked_three_servers, SECONDS)
{
	pass_tokens_under_kicks(_metadata, 3);
}

TEST_F_TIMEOUT(load, tokens_in_direct_mode_while_everybody_is_kicked, SECONDS)
{
	crew_group_flags = UMCG_GROUP_DIRECT | UMCG_GROUP_FIFO;
	pass_tokens_under_kicks(_metadata, 2);
}

/* Registers, waits once and leaves, again and again; the first of the workers swaps to the rest. */
static void *come_and_go(void *arg)
{
	struct member *self = arg;

	self->tid = umcg_get_utid();
	for (int round = 0; round < 500; round++) {
		MUST(umcg_register_worker(group, 0) == self->tid);
		MUST(!umcg_wait(0));
		self->done++;
		MUST(!umcg_unregister_task());
	}
	self->step = 1;

	return NULL;
}

static void swap_with_leavers(struct member *self __attribute__((unused)))
{
	while (!workers[1].step || !workers[2].step) {
		for (int i = 1; i <= 2; i++) {
			uint64_t now = umcg_get_time_ns();

			if (umcg_swap(workers[i].tid, now % 3 ? now + 300000 : 0))
				MUST(errno == EINVAL || errno == ETIMEDOUT);
		}
	}
}

/* It also ends the waits of the one that swaps. */
static void wake_the_swapper(struct member *self __attribute__((unused)))
{
	while (is_registered(&workers[0])) {
		umcg_wake(workers[0].tid, false);
		usleep(200);
	}
}

static void come_and_go_while_another_one_swaps(struct __test_metadata *_metadata)
{
	struct member waker = { .body = wake_the_swapper };

	crew_workers_leave = true;
	start_servers(2, 0);
	for (int i = 1; i <= 2; i++) {
		workers[i] = (struct member){ };
		MUST(!pthread_create(&workers[i].thread, NULL, come_and_go, &workers[i]));
		MUST(SOON(workers[i].tid));
	}
	start_workers(1, swap_with_leavers);
	MUST(SOON(is_registered(&workers[0])));
	start_basic_task(&waker);
	join_workers(3);
	EXPECT_EQ(1000, workers[1].done + workers[2].done);
	join(&waker);
	stop_servers();
}

TEST_F_TIMEOUT(load, workers_come_and_go_while_another_one_swaps_to_them, SECONDS)
{
	come_and_go_while_another_one_swaps(_metadata);
}

TEST_F_TIMEOUT(load, workers_come_and_go_in_direct_mode, SECONDS)
{
	crew_group_flags = UMCG_GROUP_DIRECT | UMCG_GROUP_FIFO;
	come_and_go_while_another_one_swaps(_metadata);
}

TEST_HARNESS_MAIN
