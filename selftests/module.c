// SPDX-License-Identifier: GPL-2.0
/*
 * Loading and unloading, and the cost of the module while no thread is registered.
 *
 * The module is loaded when a test begins, and when it ends.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"
#include "umcg_test.h"

#define RELOADS	20
/* SYSLOG_ACTION_READ_ALL; no header for programs has its name. */
#define READ_ALL	3

/* The module is not loaded: why, in the kernel log. */
#define UNKNOWN_TASK_WORKS	"umcg: this kernel does not export task_work_add(), and its " \
				"implementation is unknown\n"

FIXTURE(module) {
	struct umcg_thread server;
	struct umcg_thread worker;
	struct umcg_group group;
};

FIXTURE_SETUP(module)
{
	umcg_test_begin(TEST_SECONDS);
	self->group = (struct umcg_group)UMCG_GROUP_INIT;
	ASSERT_TRUE(nothing_is_left());
}

FIXTURE_TEARDOWN(module)
{
	/* In case a test has failed halfway; otherwise it is loaded already. */
	module_load();
}

static void do_nothing(struct umcg_thread *self)
{
	self->phase = 1;
}

/* Runs a worker once; 0 or the step that failed. */
static int use_the_module(FIXTURE_DATA(module) *self)
{
	int err = server_register(&self->server);

	if (err)
		return err;
	self->worker = (struct umcg_thread){};
	worker_start(&self->worker, &self->group, do_nothing);
	if (!server_run_to_end(&self->server, &self->group, &self->worker))
		return -ETIME;
	return umcg_ctl(UMCG_CTL_UNREGISTER, NULL);
}

/* The kernel log; "" if it cannot be read. */
static const char *kernel_log(void)
{
	static char log[1 << 20];
	int size = klogctl(READ_ALL, log, sizeof(log) - 1);

	log[size > 0 ? size : 0] = '\0';
	return log;
}

static int times_in(const char *text, const char *part)
{
	int times = 0;

	while ((text = strstr(text, part)) != NULL) {
		text += strlen(part);
		times++;
	}
	return times;
}

/* 0 or -errno. */
static int load_other_module(const char *file, const char *parameters)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = syscall(SYS_finit_module, fd, parameters, 0) ? -errno : 0;
	close(fd);
	return err;
}

/* examples/rust_module, built for this kernel like the module itself. */
TEST_F(module, any_rust_module_can_be_built_and_loaded)
{
	int err = load_other_module("/hello_rust.ko", "");

	ASSERT_EQ(0, err) TH_LOG("%s", strerror(-err));
	EXPECT_EQ(1, times_in(kernel_log(), "hello_rust: built out of tree"));
	EXPECT_EQ(0, syscall(SYS_delete_module, "hello_rust", O_NONBLOCK));
}

/* Whether it has no task_work_add() of its own: it was built for a kernel that exports that. */
static bool uses_the_export(void)
{
	FILE *symbols = fopen("/proc/kallsyms", "re");
	char name[256];
	bool uses = true;

	while (uses && symbols && fscanf(symbols, "%*s %*s %255s%*[^\n]", name) == 1)
		uses = strcmp(name, "umcg_task_work_add") != 0;
	if (symbols)
		fclose(symbols);
	return uses;
}

/* selftests/kernel/unknown_works.c changes what the module finds. */
TEST_F(module, unknown_task_works_are_refused)
{
	int before, err;

	if (uses_the_export())
		SKIP(return, "task_work_add() is exported");
	close(umcg_fd);
	ASSERT_TRUE(module_unloads_soon());
	for (int kind = 0; kind < 4; kind++) {
		char parameters[] = "kind=0";

		parameters[strlen("kind=")] += kind;
		err = load_other_module("/unknown_works.ko", parameters);
		if (err == -EOPNOTSUPP)
			SKIP(return, "no kprobes");
		ASSERT_EQ(0, err) TH_LOG("%s", strerror(-err));
		before = times_in(kernel_log(), "umcg: ");
		EXPECT_EQ(-EOPNOTSUPP, module_load()) TH_LOG("%s", parameters);
		EXPECT_EQ(before + 1, times_in(kernel_log(), "umcg: ")) TH_LOG("%s", parameters);
		EXPECT_EQ(kind + 1, times_in(kernel_log(), UNKNOWN_TASK_WORKS));
		EXPECT_EQ(-ENOENT, module_unload());
		EXPECT_EQ(0, syscall(SYS_delete_module, "unknown_works", O_NONBLOCK));
	}
	ASSERT_EQ(0, module_load());
	umcg_test_begin(TEST_SECONDS);
	EXPECT_EQ(0, use_the_module(self));
}

TEST_F(module, an_open_descriptor_keeps_it)
{
	EXPECT_EQ(MODULE_IN_USE, module_unload());
	ASSERT_EQ(0, umcg_ioctl(UMCG_IOC_VERSION,
				&(struct umcg_version_args){ .size = 16 }));
	close(umcg_fd);
	EXPECT_TRUE(module_unloads_soon());
	EXPECT_EQ(-ENOENT, module_unload());
	EXPECT_EQ(-1, open(UMCG_DEVICE, O_RDWR));
	EXPECT_EQ(-1, umcg_stat("servers"));
	EXPECT_EQ(0, module_load());
}

TEST_F(module, a_registration_keeps_it)
{
	ASSERT_EQ(0, server_register(&self->server));
	close(umcg_fd);
	for (int i = 0; i < 10; i++) {
		EXPECT_EQ(MODULE_IN_USE, module_unload());
		sleep_ms(10);
	}
	umcg_test_begin(TEST_SECONDS);
	ASSERT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
	close(umcg_fd);
	EXPECT_TRUE(module_unloads_soon());
	EXPECT_EQ(0, module_load());
}

static void wait_for_ever(struct umcg_thread *self)
{
	worker_yield(self, 0);
}

/* Closes the descriptor, and leaves a worker in the kernel that keeps the module. */
static int hold_the_module(void *argument)
{
	static struct umcg_thread server, worker;
	static struct umcg_group group = UMCG_GROUP_INIT;
	_Atomic int *ready = argument;

	if (server_register(&server))
		return 1;
	worker_start(&worker, &group, wait_for_ever);
	if (server_next_worker(&server, &group) != &worker || server_run(&server, &worker))
		return 2;
	close(umcg_fd);
	*ready = 1;
	for (;;)
		pause();
}

TEST_F(module, it_unloads_soon_after_a_process_was_killed)
{
	_Atomic int *ready = mmap(NULL, sizeof(*ready), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	close(umcg_fd);
	for (int i = 0; i < 5; i++) {
		pid_t pid;

		umcg_test_begin(TEST_SECONDS);
		*ready = 0;
		pid = process_start(hold_the_module, (void *)ready);
		ASSERT_TRUE(SOON(*ready));
		close(umcg_fd);
		EXPECT_EQ(MODULE_IN_USE, module_unload());
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_NE(-1, process_ends(pid));
		EXPECT_TRUE(module_unloads_soon());
		ASSERT_EQ(0, module_load());
	}
}

TEST_F(module, it_unloads_at_once_after_its_last_user)
{
	for (int i = 0; i < RELOADS; i++) {
		ASSERT_EQ(0, use_the_module(self))
			TH_LOG("round %d", i);
		close(umcg_fd);
		ASSERT_TRUE(module_unloads_soon())
			TH_LOG("round %d", i);
		ASSERT_EQ(0, module_load());
		umcg_test_begin(TEST_SECONDS);
	}
}

static bool probes_are(int lifetime, int sched)
{
	return umcg_stat("lifetime_probes") == lifetime && umcg_stat("sched_probe") == sched;
}

/* Probes stay for a while, because programs come and go. */
static bool probes_go_away(void)
{
	return SOON(probes_are(0, 0));
}

TEST_F(module, probes_are_there_while_they_are_needed)
{
	ASSERT_TRUE(probes_go_away());
	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(0, server_register(&self->server));
		EXPECT_TRUE(probes_are(1, 0))
			TH_LOG("a server does not need the scheduler probe");
		self->worker = (struct umcg_thread){};
		worker_start(&self->worker, &self->group, do_nothing);
		ASSERT_EQ(&self->worker, server_next_worker(&self->server, &self->group));
		EXPECT_TRUE(probes_are(1, 1));
		ASSERT_EQ(0, server_run(&self->server, &self->worker));
		ASSERT_TRUE(thread_ends(&self->worker));
		ASSERT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
		EXPECT_TRUE(probes_go_away());
	}
}

TEST_F(module, probes_stay_for_who_comes_while_they_go)
{
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, use_the_module(self));
		/* About as long as the module waits before it detaches them. */
		sleep_ms(950 + 25 * i);
		ASSERT_EQ(0, server_register(&self->server));
		self->worker = (struct umcg_thread){};
		worker_start(&self->worker, &self->group, do_nothing);
		ASSERT_EQ(&self->worker, server_next_worker(&self->server, &self->group));
		EXPECT_TRUE(probes_are(1, 1));
		ASSERT_EQ(0, server_run(&self->server, &self->worker));
		ASSERT_TRUE(thread_ends(&self->worker));
		ASSERT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
	}
}

TEST_HARNESS_MAIN
