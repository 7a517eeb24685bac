// SPDX-License-Identifier: GPL-2.0
/*
 * Storms: thousands of kills at random moments, and the module loaded and unloaded while
 * its users come and go. Nothing is left behind.
 *
 *   UMCG_SEED=n   the numbers to begin with; it is printed
 *   UMCG_KILLS=n  how many servers, workers and whole processes to kill
 *   UMCG_LOADS=n  how often to unload the module
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "mob.h"

#define MOBS		4
#define DEFAULT_KILLS	300
#define DEFAULT_LOADS	5
/* A mob lives for so many milliseconds at most before it is hit, and between two hits. */
#define LIFE_MS		30
/* The memory cached by the kernel may change by this much, in kB. */
#define SLAB_NOISE	2048
#define MEMORY_NOISE	16384

/* Counts that a leak would increase. */
struct usage {
	/* Pins of pages that have not been given back. */
	long pins;
	long slab_kb;
	long available_kb;
	/* Pinned memory of this process. */
	long own_pins_kb;
};

FIXTURE(storm) {
	struct mob *mobs[MOBS];
	struct umcg_thread survivor;
	struct dice dice;
	uint64_t seed;
	uint64_t mobs_started;
	unsigned long kills;
	unsigned long runs;
};

FIXTURE_SETUP(storm)
{
	memset(self, 0, sizeof(*self));
	self->seed = seed_of_run();
	dice_begin(&self->dice, self->seed, 0);
	adopt_orphans();
	for (int i = 0; i < MOBS; i++)
		self->mobs[i] = shared_memory(sizeof(struct mob));
	TH_LOG("UMCG_SEED=%llu", (unsigned long long)self->seed);
}

FIXTURE_TEARDOWN(storm)
{
	/* In case a test has failed halfway; otherwise it is loaded already. */
	module_load();
}

static void begin_mob(FIXTURE_DATA(storm) *self, struct mob *mob)
{
	memset(mob, 0, sizeof(*mob));
	mob->of_processes = below(&self->dice, 2);
	mob->direct = below(&self->dice, 2);
	mob->direct_flags = below(&self->dice, 8);
	mob->seed = self->seed + self->mobs_started++;
	mob->kills_left = below(&self->dice, mob->of_processes ? MOB_MEMBERS + 1 : 2);
	mob->next_ns = monotonic_ns() + below(&self->dice, LIFE_MS * 1000) * 1000;
	mob->pid = gang_start(mob_run, mob);
}

/* Kills the whole mob. Whether it has exited. */
static bool end_mob(FIXTURE_DATA(storm) *self, struct mob *mob)
{
	int status;

	self->kills++;
	self->runs += mob->runs;
	if (!gang_kill(mob->pid, &status))
		return false;
	mob->pid = 0;
	return true;
}

/* Kills a member of a mob, or all of it, when its time has come. Whether they have exited. */
static bool hit(FIXTURE_DATA(storm) *self, struct mob *mob)
{
	const unsigned int which = below(&self->dice, MOB_MEMBERS);

	if (!mob->kills_left)
		return end_mob(self, mob);
	mob->kills_left--;
	mob->next_ns = monotonic_ns() + below(&self->dice, LIFE_MS * 1000 / 4) * 1000;
	/* None of them is waited for before the end, so the PID is not reused. */
	if (mob->tids[which] && !kill(mob->tids[which], SIGKILL))
		self->kills++;
	return true;
}

/* Continues until there were enough kills; no process is left then. */
static bool rage(FIXTURE_DATA(storm) *self, unsigned long kills)
{
	bool good = true;

	while (good && self->kills < kills) {
		for (int i = 0; good && i < MOBS; i++) {
			if (!self->mobs[i]->pid)
				begin_mob(self, self->mobs[i]);
			else if (monotonic_ns() >= self->mobs[i]->next_ns)
				good = hit(self, self->mobs[i]);
		}
		sleep_ms(1);
	}
	for (int i = 0; i < MOBS; i++) {
		if (self->mobs[i]->pid)
			good &= end_mob(self, self->mobs[i]);
	}
	return good;
}

static struct usage usage_now(void)
{
	sync();
	write_file("/proc/sys/vm/drop_caches", "3");
	/* The per-CPU counts are folded. */
	write_file("/proc/sys/vm/stat_refresh", "1");
	return (struct usage){
		.pins = number_in_file("/proc/vmstat", "nr_foll_pin_acquired", 10) -
			number_in_file("/proc/vmstat", "nr_foll_pin_released", 10),
		.slab_kb = number_in_file("/proc/meminfo", "Slab", 10),
		.available_kb = number_in_file("/proc/meminfo", "MemAvailable", 10),
		.own_pins_kb = number_in_file("/proc/self/status", "VmPin", 10),
	};
}

static bool only_the_survivor_is_left(void)
{
	return umcg_stat("servers") == 1 && umcg_stat("workers") == 0 &&
	       umcg_stat("records") == 1 && umcg_stat("pinned_pages") == 1;
}

TEST_F_TIMEOUT(storm, kills_at_any_moment_leave_nothing_behind, A_DAY)
{
	const unsigned long kills = number_from_environment("UMCG_KILLS", DEFAULT_KILLS);
	const uint64_t begin = monotonic_ns();
	struct usage before, after;

	umcg_test_begin(0);
	ASSERT_EQ(0, server_register(&self->survivor));
	/* What the kernel keeps once it has been used is there after the first part. */
	ASSERT_TRUE(rage(self, kills / 3));
	ASSERT_TRUE(SOON(only_the_survivor_is_left()));
	before = usage_now();
	ASSERT_TRUE(rage(self, kills));
	ASSERT_TRUE(SOON(only_the_survivor_is_left()));
	after = usage_now();

	EXPECT_EQ(before.pins, after.pins);
	EXPECT_GE(before.slab_kb + SLAB_NOISE, after.slab_kb);
	EXPECT_LE(before.available_kb - MEMORY_NOISE, after.available_kb);
	EXPECT_EQ(getpagesize() / 1024, after.own_pins_kb);
	EXPECT_EQ(before.own_pins_kb, after.own_pins_kb);
	EXPECT_LT(0, self->runs);
	ASSERT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
	close(umcg_fd);
	EXPECT_TRUE(SOON(!module_unload()));
	EXPECT_EQ(0, module_load());
	FIGURE("%lu kills of %llu groups in %.0f s, which had run a worker %lu times; slab %+ld "
	       "kB, available memory %+ld kB; UMCG_SEED=%llu", self->kills,
	       (unsigned long long)self->mobs_started, (monotonic_ns() - begin) / 1e9, self->runs,
	       after.slab_kb - before.slab_kb, after.available_kb - before.available_kb,
	       (unsigned long long)self->seed);
}

/* Unloads while mobs come and go, and loads again. Whether that succeeds soon. */
static bool reload(FIXTURE_DATA(storm) *self, unsigned long *refused)
{
	const uint64_t moment = monotonic_ns() + below(&self->dice, LIFE_MS) * NSEC_PER_MSEC;
	bool killed = false;
	int err;

	for (int i = 0; i < MOBS; i++)
		begin_mob(self, self->mobs[i]);
	while ((err = module_unload()) == -EWOULDBLOCK &&
	       monotonic_ns() < moment + SOON_MS * NSEC_PER_MSEC) {
		(*refused)++;
		if (!killed && monotonic_ns() >= moment) {
			killed = true;
			for (int i = 0; i < MOBS; i++)
				kill(-self->mobs[i]->pid, SIGKILL);
		}
		sched_yield();
	}
	if (!err)
		err = module_load();
	for (int i = 0; i < MOBS; i++) {
		if (!end_mob(self, self->mobs[i]))
			return false;
	}
	return !err;
}

TEST_F_TIMEOUT(storm, the_module_goes_and_comes_while_its_users_do, A_DAY)
{
	const unsigned long loads = number_from_environment("UMCG_LOADS", DEFAULT_LOADS);
	const uint64_t begin = monotonic_ns();
	unsigned long refused = 0;

	for (unsigned long i = 0; i < loads; i++) {
		ASSERT_TRUE(reload(self, &refused))
			TH_LOG("the %luth time: unloading %d", i, module_unload());
	}
	EXPECT_LT(0, refused);
	EXPECT_TRUE(nothing_is_left());
	FIGURE("unloaded and loaded %lu times in %.0f s, refused %lu times while in use, %lu runs "
	       "of workers; UMCG_SEED=%llu", loads, (monotonic_ns() - begin) / 1e9, refused,
	       self->runs, (unsigned long long)self->seed);
}

TEST_HARNESS_MAIN
