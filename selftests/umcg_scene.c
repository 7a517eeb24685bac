// SPDX-License-Identifier: GPL-2.0
/*
 * A process that brings a worker to a place and keeps it there.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "umcg_crew.h"
#include "umcg_scene.h"

/* The scene that this process plays, for its signal handler. */
static struct scene *playing;

static void note_signal(int signal)
{
	(void)signal;
	playing->handled_by = gettid();
	playing->handled++;
}

static void handle_immediately(int signal)
{
	char byte;

	(void)signal;
	playing->immediate_begun++;
	while (read(playing->pipe_ends[0], &byte, 1) != 1)
		;
	playing->immediate_done++;
}

static void worker_body(struct umcg_thread *self)
{
	struct scene *scene = self->arg;
	sigset_t blocked;
	char byte;

	self->phase = 1;
	switch (scene->place) {
	case RUNS:
	case PREEMPTED_THERE:
		scene->ready = scene->place == RUNS;
		while (!scene->go)
			self->phase++;
		break;
	case BLOCKS:
		self->result = read(scene->pipe_ends[0], &byte, 1) != 1;
		break;
	case WAITS:
		self->result = worker_yield(self, 0);
		break;
	case WAITS_FOR_LONG:
		self->result = worker_yield(self, realtime_in_ms(1000 * TEST_SECONDS));
		break;
	case QUEUED:
	case IN_HANDLER:
	case IS_LOCKED:
		break;
	}
	pthread_sigmask(SIG_BLOCK, NULL, &blocked);
	scene->worker_is_deaf = !sigisemptyset(&blocked);
	self->phase = -1;
}

/* Makes the C library do so in all threads, to which it sends signals, and waits. */
static void change_ids(struct scene *scene, _Atomic bool *wanted)
{
	if (*wanted && !setresuid(-1, getuid(), -1))
		scene->changes++;
	*wanted = false;
}

static void sleep_until_told(struct umcg_thread *self)
{
	struct scene *scene = self->arg;

	while (!scene->go && !scene->abandon) {
		change_ids(scene, &scene->bystander_changes_ids);
		sleep_ms(1);
	}
}

/* Whether the worker is where it is to be kept. */
static bool place_worker(struct scene *scene)
{
	struct umcg_thread *server = &scene->server;
	struct umcg_thread *worker = &scene->worker;

	if (scene->place == QUEUED)
		return SOON(thread_waits(worker));
	if (scene->place == IN_HANDLER)
		return SOON(thread_waits(worker)) && !thread_signal(worker, SIGURG) &&
		       SOON(scene->immediate_begun && thread_waits(worker));
	if (server_next_worker(server, &scene->group) != worker)
		return false;
	if (scene->place == IS_LOCKED) {
		if (!state_change_soon(&worker->task, IDLE, RUNNING | LOCKED))
			return false;
		set_next_tid(&server->task, worker->tid);
		return !umcg_wait(UMCG_WAIT_WAKE_ONLY, 0) && SOON(thread_sleeps(worker->tid));
	}
	if (scene->place == PREEMPTED_THERE)
		return server_prepare_run(server, worker) &&
		       !umcg_wait(UMCG_WAIT_WAKE_ONLY, 0) && SOON(worker->phase > 1) &&
		       !worker_kick(worker) &&
		       SOON(state_of(&worker->task) == (IDLE | PREEMPTED)) &&
		       SOON(thread_sleeps(worker->tid)) &&
		       server_next_worker(server, &scene->group) == worker;
	if (server_run(server, worker))
		return false;
	return scene->place == RUNS || SOON(thread_sleeps(worker->tid));
}

/* Whether the worker has come to its end. */
static bool release_worker(struct scene *scene)
{
	struct umcg_thread *server = &scene->server;
	struct umcg_thread *worker = &scene->worker;

	switch (scene->place) {
	case RUNS:
		/* The freezer makes a running worker block: then it is queued. */
		return worker->phase == -1 ||
		       (server_next_worker(server, &scene->group) == worker &&
			!server_run(server, worker));
	case IN_HANDLER:
		if (write(scene->pipe_ends[1], "x", 1) != 1 ||
		    !SOON(scene->immediate_done && thread_waits(worker)))
			return false;
		return server_next_worker(server, &scene->group) == worker &&
		       !server_run(server, worker);
	case BLOCKS:
		if (write(scene->pipe_ends[1], "x", 1) != 1)
			return false;
		/* fall through */
	case QUEUED:
		if (server_next_worker(server, &scene->group) != worker)
			return false;
		/* fall through */
	case WAITS:
	case WAITS_FOR_LONG:
		return !server_run(server, worker);
	case PREEMPTED_THERE:
		state_must_change(&worker->task, IDLE | PREEMPTED, IDLE);
		return !server_run(server, worker);
	case IS_LOCKED:
		state_must_change(&server->task, RUNNING, IDLE);
		server_finish_run(server, worker);
		return !umcg_wait(0, 0);
	}
	return false;
}

/* The exit status tells how far it has come. */
static int play(void *argument)
{
	const struct sigaction action = { .sa_handler = note_signal, .sa_flags = SA_RESTART };
	const struct sigaction immediate = {
		.sa_handler = handle_immediately,
		.sa_flags = SA_RESTART,
	};
	struct scene *scene = argument;
	sigset_t deaf;

	playing = scene;
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGURG, &immediate, NULL);
	immediate_signals = SIGNAL_BIT(SIGURG);
	scene->worker.arg = scene;
	scene->bystander.arg = scene;
	if (pipe(scene->pipe_ends) || server_register(&scene->server))
		return 1;
	worker_start(&scene->worker, &scene->group, worker_body);
	thread_start(&scene->bystander, sleep_until_told);
	sigemptyset(&deaf);
	if (scene->main_is_deaf)
		sigaddset(&deaf, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &deaf, NULL);
	if (!place_worker(scene))
		return 2;
	scene->ready = true;
	while (!scene->go && !scene->abandon) {
		change_ids(scene, &scene->server_changes_ids);
		sleep_ms(1);
	}
	if (scene->abandon)
		syscall(SYS_exit, 0);
	if (!release_worker(scene))
		return 3;
	if (!thread_ends(&scene->worker) || !thread_ends(&scene->bystander))
		return 4;
	return scene->worker.result ? 5 : 0;
}

static struct scene *begin(enum place place, bool main_is_deaf)
{
	struct scene *scene = mmap(NULL, sizeof(*scene), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (scene == MAP_FAILED)
		return NULL;
	scene->place = place;
	scene->main_is_deaf = main_is_deaf;
	scene->group = (struct umcg_group)UMCG_GROUP_INIT;
	scene->pid = process_start(play, scene);
	return SOON(scene->ready) ? scene : NULL;
}

struct scene *scene_begin(enum place place)
{
	return begin(place, false);
}

struct scene *scene_begin_deaf(enum place place)
{
	return begin(place, true);
}

bool scene_ends(struct scene *scene)
{
	int status;

	scene->go = true;
	status = process_ends(scene->pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
