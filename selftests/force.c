// SPDX-License-Identifier: GPL-2.0
/*
 * Forced removal of the module while it is in use: its users are killed, and the machine
 * continues.
 *
 * This taints the kernel and disables lockdep: so the runner executes it last. The module is loaded
 * when a test begins, and when it ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "umcg_crew.h"
#include "umcg_sched.h"

#define USERS	6
#define PAUSE	100

/* Shared with the users: how many have begun, and whether they are to end. */
static struct {
	_Atomic int begun;
	_Atomic bool over;
} *shared;

FIXTURE(force) {
	pid_t users[USERS];
};

FIXTURE_SETUP(force)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)shared);
	umcg_test_begin(STRESS_SECONDS);
}

FIXTURE_TEARDOWN(force)
{
	/* In case a test has failed halfway; otherwise it is loaded already. */
	module_load();
}

/* MODULE_IN_USE if this kernel knows no force. */
static int remove_by_force(void)
{
	return syscall(SYS_delete_module, "umcg", O_NONBLOCK | O_TRUNC) ? -errno : 0;
}

static _Noreturn void stay_for_ever(void)
{
	shared->begun++;
	for (;;)
		pause();
}

static void wait_for_ever(struct umcg_thread *self)
{
	worker_yield(self, 0);
}

/* Has a worker that waits, and one that is held on its way out of the kernel. */
static int hold_workers(void *argument)
{
	static struct umcg_thread server, workers[2];
	static struct umcg_group group = UMCG_GROUP_INIT;

	(void)argument;
	if (server_register(&server))
		return 1;
	for (int i = 0; i < 2; i++) {
		worker_start(&workers[i], &group, wait_for_ever);
		if (!SOON(thread_waits(&workers[i])))
			return 2;
	}
	if (server_next_worker(&server, &group) != &workers[0] ||
	    server_run(&server, &workers[0]))
		return 3;
	stay_for_ever();
}

/* Workers that block, yield, swap and wait all the time. */
static void work_for_ever(struct umcg_thread *self)
{
	for (;;)
		crew_take_turn(self);
}

static int keep_workers_busy(void *argument)
{
	static struct umcg_crew crew;

	(void)argument;
	crew_start(&crew, 2, 6, work_for_ever);
	stay_for_ever();
}

static int have_a_slot(void *argument)
{
	(void)argument;
	if (slot_register(UMCG_SCHED_STATE_VCPU) < 0)
		return 1;
	stay_for_ever();
}

static int have_a_notification(void *argument)
{
	static _Atomic uint64_t word;

	(void)argument;
	if (desched_add(COOKIE, ALWAYS, (void *)&word, 8, MARK))
		return 1;
	shared->begun++;
	for (;;)
		sched_yield();
}

/* The notifications of a sleeping thread, which also has a slot. */
static int have_both(void *argument)
{
	static _Atomic uint64_t word;

	(void)argument;
	if (slot_register(0) < 0 || desched_add(COOKIE, ALWAYS, (void *)&word, 4, 0))
		return 1;
	stay_for_ever();
}

/* Only a fatal signal ends this one. */
static int stop_oneself(void *argument)
{
	static struct umcg_thread server;

	(void)argument;
	if (server_register(&server))
		return 1;
	shared->begun++;
	raise(SIGSTOP);
	return 2;
}

static int (*const uses[USERS])(void *argument) = {
	hold_workers, keep_workers_busy, have_a_slot, have_a_notification, have_both, stop_oneself,
};

/* Whether programs start and exit, sleep and wake as usual. */
static bool machine_goes_on(void)
{
	for (int i = 0; i < 50; i++) {
		const pid_t pid = fork();
		int status;

		if (!pid) {
			sched_yield();
			sleep_ms(1);
			_exit(0);
		}
		if (waitpid(pid, &status, 0) != pid || status)
			return false;
	}
	return true;
}

static bool module_is_there(void)
{
	return !access("/sys/module/umcg", F_OK);
}

static void block_a_moment(struct umcg_thread *self)
{
	(void)self;
	sleep_ms(1);
}

/* Whether the module can be used and unloaded as usual. */
static bool module_works(void)
{
	static struct umcg_thread server, worker;
	static struct umcg_group group;

	group = (struct umcg_group)UMCG_GROUP_INIT;
	umcg_test_begin(STRESS_SECONDS);
	if (server_register(&server))
		return false;
	worker = (struct umcg_thread){};
	worker_start(&worker, &group, block_a_moment);
	if (!server_run_to_end(&server, &group, &worker) || umcg_ctl(UMCG_CTL_UNREGISTER, NULL))
		return false;
	close(umcg_fd);
	return module_unloads_soon();
}

TEST_F_TIMEOUT(force, it_kills_only_users_of_the_module, STRESS_SECONDS)
{
	int err;

	for (int i = 0; i < USERS; i++)
		self->users[i] = process_start(uses[i], NULL);
	EXPECT_TRUE(SOON(shared->begun == USERS));
	close(umcg_fd);
	err = remove_by_force();
	if (err == MODULE_IN_USE) {
		for (int i = 0; i < USERS; i++)
			kill(self->users[i], SIGKILL);
		SKIP(return, "CONFIG_MODULE_FORCE_UNLOAD is not set");
	}
	ASSERT_EQ(0, err);
	EXPECT_FALSE(module_is_there());
	for (int i = 0; i < USERS; i++) {
		const int status = process_ends(self->users[i]);

		EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
			TH_LOG("user %d: wait status %#x", i, status);
	}
	EXPECT_TRUE(machine_goes_on());
	ASSERT_EQ(0, module_load());
	EXPECT_TRUE(module_works());
}

static int keep_a_descriptor(void *argument)
{
	(void)argument;
	if (!slots_map())
		return 1;
	shared->begun++;
	while (!shared->over)
		sleep_ms(1);
	/* The mapping keeps the file, and shows that no thread has a slot. */
	close(umcg_fd);
	return slot_state(0) ? 2 : 0;
}

static int remove_it(void *argument)
{
	(void)argument;
	return -remove_by_force();
}

TEST_F_TIMEOUT(force, it_waits_for_open_descriptors_and_mappings, STRESS_SECONDS)
{
	pid_t remover;
	int status;

	self->users[0] = process_start(keep_a_descriptor, NULL);
	EXPECT_TRUE(SOON(shared->begun == 1));
	close(umcg_fd);
	remover = process_start(remove_it, NULL);
	/* A kernel without forced removal refuses soon; the other one does not return. */
	sleep_ms(PAUSE);
	if (waitpid(remover, &status, WNOHANG) == remover && WIFEXITED(status) &&
	    WEXITSTATUS(status) == -MODULE_IN_USE) {
		kill(self->users[0], SIGKILL);
		SKIP(return, "CONFIG_MODULE_FORCE_UNLOAD is not set");
	}
	EXPECT_TRUE(SOON(thread_sleeps(remover)));
	EXPECT_TRUE(module_is_there());
	EXPECT_EQ(0, waitpid(remover, &status, WNOHANG));
	EXPECT_EQ(0, waitpid(self->users[0], &status, WNOHANG));
	/* The device cannot be opened any more. */
	EXPECT_EQ(-1, open(UMCG_DEVICE, O_RDWR));
	shared->over = true;
	EXPECT_EQ(0, process_ends(self->users[0]));
	EXPECT_EQ(0, process_ends(remover));
	EXPECT_FALSE(module_is_there());
	EXPECT_TRUE(machine_goes_on());
	ASSERT_EQ(0, module_load());
	EXPECT_TRUE(module_works());
}

TEST_HARNESS_MAIN
