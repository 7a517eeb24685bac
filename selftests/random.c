// SPDX-License-Identifier: GPL-2.0
/*
 * A randomised test of the protocol: servers and workers make random legal steps, others
 * disturb them, and all check the invariants.
 *
 *   UMCG_SEED=n     the numbers to begin with; it is printed
 *   UMCG_SECONDS=n  how long
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/futex.h>
#include <linux/userfaultfd.h>

#include "kselftest_harness.h"
#include "umcg_crew.h"
#include "umcg_random.h"

#define DEFAULT_SECONDS	10
/* A worker that has made no progress for this long is lost. */
#define LOST_SECONDS	(20 * slowness())
#define HELPERS		5

/* What a worker waits for, provided by another thread. */
enum want { NOTHING, PIPE, SOCKET, FUTEX };

/* What a worker has besides its thread. */
struct means {
	int pipe_ends[2];
	int sockets[2];
	_Atomic uint32_t futex;
	_Atomic int want;
	/* A page that is missing until userfaultfd provides it. */
	volatile char *page;
};

FIXTURE(protocol) {
	struct umcg_crew crew;
	struct means means[CREW_WORKERS];
	struct umcg_thread helpers[HELPERS];
	uint64_t seed;
	unsigned int seconds;
	/* userfaultfd, or -1 if this kernel has none. */
	int faults;
	/* The workers are to leave. */
	_Atomic bool enough;
	_Atomic long preemptions;
	_Atomic long page_faults;
};

/* The threads are all of one test. */
static FIXTURE_DATA(protocol) *test;
/* The worker that this thread is, and its random numbers. */
static __thread struct umcg_thread *me;
static __thread struct dice dice;

/* A number per thread, the same in every run. */
static unsigned int thread_number(void)
{
	const pid_t tid = gettid();

	for (unsigned int i = 0; i < CREW_WORKERS; i++) {
		if (test->crew.workers[i].tid == tid)
			return 100 + i;
		if (i < CREW_SERVERS && test->crew.servers[i].tid == tid)
			return 200 + i;
		if (i < HELPERS && test->helpers[i].tid == tid)
			return 300 + i;
	}
	return 0;
}

/* A number below @limit. */
static unsigned int roll(unsigned int limit)
{
	if (!dice.state)
		dice_begin(&dice, test->seed, thread_number());
	return below(&dice, limit);
}

static void fault(const char *what)
{
	crew_fault(&test->crew, what);
}

static struct umcg_thread *server_of_tid(uint32_t tid)
{
	for (unsigned int i = 0; i < test->crew.server_count; i++) {
		if ((uint32_t)test->crew.servers[i].tid == tid)
			return &test->crew.servers[i];
	}
	return NULL;
}

/* A worker in user mode is RUNNING, with a server that is idle and names it; or it is locked. */
static void check_own(struct umcg_thread *self)
{
	const uint64_t word = state_word(&self->task);
	const uint32_t state = state_of(&self->task);
	struct umcg_thread *server = server_of_tid(*(volatile uint32_t *)&self->task.next_tid);
	bool serves;

	serves = server && state_of(&server->task) == IDLE &&
		 *(volatile uint32_t *)&server->task.next_tid == (uint32_t)self->tid;
	/* The fields belong together only if the worker was not run again meanwhile. */
	if (word != state_word(&self->task) || state == (IDLE | LOCKED))
		return;
	if (state != RUNNING && state != (RUNNING | PREEMPTED))
		fault("a worker is in user mode that is not running");
	else if (!serves)
		fault("a worker is in user mode whose server is not idle and its own");
}

static void check_in_handler(int signal)
{
	(void)signal;
	atomic_fetch_add(&signals_handled, 1);
	if (me)
		check_own(me);
}

/* An immediate signal, which is handled wherever the worker is. */
static void count_immediate(int signal)
{
	(void)signal;
	atomic_fetch_add(&signals_handled, 1);
}

static void wait_for_futex(struct means *means)
{
	while (!means->futex)
		syscall(SYS_futex, &means->futex, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	means->futex = 0;
}

/* Waits until another thread has seen what this worker wants. */
static void block(struct umcg_thread *self, enum want want)
{
	struct means *means = &test->means[self - test->crew.workers];
	char byte;

	means->want = want;
	if (want == PIPE && read(means->pipe_ends[0], &byte, 1) != 1)
		fault("a read from a pipe has failed");
	if (want == SOCKET && recv(means->sockets[0], &byte, 1, 0) != 1)
		fault("a read from a socket has failed");
	if (want == FUTEX)
		wait_for_futex(means);
}

static void touch_missing_page(struct umcg_thread *self)
{
	struct means *means = &test->means[self - test->crew.workers];

	if (!means->page)
		return;
	madvise((void *)means->page, getpagesize(), MADV_DONTNEED);
	if (*means->page)
		fault("a page is not what it should be");
	test->page_faults++;
}

static void spin(void)
{
	for (volatile unsigned int i = roll(20000); i; i--)
		;
}

static void take_turn(struct umcg_thread *self)
{
	int err = 0;

	switch (roll(12)) {
	case 0:
	case 1:
		spin();
		break;
	case 2:
		sleep_ms(roll(4));
		break;
	case 3:
		block(self, PIPE);
		break;
	case 4:
		block(self, SOCKET);
		break;
	case 5:
		block(self, FUTEX);
		break;
	case 6:
		touch_missing_page(self);
		break;
	case 7:
	case 8:
		err = crew_yield(self);
		break;
	case 9:
		err = crew_swap(self);
		break;
	case 10:
		err = crew_sleep(self, (int)roll(6) - 1);
		if (err == -ETIMEDOUT)
			err = 0;
		else
			fault("a wait has ended without a reason");
		break;
	case 11:
		err = worker_kick(self);
		break;
	}
	if (err)
		fault("a step of a worker has failed");
}

static void play(struct umcg_thread *self)
{
	me = self;
	while (!test->enough && !test->crew.fault) {
		take_turn(self);
		check_own(self);
		self->phase++;
	}
}

/* Makes a spurious wake-up, which must be harmless, and returns how long to wait for work. */
static int idle_ms(struct umcg_thread *server)
{
	struct umcg_crew *crew = &test->crew;

	if (roll(4) == 0) {
		set_next_tid(&server->task, crew->workers[roll(crew->worker_count)].tid);
		umcg_wait(UMCG_WAIT_WAKE_ONLY | (roll(2) ? UMCG_WAIT_WF_CURRENT_CPU : 0), 0);
	}
	/*
	 * Every other second servers check only when they are started: a missing start is
	 * detected.
	 */
	return monotonic_ns() / NSEC_PER_SEC % 2 ? 1 + roll(10) : 1000 * slowness();
}

static int slice_ms(struct umcg_thread *server)
{
	(void)server;
	return roll(4) ? 20000 : 1 + roll(10);
}

/* Preempts at random, in both ways, and sends signals without meaning. */
static void kick_at_random(struct umcg_thread *self)
{
	(void)self;
	while (!test->enough) {
		struct umcg_thread *worker = &test->crew.workers[roll(test->crew.worker_count)];
		int err = 0;

		switch (roll(4)) {
		case 0:
			err = worker_kick(worker);
			break;
		case 1:
			err = worker_preempt(worker, SIGUSR1);
			break;
		case 2:
			err = thread_signal(roll(3) ? worker :
					    &test->crew.servers[roll(test->crew.server_count)],
					    SIGUSR1);
			break;
		case 3:
			err = thread_signal(worker, SIGUSR2);
			break;
		}
		if (!err)
			test->preemptions++;
		else if (err != -EAGAIN && !test->enough)
			fault("preemption fails");
		if (roll(4) == 0)
			sleep_ms(roll(3));
		else
			sched_yield();
	}
}

/* Provides what the workers wait for. */
static void serve_wants(struct umcg_thread *self)
{
	(void)self;
	while (!test->crew.over) {
		for (unsigned int i = 0; i < test->crew.worker_count; i++) {
			struct means *means = &test->means[i];
			int want = means->want;

			if (want == NOTHING || roll(3) == 0)
				continue;
			means->want = NOTHING;
			if (want == PIPE && write(means->pipe_ends[1], "x", 1) != 1)
				fault("a write to a pipe has failed");
			if (want == SOCKET && send(means->sockets[1], "x", 1, 0) != 1)
				fault("a write to a socket has failed");
			if (want != FUTEX)
				continue;
			means->futex = 1;
			syscall(SYS_futex, &means->futex, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
		}
		sleep_ms(roll(3));
	}
}

/* Provides missing pages. */
static void serve_faults(struct umcg_thread *self)
{
	struct pollfd poll_faults = { .fd = test->faults, .events = POLLIN };
	const uint64_t page_mask = ~((uint64_t)getpagesize() - 1);
	struct uffd_msg message;

	(void)self;
	while (test->faults >= 0 && !test->crew.over) {
		struct uffdio_zeropage zero = { .range.len = getpagesize() };

		if (poll(&poll_faults, 1, 20) != 1 ||
		    read(test->faults, &message, sizeof(message)) != sizeof(message))
			continue;
		sleep_ms(roll(3));
		zero.range.start = message.arg.pagefault.address & page_mask;
		if (ioctl(test->faults, UFFDIO_ZEROPAGE, &zero) && errno != EEXIST)
			fault("a missing page cannot be brought");
	}
}

/* Each change of a word has a later timestamp, and no word is ever invalid. */
static void audit_word(struct umcg_thread *thread, uint64_t *last)
{
	const uint64_t word = state_word(&thread->task);
	/* The difference of two timestamps, which wrap, as a signed number. */
	const int64_t later = (word & ~(uint64_t)UMCG_TASK_STATE_MASK_FULL) -
			      (*last & ~(uint64_t)UMCG_TASK_STATE_MASK_FULL);
	const uint32_t state = word & UMCG_TASK_STATE_MASK;

	if (word == *last)
		return;
	if (*last && later <= 0)
		fault("a change has no later timestamp");
	if (word && (word & UMCG_TASK_RESERVED_MASK || state == NONE || state > BLOCKED))
		fault("a word is impossible");
	*last = word;
}

static void audit(struct umcg_thread *self)
{
	uint64_t servers[CREW_SERVERS] = {}, workers[CREW_WORKERS] = {};

	(void)self;
	while (!test->crew.over) {
		for (unsigned int i = 0; i < test->crew.server_count; i++)
			audit_word(&test->crew.servers[i], &servers[i]);
		for (unsigned int i = 0; i < test->crew.worker_count; i++)
			audit_word(&test->crew.workers[i], &workers[i]);
		if (roll(8) == 0)
			sleep_ms(1);
		else
			sched_yield();
	}
}

/* Pages of which userfaultfd is told, if there is such a thing. */
static void open_faults(FIXTURE_DATA(protocol) *self)
{
	const size_t page = getpagesize(), size = CREW_WORKERS * page;
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	self->faults = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	range.range.start = (uintptr_t)pages;
	range.range.len = size;
	if (self->faults < 0 || ioctl(self->faults, UFFDIO_API, &api) ||
	    ioctl(self->faults, UFFDIO_REGISTER, &range)) {
		self->faults = -1;
		return;
	}
	for (int i = 0; i < CREW_WORKERS; i++)
		self->means[i].page = pages + i * page;
}

FIXTURE_SETUP(protocol)
{
	const struct sigaction action = { .sa_handler = check_in_handler, .sa_flags = SA_RESTART };
	struct sigaction immediate = { .sa_handler = count_immediate, .sa_flags = SA_RESTART };

	memset(self, 0, sizeof(*self));
	test = self;
	self->seed = seed_of_run();
	self->seconds = number_from_environment("UMCG_SECONDS", DEFAULT_SECONDS);
	umcg_test_begin(self->seconds + 3 * LOST_SECONDS);
	sigaction(SIGUSR1, &action, NULL);
	/* A handler within that of an immediate signal runs wherever the worker is, too. */
	sigaddset(&immediate.sa_mask, SIGUSR1);
	sigaction(SIGUSR2, &immediate, NULL);
	immediate_signals = SIGNAL_BIT(SIGUSR2);
	for (int i = 0; i < CREW_WORKERS; i++) {
		ASSERT_EQ(0, pipe(self->means[i].pipe_ends));
		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, self->means[i].sockets));
	}
	open_faults(self);
}

FIXTURE_TEARDOWN(protocol)
{
}

/* Prints the state of all threads. */
static void report(struct __test_metadata *_metadata, FIXTURE_DATA(protocol) *self)
{
	for (unsigned int i = 0; i < self->crew.server_count; i++) {
		struct umcg_thread *server = &self->crew.servers[i];

		TH_LOG("server %d: state %#x, next %u, %s", server->tid, state_of(&server->task),
		       server->task.next_tid, thread_sleeps(server->tid) ? "asleep" : "awake");
	}
	for (unsigned int i = 0; i < self->crew.worker_count; i++) {
		struct umcg_thread *worker = &self->crew.workers[i];

		TH_LOG("worker %d: state %#x, next %u, %s, turn %d, wants %d", worker->tid,
		       state_of(&worker->task), worker->task.next_tid,
		       thread_sleeps(worker->tid) ? "asleep" : "awake", worker->phase,
		       self->means[i].want);
	}
	TH_LOG("list %#lx, taken %p, idle server %u", (long)self->crew.group.idle_workers,
	       self->crew.group.taken, self->crew.group.idle_server_tid);
}

/* Runs the group for its time. Whether every worker made progress all the time. */
static bool watch(struct __test_metadata *_metadata, FIXTURE_DATA(protocol) *self)
{
	const uint64_t end = monotonic_ns() + self->seconds * NSEC_PER_SEC;
	uint64_t moved[CREW_WORKERS], now;
	int phase[CREW_WORKERS] = {};

	for (int i = 0; i < CREW_WORKERS; i++)
		moved[i] = monotonic_ns();
	while ((now = monotonic_ns()) < end && !self->crew.fault) {
		for (unsigned int i = 0; i < self->crew.worker_count; i++) {
			if (self->crew.workers[i].phase != phase[i]) {
				phase[i] = self->crew.workers[i].phase;
				moved[i] = now;
			} else if (now - moved[i] > LOST_SECONDS * NSEC_PER_SEC) {
				TH_LOG("worker %d is lost", self->crew.workers[i].tid);
				return false;
			}
		}
		sleep_ms(100);
	}
	return true;
}

TEST_F_TIMEOUT(protocol, no_task_is_lost, A_DAY)
{
	void (*const bodies[HELPERS])(struct umcg_thread *) = {
		serve_wants, serve_faults, audit, kick_at_random, kick_at_random,
	};
	const unsigned int servers = 1 + roll(CREW_SERVERS);
	const unsigned int workers = 2 + roll(CREW_WORKERS - 2);
	const long killed[] = { umcg_stat("killed_state"), umcg_stat("killed_server"),
				umcg_stat("killed_memory") };
	const long preempted = umcg_stat("preempted"), timed_out = umcg_stat("timed_out");
	long turns = 0;

	TH_LOG("UMCG_SEED=%llu UMCG_SECONDS=%u: %u servers, %u workers",
	       (unsigned long long)self->seed, self->seconds, servers, workers);
	self->crew.idle_ms = idle_ms;
	self->crew.slice_ms = slice_ms;
	crew_start(&self->crew, servers, workers, play);
	ASSERT_TRUE(SOON(umcg_stat("servers") == servers && umcg_stat("workers") == workers));
	for (int i = 0; i < HELPERS; i++)
		thread_start(&self->helpers[i], bodies[i]);
	if (!watch(_metadata, self)) {
		report(_metadata, self);
		ASSERT_TRUE(false);
	}
	if (self->crew.fault)
		report(_metadata, self);
	ASSERT_EQ(NULL, self->crew.fault)
		TH_LOG("%s", self->crew.fault);
	self->enough = true;
	if (!crew_ends(&self->crew)) {
		report(_metadata, self);
		ASSERT_TRUE(false);
	}
	for (int i = 0; i < HELPERS; i++)
		EXPECT_TRUE(thread_ends(&self->helpers[i]));

	EXPECT_EQ(NULL, self->crew.fault);
	EXPECT_EQ(0, self->crew.group.idle_workers);
	EXPECT_LT(preempted, umcg_stat("preempted"));
	EXPECT_LT(timed_out, umcg_stat("timed_out"));
	EXPECT_TRUE(self->faults < 0 || self->page_faults > 0);
	EXPECT_EQ(killed[0], umcg_stat("killed_state"));
	EXPECT_EQ(killed[1], umcg_stat("killed_server"));
	EXPECT_EQ(killed[2], umcg_stat("killed_memory"));
	for (unsigned int i = 0; i < workers; i++)
		turns += self->crew.workers[i].phase;
	TH_LOG("%ld turns, %ld page faults, %ld preemptions and signals, %d handled", turns,
	       self->page_faults, self->preemptions, signals_handled);
}

TEST_HARNESS_MAIN
