// SPDX-License-Identifier: GPL-2.0
/*
 * Events of the machine under busy groups: CPU hotplug, stopped and frozen processes,
 * reused PIDs, page migration.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "mob.h"

#define CPU_ONLINE	"/sys/devices/system/cpu/cpu1/online"
#define MONITORING	"/sys/kernel/tracing/rv/monitoring_on"
#define LAST_PID	"/proc/sys/kernel/ns_last_pid"
#define CGROUP		"/sys/fs/cgroup/umcg-machine"
#define ROUNDS		10
#define REUSES		200
#define STACK_SIZE	(64 * 1024)
#define HUGE_PAGE	(2UL << 20)

FIXTURE(machine) {
	struct mob *mobs[2];
	struct witness *witnesses[2];
};

FIXTURE_SETUP(machine)
{
	adopt_orphans();
	mkdir(CGROUP, 0755);
	for (int i = 0; i < 2; i++) {
		self->mobs[i] = shared_memory(sizeof(struct mob));
		self->mobs[i]->of_processes = i;
	}
}

/*
 * A CPU that is not online fires no tracepoints, so the monitors of a debug kernel miss wake-ups
 * there. They are disabled meanwhile, and restarted after that.
 */
static bool set_online(const char *online)
{
	const bool watched = write_file(MONITORING, "0");
	const bool done = write_file(CPU_ONLINE, online);

	return done && (!watched || write_file(MONITORING, "1"));
}

FIXTURE_TEARDOWN(machine)
{
	set_online("1");
	write_file(CGROUP "/cgroup.freeze", "0");
	rmdir(CGROUP);
}

static int run_in_cgroup(void *mob)
{
	return write_file(CGROUP "/cgroup.procs", "0") ? mob_run(mob) : 1;
}

static void start(FIXTURE_DATA(machine) *self, int (*body)(void *mob))
{
	for (int i = 0; i < 2; i++)
		self->mobs[i]->pid = gang_start(body, self->mobs[i]);
}

static bool kill_all(FIXTURE_DATA(machine) *self)
{
	int status;

	return gang_kill(self->mobs[0]->pid, &status) && gang_kill(self->mobs[1]->pid, &status) &&
	       nothing_is_left();
}

static bool goes_on(struct mob *mob)
{
	const unsigned long runs = mob->runs;

	return SOON(mob->runs > runs + MOB_WORKERS);
}

static bool all_go_on(FIXTURE_DATA(machine) *self)
{
	return goes_on(self->mobs[0]) && goes_on(self->mobs[1]);
}

/* Whether no thread runs, a moment after all were stopped. */
static bool all_stand_still(FIXTURE_DATA(machine) *self)
{
	unsigned long runs[2];

	for (int i = 0; i < 2; i++)
		runs[i] = self->mobs[i]->runs;
	sleep_ms(50);
	return runs[0] == self->mobs[0]->runs && runs[1] == self->mobs[1]->runs;
}

TEST_F_TIMEOUT(machine, groups_survive_cpu_hotplug, STRESS_SECONDS)
{
	if (access(CPU_ONLINE, W_OK))
		SKIP(return, "the second processor cannot be taken away");
	start(self, mob_run);
	self->witnesses[0] = witness_with_pipe();
	self->witnesses[1] = witness_with_workers();
	for (int i = 0; i < ROUNDS; i++) {
		ASSERT_TRUE(set_online(i % 2 ? "1" : "0"));
		EXPECT_TRUE(all_go_on(self));
		for (int w = 0; w < 2; w++) {
			EXPECT_TRUE(witness_is_well(self->witnesses[w]))
				TH_LOG("%s", self->witnesses[w]->fault);
		}
	}
	EXPECT_TRUE(witness_ends(self->witnesses[0]));
	EXPECT_TRUE(witness_ends(self->witnesses[1]));
	EXPECT_TRUE(kill_all(self));
}

TEST_F_TIMEOUT(machine, stopped_groups_continue, STRESS_SECONDS)
{
	start(self, mob_run);
	for (int i = 0; i < ROUNDS; i++) {
		ASSERT_TRUE(all_go_on(self));
		for (int m = 0; m < 2; m++)
			kill(-self->mobs[m]->pid, SIGSTOP);
		EXPECT_TRUE(SOON(all_stand_still(self)));
		for (int m = 0; m < 2; m++)
			kill(-self->mobs[m]->pid, SIGCONT);
	}
	ASSERT_TRUE(all_go_on(self));
	/* Those that are stopped die as well. */
	kill(-self->mobs[1]->pid, SIGSTOP);
	EXPECT_TRUE(kill_all(self));
}

static bool is_frozen(void)
{
	return number_in_file(CGROUP "/cgroup.events", "frozen", 10) == 1;
}

TEST_F_TIMEOUT(machine, frozen_groups_continue, STRESS_SECONDS)
{
	if (access(CGROUP "/cgroup.freeze", W_OK))
		SKIP(return, "this kernel has no freezer of version 2");
	start(self, run_in_cgroup);
	for (int i = 0; i < ROUNDS; i++) {
		ASSERT_TRUE(all_go_on(self));
		ASSERT_TRUE(write_file(CGROUP "/cgroup.freeze", "1"));
		ASSERT_TRUE(SOON(is_frozen()));
		EXPECT_TRUE(all_stand_still(self));
		ASSERT_TRUE(write_file(CGROUP "/cgroup.freeze", "0"));
	}
	ASSERT_TRUE(all_go_on(self));
	/* Those that are frozen die as well. */
	ASSERT_TRUE(write_file(CGROUP "/cgroup.freeze", "1"));
	ASSERT_TRUE(SOON(is_frozen()));
	EXPECT_TRUE(kill_all(self));
}

/* The test is a server; others come and go, all with the same PID. */
FIXTURE(number) {
	struct umcg_thread server;
	struct umcg_thread other;
	char stack[STACK_SIZE] __attribute__((aligned(64)));
};

FIXTURE_SETUP(number)
{
	umcg_test_begin(STRESS_SECONDS);
	ASSERT_EQ(0, server_register(&self->server));
}

FIXTURE_TEARDOWN(number)
{
}

static int be_a_server(void *argument)
{
	struct umcg_thread *self = argument;

	self->result = server_register(self);
	self->phase = 1;
	while (self->phase == 1)
		sched_yield();
	return 0;
}

static int be_nobody(void *argument)
{
	struct umcg_thread *self = argument;

	self->phase = 1;
	while (self->phase == 1)
		sched_yield();
	return 0;
}

/* In memory that is not shared, so it cannot be told to end. */
static int be_a_server_elsewhere(void *argument)
{
	server_register(argument);
	return pause();
}

/* Starts a process with the PID @number, or any if that is zero. */
static pid_t start_as(FIXTURE_DATA(number) *self, int (*body)(void *argument), int flags,
		      pid_t number)
{
	char last[16];
	int status;

	snprintf(last, sizeof(last), "%d", number - 1);
	for (;;) {
		pid_t pid;

		self->other.phase = 0;
		if (number && !write_file(LAST_PID, last))
			return -1;
		pid = clone(body, self->stack + STACK_SIZE, flags | SIGCHLD, &self->other);
		if (pid < 0 || !number || pid == number)
			return pid;
		/* Another process was faster. */
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
	}
}

static void end_process(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int kick(pid_t tid)
{
	struct umcg_kick_args args = { .size = sizeof(args), .tid = tid };

	return umcg_ioctl(UMCG_IOC_KICK, &args);
}

TEST_F_TIMEOUT(number, of_an_exited_server_may_be_reused, STRESS_SECONDS)
{
	pid_t number;

	if (access(LAST_PID, W_OK))
		SKIP(return, "PIDs cannot be chosen on this kernel");
	number = start_as(self, be_a_server, CLONE_VM, 0);
	ASSERT_LT(0, number);
	ASSERT_TRUE(SOON(self->other.phase == 1));
	ASSERT_EQ(0, self->other.result);
	set_next_tid(&self->server.task, number);
	EXPECT_EQ(0, umcg_wait(UMCG_WAIT_WAKE_ONLY, 0));
	end_process(number);
	EXPECT_EQ(-ESRCH, umcg_wait(UMCG_WAIT_WAKE_ONLY, 0));

	ASSERT_EQ(number, start_as(self, be_nobody, CLONE_VM, number));
	ASSERT_TRUE(SOON(self->other.phase == 1));
	EXPECT_EQ(-ESRCH, umcg_wait(UMCG_WAIT_WAKE_ONLY, 0));
	EXPECT_EQ(-ESRCH, kick(number));
	end_process(number);

	ASSERT_EQ(number, start_as(self, be_a_server_elsewhere, 0, number));
	ASSERT_TRUE(SOON(umcg_stat("servers") == 2));
	EXPECT_EQ(-EPERM, umcg_wait(UMCG_WAIT_WAKE_ONLY, 0));
	EXPECT_EQ(-EPERM, kick(number));
	end_process(number);

	ASSERT_EQ(number, start_as(self, be_a_server, CLONE_VM, number));
	ASSERT_TRUE(SOON(self->other.phase == 1));
	EXPECT_EQ(0, umcg_wait(UMCG_WAIT_WAKE_ONLY, 0));
	EXPECT_EQ(-EINVAL, kick(number));
	end_process(number);
}

/* Targets the PID all the time. */
static void wake_and_kick(struct umcg_thread *self)
{
	struct umcg_thread *target = self->arg;

	while (!target->tid)
		sched_yield();
	self->result = server_register(self);
	set_next_tid(&self->task, target->tid);
	while (self->phase != 1) {
		const int woken = umcg_wait(UMCG_WAIT_WAKE_ONLY, 0), kicked = kick(target->tid);

		if (woken && woken != -ESRCH && woken != -EPERM)
			self->result = woken;
		if (kicked != -EINVAL && kicked != -ESRCH && kicked != -EPERM)
			self->result = kicked;
	}
}

TEST_F_TIMEOUT(number, may_be_reused_between_the_lookup_and_the_wake, STRESS_SECONDS)
{
	struct umcg_thread archer = { .arg = &self->other };
	pid_t number;

	if (access(LAST_PID, W_OK))
		SKIP(return, "PIDs cannot be chosen on this kernel");
	thread_start(&archer, wake_and_kick);
	number = start_as(self, be_a_server, CLONE_VM, 0);
	for (int i = 0; i < REUSES; i++) {
		ASSERT_TRUE(SOON(i % 3 == 2 || self->other.phase == 1));
		end_process(number);
		ASSERT_EQ(number, start_as(self, i % 3 == 0 ? be_nobody :
						 i % 3 == 1 ? be_a_server_elsewhere : be_a_server,
					   i % 3 == 1 ? 0 : CLONE_VM, number));
	}
	end_process(number);
	archer.phase = 1;
	ASSERT_TRUE(thread_ends(&archer));
	EXPECT_EQ(0, archer.result);
	ASSERT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
	EXPECT_TRUE(nothing_is_left());
}

/* The physical address of a page; zero if it has none. */
static uint64_t frame_of(const void *address)
{
	const int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (pread(fd, &entry, sizeof(entry), (uintptr_t)address / PAGE * sizeof(entry)) !=
	    sizeof(entry))
		entry = 0;
	close(fd);
	return entry >> 63 ? entry & ((1ULL << 55) - 1) : 0;
}

/* As many small pages as a huge one has, at its place. */
static char *small_pages(void)
{
	char *all = mmap(NULL, 2 * HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
	char *pages = (char *)(((uintptr_t)all + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));

	madvise(pages, HUGE_PAGE, MADV_NOHUGEPAGE);
	memset(pages, 0, HUGE_PAGE);
	return pages;
}

/* Puts a huge page in the place of small ones, which means that all of them are moved. */
static int move_pages_together(char *pages)
{
	return madvise(pages, HUGE_PAGE, MADV_HUGEPAGE) ?:
	       madvise(pages, HUGE_PAGE, MADV_COLLAPSE);
}

static void nap_once(struct umcg_thread *self)
{
	sleep_ms(1);
	self->result = 1;
}

TEST_F_TIMEOUT(number, of_a_page_with_words_stays_while_others_are_moved, STRESS_SECONDS)
{
	char *control = small_pages(), *pages = small_pages();
	/* The words of a worker and of its group, in one of the pages. */
	struct umcg_thread *worker = (void *)(pages + HUGE_PAGE / 2);
	struct umcg_group *group = (void *)(worker + 1);
	uint64_t before, control_before = frame_of(control + PAGE);

	*group = (struct umcg_group)UMCG_GROUP_INIT;
	worker_start(worker, group, nap_once);
	ASSERT_TRUE(SOON(thread_waits(worker)));
	before = frame_of(worker);
	ASSERT_NE(0, before);

	if (move_pages_together(control))
		SKIP(goto end, "this kernel makes no huge pages");
	ASSERT_NE(control_before, frame_of(control + PAGE));
	EXPECT_EQ(-1, move_pages_together(pages));
	madvise(worker, PAGE, MADV_PAGEOUT);
	EXPECT_TRUE(write_file("/proc/sys/vm/compact_memory", "1"));
	EXPECT_EQ(before, frame_of(worker));
end:
	EXPECT_TRUE(server_run_to_end(&self->server, group, worker));
	EXPECT_EQ(1, worker->result);
}

TEST_HARNESS_MAIN
