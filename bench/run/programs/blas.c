// SPDX-License-Identifier: GPL-2.0
/*
 * Threads of OpenMP that multiply matrices with OpenBLAS and meet at a barrier, where they spin, or
 * sleep if OMP_WAIT_POLICY=passive. The third argument is the library, the fourth one the number of
 * rows and of columns: OpenBLAS uses one thread for up to 80, and more for larger matrices, which
 * wait for each other by spinning.
 */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workload.h"

#define TEAM	4
#define MAX_SIZE	256
#define ORDER	101
#define PLAIN	111

typedef void (*dgemm_fn)(int order, int trans_a, int trans_b, int m, int n, int k, double alpha,
			 const double *a, int lda, const double *b, int ldb, double beta, double *c,
			 int ldc);

static dgemm_fn dgemm;
static double left[MAX_SIZE * MAX_SIZE], right[MAX_SIZE * MAX_SIZE];
static double products[TEAM][MAX_SIZE * MAX_SIZE];
static unsigned int size;
static const char *library_path;
static unsigned int rounds;
static bool is_last_round;

/* As a module of a scripting language would be: loaded by a thread, when it is needed. */
static void load(const char *path)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
	void *found = library ? dlsym(library, "cblas_dgemm") : NULL;

	if (!found)
		workload_die("no OpenBLAS: %s", dlerror());
	memcpy(&dgemm, &found, sizeof(dgemm));
}

static void *multiply(void *number)
{
	(void)number;
	load(library_path);
	workload_ready();
#pragma omp parallel num_threads(TEAM)
	{
		int index = 0;

#pragma omp critical
		{
			static int next;

			index = next++;
		}
		do {
			dgemm(ORDER, PLAIN, PLAIN, size, size, size, 1, left, size, right, size, 0,
			      products[index], size);
#pragma omp barrier
			if (!index) {
				is_last_round = atomic_load(&stop);
				rounds += !is_last_round;
			}
#pragma omp barrier
		} while (!is_last_round);
	}
	return NULL;
}

static void check(const double *product)
{
	for (unsigned int row = 0; row < size; row += 7) {
		for (unsigned int column = 0; column < size; column++) {
			double expected = 0;

			for (unsigned int i = 0; i < size; i++)
				expected += left[row * size + i] * right[i * size + column];
			if (fabs(product[row * size + column] - expected) > 1e-9)
				workload_die("a product is wrong");
		}
	}
}

int main(int argc, char *argv[])
{
	uint64_t seed = 88172645463325252ULL;
	double seconds;

	workload_begin(argc, argv);
	if (argc < 5)
		workload_die("no library, or no size");
	library_path = argv[3];
	size = atoi(argv[4]);
	if (!size || size > MAX_SIZE)
		workload_die("no size from 1 to %d", MAX_SIZE);
	for (unsigned int i = 0; i < size * size; i++) {
		left[i] = next_random(&seed) % 1000 / 1e3;
		right[i] = next_random(&seed) % 1000 / 1e3;
	}
	workload_start(1, multiply);
	seconds = workload_wait();
	for (unsigned int i = 0; i < TEAM; i++)
		check(products[i]);
	printf("rounds_per_s %.1f\n", rounds / seconds);
	return 0;
}
