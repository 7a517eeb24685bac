// SPDX-License-Identifier: GPL-2.0
/* OpenMP with more threads than CPUs, which wait for each other at barriers, by spinning. */
#include <omp.h>
#include <stdio.h>

#define THREADS 6
#define ROUNDS 20

int main(void)
{
	long sum = 0, rounds = 0;

	omp_set_dynamic(0);
#pragma omp parallel num_threads(THREADS) reduction(+ : sum)
	for (int round = 0; round < ROUNDS; round++) {
#pragma omp for
		for (int i = 0; i < 1000; i++)
			sum += i;
#pragma omp critical
		rounds++;
#pragma omp barrier
	}
	printf("sum %ld, rounds %ld\n", sum, rounds);
	return !(sum == ROUNDS * 999L * 500 && rounds == ROUNDS * THREADS);
}
