// SPDX-License-Identifier: GPL-2.0
/*
 * Direct mode at random: workers do whatever they may, others do whatever they can to
 * them, servers come and go, and everybody checks what has to be true always.
 *
 *   UMCG_SEED=n     the numbers to begin with; it is printed
 *   UMCG_SECONDS=n  how long, for each variant
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "umcg_crew.h"
#include "umcg_direct.h"
#include "umcg_random.h"

#define DEFAULT_SECONDS	4
/* A worker that has done nothing for so long is lost. */
#define LOST_SECONDS	(20 * slowness())
#define SERVERS		3
#define WORKERS		8
#define HELPERS		4
/* The number of the helper that watches. */
#define WATCHER		0

FIXTURE(direct_random) {
	struct direct direct;
	struct umcg_thread servers[SERVERS];
	struct umcg_thread workers[WORKERS];
	struct umcg_thread helpers[HELPERS];
	int pipes[WORKERS][2];
	_Atomic bool wants[WORKERS];
	uint64_t seed;
	unsigned int seconds;
	/* The workers are to leave. */
	_Atomic bool enough;
	_Atomic long watched, kicks, server_changes, waits;
};

FIXTURE_VARIANT(direct_random) {
	uint32_t flags;
	bool fills_ring;
};

FIXTURE_VARIANT_ADD(direct_random, list) { .flags = 0 };
FIXTURE_VARIANT_ADD(direct_random, ring) { .fills_ring = true };
FIXTURE_VARIANT_ADD(direct_random, fifo) { .flags = UMCG_DIRECT_FIFO };
FIXTURE_VARIANT_ADD(direct_random, fifo_lend) {
	.flags = UMCG_DIRECT_FIFO | UMCG_DIRECT_LEND,
};
FIXTURE_VARIANT_ADD(direct_random, overtake_lend) {
	.flags = UMCG_DIRECT_OVERTAKE | UMCG_DIRECT_LEND,
	.fills_ring = true,
};

/* The threads are all of one test. */
static FIXTURE_DATA(direct_random) *test;
static __thread struct umcg_thread *me;
static __thread struct dice dice;

/* A number below @limit. */
static unsigned int roll(unsigned int limit)
{
	static _Atomic unsigned int threads;

	if (!dice.state)
		dice_begin(&dice, test->seed, ++threads);
	return below(&dice, limit);
}

static void fault(const char *what)
{
	direct_fault(&test->direct, what);
}

/* A worker in user mode is RUNNING under a server that is IDLE, not in the set, and has it. */
static void check_own(struct umcg_thread *self)
{
	const uint64_t word = state_word(&self->task);
	const uint32_t state = state_of(&self->task);
	const uint32_t nr = *(volatile uint32_t *)&self->task.server_nr;
	const uint32_t tid = *(volatile uint32_t *)&self->task.next_tid;
	struct umcg_thread *server = test->direct.servers[nr % UMCG_DIRECT_SERVERS];
	const bool serves = server && (uint32_t)server->tid == tid &&
			    state_of(&server->task) == IDLE &&
			    direct_running(&test->direct, nr) == (uint32_t)self->tid &&
			    !(direct_idle_servers(&test->direct) & 1ULL << nr);

	/* What has been read belongs together only if nobody has run us again meanwhile. */
	if (word != state_word(&self->task) || state == (IDLE | LOCKED))
		return;
	if (state != RUNNING && state != (RUNNING | PREEMPTED))
		fault("a worker is in user mode that is not running");
	else if (!serves)
		fault("a worker is in user mode without a server of its own");
}

static void check_in_handler(int signal)
{
	(void)signal;
	atomic_fetch_add(&signals_handled, 1);
	if (me)
		check_own(me);
}

static void spin(void)
{
	for (volatile unsigned int i = roll(20000); i; i--)
		;
}

static void block(struct umcg_thread *self)
{
	const unsigned int i = self - test->workers;
	char byte;

	test->wants[i] = true;
	if (read(test->pipes[i][0], &byte, 1) != 1)
		fault("a read from a pipe has failed");
}

/* Plain stores: the kernel looks at the word in this thread. */
static void stay_in_critical_section(struct umcg_thread *self)
{
	volatile uint32_t *critical = &self->task.critical;

	*critical += 1;
	spin();
	*critical -= 1;
	if (state_of(&self->task) & PREEMPTED && worker_kick(self))
		fault("a worker cannot kick itself");
}

static void wait_for_a_moment(struct umcg_thread *self, bool yields)
{
	const uint64_t end = realtime_in_ms((int)roll(6) - 1);
	const int err = yields ? direct_worker_yield(self, end) : direct_worker_wait(self, end);

	if (err != -ETIMEDOUT)
		fault(err ? strerrorname_np(-err) : "a wait that nobody ends has ended");
	test->waits++;
}

static void take_turn(struct umcg_thread *self)
{
	switch (roll(10)) {
	case 0:
	case 1:
		spin();
		break;
	case 2:
		sleep_ms(roll(4));
		break;
	case 3:
	case 4:
	case 5:
		block(self);
		break;
	case 6:
		stay_in_critical_section(self);
		break;
	case 7:
		wait_for_a_moment(self, true);
		break;
	case 8:
		wait_for_a_moment(self, false);
		break;
	case 9:
		if (worker_kick(self))
			fault("a worker cannot kick itself");
		break;
	}
}

static void play(struct umcg_thread *self)
{
	me = self;
	while (!test->enough && !test->direct.fault) {
		take_turn(self);
		check_own(self);
		self->phase++;
	}
}

/* Gives the workers what they want. */
static void serve_wants(struct umcg_thread *self)
{
	(void)self;
	while (!test->direct.over) {
		for (unsigned int i = 0; i < WORKERS; i++) {
			if (!test->wants[i] || roll(3) == 0)
				continue;
			test->wants[i] = false;
			if (write(test->pipes[i][1], "x", 1) != 1)
				fault("a write to a pipe has failed");
		}
		sleep_ms(roll(3));
	}
}

/* Kicks, and signals that mean nothing, to workers and servers. */
static void disturb(struct umcg_thread *self)
{
	(void)self;
	while (!test->enough) {
		struct umcg_thread *worker = &test->workers[roll(WORKERS)];
		struct umcg_kick_args kick = {
			.size = sizeof(kick),
			.flags = roll(2) ? UMCG_KICK_INSIST : 0,
			.tid = worker->tid,
		};

		switch (roll(4)) {
		case 0:
		case 1:
			if (!umcg_ioctl(UMCG_IOC_KICK, &kick))
				test->kicks++;
			break;
		case 2:
			thread_signal(worker, SIGUSR1);
			break;
		case 3:
			/* One that comes and goes has no TID that is its own for long. */
			thread_signal(&test->servers[1 + roll(SERVERS - 1)], SIGUSR1);
			break;
		}
		if (roll(3) == 0)
			sleep_ms(roll(3));
		else
			sched_yield();
	}
}

/* A worker may be queued that an idle server is to run. */
static void pass_on(struct umcg_thread *self)
{
	struct umcg_thread *other;

	if (direct_has_work(&test->direct) && (other = direct_take_server(&test->direct)) &&
	    server_wake(self, other, 0))
		fault("a server in the set cannot be started");
}

/* Some servers are not started for workers in the list of user space, and then are again. */
static void refuse_servers(struct umcg_thread *self)
{
	_Atomic uint64_t *refused = WORD64(test->direct.words->refused_servers);

	atomic_store(refused, roll(1 << SERVERS));
	sleep_ms(roll(5));
	atomic_store(refused, 0);
	pass_on(self);
}

/* Is started when a worker is queued while all servers are busy, and has one give way. */
static void watch_queue(struct umcg_thread *self)
{
	_Atomic uint32_t *watcher = (_Atomic uint32_t *)&test->direct.words->watcher_tid;

	while (!test->enough) {
		uint32_t own = self->tid;

		state_must_change(&self->task, RUNNING, IDLE);
		set_next_tid(&self->task, 0);
		atomic_store(watcher, own);
		if (!direct_has_work(&test->direct) || direct_idle_servers(&test->direct))
			umcg_wait(0, realtime_in_ms(20));
		if (atomic_compare_exchange_strong(watcher, &own, 0)) {
			state_must_change(&self->task, IDLE, RUNNING);
		} else {
			/* The thread that has taken it out starts us. */
			if (state_of(&self->task) == IDLE && umcg_wait(0, realtime_in_ms(SOON_MS)))
				fault("the watcher was taken out and not started");
			test->watched++;
		}
		worker_kick(&test->workers[roll(WORKERS)]);
		refuse_servers(self);
	}
}

/* A server that serves a while and leaves, again and again: the set, and workers, lose it. */
static void serve_at_times(struct umcg_thread *self)
{
	struct direct *direct = direct_of(self);

	while (!test->enough) {
		struct umcg_thread *worker = direct_take_worker(direct);

		pass_on(self);
		if (worker && direct_run(self, worker))
			fault("a worker cannot be run");
		else if (!worker)
			direct_wait(self, realtime_in_ms(1 + roll(10)));
		if (roll(4))
			continue;
		pass_on(self);
		if (umcg_ctl(UMCG_CTL_UNREGISTER, NULL))
			fault("a server cannot leave");
		test->server_changes++;
		if (direct_server_register(self, direct, 0))
			fault("a server cannot come back");
	}
	direct_serve(self);
}

FIXTURE_SETUP(direct_random)
{
	const struct sigaction action = { .sa_handler = check_in_handler, .sa_flags = SA_RESTART };
	const char *seed = getenv("UMCG_SEED"), *seconds = getenv("UMCG_SECONDS");

	memset(self, 0, sizeof(*self));
	test = self;
	self->seed = seed && *seed ? strtoull(seed, NULL, 0) : monotonic_ns();
	self->seconds = seconds && *seconds ? strtoul(seconds, NULL, 0) : DEFAULT_SECONDS;
	umcg_test_begin(self->seconds + 3 * LOST_SECONDS);
	sigaction(SIGUSR1, &action, NULL);
	ASSERT_TRUE(direct_init(&self->direct, variant->flags));
	self->direct.fills_ring = variant->fills_ring;
	self->direct.critical = true;
	/* A server that is not started when there is work is missed. */
	self->direct.idle_ms = 1000 * A_DAY;
	for (int i = 0; i < WORKERS; i++)
		ASSERT_EQ(0, pipe(self->pipes[i]));
}

FIXTURE_TEARDOWN(direct_random)
{
}

/* Tells where everybody is. */
static void report(struct __test_metadata *_metadata, FIXTURE_DATA(direct_random) *self)
{
	struct umcg_direct_group *words = self->direct.words;

	for (unsigned int i = 0; i < SERVERS; i++) {
		struct umcg_thread *server = &self->servers[i];

		TH_LOG("server %d: state %#x, next %u, running %u, %s", server->tid,
		       state_of(&server->task), server->task.next_tid, words->running[i],
		       thread_sleeps(server->tid) ? "asleep" : "awake");
	}
	for (unsigned int i = 0; i < WORKERS; i++) {
		struct umcg_thread *worker = &self->workers[i];

		TH_LOG("worker %d: state %#x, next %u, server %u, %s, turn %d, wants %d",
		       worker->tid, state_of(&worker->task), worker->task.next_tid,
		       worker->task.server_nr, thread_sleeps(worker->tid) ? "asleep" : "awake",
		       worker->phase, self->wants[i]);
	}
	TH_LOG("list %#llx, queued %u, taken %p, ring %#llx, set %#llx, watcher %u",
	       (unsigned long long)words->idle_workers, words->queued, self->direct.taken,
	       (unsigned long long)words->ready_ends, (unsigned long long)words->idle_servers,
	       words->watcher_tid);
}

/* Lets the group play for its time. Whether every worker went on all the time. */
static bool goes_on(struct __test_metadata *_metadata, FIXTURE_DATA(direct_random) *self)
{
	const uint64_t end = monotonic_ns() + self->seconds * NSEC_PER_SEC;
	uint64_t moved[WORKERS], now;
	int phase[WORKERS] = {};

	for (int i = 0; i < WORKERS; i++)
		moved[i] = monotonic_ns();
	while ((now = monotonic_ns()) < end && !self->direct.fault) {
		for (unsigned int i = 0; i < WORKERS; i++) {
			if (self->workers[i].phase != phase[i]) {
				phase[i] = self->workers[i].phase;
				moved[i] = now;
			} else if (now - moved[i] > LOST_SECONDS * NSEC_PER_SEC) {
				TH_LOG("worker %d is lost", self->workers[i].tid);
				return false;
			}
		}
		sleep_ms(100);
	}
	return true;
}

/* Whether all workers, and then the servers, end soon. */
static bool all_end(FIXTURE_DATA(direct_random) *self)
{
	bool end = true;

	self->enough = true;
	for (unsigned int i = 0; i < WORKERS; i++)
		end &= thread_ends(&self->workers[i]);
	end &= direct_end(&self->direct);
	for (unsigned int i = 0; i < HELPERS; i++)
		end &= thread_ends(&self->helpers[i]);
	return end;
}

TEST_F_TIMEOUT(direct_random, nobody_is_lost_whatever_happens, A_DAY)
{
	void (*const bodies[HELPERS])(struct umcg_thread *) = {
		[WATCHER] = watch_queue, serve_wants, disturb, disturb,
	};
	const long killed[] = { umcg_stat("killed_state"), umcg_stat("killed_server"),
				umcg_stat("killed_memory") };
	long turns = 0;

	TH_LOG("UMCG_SEED=%llu UMCG_SECONDS=%u", (unsigned long long)self->seed, self->seconds);
	for (int i = 0; i < WORKERS; i++)
		direct_worker_start(&self->workers[i], &self->direct, play);
	for (int i = 0; i < SERVERS; i++)
		direct_server_start(&self->servers[i], &self->direct, i,
				    i ? direct_serve : serve_at_times);
	ASSERT_TRUE(SOON(umcg_stat("servers") >= SERVERS - 1 && umcg_stat("workers") == WORKERS));
	for (int i = 0; i < HELPERS; i++) {
		if (i == WATCHER)
			server_start(&self->helpers[i], bodies[i]);
		else
			thread_start(&self->helpers[i], bodies[i]);
	}
	if (!goes_on(_metadata, self) || self->direct.fault) {
		report(_metadata, self);
		ASSERT_EQ(NULL, self->direct.fault) TH_LOG("%s", self->direct.fault);
		ASSERT_TRUE(false);
	}
	if (!all_end(self)) {
		report(_metadata, self);
		ASSERT_TRUE(false);
	}
	ASSERT_EQ(NULL, self->direct.fault) TH_LOG("%s", self->direct.fault);
	EXPECT_FALSE(direct_has_work(&self->direct));
	EXPECT_EQ(0, direct_idle_servers(&self->direct));
	EXPECT_LT(0, self->kicks);
	EXPECT_LT(0, self->server_changes);
	EXPECT_EQ(killed[0], umcg_stat("killed_state"));
	EXPECT_EQ(killed[1], umcg_stat("killed_server"));
	EXPECT_EQ(killed[2], umcg_stat("killed_memory"));
	for (unsigned int i = 0; i < WORKERS; i++)
		turns += self->workers[i].phase;
	TH_LOG("%ld turns, %ld kicks, %ld waits, %ld times told that all servers are busy, "
	       "%ld changes of a server, %d signals", turns, self->kicks, self->waits,
	       self->watched, self->server_changes, signals_handled);
	EXPECT_TRUE(nothing_is_left());
}

TEST_HARNESS_MAIN
