// SPDX-License-Identifier: GPL-2.0
/*
 * Random hostile programs. Processes whose threads make arbitrary calls of the module are
 * started and killed; witnesses beside them keep working, and in the end nothing is left.
 *
 *   UMCG_SEED=n        the numbers to begin with; it is printed
 *   UMCG_OPERATIONS=n  how many system calls to throw; else UMCG_SECONDS=n, how long
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "attack.h"

#define ATTACKS		3
#define DEFAULT_SECONDS	6
/* Fewer operations are no attack. */
#define LEAST_OPERATIONS	50UL
/* Attacks are killed after a part of this time, in milliseconds. */
#define LIFE_MS		5000
/* An attack that has made no call for this long has destroyed what it waits for. */
#define STUCK_MS	250

/* One of the processes, and what the judge knows of it. */
struct defendant {
	struct attack *attack;
	pid_t pid;
	uint64_t end_ns;
	uint64_t moved_ns;
	unsigned long thrown;
};

FIXTURE(fuzz) {
	struct defendant defendants[ATTACKS];
	struct witness *witnesses[2];
	struct dice dice;
	uint64_t seed;
	uint64_t attacks;
	unsigned long thrown;
	unsigned long stuck;
};

/* This program, executed by an attack: it must not be registered now. */
static void __attribute__((constructor)) after_exec(void)
{
	if (!getenv(EXECUTED))
		return;
	for (int i = 0; i < FDS; i++) {
		umcg_fd = FIRST_FD + i;
		if (!umcg_wait(0, 0) || !umcg_ctl(UMCG_CTL_UNREGISTER, NULL))
			_exit(10);
	}
	_exit(0);
}

FIXTURE_SETUP(fuzz)
{
	memset(self, 0, sizeof(*self));
	self->seed = seed_of_run();
	dice_begin(&self->dice, self->seed, UINT32_MAX);
	adopt_orphans();
	for (int i = 0; i < ATTACKS; i++)
		self->defendants[i].attack = shared_memory(sizeof(struct attack));
	self->witnesses[0] = witness_with_pipe();
	self->witnesses[1] = witness_with_workers();
}

FIXTURE_TEARDOWN(fuzz)
{
}

static unsigned long thrown_by(const struct attack *attack)
{
	unsigned long thrown = 0;

	for (int i = 0; i < ATTACKERS; i++)
		thrown += attack->thrown[i];
	return thrown;
}

static void begin_attack(FIXTURE_DATA(fuzz) *self, struct defendant *defendant)
{
	struct attack *attack = defendant->attack;

	memset(attack, 0, sizeof(*attack));
	attack->seed = self->seed;
	attack->number = self->attacks++;
	attack->manner = below(&self->dice, 4) % MANNERS;
	attack->pages_allowed = below(&self->dice, 4) ? -1 : (int)below(&self->dice, ARENA_PAGES);
	memcpy(attack->witnesses, self->witnesses, sizeof(attack->witnesses));
	defendant->thrown = 0;
	defendant->moved_ns = monotonic_ns();
	defendant->end_ns = defendant->moved_ns + below(&self->dice, LIFE_MS) * NSEC_PER_MSEC;
	defendant->pid = gang_start(attack_run, attack);
}

/*
 * The handlers of an attack are gone when it has executed another program; and SIGSEGV ends it if
 * memory for a notification is gone while the C library has blocked all signals, as it does to
 * start a thread.
 */
static bool may_end_by(int signal)
{
	return signal == SIGKILL || signal == SIGTERM || signal == SIGUSR1 || signal == SIGUSR2 ||
	       signal == SIGSEGV;
}

/* Whether an attack has ended in a legal way, and completely. */
static bool end_attack(struct __test_metadata *_metadata, FIXTURE_DATA(fuzz) *self,
		       struct defendant *defendant)
{
	const struct attack *attack = defendant->attack;
	int status = -1;

	if (!gang_kill(defendant->pid, &status)) {
		TH_LOG("attack %llu cannot be killed", (unsigned long long)attack->number);
		return false;
	}
	self->thrown += thrown_by(attack);
	defendant->pid = 0;
	if (!status || (WIFSIGNALED(status) && may_end_by(WTERMSIG(status))))
		return true;
	TH_LOG("attack %llu: wait status %#x", (unsigned long long)attack->number, status);
	return false;
}

/* Whether an attack is to end: it has ended, its time is up, or it makes no progress. */
static bool attack_is_over(FIXTURE_DATA(fuzz) *self, struct defendant *defendant)
{
	const unsigned long thrown = thrown_by(defendant->attack);
	const uint64_t now = monotonic_ns();

	if (gang_leader_ended(defendant->pid) || now > defendant->end_ns)
		return true;
	/* It may have stopped itself, or its children. */
	kill(-defendant->pid, SIGCONT);
	if (thrown != defendant->thrown) {
		defendant->thrown = thrown;
		defendant->moved_ns = now;
	} else if (now - defendant->moved_ns > STUCK_MS * NSEC_PER_MSEC) {
		self->stuck++;
		return true;
	}
	return false;
}

/* Shows the progress of a long run in the kernel log. */
static void tell_progress(unsigned long thrown, uint64_t *next_ns)
{
	char line[64];

	if (monotonic_ns() < *next_ns)
		return;
	*next_ns = monotonic_ns() + 60 * NSEC_PER_SEC;
	snprintf(line, sizeof(line), "<4>fuzz: %lu operations\n", thrown);
	write_file("/dev/kmsg", line);
}

/* Continues until enough calls were made, or the time is up. Whether all is well. */
static bool judge(struct __test_metadata *_metadata, FIXTURE_DATA(fuzz) *self,
		  unsigned long operations, uint64_t end)
{
	uint64_t tell_ns = 0;
	bool over = false;

	while (!over) {
		unsigned long thrown = self->thrown;

		for (int i = 0; i < ATTACKS; i++) {
			struct defendant *defendant = &self->defendants[i];

			if (!defendant->pid)
				begin_attack(self, defendant);
			else if (!attack_is_over(self, defendant))
				thrown += thrown_by(defendant->attack);
			else if (!end_attack(_metadata, self, defendant))
				return false;
		}
		for (int i = 0; i < 2; i++) {
			if (!witness_is_well(self->witnesses[i])) {
				TH_LOG("witness %d: %s", i, self->witnesses[i]->fault);
				return false;
			}
		}
		sleep_ms(5);
		tell_progress(thrown, &tell_ns);
		over = monotonic_ns() > end || (operations && thrown >= operations);
	}
	for (int i = 0; i < ATTACKS; i++) {
		if (self->defendants[i].pid &&
		    !end_attack(_metadata, self, &self->defendants[i]))
			return false;
	}
	return true;
}

TEST_F_TIMEOUT(fuzz, hostile_programs_harm_only_themselves, A_DAY)
{
	const unsigned long operations = number_from_environment("UMCG_OPERATIONS", 0);
	const unsigned int seconds =
		number_from_environment("UMCG_SECONDS", operations ? A_DAY : DEFAULT_SECONDS);
	const uint64_t begin = monotonic_ns();
	double took;

	TH_LOG("UMCG_SEED=%llu UMCG_OPERATIONS=%lu UMCG_SECONDS=%u",
	       (unsigned long long)self->seed, operations, seconds);
	ASSERT_TRUE(judge(_metadata, self, operations, begin + seconds * NSEC_PER_SEC));
	took = (monotonic_ns() - begin) / 1e9;
	for (int i = 0; i < 2; i++) {
		EXPECT_TRUE(witness_ends(self->witnesses[i]))
			TH_LOG("witness %d: %s", i, self->witnesses[i]->fault);
	}
	EXPECT_LE(operations ?: LEAST_OPERATIONS, self->thrown);
	EXPECT_TRUE(nothing_is_left());
	FIGURE("%lu operations in %.0f s, %.0f a second; %llu attacks, %lu stuck; rounds of the "
	       "witnesses: %lu, %lu; UMCG_SEED=%llu", self->thrown, took, self->thrown / took,
	       (unsigned long long)self->attacks, self->stuck, self->witnesses[0]->rounds,
	       self->witnesses[1]->rounds, (unsigned long long)self->seed);
}

TEST_HARNESS_MAIN
