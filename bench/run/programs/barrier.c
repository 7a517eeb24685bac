// SPDX-License-Identifier: GPL-2.0
/* Threads that compute for about 100 us and meet at a barrier at which they only spin. */
#include <stdio.h>

#include "workload.h"

#define THREADS	8U
#define WORK_US	100U

/* Odd or even: the round that has begun last. */
static atomic_uint round_number;
static atomic_uint arrived;
static atomic_bool is_last_round;
static atomic_uint counted[THREADS];

static void pause_briefly(void)
{
#ifdef __x86_64__
	__builtin_ia32_pause();
#else
	__asm__ volatile("yield");
#endif
}

static void meet(void)
{
	const unsigned int round = atomic_load_explicit(&round_number, memory_order_relaxed);

	if (atomic_fetch_add(&arrived, 1) == THREADS - 1) {
		atomic_store_explicit(&is_last_round, atomic_load(&stop), memory_order_relaxed);
		atomic_store_explicit(&arrived, 0, memory_order_relaxed);
		/* Release: pairs with the acquire below. */
		atomic_store_explicit(&round_number, round + 1, memory_order_release);
		return;
	}
	while (atomic_load_explicit(&round_number, memory_order_acquire) == round)
		pause_briefly();
}

static void *compute_and_meet(void *number)
{
	const uintptr_t index = (uintptr_t)number;
	uint64_t seed = 88172645463325252ULL + index;

	workload_ready();
	do {
		work_about_us(WORK_US, &seed);
		atomic_fetch_add_explicit(&counted[index], 1, memory_order_relaxed);
		meet();
	} while (!atomic_load_explicit(&is_last_round, memory_order_relaxed));
	return NULL;
}

int main(int argc, char *argv[])
{
	double seconds;

	workload_begin(argc, argv);
	workload_start(THREADS, compute_and_meet);
	seconds = workload_wait();
	for (unsigned int i = 0; i < THREADS; i++) {
		if (counted[i] != round_number)
			workload_die("a thread has not been in each round");
	}
	printf("rounds_per_s %.1f\n", round_number / seconds);
	return 0;
}
