/* SPDX-License-Identifier: GPL-2.0 */
/* Starting threads, or ending the program if that fails. */
#ifndef START_H
#define START_H

#include <err.h>
#include <errno.h>
#include <pthread.h>

static inline pthread_t start_thread(void *(*function)(void *), void *arg)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, function, arg);
	if (errno)
		err(1, "a thread cannot start");

	return thread;
}

#endif
