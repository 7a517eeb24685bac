// SPDX-License-Identifier: GPL-2.0
/*
 * Threads that take objects and give them back, by way of a cache for each virtual
 * CPU; what does not fit there comes from and goes to a list with a lock.
 *
 *	percpu_cache [THREADS [SECONDS]]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "percpu_cache.h"

#define OBJECTS		1000
#define HELD		8

struct object {
	struct object *next;
	_Atomic bool used;
};

static struct object objects[OBJECTS];
static struct object *common;
static pthread_mutex_t common_lock = PTHREAD_MUTEX_INITIALIZER;
static struct percpu_cache *caches;
static _Atomic unsigned long taken, lookups, from_common;
static _Atomic bool over, twice;

static struct object *take_common(void)
{
	struct object *object;

	pthread_mutex_lock(&common_lock);
	object = common;
	if (object)
		common = object->next;
	pthread_mutex_unlock(&common_lock);
	from_common++;
	return object;
}

static void put_common(struct object *object)
{
	pthread_mutex_lock(&common_lock);
	object->next = common;
	common = object;
	pthread_mutex_unlock(&common_lock);
}

static void *thread_main(void *argument)
{
	static _Thread_local struct percpu_thread self;
	struct object *held[HELD] = {};
	unsigned long turns = 0;

	(void)argument;
	if (!percpu_thread_init(&self, caches)) {
		perror("no slot, or no notification");
		exit(1);
	}
	while (!over) {
		struct object **place = &held[turns++ % HELD];

		if (*place) {
			(*place)->used = false;
			if (!percpu_put(&self, *place))
				put_common(*place);
		}
		*place = percpu_take(&self) ?: take_common();
		if (*place && atomic_exchange(&(*place)->used, true))
			twice = true;
	}
	for (int i = 0; i < HELD; i++) {
		if (held[i]) {
			held[i]->used = false;
			put_common(held[i]);
		}
	}
	percpu_thread_exit(&self);
	taken += turns;
	lookups += self.lookups;
	return NULL;
}

static unsigned long count_objects(void)
{
	unsigned long count = 0;

	for (struct object *object = common; object; object = object->next)
		count++;
	for (int cpu = 0; cpu < get_nprocs_conf(); cpu++)
		count += caches[cpu].count;
	return count;
}

int main(int argc, char *argv[])
{
	const int threads = argc > 1 ? atoi(argv[1]) : 8;
	const int seconds = argc > 2 ? atoi(argv[2]) : 2;
	pthread_t *ids;

	if (threads < 1 || seconds < 1) {
		fprintf(stderr, "usage: %s [THREADS [SECONDS]]\n", argv[0]);
		return 1;
	}
	if (!__rseq_size) {
		fprintf(stderr, "the C library has not registered restartable sequences\n");
		return 1;
	}
	ids = calloc(threads, sizeof(*ids));
	caches = aligned_alloc(64, get_nprocs_conf() * sizeof(*caches));
	if (!ids || !caches)
		return 1;
	for (int cpu = 0; cpu < get_nprocs_conf(); cpu++)
		caches[cpu].count = 0;
	for (int i = 0; i < OBJECTS; i++)
		put_common(&objects[i]);

	for (int i = 0; i < threads; i++) {
		if (pthread_create(&ids[i], NULL, thread_main, NULL)) {
			fprintf(stderr, "cannot start %d threads\n", threads);
			return 1;
		}
	}
	sleep(seconds);
	over = true;
	for (int i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);

	printf("%lu objects taken, %lu of them from the common list; %lu looks for the cache\n",
	       taken, from_common, lookups);
	if (twice || count_objects() != OBJECTS) {
		fprintf(stderr, "an object was taken twice, or lost\n");
		return 1;
	}
	return 0;
}
