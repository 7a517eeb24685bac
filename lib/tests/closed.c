// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * A thread uses the library, closes it as a plugin does that is unloaded, and ends: then the
 * library is called once more.
 *
 *	closed LIBRARY
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

static void *use_and_close(void *path)
{
	void *library = dlopen(path, RTLD_NOW);
	intptr_t (*get_utid)(void);

	if (!library)
		return dlerror();
	*(void **)&get_utid = dlsym(library, "umcg_get_utid");
	if (!get_utid || !get_utid())
		return "umcg_get_utid() fails";
	dlclose(library);

	return NULL;
}

int main(int argc, char *argv[])
{
	void *failure = "usage: closed LIBRARY";
	pthread_t thread;

	if (argc == 2 && !pthread_create(&thread, NULL, use_and_close, argv[1]))
		pthread_join(thread, &failure);
	if (failure)
		puts(failure);

	return failure != NULL;
}
