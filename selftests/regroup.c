// SPDX-License-Identifier: GPL-2.0
/*
 * Workers that change their group without enough memory for the words of the new one, or
 * beyond the limit of locked memory.
 */
#define _GNU_SOURCE
#include <grp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "kselftest_harness.h"
#include "umcg_test.h"

#define NOBODY		65534

/* A separate process, without privileges; each group is in its own page. */
struct mover {
	struct umcg_thread server;
	struct umcg_thread worker;
	struct umcg_group *groups[2];
};

FIXTURE(regroup) {
	long killed;
};

FIXTURE_SETUP(regroup)
{
	umcg_test_begin(TEST_SECONDS);
	self->killed = umcg_stat("killed_memory");
}

FIXTURE_TEARDOWN(regroup)
{
	EXPECT_EQ(self->killed, umcg_stat("killed_memory"));
	EXPECT_TRUE(nothing_is_left());
}

static void block_until_told(struct umcg_thread *self)
{
	stay_until_told(self);
}

static bool drop_privileges(void)
{
	return !setgroups(0, NULL) && !setgid(NOBODY) && !setuid(NOBODY);
}

static bool limit_pages(rlim_t pages)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit))
		return false;
	limit.rlim_cur = pages * sysconf(_SC_PAGESIZE);
	return !setrlimit(RLIMIT_MEMLOCK, &limit);
}

static struct umcg_group *new_group(void)
{
	struct umcg_group *group = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*group = (struct umcg_group)UMCG_GROUP_INIT;
	return group;
}

static void name_group(struct umcg_thread *worker, struct umcg_group *group)
{
	worker->task.idle_workers_ptr = (uintptr_t)&group->idle_workers;
	worker->task.idle_server_tid_ptr = (uintptr_t)&group->idle_server_tid;
	worker->group = group;
}

/* The worker is blocked in the first group, and its words name the second one. */
static bool begin_move(struct mover *mover)
{
	struct umcg_thread *worker = &mover->worker;

	for (int i = 0; i < 2; i++)
		mover->groups[i] = new_group();
	if (!drop_privileges() || server_register(&mover->server))
		return false;
	worker_start(worker, mover->groups[0], block_until_told);
	if (server_next_worker(&mover->server, mover->groups[0]) != worker ||
	    server_run(&mover->server, worker))
		return false;
	name_group(worker, mover->groups[1]);
	return true;
}

static bool waits_for_memory(struct umcg_thread *worker)
{
	char path[64], found[64] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/wchan", worker->tid);
	file = fopen(path, "r");
	if (!file)
		return false;
	if (!fgets(found, sizeof(found), file))
		found[0] = '\0';
	fclose(file);
	return !strcmp(found, "umcg_wait_for_memory") && state_of(&worker->task) == BLOCKED;
}

static int move_beyond_the_limit(void *argument)
{
	struct mover mover = {};

	(void)argument;
	if (!begin_move(&mover) || !limit_pages(0))
		return 1;
	tell_to_go(&mover.worker);
	if (!SOON(waits_for_memory(&mover.worker)))
		return 2;
	/* It keeps trying, and runs handlers and stops like blocked workers. */
	if (kill(getpid(), SIGSTOP) || !SOON(waits_for_memory(&mover.worker)))
		return 3;
	count_signal(SIGUSR1, 0);
	if (thread_signal(&mover.worker, SIGUSR1) || !SOON(waits_for_memory(&mover.worker)) ||
	    signals_handled)
		return 4;
	if (group_take_idle(mover.groups[0]) || group_take_idle(mover.groups[1]))
		return 5;
	if (!limit_pages(64))
		return 6;
	if (!server_run_to_end(&mover.server, mover.groups[1], &mover.worker))
		return 7;
	return signals_handled == 1 ? 42 : 8;
}

/* Stops itself in the test: another process must continue it. */
static int status_of_stopped(int (*body)(void *))
{
	pid_t pid = process_start(body, NULL);
	int status;

	while (waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status))
		kill(pid, SIGCONT);
	return status;
}

TEST_F(regroup, a_worker_waits_for_a_list_beyond_the_limit_of_locked_memory)
{
	EXPECT_EQ(42 << 8, status_of_stopped(move_beyond_the_limit));
}

static int die_beyond_the_limit(void *argument)
{
	struct mover mover = {};

	(void)argument;
	if (!begin_move(&mover) || !limit_pages(0))
		return 1;
	tell_to_go(&mover.worker);
	if (!SOON(waits_for_memory(&mover.worker)))
		return 2;
	return 42;
}

TEST_F(regroup, a_process_can_end_while_a_worker_waits_for_memory)
{
	EXPECT_EQ(42 << 8, process_ends(process_start(die_beyond_the_limit, NULL)));
}

/* What is pinned is the words of both threads, and those of one group. */
static int move_at_the_limit(void *argument)
{
	struct mover mover = {};
	long pinned;

	(void)argument;
	if (!begin_move(&mover))
		return 1;
	pinned = number_in_file("/proc/self/status", "VmPin:", 10) * 1024 / sysconf(_SC_PAGESIZE);
	if (pinned < 2 || !limit_pages(pinned))
		return 2;
	tell_to_go(&mover.worker);
	return server_run_to_end(&mover.server, mover.groups[1], &mover.worker) ? 42 : 3;
}

TEST_F(regroup, a_worker_may_change_its_group_at_the_limit_of_locked_memory)
{
	EXPECT_EQ(42 << 8, process_ends(process_start(move_at_the_limit, NULL)));
}

/* Names the second group, and is preempted. */
static void move_and_give_way(struct umcg_thread *self)
{
	struct umcg_kick_args args = { .size = sizeof(args), .tid = self->tid };
	struct mover *mover = self->arg;

	name_group(self, mover->groups[1]);
	self->result = umcg_ioctl(UMCG_IOC_KICK, &args);
}

static int give_way_beyond_the_limit(void *argument)
{
	struct mover mover = { .groups = { new_group(), new_group() } };

	(void)argument;
	mover.worker.arg = &mover;
	if (!drop_privileges() || server_register(&mover.server))
		return 1;
	worker_start(&mover.worker, mover.groups[0], move_and_give_way);
	if (server_next_worker(&mover.server, mover.groups[0]) != &mover.worker || !limit_pages(0))
		return 2;
	if (server_run(&mover.server, &mover.worker) ||
	    state_of(&mover.worker.task) != (BLOCKED | PREEMPTED))
		return 3;
	if (!limit_pages(64) ||
	    server_next_worker(&mover.server, mover.groups[1]) != &mover.worker ||
	    !state_change(&mover.worker.task, IDLE | PREEMPTED, IDLE) ||
	    server_run(&mover.server, &mover.worker) || !thread_ends(&mover.worker))
		return 4;
	return mover.worker.result ? 5 : 42;
}

TEST_F(regroup, the_server_of_a_worker_preempted_beyond_the_limit_is_started)
{
	EXPECT_EQ(42 << 8, process_ends(process_start(give_way_beyond_the_limit, NULL)));
}

TEST_HARNESS_MAIN
