// SPDX-License-Identifier: GPL-2.0
/*
 * Limits of the threads of a process and of a user that are registered, have a slot, or
 * have notifications. The module is loaded with small limits when a test begins, and with
 * the default ones when it ends.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "kselftest_harness.h"
#include "umcg_sched.h"

#define USER		1000
#define OTHER_USER	2000
#define PER_PROCESS	8
#define PER_USER	12
#define LIMITS	"max_tasks_per_process=8 max_tasks_per_user=12"
#define MANY		20
#define ROUNDS		10
#define TURNS		50

FIXTURE(limits) {
	int unused;
};

FIXTURE_SETUP(limits)
{
	ASSERT_TRUE(module_unloads_soon());
	ASSERT_EQ(0, module_load_with(LIMITS));
	umcg_test_begin(TEST_SECONDS);
}

FIXTURE_TEARDOWN(limits)
{
	close(umcg_fd);
	EXPECT_TRUE(module_unloads_soon());
	EXPECT_EQ(0, module_load());
}

enum phase { STARTED, TRIED };

/* What is limited, each separately: 0 or a negative errno. */
struct limited {
	const char *name;
	int (*come)(struct umcg_thread *self);
	int (*leave)(void);
};

static int unregister(void)
{
	return umcg_ctl(UMCG_CTL_UNREGISTER, NULL);
}

static int take_slot(struct umcg_thread *self)
{
	const int slot = slot_register(0);

	(void)self;
	return slot < 0 ? slot : 0;
}

static int add_notification(struct umcg_thread *self)
{
	return desched_add(COOKIE, ALWAYS, &self->group, 8, 0);
}

static int remove_notification(void)
{
	return desched_remove(COOKIE);
}

static const struct limited limited[] = {
	{ "tasks", server_register, unregister },
	{ "slots", take_slot, slot_unregister },
	{ "notifications", add_notification, remove_notification },
};

/*
 * Threads that try to register, and stay until all are told to leave. They do not poll
 * meanwhile.
 */
struct crowd {
	struct umcg_thread threads[MANY];
	int count;
	const struct limited *what;
	pthread_barrier_t leaves;
};

static void try_and_stay(struct umcg_thread *self)
{
	struct crowd *crowd = self->arg;

	self->result = crowd->what->come(self);
	self->phase = TRIED;
	pthread_barrier_wait(&crowd->leaves);
	if (!self->result)
		self->result = crowd->what->leave();
}

/* How many of @count threads could be registered; the others got EAGAIN. -1 for another error. */
static int crowd_comes_for(struct crowd *crowd, int count, const struct limited *what)
{
	int registered = 0;

	*crowd = (struct crowd){ .count = count, .what = what };
	pthread_barrier_init(&crowd->leaves, NULL, count + 1);
	for (int i = 0; i < count; i++) {
		crowd->threads[i].arg = crowd;
		thread_start(&crowd->threads[i], try_and_stay);
	}
	for (int i = 0; i < count; i++) {
		struct umcg_thread *thread = &crowd->threads[i];

		if (!SOON(thread->phase == TRIED) || (thread->result && thread->result != -EAGAIN))
			return -1;
		registered += !thread->result;
	}
	return registered;
}

static int crowd_comes(struct crowd *crowd, int count)
{
	return crowd_comes_for(crowd, count, &limited[0]);
}

static bool crowd_leaves(struct crowd *crowd)
{
	bool good = true;

	pthread_barrier_wait(&crowd->leaves);
	for (int i = 0; i < crowd->count; i++)
		good &= thread_ends(&crowd->threads[i]);
	return good;
}

/* A process of a user: starts threads, and keeps those that could register. */
struct guest {
	uid_t user;
	int threads;
	/* A mapping for a new user namespace, created by @user, in which it becomes @inner. */
	const char *uid_map;
	uid_t inner;
	_Atomic int ready;
	_Atomic int registered;
	_Atomic int map_written;
};

static bool enter_namespace(struct guest *guest)
{
	if (unshare(CLONE_NEWUSER))
		return false;
	guest->ready = 1;
	return SOON(guest->map_written) && !setresuid(guest->inner, guest->inner, guest->inner);
}

static int stay_as_user(void *argument)
{
	static struct crowd crowd;
	struct guest *guest = argument;

	if (!become_user(guest->user) || (guest->uid_map && !enter_namespace(guest)))
		return 1;
	guest->registered = crowd_comes(&crowd, guest->threads);
	guest->ready = 2;
	for (;;)
		pause();
}

static struct guest *new_guests(int count)
{
	return mmap(NULL, count * sizeof(struct guest), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static bool write_uid_map(pid_t pid, const char *map)
{
	char path[64];
	int fd;
	bool good;

	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	fd = open(path, O_WRONLY);
	good = write(fd, map, strlen(map)) == (ssize_t)strlen(map);
	close(fd);
	return good;
}

/* How many threads of the guest could be registered; they stay. */
static int guest_comes(struct guest *guest, pid_t *pid)
{
	*pid = process_start(stay_as_user, guest);
	if (guest->uid_map) {
		if (!SOON(guest->ready == 1) || !write_uid_map(*pid, guest->uid_map))
			return -1;
		guest->map_written = 1;
	}
	return SOON(guest->ready == 2) ? guest->registered : -1;
}

static bool guest_is_killed(pid_t pid)
{
	return !kill(pid, SIGKILL) && process_ends(pid) != -1;
}

TEST_F(limits, a_process_has_its_own)
{
	struct guest *guest = new_guests(2);
	pid_t pids[2];

	guest[0] = (struct guest){ .user = USER, .threads = MANY };
	guest[1] = (struct guest){ .user = OTHER_USER, .threads = MANY };
	EXPECT_EQ(PER_PROCESS, guest_comes(&guest[0], &pids[0]));
	EXPECT_EQ(PER_PROCESS, guest_comes(&guest[1], &pids[1]));
	EXPECT_EQ(2 * PER_PROCESS, umcg_stat("servers"));
	EXPECT_TRUE(guest_is_killed(pids[0]));
	EXPECT_TRUE(guest_is_killed(pids[1]));
}

TEST_F(limits, all_processes_of_a_user_have_one)
{
	const int expected[] = { 5, 5, PER_USER - 10, 0 };
	struct guest *guest = new_guests(ARRAY_SIZE(expected));
	pid_t pids[ARRAY_SIZE(expected)];

	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		guest[i] = (struct guest){ .user = USER, .threads = 5 };
		EXPECT_EQ(expected[i], guest_comes(&guest[i], &pids[i]))
			TH_LOG("process %zu", i);
	}
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		EXPECT_TRUE(guest_is_killed(pids[i]));
}

TEST_F(limits, do_not_apply_with_CAP_SYS_RESOURCE)
{
	struct crowd crowd;

	EXPECT_EQ(MANY, crowd_comes(&crowd, MANY));
	EXPECT_TRUE(crowd_leaves(&crowd));
}

/* A subordinate UID of the same user is not another user. */
TEST_F(limits, a_user_namespace_counts_for_its_creator)
{
	struct guest *guest = new_guests(3);
	pid_t pids[3];

	guest[0] = (struct guest){ .user = USER, .threads = PER_PROCESS };
	guest[1] = (struct guest){
		.user = USER, .threads = MANY, .uid_map = "0 1000 1\n1 2000 1\n", .inner = 1,
	};
	guest[2] = (struct guest){ .user = OTHER_USER, .threads = MANY };
	EXPECT_EQ(PER_PROCESS, guest_comes(&guest[0], &pids[0]));
	EXPECT_EQ(PER_USER - PER_PROCESS, guest_comes(&guest[1], &pids[1]));
	EXPECT_EQ(PER_PROCESS, guest_comes(&guest[2], &pids[2]));
	for (int i = 0; i < 3; i++)
		EXPECT_TRUE(guest_is_killed(pids[i]));
}

/* Root in a user namespace only is not exempt. */
TEST_F(limits, apply_to_root_in_a_user_namespace)
{
	struct guest *guest = new_guests(1);
	pid_t pid;

	*guest = (struct guest){
		.user = USER, .threads = MANY, .uid_map = "0 1000 1\n", .inner = 0,
	};
	EXPECT_EQ(PER_PROCESS, guest_comes(guest, &pid));
	EXPECT_TRUE(guest_is_killed(pid));
}

/* A namespace created by root, as for a container, has its own users. */
TEST_F(limits, a_user_namespace_created_by_root_has_users)
{
	struct guest *guest = new_guests(2);
	pid_t pids[2];

	for (int i = 0; i < 2; i++) {
		guest[i] = (struct guest){
			.user = 0, .threads = MANY, .uid_map = "0 1000 1\n1 2000 1\n", .inner = i,
		};
		EXPECT_EQ(PER_PROCESS, guest_comes(&guest[i], &pids[i]));
	}
	for (int i = 0; i < 2; i++)
		EXPECT_TRUE(guest_is_killed(pids[i]));
}

/* Registers as many as it can, repeatedly, each time from the first one on. */
static int come_and_go(void *argument)
{
	static struct crowd crowd;

	(void)argument;
	if (!become_user(USER))
		return 1;
	for (int i = 0; i < ROUNDS; i++) {
		if (crowd_comes(&crowd, MANY) != PER_PROCESS)
			return 2;
		if (!crowd_leaves(&crowd))
			return 3;
	}
	return 0;
}

TEST_F(limits, are_exact_in_a_race_and_free_again_at_once)
{
	EXPECT_EQ(0, result_of_process(come_and_go, NULL))
		TH_LOG("the step that went wrong");
}

static void register_and_exit(struct umcg_thread *self)
{
	self->result = server_register(self);
}

/* Threads that exit without unregistering; each takes the place of the previous one. */
static int exit_registered(void *argument)
{
	struct umcg_thread thread = {};

	(void)argument;
	if (!become_user(USER))
		return 1;
	for (int i = 0; i < MANY * PER_USER; i++) {
		thread_start(&thread, register_and_exit);
		if (!thread_ends(&thread) || thread.result)
			return 2;
	}
	return 0;
}

TEST_F(limits, an_exit_frees_a_place)
{
	EXPECT_EQ(0, result_of_process(exit_registered, NULL))
		TH_LOG("the step that went wrong");
}

TEST_F(limits, a_kill_frees_all_places)
{
	struct guest *guest = new_guests(1);
	pid_t pid;

	for (int i = 0; i < ROUNDS; i++) {
		*guest = (struct guest){ .user = USER, .threads = MANY };
		EXPECT_EQ(PER_PROCESS, guest_comes(guest, &pid));
		EXPECT_TRUE(guest_is_killed(pid));
	}
}

/* This program registers and executes itself repeatedly, as often as the environment says. */
static int exec_registered(void *argument)
{
	char *const argv[] = { "limits", NULL };
	char rounds[32], *const envp[] = { rounds, NULL };
	static struct umcg_thread self;
	int left = *(int *)argument;

	if (umcg_fd < 0)
		umcg_fd = left & 0xff;
	snprintf(rounds, sizeof(rounds), "ROUNDS=%d", left - 0x100);
	if (server_register(&self))
		return 2;
	if (left < 0x100)
		return 0;
	execve("/proc/self/exe", argv, envp);
	return 3;
}

/* Before main(): what is started by exec_registered(). */
__attribute__((constructor)) static void go_on_after_exec(void)
{
	const char *rounds = getenv("ROUNDS");
	int left = rounds ? atoi(rounds) : 0;

	if (rounds)
		_exit(exec_registered(&left));
}

static int exec_as_user(void *argument)
{
	/* The descriptor in the lowest byte, then how often. */
	int rounds = 2 * PER_USER << 8 | dup(umcg_fd);

	(void)argument;
	return become_user(USER) ? exec_registered(&rounds) : 1;
}

TEST_F(limits, an_exec_frees_a_place)
{
	EXPECT_EQ(0, result_of_process(exec_as_user, NULL))
		TH_LOG("the step that went wrong");
}

static int fail_then_register(void *argument)
{
	static struct umcg_task task;
	static struct crowd crowd;

	(void)argument;
	if (!become_user(USER))
		return 1;
	for (int i = 0; i < MANY; i++) {
		server_task_init(&task);
		task.next_tid = 1;
		if (umcg_ctl(SERVER_FLAGS, &task) != -EINVAL)
			return 2;
		if (umcg_ctl(SERVER_FLAGS, (void *)64) != -EFAULT)
			return 3;
	}
	return crowd_comes(&crowd, MANY) == PER_PROCESS ? 0 : 4;
}

TEST_F(limits, a_failed_registration_takes_no_place)
{
	EXPECT_EQ(0, result_of_process(fail_then_register, NULL))
		TH_LOG("the step that went wrong");
}

/* As a user: each kind is limited, whatever there is of the others. */
static int use_all_kinds(void *argument)
{
	static struct crowd crowds[ARRAY_SIZE(limited)];

	(void)argument;
	if (!become_user(USER))
		return 1;
	for (size_t i = 0; i < ARRAY_SIZE(limited); i++) {
		if (crowd_comes_for(&crowds[i], MANY, &limited[i]) != PER_PROCESS)
			return 2 + i;
	}
	for (size_t i = 0; i < ARRAY_SIZE(limited); i++) {
		if (!crowd_leaves(&crowds[i]))
			return 5 + i;
	}
	return 0;
}

TEST_F(limits, apply_to_slots_and_notifications_separately)
{
	EXPECT_EQ(0, result_of_process(use_all_kinds, NULL))
		TH_LOG("the step that went wrong");
}

/* Registers and unregisters as fast as it can, as one of as many threads as the limit allows. */
static void come_and_leave(struct umcg_thread *self)
{
	const struct limited *what = self->arg;

	for (int i = 0; i < TURNS && !self->result; i++) {
		self->result = what->come(self);
		if (!self->result)
			self->result = what->leave();
	}
}

static int come_and_leave_as_user(void *argument)
{
	static struct umcg_thread threads[PER_USER / 2];
	int result = 0;

	if (!become_user(USER))
		return 1;
	for (int i = 0; i < PER_USER / 2; i++) {
		threads[i].arg = argument;
		thread_start(&threads[i], come_and_leave);
	}
	for (int i = 0; i < PER_USER / 2; i++) {
		if (pthread_join(threads[i].thread, NULL) || threads[i].result)
			result = 2;
	}
	return result;
}

/*
 * A thread that has left still has memory for some time, and counts as long. No registration fails
 * because of that: there are never more at a time than allowed.
 */
TEST_F(limits, a_thread_that_has_left_counts_until_its_memory_is_freed)
{
	for (size_t i = 0; i < ARRAY_SIZE(limited); i++) {
		pid_t pids[2];
		long most = 0;

		for (int k = 0; k < 2; k++)
			pids[k] = process_start(come_and_leave_as_user, (void *)&limited[i]);
		for (int k = 0; k < 2; k++) {
			int status;

			while (!waitpid(pids[k], &status, WNOHANG)) {
				const long records = umcg_stat("records");

				most = records > most ? records : most;
				sleep_ms(1);
			}
			EXPECT_EQ(0, status)
				TH_LOG("%s: process %d", limited[i].name, k);
		}
		EXPECT_LT(0, most);
		EXPECT_GE(PER_USER, most)
			TH_LOG("%s", limited[i].name);
		EXPECT_TRUE(nothing_is_left());
	}
}

TEST_F(limits, of_zero_admit_nobody)
{
	struct guest *guest = new_guests(1);
	pid_t pid;

	*guest = (struct guest){ .user = USER, .threads = 3 };
	close(umcg_fd);
	ASSERT_TRUE(module_unloads_soon());
	ASSERT_EQ(0, module_load_with("max_tasks_per_user=0 max_slots_per_process=0"));
	umcg_test_begin(TEST_SECONDS);
	EXPECT_EQ(-ENOSPC, slot_register(0));
	EXPECT_EQ(0, guest_comes(guest, &pid));
	EXPECT_TRUE(guest_is_killed(pid));
}

TEST_F(limits, that_are_no_numbers_fail_the_load)
{
	const char *const wrong[] = {
		"max_tasks_per_user=-1", "max_tasks_per_user=x", "max_tasks_per_process=4294967296",
	};

	close(umcg_fd);
	ASSERT_TRUE(module_unloads_soon());
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		int err = module_load_with(wrong[i]);

		EXPECT_TRUE(err == -EINVAL || err == -ERANGE)
			TH_LOG("%s: %d", wrong[i], err);
	}
	ASSERT_EQ(0, module_load_with(LIMITS));
}

TEST_HARNESS_MAIN
