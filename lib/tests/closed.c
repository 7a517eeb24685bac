// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A thread uses the library, closes it as a plugin does that is unloaded, and ends. The shared
 * library stays, and is called once more then; an object that the static one is part of goes.
 *
 *	closed OBJECT stays|goes
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *path;
static int stays;

/* Handlers for fork() that were left behind would be called. */
static int forks(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(0);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* Returns what is wrong, or NULL. */
static void *use_and_close(void *unused)
{
	void *object = dlopen(path, RTLD_NOW);
	intptr_t (*get_utid)(void);
	const void *(*slots)(void);

	(void)unused;
	if (!object)
		return dlerror();
	*(void **)&get_utid = dlsym(object, "umcg_get_utid");
	if (!get_utid || !get_utid())
		return "umcg_get_utid() fails";
	/* Without the module it fails, but it has its handlers for fork() by then. */
	*(void **)&slots = dlsym(object, "umcg_sched_slots");
	if (!slots)
		return "no umcg_sched_slots()";
	slots();
	dlclose(object);
	if (stays != !!dlopen(path, RTLD_NOW | RTLD_NOLOAD))
		return stays ? "it is gone" : "it is still there";

	return forks() ? NULL : "fork() fails";
}

int main(int argc, char *argv[])
{
	void *failure = "usage: closed OBJECT stays|goes";
	pthread_t thread;

	if (argc == 3) {
		path = argv[1];
		stays = !strcmp(argv[2], "stays");
		/* More than once: it can be loaded again. */
		for (int i = 0; i < 3; i++) {
			failure = "no thread";
			if (!pthread_create(&thread, NULL, use_and_close, NULL))
				pthread_join(thread, &failure);
			if (failure)
				break;
		}
	}
	if (failure)
		puts(failure);

	return failure != NULL;
}
