// SPDX-License-Identifier: GPL-2.0
/*
 * A library whose constructor starts a thread, while dlopen() holds the lock of the dynamic linker.
 * With CONSTRUCTOR_WAITS set it joins the thread.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

pthread_t constructed;
atomic_int constructed_rounds;

static void *run(void *argument)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&mutex);
	constructed_rounds++;
	pthread_mutex_unlock(&mutex);
	return argument;
}

__attribute__((constructor)) static void construct(void)
{
	if (pthread_create(&constructed, NULL, run, &constructed_rounds))
		abort();
	if (getenv("CONSTRUCTOR_WAITS") && pthread_join(constructed, NULL))
		abort();
}
