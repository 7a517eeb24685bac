// SPDX-License-Identifier: GPL-2.0
/*
 * libumcg on the module: its API, call by call.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "libumcg_crew.h"

#define WAKE_UPS	1000
/* Long enough for others to see it. */
#define NAP_US		(300000 * slowness())

static void do_nothing(int signal __attribute__((unused)))
{
}

static void handle_signal(int signal, int flags)
{
	struct sigaction action = { .sa_handler = do_nothing, .sa_flags = flags };

	sigaction(signal, &action, NULL);
}

TEST(enabled_and_the_clock)
{
	struct timespec now;

	EXPECT_TRUE(umcg_enabled());
	clock_gettime(CLOCK_REALTIME, &now);
	EXPECT_GE(umcg_get_time_ns() / 1000000000, (uint64_t)now.tv_sec);
	EXPECT_LE(umcg_get_time_ns() / 1000000000, (uint64_t)now.tv_sec + 10);
}

TEST(a_thread_has_an_id_and_a_tag)
{
	umcg_tid self = umcg_get_utid();

	ASSERT_NE(UMCG_NONE, self);
	EXPECT_EQ(self, umcg_get_utid());
	umcg_set_task_tag(self, -7);
	EXPECT_EQ(-7, umcg_get_task_tag(self));
	EXPECT_EQ(UMCG_TASK_NONE, state_of(self));
	EXPECT_EQ(self, umcg_register_basic_task(8));
	EXPECT_EQ(8, umcg_get_task_tag(self));
	EXPECT_EQ(0, umcg_unregister_task());
}

/* Whether what lies there can become part of a huge page: all of that would be pinned. */
static bool may_be_huge(const void *address)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	unsigned long start, end;
	bool is_here = false, may = true;
	char line[512];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			is_here = (uintptr_t)address >= start && (uintptr_t)address < end;
		else if (is_here && !strncmp(line, "VmFlags:", 8))
			may = !strstr(line, " nh");
	}
	if (file)
		fclose(file);
	return may;
}

TEST(pinned_memory_is_never_in_a_huge_page)
{
	umcg_t group = umcg_create_group(0);

	ASSERT_NE(UMCG_NONE, group);
	if (access("/sys/kernel/mm/transparent_hugepage", F_OK))
		SKIP(return, "no transparent huge pages");
	EXPECT_FALSE(may_be_huge((void *)umcg_get_utid()));
	EXPECT_FALSE(may_be_huge((void *)group));
	EXPECT_EQ(0, umcg_destroy_group(group));
}

TEST(basic_tasks_register_once)
{
	uint64_t before, since;

	EXPECT_FAILS(EINVAL, umcg_unregister_task());
	EXPECT_FAILS(EINVAL, umcg_wait(1));
	ASSERT_NE(UMCG_NONE, umcg_register_basic_task(0));
	EXPECT_EQ(UMCG_TASK_RUNNING, umcg_get_task_state(umcg_get_utid()));
	before = umcg_get_task_since(umcg_get_utid());
	EXPECT_NONE(EINVAL, umcg_register_basic_task(0));
	EXPECT_NONE(EINVAL, umcg_get_idle_worker(false));
	EXPECT_NONE(EINVAL, umcg_run_worker(umcg_get_utid()));
	EXPECT_FAILS(ETIMEDOUT, umcg_wait(1));
	EXPECT_EQ(UMCG_TASK_RUNNING, umcg_get_task_state(umcg_get_utid()));
	since = umcg_get_task_since(umcg_get_utid());
	EXPECT_GT(since, before);
	EXPECT_EQ(0, umcg_unregister_task());
	EXPECT_EQ(UMCG_TASK_NONE, state_of(umcg_get_utid()));
	EXPECT_FAILS(EINVAL, umcg_unregister_task());
}

TEST(a_signal_interrupts_a_wait_by_the_linux_convention)
{
	umcg_register_basic_task(0);
	/* Again and again: the first one may come before the wait. */
	handle_signal(SIGALRM, 0);
	ualarm(20000, 20000);
	EXPECT_FAILS(EINTR, umcg_wait(0));
	handle_signal(SIGALRM, SA_RESTART);
	EXPECT_FAILS(ETIMEDOUT, umcg_wait(umcg_get_time_ns() + 100000000));
	ualarm(0, 0);
	umcg_unregister_task();
}

TEST(groups_have_known_flags_and_go_empty)
{
	EXPECT_NONE(EINVAL, umcg_create_group(1U << 7));
	group = umcg_create_group(0);
	ASSERT_TRUE(group);
	EXPECT_NONE(EINVAL, umcg_register_server(UMCG_NONE, 0));
	EXPECT_NONE(EINVAL, umcg_register_worker(UMCG_NONE, 0));
	ASSERT_NE(UMCG_NONE, umcg_register_server(group, 0));
	EXPECT_FAILS(EBUSY, umcg_destroy_group(group));
	EXPECT_EQ(0, umcg_unregister_task());
	EXPECT_EQ(0, umcg_destroy_group(group));
}

TEST(a_server_without_workers)
{
	be_server(0);
	EXPECT_NONE(EAGAIN, umcg_get_idle_worker(false));
	EXPECT_EQ(0, umcg_wake(umcg_get_utid(), false));
	EXPECT_NONE(EINTR, umcg_get_idle_worker(true));
	EXPECT_NONE(EINVAL, umcg_run_worker(UMCG_NONE));
	EXPECT_NONE(EINVAL, umcg_run_worker(umcg_get_utid()));
	handle_signal(SIGALRM, 0);
	ualarm(20000, 20000);
	EXPECT_NONE(EINTR, umcg_get_idle_worker(true));
	ualarm(0, 0);
	be_server_no_more();
}

static void return_at_once(struct member *self __attribute__((unused)))
{
}

static void exit_by_pthread(struct member *self __attribute__((unused)))
{
	pthread_exit(NULL);
}

static void exit_by_system_call(struct member *self __attribute__((unused)))
{
	syscall(SYS_exit, 0);
}

TEST(workers_leave_in_every_way)
{
	void (*const ways[])(struct member *) = {
		return_at_once, exit_by_pthread, exit_by_system_call,
	};

	be_server(0);
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct member worker = { .body = ways[i] };

		start_worker(&worker);
		ASSERT_EQ(worker.tid, umcg_get_idle_worker(true));
		EXPECT_EQ((intptr_t)&worker, umcg_get_task_tag(worker.tid));
		EXPECT_EQ(UMCG_TASK_IDLE, state_of(worker.tid));
		errno = 1;
		EXPECT_NONE(0, umcg_run_worker(worker.tid));
		join(&worker);
	}
	be_server_no_more();
}

/*
 * As soon as umcg_run_worker() has reported the last worker, which may still be about to
 * unregister.
 */
TEST(a_group_that_its_workers_have_left_is_empty)
{
	for (int i = 0; i < 200; i++) {
		struct member worker = { .body = return_at_once };

		be_server(0);
		start_worker(&worker);
		EXPECT_NONE(0, umcg_run_worker(umcg_get_idle_worker(true)));
		ASSERT_EQ(0, umcg_unregister_task());
		ASSERT_EQ(0, umcg_destroy_group(group))
			TH_LOG("round %d", i);
		join(&worker);
	}
}

static int pipe_fds[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static bool condition_holds;
static sem_t semaphore;

static void block_in_read(void)
{
	char byte;

	MUST(read(pipe_fds[0], &byte, 1) == 1);
}

static void block_in_poll(void)
{
	struct pollfd fd = { .fd = pipe_fds[0], .events = POLLIN };

	MUST(poll(&fd, 1, -1) == 1);
}

static void write_pipe(void)
{
	MUST(write(pipe_fds[1], "", 1) == 1);
}

static void block_in_mutex(void)
{
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
}

static void unlock_mutex(void)
{
	pthread_mutex_unlock(&mutex);
}

static void block_in_condition(void)
{
	pthread_mutex_lock(&mutex);
	while (!condition_holds)
		pthread_cond_wait(&condition, &mutex);
	pthread_mutex_unlock(&mutex);
}

static void make_condition_hold(void)
{
	pthread_mutex_lock(&mutex);
	condition_holds = true;
	pthread_cond_signal(&condition);
	pthread_mutex_unlock(&mutex);
}

static void block_in_semaphore(void)
{
	sem_wait(&semaphore);
}

static void post_semaphore(void)
{
	sem_post(&semaphore);
}

static void block_in_sleep(void)
{
	usleep(NAP_US);
}

static void block_in_waitid(void)
{
	siginfo_t info;
	pid_t pid = fork();

	if (pid == 0) {
		usleep(NAP_US);
		_exit(0);
	}
	MUST(!waitid(P_PID, pid, &info, WEXITED));
}

static const struct way {
	void (*block)(void);
	void (*end)(void);
} ways_to_block[] = {
	/* poll() leaves the byte to read(). */
	{ block_in_poll, write_pipe },
	{ block_in_mutex, unlock_mutex },
	{ block_in_condition, make_condition_hold },
	{ block_in_semaphore, post_semaphore },
	{ block_in_sleep, NULL },
	{ block_in_waitid, NULL },
};

static void block_in_every_way(struct member *self)
{
	for (self->step = 0; self->step < (int)ARRAY_SIZE(ways_to_block); self->step++)
		ways_to_block[self->step].block();
	block_in_read();
	block_in_read();
}

/* A call may block more than once, as fork() does. */
TEST(a_worker_is_seen_to_block_in_every_way)
{
	struct member worker = { .body = block_in_every_way };
	int seen[ARRAY_SIZE(ways_to_block)] = { 0 };
	umcg_tid stopped;

	ASSERT_EQ(0, pipe(pipe_fds));
	sem_init(&semaphore, 0, 0);
	pthread_mutex_lock(&mutex);
	be_server(0);
	start_worker(&worker);

	while ((stopped = umcg_run_worker(umcg_get_idle_worker(true))) != UMCG_NONE) {
		int step = worker.step;

		ASSERT_EQ(worker.tid, stopped);
		if (step == (int)ARRAY_SIZE(ways_to_block)) {
			write_pipe();
			continue;
		}
		seen[step] += state_of(stopped) == UMCG_TASK_BLOCKED;
		if (ways_to_block[step].end)
			ways_to_block[step].end();
	}
	EXPECT_EQ(0, errno);
	for (size_t way = 0; way < ARRAY_SIZE(ways_to_block); way++) {
		EXPECT_LE(1, seen[way])
			TH_LOG("way %zu", way);
	}
	join(&worker);
	be_server_no_more();
}

static void sleep_often(struct member *self __attribute__((unused)))
{
	for (int i = 0; i < 500; i++)
		usleep(1 + i % 50);
}

/* While the kernel makes a worker idle, and until it is taken off the list, it cannot be run. */
TEST(a_worker_that_has_blocked_is_run_by_who_takes_it_only)
{
	struct member worker = { .body = sleep_often };
	umcg_tid stopped;

	be_server(0);
	start_worker(&worker);
	while ((stopped = umcg_run_worker(umcg_get_idle_worker(true))) != UMCG_NONE) {
		uint64_t end = umcg_get_time_ns() + 500000;

		while (umcg_get_time_ns() < end) {
			ASSERT_EQ(UMCG_NONE, umcg_run_worker(stopped));
			ASSERT_EQ(EAGAIN, errno);
		}
	}
	EXPECT_EQ(0, errno);
	join(&worker);
	be_server_no_more();
}

static _Atomic int wanted, granted;

static void *grant(void *arg)
{
	struct member *self = arg;

	self->tid = umcg_register_server(group, 0);
	while (granted >= 0) {
		umcg_tid worker = umcg_get_idle_worker(true);

		if (worker != UMCG_NONE)
			umcg_run_worker(worker);
		else
			granted = wanted;
	}
	umcg_unregister_task();

	return NULL;
}

/* On a slow kernel a short sleep may be over before it begins, again and again. */
static void sleep_until_granted(struct member *self __attribute__((unused)))
{
	for (unsigned int turn = 0; granted < WAKE_UPS; turn++)
		usleep(1 << turn % 10);
}

/* Each wake-up ends a wait of the server, whether there are workers or not. */
TEST(a_server_is_told_of_every_wake_up)
{
	struct member server = { };
	struct member worker = { .body = sleep_until_granted };

	group = umcg_create_group(0);
	umcg_register_basic_task(0);
	pthread_create(&server.thread, NULL, grant, &server);
	ASSERT_TRUE(SOON(server.tid));
	start_worker(&worker);
	for (int i = 1; i <= WAKE_UPS; i++) {
		wanted = i;
		ASSERT_EQ(0, umcg_wake(server.tid, false));
		ASSERT_TRUE(SOON(granted == i))
			TH_LOG("wake-up %d", i);
	}
	join(&worker);
	wanted = -1;
	EXPECT_EQ(0, umcg_wake(server.tid, false));
	join(&server);
	umcg_unregister_task();
	EXPECT_EQ(0, umcg_destroy_group(group));
}

static void swap_to_polling_server(struct member *self)
{
	umcg_tid server = *(umcg_tid *)self->arg;

	MUST(SOON(state_of(server) == UMCG_TASK_IDLE));
	MUST(umcg_swap(server, umcg_get_time_ns() + 20000000) == -1 &&
	     errno == ETIMEDOUT);
}

TEST(a_swap_ends_the_wait_for_workers)
{
	struct member task = { .body = swap_to_polling_server };
	umcg_tid self;

	be_server(0);
	self = umcg_get_utid();
	task.arg = &self;
	start_basic_task(&task);
	EXPECT_NONE(EINTR, umcg_get_idle_worker(true));
	join(&task);
	be_server_no_more();
}

TEST_HARNESS_MAIN
