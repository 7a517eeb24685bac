// SPDX-License-Identifier: GPL-2.0
/*
 * Direct mode, and what is done to the threads of a group from outside: exec, SIGKILL,
 * tracers, stops, the freezer, and changes of credentials.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "umcg_cgroup.h"
#include "umcg_direct.h"

/* What this program is told to do when it is executed by a test. */
#define AGAIN		"--register-again"
#define EXIT		"--exit"
#define STACK_SIZE	(256 * 1024)
/* A worker that must not run has this long to run. */
#define STILL_MS	50
#define ROUNDS		3

static void execute(char *what)
{
	char *const arguments[] = { "direct_process", what, NULL };

	execv("/proc/self/exe", arguments);
}

/* A group, and what it is for. */
struct scene {
	struct direct direct;
	struct umcg_thread servers[2];
	struct umcg_thread workers[3];
	int pipes[3][2];
	/* For a process: worker 1 spins; worker 2 is queued meanwhile. */
	bool busy, queues;
	/* All are in their places, and may go on to their ends. */
	_Atomic bool ready, go;
};

static bool scene_begin(struct scene *scene, uint32_t flags)
{
	memset(scene, 0, sizeof(*scene));
	for (int i = 0; i < 3; i++) {
		if (pipe(scene->pipes[i]))
			return false;
		scene->workers[i].arg = scene->pipes[i];
	}
	return direct_init(&scene->direct, flags);
}

/* A server waits in the set, and a worker has blocked under it. */
static bool scene_plays(struct scene *scene)
{
	if (!direct_start_idle_server(&scene->direct, &scene->servers[0], 0))
		return false;
	direct_worker_start(&scene->workers[0], &scene->direct, direct_reads);
	return SOON(direct_blocks(&scene->workers[0]) && direct_is_idle(&scene->servers[0]));
}

static bool worker_spins(struct scene *scene, int number)
{
	direct_worker_start(&scene->workers[number], &scene->direct, direct_spins);
	return SOON(scene->workers[number].result > 0);
}

/* exec */

FIXTURE(direct_exec) {
	struct scene scene;
};

FIXTURE_SETUP(direct_exec)
{
	umcg_test_begin(TEST_SECONDS);
	ASSERT_TRUE(scene_begin(&self->scene, 0));
}

FIXTURE_TEARDOWN(direct_exec)
{
}

/* What the program does that has been executed: nothing of before is registered. */
static int register_again(void)
{
	static struct scene scene;

	umcg_test_begin(TEST_SECONDS);
	if (umcg_ctl(UMCG_CTL_UNREGISTER, NULL) != -EINVAL)
		return 1;
	if (!nothing_is_left())
		return 2;
	if (!scene_begin(&scene, 0) || !scene_plays(&scene))
		return 3;
	if (!direct_sends(scene.pipes[0], '.') || !thread_ends(&scene.workers[0]))
		return 4;
	tell_to_go(&scene.servers[0]);
	return thread_ends(&scene.servers[0]) ? 0 : 5;
}

static int execute_in_main_thread(void *argument)
{
	struct scene *scene = argument;

	if (!scene_plays(scene))
		return 10;
	if (!direct_start_idle_server(&scene->direct, &scene->servers[1], 1) ||
	    !worker_spins(scene, 1))
		return 11;
	execute(AGAIN);
	return 12;
}

static void waits_and_executes(struct umcg_thread *self)
{
	self->result = direct_wait(self, 0);
	execute(AGAIN);
}

static int execute_in_server(void *argument)
{
	struct scene *scene = argument;

	if (!scene_plays(scene))
		return 10;
	direct_server_start(&scene->servers[1], &scene->direct, 1, waits_and_executes);
	if (!SOON(scene->direct.servers[1] && direct_is_idle(&scene->servers[1])))
		return 11;
	/* The servers have a worker each, and the second one's leaves. */
	if (!worker_spins(scene, 1) || !worker_spins(scene, 2))
		return 12;
	tell_to_go(&scene->workers[scene->workers[1].task.server_nr == 1 ? 1 : 2]);
	sleep_ms(SOON_MS);
	return 13;
}

static void executes(struct umcg_thread *self)
{
	(void)self;
	execute(AGAIN);
}

static int execute_in_adopted_worker(void *argument)
{
	struct scene *scene = argument;

	if (!scene_plays(scene))
		return 10;
	direct_worker_start(&scene->workers[1], &scene->direct, executes);
	sleep_ms(SOON_MS);
	return 11;
}

TEST_F(direct_exec, main_thread_leaves_nothing_registered)
{
	EXPECT_EQ(0, result_of_process(execute_in_main_thread, &self->scene));
	EXPECT_TRUE(nothing_is_left());
}

TEST_F(direct_exec, server_leaves_nothing_registered)
{
	EXPECT_EQ(0, result_of_process(execute_in_server, &self->scene));
	EXPECT_TRUE(nothing_is_left());
}

TEST_F(direct_exec, adopted_worker_leaves_nothing_registered)
{
	EXPECT_EQ(0, result_of_process(execute_in_adopted_worker, &self->scene));
	EXPECT_TRUE(nothing_is_left());
}

/* A member of the group that is a process of its own, and shares our memory. */
struct guest {
	struct scene *scene;
	struct umcg_thread *thread;
	uint32_t nr;
	char stack[STACK_SIZE] __attribute__((aligned(64)));
};

static struct guest guest;

static void execute_in_handler(int signal)
{
	(void)signal;
	execute(EXIT);
	_exit(1);
}

/* A server that stays in the set until a signal comes, and executes in the handler. */
static int be_a_server(void *argument)
{
	const struct sigaction action = { .sa_handler = execute_in_handler };
	struct guest *self = argument;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGUSR2, &action, NULL);
	if (direct_server_register(self->thread, &self->scene->direct, self->nr))
		_exit(2);
	direct_wait(self->thread, 0);
	_exit(3);
}

static int be_a_worker(void *argument)
{
	struct guest *self = argument;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	self->thread->tid = gettid();
	self->thread->task = (struct umcg_task){ .state_ts = BLOCKED };
	direct_ctl(DIRECT_WORKER_FLAGS, &self->thread->task, self->scene->direct.words, 0);
	/* Nobody runs it. */
	_exit(1);
}

static pid_t guest_start(struct scene *scene, struct umcg_thread *thread, uint32_t nr,
			 int (*body)(void *))
{
	guest.scene = scene;
	guest.thread = thread;
	guest.nr = nr;
	return clone(body, guest.stack + STACK_SIZE, CLONE_VM | SIGCHLD, &guest);
}

TEST_F(direct_exec, server_in_the_set_is_no_server_any_more)
{
	struct scene *scene = &self->scene;
	struct umcg_thread *worker = &scene->workers[0];
	pid_t pid;
	int status;

	pid = guest_start(scene, &scene->servers[1], 3, be_a_server);
	ASSERT_TRUE(SOON(scene->direct.servers[3] && direct_is_idle(&scene->servers[1])));
	ASSERT_TRUE(direct_start_idle_server(&scene->direct, &scene->servers[0], 7));
	ASSERT_EQ(0, kill(pid, SIGUSR2));
	status = process_ends(pid);
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	EXPECT_EQ(0, scene->direct.words->server_tid[3]);
	EXPECT_EQ(1ULL << 7, direct_idle_servers(&scene->direct));
	EXPECT_EQ(NONE, state_of(&scene->servers[1].task));
	direct_worker_start(worker, &scene->direct, direct_reads);
	ASSERT_TRUE(SOON(direct_blocks(worker)));
	EXPECT_EQ(7, worker->task.server_nr);
	ASSERT_TRUE(direct_dismiss(&scene->servers[0]));
}

TEST_F(direct_exec, server_under_its_worker_leaves_it_running)
{
	struct scene *scene = &self->scene;
	struct umcg_thread *worker = &scene->workers[0];
	long before;
	pid_t pid;
	int status;

	pid = guest_start(scene, &scene->servers[1], 3, be_a_server);
	ASSERT_TRUE(SOON(scene->direct.servers[3] && direct_is_idle(&scene->servers[1])));
	ASSERT_TRUE(worker_spins(scene, 0));
	EXPECT_EQ(3, worker->task.server_nr);
	ASSERT_EQ(0, kill(pid, SIGUSR2));
	status = process_ends(pid);
	EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	EXPECT_EQ(0, scene->direct.words->server_tid[3]);
	before = worker->result;
	ASSERT_TRUE(SOON(worker->result != before));
	tell_to_go(worker);
	ASSERT_TRUE(thread_ends(worker));
	EXPECT_EQ(0, direct_idle_servers(&scene->direct));
}

static void spins_and_reads(struct umcg_thread *self)
{
	direct_spins(self);
	direct_reads(self);
}

/* A worker that blocks passes over one that was killed in the ring, to the one behind it. */
TEST_F(direct_exec, worker_that_is_killed_in_the_ring_is_passed_over)
{
	struct scene *scene = &self->scene;
	struct umcg_thread *blocks = &scene->workers[1], *queued = &scene->workers[0];
	pid_t pid;
	int status;

	ASSERT_TRUE(scene_begin(scene, UMCG_DIRECT_FIFO));
	ASSERT_TRUE(direct_start_idle_server(&scene->direct, &scene->servers[0], 0));
	direct_worker_start(blocks, &scene->direct, spins_and_reads);
	ASSERT_TRUE(SOON(blocks->result > 0));
	pid = guest_start(scene, &scene->workers[2], 0, be_a_worker);
	ASSERT_TRUE(SOON(thread_waits(&scene->workers[2])));
	EXPECT_TRUE(direct_has_work(&scene->direct));
	EXPECT_EQ(0, scene->direct.words->idle_workers);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	status = process_ends(pid);
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	direct_worker_start(queued, &scene->direct, direct_reads);
	ASSERT_TRUE(SOON(thread_waits(queued)));
	EXPECT_EQ(0, scene->direct.words->idle_workers);
	tell_to_go(blocks);
	ASSERT_TRUE(SOON(direct_blocks(blocks) && direct_blocks(queued)));
	EXPECT_EQ(0, queued->task.server_nr);
	EXPECT_FALSE(direct_has_work(&scene->direct));
	EXPECT_TRUE(SOON(direct_is_idle(&scene->servers[0])));
	EXPECT_EQ(0, scene->servers[0].phase);
	ASSERT_TRUE(direct_sends(scene->pipes[0], '.'));
	ASSERT_TRUE(thread_ends(queued));
}

/* Stops: a process with a server in the set, a worker that blocks, and one that spins. */

FIXTURE(direct_stop) {
	struct scene *scene;
	/* The thread that the tracer stops. */
	struct umcg_thread *thread;
	pid_t pid;
};

FIXTURE_VARIANT(direct_stop) {
	/* The thread that a tracer stops: the worker 0, 2 or 1, or the server. */
	enum { BLOCKS, QUEUED, SERVER_IN_SET, SERVER_WITH_WORKER, RUNS } who;
};

FIXTURE_VARIANT_ADD(direct_stop, blocked) { .who = BLOCKS };
FIXTURE_VARIANT_ADD(direct_stop, queued) { .who = QUEUED };
FIXTURE_VARIANT_ADD(direct_stop, server_in_the_set) { .who = SERVER_IN_SET };
FIXTURE_VARIANT_ADD(direct_stop, server_with_a_worker) { .who = SERVER_WITH_WORKER };
FIXTURE_VARIANT_ADD(direct_stop, adopted) { .who = RUNS };

static int play(void *argument)
{
	struct scene *scene = argument;

	direct_server_start(&scene->servers[0], &scene->direct, 0, direct_serve);
	direct_worker_start(&scene->workers[0], &scene->direct, direct_reads);
	if (!SOON(direct_blocks(&scene->workers[0]) && direct_is_idle(&scene->servers[0])))
		return 1;
	if (scene->busy && !worker_spins(scene, 1))
		return 2;
	if (scene->queues) {
		direct_worker_start(&scene->workers[2], &scene->direct, direct_reads);
		if (!SOON(thread_waits(&scene->workers[2])))
			return 3;
	}
	scene->ready = true;
	while (!scene->go)
		sleep_ms(1);
	/* All servers and workers have to be of use still. */
	tell_to_go(&scene->workers[1]);
	if (scene->busy && !thread_ends(&scene->workers[1]))
		return 4;
	if (scene->queues && (!direct_sends(scene->pipes[2], '.') || !thread_ends(&scene->workers[2])))
		return 5;
	if (!SOON(direct_blocks(&scene->workers[0]) && direct_is_idle(&scene->servers[0])))
		return 6;
	/* Its last worker starts the server. */
	scene->direct.over = true;
	if (!direct_sends(scene->pipes[0], '.') || !thread_ends(&scene->workers[0]))
		return 7;
	return thread_ends(&scene->servers[0]) && !scene->direct.fault ? 0 : 8;
}

FIXTURE_SETUP(direct_stop)
{
	struct scene *scene = mmap(NULL, sizeof(*scene), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct umcg_thread *const threads[] = {
		[BLOCKS] = &scene->workers[0], [QUEUED] = &scene->workers[2],
		[SERVER_IN_SET] = &scene->servers[0], [SERVER_WITH_WORKER] = &scene->servers[0],
		[RUNS] = &scene->workers[1],
	};

	umcg_test_begin(TEST_SECONDS);
	ASSERT_NE(MAP_FAILED, (void *)scene);
	self->scene = scene;
	ASSERT_TRUE(scene_begin(scene, UMCG_DIRECT_FIFO));
	scene->direct.idle_ms = 1000 * TEST_SECONDS;
	scene->busy = variant->who != BLOCKS && variant->who != SERVER_IN_SET;
	scene->queues = variant->who == QUEUED;
	self->thread = threads[variant->who];
	self->pid = process_start(play, scene);
	ASSERT_TRUE(SOON(scene->ready));
}

FIXTURE_TEARDOWN(direct_stop)
{
}

/* The status of a child that changes its state soon, or -1. */
static int changes_soon(pid_t pid, int options)
{
	int status;

	return SOON(waitpid(pid, &status, options | WNOHANG | __WALL) == pid) ? status : -1;
}

static bool ends_well(struct scene *scene, pid_t pid, int *status)
{
	scene->go = true;
	*status = process_ends(pid);
	return WIFEXITED(*status) && WEXITSTATUS(*status) == 0;
}

TEST_F(direct_stop, tracer_stops_a_thread_and_lets_it_go)
{
	const uint64_t word = state_word(&self->thread->task);
	const pid_t tid = self->thread->tid;
	int status;

	for (int i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, ptrace(PTRACE_SEIZE, tid, NULL, NULL));
		ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, tid, NULL, NULL));
		ASSERT_TRUE(WIFSTOPPED(changes_soon(tid, 0)));
		/* A worker that is woken up for that, to be held again, is where it was. */
		if (variant->who == QUEUED)
			EXPECT_EQ(word, state_word(&self->thread->task));
		ASSERT_EQ(0, ptrace(PTRACE_DETACH, tid, NULL, NULL));
	}
	EXPECT_TRUE(ends_well(self->scene, self->pid, &status)) TH_LOG("status %#x", status);
}

/* A worker wakes while a thread is stopped, and goes on when that is over, if not before. */
TEST_F(direct_stop, worker_that_wakes_beside_a_traced_thread_is_not_lost)
{
	struct umcg_thread *worker = &self->scene->workers[0];
	const pid_t tid = self->thread->tid;
	int status;

	ASSERT_EQ(0, ptrace(PTRACE_SEIZE, tid, NULL, NULL));
	ASSERT_EQ(0, ptrace(PTRACE_INTERRUPT, tid, NULL, NULL));
	ASSERT_TRUE(WIFSTOPPED(changes_soon(tid, 0)));
	ASSERT_TRUE(direct_sends(self->scene->pipes[0], 'x'));
	switch (variant->who) {
	case BLOCKS:
		sleep_ms(STILL_MS);
		EXPECT_EQ(0, worker->phase);
		break;
	case SERVER_IN_SET:
		/* The server need not run for that. */
		EXPECT_TRUE(SOON(worker->phase == 1));
		break;
	default:
		/* The server is busy; with a worker that is stopped, too. */
		EXPECT_TRUE(SOON(state_of(&worker->task) == IDLE));
		break;
	}
	ASSERT_EQ(0, ptrace(PTRACE_DETACH, tid, NULL, NULL));
	EXPECT_TRUE(ends_well(self->scene, self->pid, &status)) TH_LOG("status %#x", status);
}

TEST_F(direct_stop, stopped_process_goes_on)
{
	int status;

	for (int i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, kill(self->pid, SIGSTOP));
		ASSERT_TRUE(WIFSTOPPED(changes_soon(self->pid, WUNTRACED)));
		ASSERT_TRUE(direct_sends(self->scene->pipes[0], 'x'));
		ASSERT_EQ(0, kill(self->pid, SIGCONT));
		ASSERT_TRUE(WIFCONTINUED(changes_soon(self->pid, WCONTINUED)));
	}
	EXPECT_TRUE(ends_well(self->scene, self->pid, &status)) TH_LOG("status %#x", status);
}

TEST_F(direct_stop, frozen_process_goes_on)
{
	struct cgroup cgroup;
	char pid[16];
	int err;
	int status;

	err = cgroup_create(&cgroup);
	if (err)
		SKIP(return, "no cgroup2: %s", strerror(-err));
	snprintf(pid, sizeof(pid), "%d", self->pid);
	EXPECT_TRUE(cgroup_write(&cgroup, "cgroup.procs", pid));
	for (int i = 0; i < ROUNDS; i++) {
		EXPECT_TRUE(cgroup_write(&cgroup, "cgroup.freeze", "1"));
		EXPECT_TRUE(SOON(cgroup_has(&cgroup, "cgroup.events", "frozen 1")));
		ASSERT_TRUE(direct_sends(self->scene->pipes[0], 'x'));
		EXPECT_TRUE(cgroup_write(&cgroup, "cgroup.freeze", "0"));
		EXPECT_TRUE(SOON(cgroup_has(&cgroup, "cgroup.events", "frozen 0")));
	}
	EXPECT_TRUE(ends_well(self->scene, self->pid, &status)) TH_LOG("status %#x", status);
	EXPECT_TRUE(SOON(cgroup_has(&cgroup, "cgroup.events", "populated 0")));
	EXPECT_TRUE(cgroup_remove(&cgroup));
}

/* Credentials */

static void yields_once(struct umcg_thread *self)
{
	self->result = direct_worker_yield(self, 0);
	self->phase = 1;
}

TEST_F(direct_exec, change_of_credentials_leaves_held_workers_and_idle_servers_where_they_are)
{
	struct scene *scene = &self->scene;
	struct umcg_thread *held = &scene->workers[1];
	struct umcg_thread *server = &scene->servers[0];

	ASSERT_TRUE(direct_start_idle_server(&scene->direct, &scene->servers[1], 1));
	direct_worker_start(held, &scene->direct, yields_once);
	ASSERT_TRUE(SOON(scene->servers[1].phase == 1 && thread_waits(held)));
	ASSERT_TRUE(scene_plays(scene));
	for (int i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, setresuid(-1, getuid(), -1));
		ASSERT_TRUE(SOON(direct_is_idle(server) && thread_waits(held)));
		EXPECT_EQ(0, held->phase);
		EXPECT_EQ(0, server->phase);
		EXPECT_TRUE(SOON(direct_blocks(&scene->workers[0])));
	}
	/* All of them are of use still. */
	ASSERT_TRUE(direct_sends(scene->pipes[0], 'x'));
	ASSERT_TRUE(SOON(scene->workers[0].phase == 1 && direct_blocks(&scene->workers[0])));
	EXPECT_EQ(0, scene->workers[0].task.server_nr);
	tell_to_go(&scene->servers[1]);
	ASSERT_TRUE(thread_ends(&scene->servers[1]));
	{
		struct umcg_thread me = {};

		ASSERT_EQ(0, server_register(&me));
		ASSERT_TRUE(direct_wake_worker(&me, held));
		ASSERT_EQ(0, umcg_ctl(UMCG_CTL_UNREGISTER, NULL));
	}
	ASSERT_TRUE(thread_ends(held));
	EXPECT_EQ(0, held->result);
	tell_to_go(server);
	ASSERT_TRUE(thread_ends(server));
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], AGAIN))
		return register_again();
	if (argc == 2 && !strcmp(argv[1], EXIT))
		return 0;
	return test_harness_run(argc, argv);
}
