// SPDX-License-Identifier: GPL-2.0
/*
 * The mapping of the slots, and what readers see while threads come, go and switch.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>

#include "kselftest_harness.h"
#include "umcg_sched.h"

/*
 * As many as possible in this time: far fewer on a debug kernel, because spinning on an
 * emulated CPU is very slow there.
 */
#define SWITCHES	1000000
#define SWITCH_SECONDS	(20 / slowness())
#define ROUNDS		300
#define CROWD		6

FIXTURE(sched_map) {
	struct umcg_thread crowd[CROWD];
	_Atomic bool over;
};

FIXTURE_SETUP(sched_map)
{
	umcg_test_begin(STRESS_SECONDS);
	ASSERT_TRUE(slots_map());
}

FIXTURE_TEARDOWN(sched_map)
{
}

static int map_errno(size_t size, int protection, int flags, off_t offset)
{
	void *address = mmap(NULL, size, protection, flags, umcg_fd, offset);

	return address == MAP_FAILED ? -errno : 0;
}

TEST_F(sched_map, slots_can_only_be_read)
{
	EXPECT_EQ(-EINVAL, map_errno(PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, 0));
	EXPECT_EQ(-EINVAL, map_errno(PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, 0));
	EXPECT_EQ(-EINVAL, map_errno(PAGE, PROT_READ, MAP_PRIVATE, 0));
	EXPECT_EQ(-EINVAL, map_errno(UMCG_SCHED_STATE_SIZE + PAGE, PROT_READ, MAP_SHARED, 0));
	EXPECT_EQ(-EINVAL, map_errno(PAGE, PROT_READ, MAP_SHARED, UMCG_SCHED_STATE_SIZE));
	EXPECT_EQ(0, map_errno(PAGE, PROT_READ, MAP_SHARED, UMCG_SCHED_STATE_SIZE - PAGE));
	EXPECT_NE(0, mprotect((void *)slots, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_NE(0, mprotect((void *)slots, PAGE, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
}

TEST_F(sched_map, a_mapping_does_not_grow_and_is_not_inherited)
{
	void *part = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, umcg_fd, 0);

	ASSERT_NE(MAP_FAILED, part);
	EXPECT_EQ(MAP_FAILED, mremap(part, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	EXPECT_NE(0, madvise((void *)slots, PAGE, MADV_DOFORK));
	EXPECT_EQ(EINVAL, errno);
}

/* Whether two places show the same slot. If it changes between the looks, they begin anew. */
static bool show_the_same(const struct umcg_sched_state *a, const struct umcg_sched_state *b)
{
	struct umcg_sched_state first, second;

	do {
		memcpy(&first, a, sizeof(first));
		memcpy(&second, b, sizeof(second));
	} while (__atomic_load_n(&a->seq, __ATOMIC_ACQUIRE) != first.seq);
	return !memcmp(&first, &second, sizeof(first));
}

TEST_F(sched_map, all_mappings_of_a_process_show_the_same)
{
	const struct umcg_sched_state *second;
	const int slot = slot_register(0);

	ASSERT_EQ(0, slot);
	second = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, umcg_fd, 0);
	ASSERT_NE(MAP_FAILED, (void *)second);
	EXPECT_EQ(gettid(), second[slot].tid);
	EXPECT_TRUE(show_the_same(&slots[slot], &second[slot]));
	/* A mapping that is split, moved and partly unmapped still shows it. */
	ASSERT_EQ(0, munmap((char *)slots + 2 * PAGE, PAGE));
	second = mremap((void *)second, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
			(char *)slots + 2 * PAGE);
	ASSERT_EQ((void *)((char *)slots + 2 * PAGE), (void *)second);
	block_once();
	EXPECT_TRUE(show_the_same(&slots[slot], &second[slot]));
	ASSERT_EQ(0, madvise((void *)slots, 2 * PAGE, MADV_DONTNEED));
	EXPECT_EQ(gettid(), slots[slot].tid);
}

TEST_F(sched_map, slots_stay_without_a_mapping_and_mappings_without_a_slot)
{
	const uint32_t size = UMCG_SCHED_STATE_SIZE;
	int slot = slot_register(0);
	uint32_t before;

	before = slot_seq(slot);
	ASSERT_EQ(0, munmap((void *)slots, size));
	block_once();
	ASSERT_TRUE(slots_map());
	EXPECT_NE(before, slot_seq(slot));
	EXPECT_EQ(UMCG_SCHED_ON_CPU, slot_state(slot));

	ASSERT_EQ(0, slot_unregister());
	before = slot_seq(slot);
	ASSERT_EQ(slot, slot_register(0));
	EXPECT_LT(before, slot_seq(slot));
	ASSERT_EQ(0, slot_unregister());
	ASSERT_EQ(0, munmap((void *)slots, size));
	EXPECT_TRUE(SOON(umcg_stat("slot_pages") == 0));
}

/* Two threads on one CPU, which alternate by yielding and by sleeping. */
struct pair {
	_Atomic uint64_t turns;
	_Atomic bool *over;
};

static void switch_a_lot(struct umcg_thread *self)
{
	struct pair *pair = self->arg;

	self->result = slot_register(UMCG_SCHED_STATE_VCPU);
	allow_cpus(0, 0, 0);
	self->phase = 1;
	while (!*pair->over) {
		/* Relaxed: the checker sees it grow while this executes user code. */
		for (int i = 0; i < 50; i++)
			atomic_fetch_add_explicit(&pair->turns, 1, memory_order_relaxed);
		if (pair->turns % 64)
			sched_yield();
		else
			block_once();
	}
}

/* Off its CPU all the time between two looks, and yet it has executed user code. */
static bool runs_while_off(int slot, struct pair *pair)
{
	const uint32_t seq = slot_seq(slot);
	uint64_t turns;

	if (seq % 2 || slot_state(slot) == UMCG_SCHED_ON_CPU)
		return false;
	turns = atomic_load(&pair->turns);
	/* No PAUSE: an emulator that runs CPUs in turn switches to the next one at each. */
	for (int i = 0; i < 1000; i++)
		__asm__ volatile("" : : : "memory");
	if (atomic_load(&pair->turns) == turns)
		return false;
	return slot_seq(slot) == seq;
}

/* Whether the fields contradict each other. */
static bool is_torn(const struct umcg_sched_state *copy)
{
	const bool is_on = copy->state == UMCG_SCHED_ON_CPU;

	return is_on ? copy->on_ns < copy->off_ns : copy->off_ns < copy->on_ns;
}

TEST_F_TIMEOUT(sched_map, no_thread_runs_while_its_slot_says_that_it_does_not, STRESS_SECONDS)
{
	struct pair pairs[2] = { { .over = &self->over }, { .over = &self->over } };
	struct umcg_sched_state copies[2];
	uint64_t lies = 0, torn = 0, looks = 0, snapshots = 0, switches = 0;
	uint64_t end;
	uint32_t begin[2];

	if (get_nprocs() < 2)
		SKIP(return, "there is only one CPU");
	allow_cpus(0, 1, 1);
	for (int i = 0; i < 2; i++) {
		self->crowd[i].arg = &pairs[i];
		thread_start(&self->crowd[i], switch_a_lot);
		ASSERT_TRUE(SOON(self->crowd[i].phase == 1));
		begin[i] = slot_seq(i);
	}
	end = monotonic_ns() + SWITCH_SECONDS * NSEC_PER_SEC;
	while (switches < SWITCHES && monotonic_ns() < end) {
		for (int i = 0; i < 2; i++) {
			lies += runs_while_off(i, &pairs[i]);
			if (slot_snapshot(i, &copies[i])) {
				snapshots++;
				torn += is_torn(&copies[i]);
			}
		}
		looks++;
		/* A pair of switches, out and in, raises it by four. */
		switches = (slot_seq(0) - begin[0] + slot_seq(1) - begin[1]) / 2;
	}
	self->over = true;
	for (int i = 0; i < 2; i++)
		EXPECT_TRUE(thread_ends(&self->crowd[i]));
	TH_LOG("%lu switches, %lu looks, %lu snapshots, %lu and %lu turns", switches, looks,
	       snapshots, (long)pairs[0].turns, (long)pairs[1].turns);
	EXPECT_LT(SWITCHES / 1000, switches);
	EXPECT_EQ(0, lies);
	EXPECT_EQ(0, torn);
	EXPECT_LT(SWITCHES / 1000, looks);
}

static void hold_vcpu(struct umcg_thread *self)
{
	_Atomic bool *over = self->arg;

	self->result = slot_register(UMCG_SCHED_STATE_VCPU);
	self->phase = 1;
	for (; !*over; self->phase++) {
		if (self->phase % 3)
			sched_yield();
		else
			block_once();
	}
}

/* Both on a CPU, with the same number, at one moment. */
static bool share_a_vcpu(int a, int b)
{
	struct umcg_sched_state first, second;

	return slot_snapshot(a, &first) && slot_snapshot(b, &second) &&
	       first.state == UMCG_SCHED_ON_CPU && second.state == UMCG_SCHED_ON_CPU &&
	       first.vcpu == second.vcpu && slot_seq(a) == first.seq;
}

TEST_F_TIMEOUT(sched_map, virtual_cpus_of_threads_on_a_cpu_are_unique, STRESS_SECONDS)
{
	const uint32_t cpus = get_nprocs_conf();
	struct umcg_sched_state copy;

	for (int i = 0; i < CROWD; i++) {
		self->crowd[i].arg = &self->over;
		thread_start(&self->crowd[i], hold_vcpu);
		ASSERT_TRUE(SOON(self->crowd[i].phase));
	}
	for (int round = 0; round < 20000; round++) {
		const int a = round % CROWD, b = (round / CROWD) % CROWD;

		if (slot_snapshot(a, &copy) && copy.state == UMCG_SCHED_ON_CPU)
			ASSERT_LT(copy.vcpu, cpus);
		ASSERT_FALSE(a != b && share_a_vcpu(a, b));
	}
	self->over = true;
	for (int i = 0; i < CROWD; i++)
		EXPECT_TRUE(thread_ends(&self->crowd[i]));
	/* All of them are free. */
	ASSERT_EQ(0, slot_register(UMCG_SCHED_STATE_VCPU));
	EXPECT_EQ(0, slots[0].vcpu);
}

static void come_and_go(struct umcg_thread *self)
{
	for (int round = 0; round < ROUNDS && self->result >= 0; round++) {
		self->result = slot_register(UMCG_SCHED_STATE_VCPU);
		if (self->result < 0)
			break;
		sched_yield();
		self->result = slot_unregister();
	}
}

static void map_and_unmap(struct umcg_thread *self)
{
	for (int round = 0; round < ROUNDS && !self->result; round++) {
		const struct umcg_sched_state *some;

		some = mmap(NULL, 8 * PAGE, PROT_READ, MAP_SHARED, umcg_fd, 0);
		if (some == MAP_FAILED) {
			self->result = -errno;
			break;
		}
		for (int slot = 0; slot < 256; slot += 16)
			self->result |= some[slot].reserved[0];
		munmap((char *)some + PAGE, PAGE);
		munmap((void *)some, 8 * PAGE);
	}
}

TEST_F_TIMEOUT(sched_map, threads_and_mappings_come_and_go_concurrently, STRESS_SECONDS)
{
	ASSERT_EQ(0, munmap((void *)slots, UMCG_SCHED_STATE_SIZE));
	for (int i = 0; i < CROWD; i++)
		thread_start(&self->crowd[i], i % 2 ? come_and_go : map_and_unmap);
	for (int i = 0; i < CROWD; i++) {
		EXPECT_EQ(0, pthread_join(self->crowd[i].thread, NULL));
		EXPECT_EQ(0, self->crowd[i].result);
	}
	EXPECT_TRUE(SOON(umcg_stat("slot_pages") == 0));
	EXPECT_TRUE(nothing_is_left());
}

TEST_HARNESS_MAIN
