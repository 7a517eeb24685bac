// SPDX-License-Identifier: GPL-2.0
/*
 * crowd SECONDS: for that time 16 threads compute, take a lock, pass a token through a pipe and
 * sleep. Debuggers and terminals stop and continue it. Prints "right" if nothing was lost.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define THREADS	16
#define LOOPS	2000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t rounds;
static atomic_bool stop;
static int token[2];

/* A breakpoint is set here. */
__attribute__((noinline)) void take_turn(uint64_t *own)
{
	char byte = 0;

	for (volatile int i = 0; i < LOOPS; i++)
		;
	if (read(token[0], &byte, 1) != 1)
		abort();
	pthread_mutex_lock(&lock);
	rounds++;
	pthread_mutex_unlock(&lock);
	(*own)++;
	if (write(token[1], &byte, 1) != 1)
		abort();
}

static void *member(void *own)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	while (!stop) {
		take_turn(own);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	const int seconds = argc > 1 ? atoi(argv[1]) : 0;
	static uint64_t own[THREADS];
	pthread_t threads[THREADS];
	struct timespec begin, now;
	uint64_t sum = 0;

	if (seconds < 1 || pipe(token) || write(token[1], "abc", 3) != 3)
		return 2;
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, member, &own[i]))
			return 1;
	puts("running");
	fflush(stdout);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		usleep(100000);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - begin.tv_sec < seconds);
	stop = true;
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		if (!own[i])
			return 1;
		sum += own[i];
	}
	printf("%s after %llu rounds\n", sum == rounds ? "right" : "wrong",
	       (unsigned long long)rounds);
	return sum != rounds;
}
