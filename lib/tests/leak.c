// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Memory that only a tag points to, for LeakSanitizer, which ends the process with an error if it
 * finds some that nothing points to.
 *
 *	leak [forgotten]
 */
#include <pthread.h>
#include <stdlib.h>

#include <libumcg.h>

#define THREADS	50

static pthread_barrier_t barrier;
static umcg_tid utids[THREADS];

/* Lives until the process ends. */
static void *sleep_for_ever(void *place)
{
	*(umcg_tid *)place = umcg_get_utid();
	pthread_barrier_wait(&barrier);
	for (;;)
		pause();

	return NULL;
}

/* No stack of a thread that lives has ever had one of the pointers. */
static void *tag_all(void *unused)
{
	for (int i = 0; i < THREADS; i++)
		umcg_set_task_tag(utids[i], (intptr_t)malloc(100));

	return unused;
}

int main(int argc, char *argv[])
{
	pthread_t thread;

	(void)argv;
	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&thread, NULL, sleep_for_ever, &utids[i]);
	pthread_barrier_wait(&barrier);
	pthread_create(&thread, NULL, tag_all, NULL);
	pthread_join(thread, NULL);
	if (argc > 1)
		umcg_set_task_tag(utids[THREADS / 2], 0);

	return 0;
}
