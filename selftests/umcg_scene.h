/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A scene: a process with one server and one worker, which brings the worker to
 * a place and keeps it there, for its parent to do things to it.
 */
#ifndef UMCG_SCENE_H
#define UMCG_SCENE_H

#include "umcg_test.h"

/* Where a worker is kept. */
enum place {
	/* Spins in user mode. */
	RUNS,
	/* Blocks in read(). */
	BLOCKS,
	/* On the idle-worker list. */
	QUEUED,
	/* Waits voluntarily. */
	WAITS,
	/* The same, with a timeout in the far future. */
	WAITS_FOR_LONG,
	/* About to be run. */
	IS_LOCKED,
	/* On the list, taken off its server while it counts in user mode. */
	PREEMPTED_THERE,
	/* On the list, asleep in the handler of an immediate signal. */
	IN_HANDLER,
};

/* In memory that both processes share. */
struct scene {
	enum place place;
	struct umcg_thread server;
	struct umcg_thread worker;
	/* A thread that only sleeps. */
	struct umcg_thread bystander;
	struct umcg_group group;
	int pipe_ends[2];
	pid_t pid;
	/* The worker is in its place. */
	_Atomic bool ready;
	/* The worker may continue, to its end. */
	_Atomic bool go;
	/* All threads but the worker are to exit. */
	_Atomic bool abandon;
	/* The server, or the bystander, is to call setresuid(); it counts in `changes`. */
	_Atomic bool server_changes_ids;
	_Atomic bool bystander_changes_ids;
	_Atomic int changes;
	/* How often a signal was handled, and by which thread at last. */
	_Atomic int handled;
	_Atomic pid_t handled_by;
	/* The handler of an immediate signal has begun, and has returned. */
	_Atomic int immediate_begun;
	_Atomic int immediate_done;
	/* The worker came to its end with signals blocked. */
	_Atomic bool worker_is_deaf;
	/* SIGUSR1 is not for the main thread. */
	bool main_is_deaf;
};

/* Starts the process; NULL if the worker is not in its place soon. SIGUSR1 has a handler there. */
struct scene *scene_begin(enum place place);
struct scene *scene_begin_deaf(enum place place);
/* Lets the worker go on; whether the process ends well soon. */
bool scene_ends(struct scene *scene);

#endif /* UMCG_SCENE_H */
