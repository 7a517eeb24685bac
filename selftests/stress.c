// SPDX-License-Identifier: GPL-2.0
/*
 * Many workers under two servers, which block in many ways; with signals, too. After
 * every block reported to a server its worker must be queued exactly once.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "umcg_test.h"

#define SERVERS		2
#define WORKERS		64
#define BLOCKS		20000
#define TURNS		(BLOCKS / WORKERS)
#define PROCESSES	60

/* Two workers that pass a number to each other, each adding one. */
struct pair {
	int first_to_second[2];
	int second_to_first[2];
	_Atomic uint32_t futex;
	/* How many rounds each of the two does: more, until there were enough blocks. */
	_Atomic int turns;
};

struct player {
	struct umcg_thread thread;
	struct pair *pair;
	bool (*turn)(struct player *player, uint32_t number);
	/* Answers the other one of its pair. */
	bool second;
	/* May make the pair do more rounds. */
	bool leads;
};

FIXTURE(stress) {
	struct umcg_group group;
	struct umcg_thread servers[SERVERS];
	_Atomic uint32_t idle_server_tids[SERVERS];
	struct player players[WORKERS];
	struct pair pairs[WORKERS / 2];
	_Atomic int workers_left;
	_Atomic long blocks;
	_Atomic long runs;
};

static FIXTURE_DATA(stress) *stress;

FIXTURE_SETUP(stress)
{
	umcg_test_begin(STRESS_SECONDS);
	stress = self;
	self->group = (struct umcg_group)UMCG_GROUP_INIT;
}

FIXTURE_TEARDOWN(stress)
{
}

/* Reads or writes a number whole, whatever signals come. */
static bool pass(int fd, uint32_t *number, bool writes)
{
	ssize_t size;

	do {
		size = writes ? write(fd, number, sizeof(*number)) :
				read(fd, number, sizeof(*number));
	} while (size < 0 && errno == EINTR);
	return size == sizeof(*number);
}

static bool turn_by_messages(struct player *player, uint32_t number)
{
	const int in = player->second ? player->pair->first_to_second[0] :
					player->pair->second_to_first[0];
	const int out = player->second ? player->pair->second_to_first[1] :
					 player->pair->first_to_second[1];
	uint32_t got;

	if (!player->second)
		return pass(out, &number, true) && pass(in, &got, false) && got == number + 1;
	if (!pass(in, &got, false) || got != number)
		return false;
	got++;
	return pass(out, &got, true);
}

/* The second one waits for odd values, the first one for even ones. */
static bool turn_by_futex(struct player *player, uint32_t number)
{
	_Atomic uint32_t *futex = &player->pair->futex;
	const uint32_t mine = 2 * number + player->second;
	uint32_t now;

	while ((now = *futex) != mine) {
		if (now != mine - 1)
			return false;
		syscall(SYS_futex, futex, FUTEX_WAIT_PRIVATE, now, NULL);
	}
	atomic_fetch_add(futex, 1);
	syscall(SYS_futex, futex, FUTEX_WAKE_PRIVATE, 1);
	return true;
}

static bool turn_by_sleep(struct player *player, uint32_t number)
{
	struct timespec left = { .tv_nsec = 1000 * (1 + number % 7) };

	(void)player;
	while (nanosleep(&left, &left)) {
		if (errno != EINTR)
			return false;
	}
	return true;
}

static void play(struct umcg_thread *self)
{
	struct player *player = (struct player *)self;
	struct pair *pair = player->pair;

	while (self->phase < pair->turns) {
		const uint64_t before = state_word(&self->task);

		/* Before the last round, which tells the other one so. */
		if (player->leads && self->phase + 1 == pair->turns && stress->blocks < BLOCKS)
			pair->turns++;
		if (!player->turn(player, self->phase))
			break;
		/* A message may be there before it is waited for: that is no block. */
		stress->blocks += state_word(&self->task) != before;
		self->phase++;
	}
	stress->workers_left--;
}

static bool make_pair(struct pair *pair, int kind)
{
	int fds[2];

	if (kind == 0)
		return !pipe(pair->first_to_second) && !pipe(pair->second_to_first);
	if (kind == 1) {
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
			return false;
		pair->first_to_second[1] = fds[0];
		pair->second_to_first[0] = fds[0];
		pair->first_to_second[0] = fds[1];
		pair->second_to_first[1] = fds[1];
	}
	return true;
}

static bool make_players(FIXTURE_DATA(stress) *self)
{
	bool (*const turns[])(struct player *, uint32_t) = {
		turn_by_messages, turn_by_messages, turn_by_futex, turn_by_sleep,
	};

	for (int i = 0; i < WORKERS; i++) {
		const int pair = i / 2, kind = pair % ARRAY_SIZE(turns);
		struct player *player = &self->players[i];

		player->pair = &self->pairs[pair];
		player->turn = turns[kind];
		player->second = i % 2;
		player->leads = !player->second || player->turn == turn_by_sleep;
		player->thread.idle_server_tid = &self->idle_server_tids[i / 2 % SERVERS];
		if (!player->second) {
			/* Before the first of them starts, which may increase it. */
			player->pair->turns = TURNS;
			if (!make_pair(player->pair, kind))
				return false;
		}
		worker_start(&player->thread, &self->group, play);
	}
	return true;
}

/* Runs whatever worker is idle, until no worker is left. */
static void serve(struct umcg_thread *self)
{
	struct umcg_thread *worker;

	while ((worker = server_next_worker(self, &stress->group))) {
		stress->runs++;
		self->result = server_run(self, worker);
		if (self->result)
			return;
	}
}

static void start_servers(FIXTURE_DATA(stress) *self)
{
	for (int i = 0; i < SERVERS; i++) {
		self->servers[i].idle_server_tid = &self->idle_server_tids[i];
		server_start(&self->servers[i], serve);
	}
}

/* Tells the servers that wait for workers that none will come. */
static bool stop_servers(FIXTURE_DATA(stress) *self)
{
	struct umcg_thread here = {};

	self->group.closed = true;
	if (server_register(&here))
		return false;
	for (int i = 0; i < SERVERS; i++) {
		struct umcg_thread *server = &self->servers[i];

		while (pthread_tryjoin_np(server->thread, NULL)) {
			set_next_tid(&here.task, server->tid);
			if (state_change(&server->task, IDLE, RUNNING))
				umcg_wait(UMCG_WAIT_WAKE_ONLY, 0);
			sleep_ms(1);
		}
	}
	return !umcg_ctl(UMCG_CTL_UNREGISTER, NULL);
}

static void send_a_signal(FIXTURE_DATA(stress) *self)
{
	const int i = rand() % (WORKERS + SERVERS);
	struct umcg_thread *thread = i < WORKERS ? &self->players[i].thread :
						   &self->servers[i - WORKERS];

	if (thread->tid)
		thread_signal(thread, SIGUSR1);
}

/* Makes all workers do their rounds; returns the number of signals sent meanwhile. */
static int play_all(struct __test_metadata *_metadata, FIXTURE_DATA(stress) *self, bool signals)
{
	const uint64_t end = monotonic_ns() + (STRESS_SECONDS - TEST_SECONDS) * NSEC_PER_SEC;
	int sent = 0;

	self->workers_left = WORKERS;
	start_servers(self);
	ASSERT_TRUE(make_players(self));
	while (self->workers_left && monotonic_ns() < end) {
		sleep_ms(1);
		if (signals) {
			send_a_signal(self);
			sent++;
		}
	}
	ASSERT_EQ(0, self->workers_left);

	for (int i = 0; i < WORKERS; i++) {
		ASSERT_TRUE(thread_ends(&self->players[i].thread));
		EXPECT_EQ(0, self->players[i].thread.result);
		EXPECT_EQ(self->pairs[i / 2].turns, self->players[i].thread.phase);
	}
	ASSERT_TRUE(stop_servers(self));
	for (int i = 0; i < SERVERS; i++)
		EXPECT_EQ(0, self->servers[i].result);

	/* Every worker came once as new, and once after each block. */
	EXPECT_LE(BLOCKS, self->blocks);
	EXPECT_LE(WORKERS + self->blocks, self->runs);
	EXPECT_EQ(0, self->group.idle_workers);
	EXPECT_EQ(NULL, self->group.taken);
	TH_LOG("%ld blocks, %ld runs, %d signals", (long)self->blocks, (long)self->runs,
	       signals_handled);
	return sent;
}

TEST_F_TIMEOUT(stress, no_worker_of_64_is_lost_in_20000_blocks, STRESS_SECONDS)
{
	play_all(_metadata, self, false);
	EXPECT_TRUE(nothing_is_left());
}

TEST_F_TIMEOUT(stress, no_worker_is_lost_among_signals, STRESS_SECONDS)
{
	int sent;

	count_signal(SIGUSR1, SA_RESTART);
	sent = play_all(_metadata, self, true);
	EXPECT_LT(0, signals_handled);
	EXPECT_GE(sent, signals_handled);
	EXPECT_TRUE(nothing_is_left());
}

static void nap_and_yield(struct umcg_thread *self)
{
	for (;;) {
		sleep_ms(1);
		worker_yield(self, realtime_in_ms(2));
	}
}

/* Ends somewhere in the middle, without unregistering anything. */
static int schedule_for_a_while(void *argument)
{
	struct umcg_group group = UMCG_GROUP_INIT;
	struct umcg_thread server = {}, workers[2] = {};
	const int runs = *(int *)argument;

	if (server_register(&server))
		return 1;
	worker_start(&workers[0], &group, nap_and_yield);
	worker_start(&workers[1], &group, nap_and_yield);
	for (int i = 0; i < runs; i++) {
		struct umcg_thread *worker = server_next_worker(&server, &group);

		if (!worker || server_run(&server, worker))
			return 2;
	}
	return 0;
}

TEST_F_TIMEOUT(stress, processes_come_and_go, STRESS_SECONDS)
{
	for (int i = 0; i < PROCESSES; i++) {
		int runs = i % 7;
		pid_t leaves = process_start(schedule_for_a_while, &runs);
		int forever = INT32_MAX;
		pid_t killed = process_start(schedule_for_a_while, &forever);
		int status = process_ends(leaves);

		EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0)
			TH_LOG("wait status %#x", status);
		sleep_ms(i % 5);
		kill(killed, SIGKILL);
		status = process_ends(killed);
		EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
			TH_LOG("wait status %#x", status);
	}
	EXPECT_TRUE(nothing_is_left());
}

TEST_HARNESS_MAIN
