// SPDX-License-Identifier: GPL-2.0
/*
 * Slots that tell whether a thread is on a CPU: their contents, and how they are
 * assigned, released and reused.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>

#include "kselftest_harness.h"
#include "umcg_sched.h"

#define CROWD	150

FIXTURE(sched_state) {
	struct umcg_thread other;
};

FIXTURE_SETUP(sched_state)
{
	umcg_test_begin(TEST_SECONDS);
	ASSERT_TRUE(slots_map());
}

FIXTURE_TEARDOWN(sched_state)
{
}

static int call(uint32_t size, uint32_t flags, uint32_t reserved)
{
	struct umcg_sched_state_args args = {
		.size = size,
		.flags = flags,
		.reserved = reserved,
	};

	return umcg_ioctl(UMCG_IOC_SCHED_STATE, &args);
}

TEST_F(sched_state, invalid_calls_change_nothing)
{
	const uint32_t size = sizeof(struct umcg_sched_state_args);
	const uint32_t flags[] = {
		0, UMCG_SCHED_STATE_VCPU, 4, 1U << 31,
		UMCG_SCHED_STATE_REGISTER | UMCG_SCHED_STATE_UNREGISTER,
		UMCG_SCHED_STATE_UNREGISTER | UMCG_SCHED_STATE_VCPU,
	};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		EXPECT_EQ(-EINVAL, call(size, flags[i], 0));
	EXPECT_EQ(-EINVAL, call(size, UMCG_SCHED_STATE_REGISTER, 1));
	EXPECT_EQ(-EINVAL, call(size - 1, UMCG_SCHED_STATE_REGISTER, 0));
	EXPECT_EQ(-EFAULT, umcg_ioctl(UMCG_IOC_SCHED_STATE, NULL));
	EXPECT_EQ(-EFAULT, umcg_ioctl(UMCG_IOC_SCHED_STATE, (void *)KERNEL_ADDRESS));
	EXPECT_EQ(-ENOENT, slot_unregister());
	EXPECT_EQ(0, umcg_stat("watched"));
	EXPECT_EQ(0, slots[0].version);
}

TEST_F(sched_state, a_slot_that_cannot_be_returned_is_not_assigned)
{
	struct umcg_sched_state_args *args;

	args = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)args);
	args->size = sizeof(*args);
	args->flags = UMCG_SCHED_STATE_REGISTER;
	ASSERT_EQ(0, mprotect(args, PAGE, PROT_READ));
	EXPECT_EQ(-EFAULT, umcg_ioctl(UMCG_IOC_SCHED_STATE, args));
	EXPECT_EQ(-ENOENT, slot_unregister());
	EXPECT_EQ(0, slots[0].version);
}

TEST_F(sched_state, the_slot_of_the_caller_says_that_it_is_on_a_cpu)
{
	struct umcg_sched_state copy;

	ASSERT_EQ(0, slot_register(0));
	ASSERT_TRUE(slot_snapshot(0, &copy));
	EXPECT_EQ(UMCG_SCHED_STATE_VERSION, copy.version);
	EXPECT_EQ(UMCG_SCHED_ON_CPU, copy.state);
	EXPECT_EQ(gettid(), copy.tid);
	EXPECT_EQ(UMCG_SCHED_NO_VCPU, copy.vcpu);
	EXPECT_LE(copy.off_ns, copy.on_ns);
	EXPECT_LE(copy.on_ns, monotonic_ns());
}

TEST_F(sched_state, a_thread_has_one_slot)
{
	struct umcg_sched_state_args args = {
		.size = sizeof(args),
		.flags = UMCG_SCHED_STATE_REGISTER,
		.slot = 77,
	};

	ASSERT_EQ(0, slot_register(0));
	EXPECT_EQ(-EEXIST, umcg_ioctl(UMCG_IOC_SCHED_STATE, &args));
	EXPECT_EQ(0, args.slot);
	EXPECT_EQ(-EEXIST, slot_register(UMCG_SCHED_STATE_VCPU));
	EXPECT_EQ(0, slot_unregister());
	EXPECT_EQ(-ENOENT, slot_unregister());
	EXPECT_EQ(0, slot_state(0));
	EXPECT_EQ(0, slot_register(0));
}

TEST_F(sched_state, a_sleeping_thread_is_seen_blocked)
{
	struct umcg_sched_state copy;
	uint64_t before = monotonic_ns();

	thread_start(&self->other, stay_with_slot);
	ASSERT_TRUE(SOON(self->other.phase == 1));
	ASSERT_TRUE(SOON(slot_state(self->other.result) == UMCG_SCHED_BLOCKED));
	EXPECT_TRUE(thread_sleeps(self->other.tid));
	ASSERT_TRUE(slot_snapshot(self->other.result, &copy));
	EXPECT_EQ(UMCG_SCHED_BLOCKED, copy.state);
	EXPECT_EQ(self->other.tid, copy.tid);
	EXPECT_LE(before, copy.off_ns);
	EXPECT_LE(copy.off_ns, monotonic_ns());
	tell_to_go(&self->other);
	EXPECT_TRUE(thread_ends(&self->other));
}

static void spin_with_slot(struct umcg_thread *self)
{
	self->result = slot_register(0);
	self->phase = 1;
	while (!told_to_go(self))
		;
}

TEST_F(sched_state, a_preempted_thread_is_seen_preempted)
{
	struct umcg_sched_state copy = {};

	allow_cpus(0, 0, 0);
	thread_start(&self->other, spin_with_slot);
	ASSERT_TRUE(SOON(self->other.phase));
	/* We are on its only CPU. */
	ASSERT_TRUE(slot_snapshot(self->other.result, &copy));
	EXPECT_EQ(UMCG_SCHED_PREEMPTED, copy.state);
	EXPECT_EQ(0, copy.cpu);
	EXPECT_LE(copy.on_ns, copy.off_ns);
}

TEST_F(sched_state, the_slot_follows_its_thread_from_cpu_to_cpu)
{
	const int slot = slot_register(0);

	if (get_nprocs() < 2)
		SKIP(return, "there is only one CPU");
	ASSERT_EQ(0, slot);
	for (int try = 0; try < 100; try++) {
		const int cpu = try % 2;

		allow_cpus(0, cpu, cpu);
		ASSERT_EQ(cpu, slots[slot].cpu);
		ASSERT_EQ(UMCG_SCHED_ON_CPU, slot_state(slot));
	}
}

TEST_F(sched_state, a_slot_outlives_its_thread_and_is_reused)
{
	struct umcg_sched_state before, after;
	pid_t tid;

	thread_start(&self->other, stay_with_slot);
	ASSERT_TRUE(SOON(self->other.phase == 1));
	ASSERT_EQ(0, self->other.result);
	tid = self->other.tid;
	tell_to_go(&self->other);
	ASSERT_TRUE(thread_ends(&self->other));
	ASSERT_TRUE(SOON(slot_state(0) == UMCG_SCHED_EXITED));
	ASSERT_TRUE(slot_snapshot(0, &before));
	EXPECT_EQ(tid, before.tid);

	ASSERT_EQ(0, slot_register(0));
	ASSERT_TRUE(slot_snapshot(0, &after));
	EXPECT_EQ(gettid(), after.tid);
	EXPECT_NE(before.seq, after.seq);
	EXPECT_EQ(UMCG_SCHED_ON_CPU, after.state);
}

TEST_F(sched_state, slots_are_dense_and_the_lowest_free_one_is_assigned)
{
	static struct umcg_thread crowd[CROWD];
	const int free_ones[] = { 3, 64, 100 };
	bool seen[CROWD] = {};

	for (int i = 0; i < CROWD; i++)
		thread_start(&crowd[i], stay_with_slot);
	for (int i = 0; i < CROWD; i++) {
		ASSERT_TRUE(SOON(crowd[i].phase == 1));
		ASSERT_GT(CROWD, crowd[i].result);
		ASSERT_LE(0, crowd[i].result);
		EXPECT_FALSE(seen[crowd[i].result]);
		seen[crowd[i].result] = true;
		EXPECT_EQ(crowd[i].tid, slots[crowd[i].result].tid);
	}
	for (int i = 0; i < CROWD; i++) {
		for (size_t n = 0; n < ARRAY_SIZE(free_ones); n++) {
			if (crowd[i].result == free_ones[n])
				tell_to_go(&crowd[i]);
		}
	}
	for (size_t n = 0; n < ARRAY_SIZE(free_ones); n++) {
		ASSERT_TRUE(SOON(slot_state(free_ones[n]) == UMCG_SCHED_EXITED));
		/* The slot is free a moment after it says so. */
		ASSERT_TRUE(SOON(umcg_stat("watched") == CROWD - 3));
	}
	EXPECT_EQ(3, slot_register(0));
}

TEST_F(sched_state, workers_and_servers_have_slots_too)
{
	struct umcg_thread server = {};
	struct umcg_group group = UMCG_GROUP_INIT;

	ASSERT_EQ(0, slot_register(0));
	ASSERT_EQ(0, server_register(&server));
	worker_start(&self->other, &group, stay_with_slot);
	/* In the end it blocks in its futex; it may have to wait for something before. */
	do {
		ASSERT_EQ(&self->other, server_next_worker(&server, &group));
		ASSERT_EQ(0, server_run(&server, &self->other));
		ASSERT_EQ(BLOCKED, state_of(&self->other.task));
	} while (!self->other.phase);
	ASSERT_EQ(1, self->other.result);
	EXPECT_TRUE(SOON(slot_state(1) == UMCG_SCHED_BLOCKED));
	EXPECT_EQ(UMCG_SCHED_ON_CPU, slot_state(0));
	tell_to_go(&self->other);
	EXPECT_TRUE(server_run_to_end(&server, &group, &self->other));
	EXPECT_TRUE(SOON(slot_state(1) == UMCG_SCHED_EXITED));
	EXPECT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
	EXPECT_EQ(UMCG_SCHED_ON_CPU, slot_state(0));
}

/* Shares the address space, but is no thread of the process. */
static int register_in_the_same_memory(void *argument)
{
	*(int *)argument = slot_register(0);
	return 0;
}

TEST_F(sched_state, processes_of_one_address_space_share_the_slots)
{
	static char stack[65536] __attribute__((aligned(16)));
	int slot = -1, status;
	pid_t pid;

	ASSERT_EQ(0, slot_register(0));
	pid = clone(register_in_the_same_memory, stack + sizeof(stack), CLONE_VM | SIGCHLD, &slot);
	ASSERT_LT(0, pid);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(1, slot);
	EXPECT_EQ(pid, slots[1].tid);
	EXPECT_EQ(UMCG_SCHED_EXITED, slot_state(1));
}

static int register_and_exec(void *argument)
{
	*(int *)argument = slot_register(0);
	exec_and_tell();
}

TEST_F(sched_state, exec_releases_the_slot)
{
	static char stack[65536] __attribute__((aligned(16)));
	int slot = -1, status;
	pid_t pid;

	pid = clone(register_and_exec, stack + sizeof(stack), CLONE_VM | SIGCHLD, &slot);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(SOON(slot_state(0) == UMCG_SCHED_EXITED));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, slot);
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	EXPECT_EQ(UMCG_SCHED_EXITED, slot_state(0));
}

static int fork_child(void *argument)
{
	const int slot = (intptr_t)argument;
	unsigned char resident;

	/* The mapping is not there. */
	if (!mincore((void *)slots, PAGE, &resident) || errno != ENOMEM)
		return 1;
	if (slot_unregister() != -ENOENT)
		return 2;
	if (!slots_map() || slots[slot].version != 0)
		return 3;
	return slot_register(0) == 0 && slots[0].tid == (uint32_t)gettid() ? 0 : 4;
}

TEST_F(sched_state, a_child_of_fork_has_neither_slot_nor_mapping)
{
	int status;

	ASSERT_EQ(0, slot_register(0));
	status = process_ends(process_start(fork_child, (void *)0));
	ASSERT_TRUE(WIFEXITED(status));
	EXPECT_EQ(0, WEXITSTATUS(status));
	EXPECT_EQ(gettid(), slots[0].tid);
	EXPECT_EQ(UMCG_SCHED_ON_CPU, slot_state(0));
}

TEST_HARNESS_MAIN
