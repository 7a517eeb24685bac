// SPDX-License-Identifier: GPL-2.0
/* Many threads and one spin lock of the C library: 20 us inside, about 100 us outside. */
#include <stdio.h>

#include "workload.h"

#define THREADS		32U
#define INSIDE_US	20U
#define OUTSIDE_US	100U

static struct own {
	_Alignas(128) uint64_t operations;
	struct waits waits;
} own_of[THREADS];

static pthread_spinlock_t lock;
/* Changed with the lock held, by plain stores. */
static volatile unsigned int inside_now;

static void *take_and_release(void *number)
{
	struct own *own = &own_of[(uintptr_t)number];
	uint64_t seed = 88172645463325252ULL + (uintptr_t)number;

	workload_ready();
	while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
		uint64_t begin, wait;

		work_about_us(OUTSIDE_US, &seed);
		begin = now_ns();
		pthread_spin_lock(&lock);
		wait = now_ns() - begin;
		if (inside_now++)
			workload_die("two threads hold the lock");
		work_us(INSIDE_US);
		inside_now--;
		pthread_spin_unlock(&lock);
		waits_add(&own->waits, wait);
		/* What is done afterwards is not counted, as its time is not. */
		if (!atomic_load_explicit(&stop, memory_order_relaxed))
			own->operations++;
	}
	return NULL;
}

int main(int argc, char *argv[])
{
	struct waits *waits[THREADS];
	uint64_t operations = 0, least = UINT64_MAX;
	double seconds;

	workload_begin(argc, argv);
	pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE);
	workload_start(THREADS, take_and_release);
	seconds = workload_wait();
	for (unsigned int i = 0; i < THREADS; i++) {
		operations += own_of[i].operations;
		if (own_of[i].operations < least)
			least = own_of[i].operations;
		waits[i] = &own_of[i].waits;
	}
	printf("operations_per_s %.1f\n", operations / seconds);
	printf("least_of_a_thread_per_s %.1f\n", least / seconds);
	waits_print("wait", waits, THREADS);
	return 0;
}
