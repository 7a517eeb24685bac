// SPDX-License-Identifier: GPL-2.0
/*
 * How much memory the kernel needs for a registered worker: what all its slab caches
 * hold before and after many have registered. The pinned page itself belongs to the
 * user; what is needed for each page is shared by the workers with words there, so
 * this is measured with a page for each worker, and with 32 of them on a page.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "steps.h"

#define WORKERS		1024U
#define PAGE		4096
#define MAX_CACHES	512
#define SETTLE_US	500000

static struct umcg_group group;
static pthread_barrier_t early_go, late_go;

/* One of the kernel's slab caches. */
struct cache {
	char name[64];
	unsigned long objects;
	unsigned long size;
};

struct caches {
	struct cache caches[MAX_CACHES];
	unsigned int count;
};

static void read_caches(struct caches *all)
{
	FILE *file = fopen("/proc/slabinfo", "re");
	char line[512];

	if (!file)
		bench_die_errno("/proc/slabinfo", errno);
	all->count = 0;
	while (fgets(line, sizeof(line), file) && all->count < MAX_CACHES) {
		struct cache *cache = &all->caches[all->count];

		if (sscanf(line, "%63s %lu %*u %lu", cache->name, &cache->objects,
			   &cache->size) == 3)
			all->count++;
	}
	fclose(file);
}

/* The bytes that were added, a worker. Caches do not come or go meanwhile. */
static double growth(const struct caches *before, const struct caches *after)
{
	double bytes = 0;

	if (before->count != after->count)
		bench_die("a slab cache has come or gone");
	for (unsigned int i = 0; i < after->count; i++) {
		const struct cache *cache = &after->caches[i];
		double objects = (double)cache->objects - before->caches[i].objects;

		if (objects)
			printf("# %s: %+.2f objects of %lu bytes a worker\n", cache->name,
			       objects / WORKERS, cache->size);
		bytes += objects * cache->size;
	}
	return bytes / WORKERS;
}

static void *early_worker(void *argument)
{
	pthread_barrier_wait(&early_go);
	worker_register(argument, &group);
	return NULL;
}

static void *late_worker(void *argument)
{
	pthread_barrier_wait(&late_go);
	worker_register(argument, &group);
	return NULL;
}

static void await_workers(pthread_barrier_t *go)
{
	static struct umcg_thread *idle[WORKERS];

	pthread_barrier_wait(go);
	await_idle_workers(&group, idle, WORKERS);
	sleep_us(SETTLE_US);
}

/*
 * The caches hold free objects that they count as used ones. These go to workers that
 * register early; for the late ones each object is new.
 */
static void measure(const char *row, size_t distance)
{
	static struct caches before, after;
	const size_t size = 2 * WORKERS * distance;
	char *words = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	/* Of a huge page all words would share what is needed for a page. */
	if (words == MAP_FAILED || madvise(words, size, MADV_NOHUGEPAGE))
		bench_die_errno("mmap", errno);
	memset(words, 0, size);
	pthread_barrier_init(&early_go, NULL, WORKERS + 1);
	pthread_barrier_init(&late_go, NULL, WORKERS + 1);
	for (unsigned int i = 0; i < WORKERS; i++) {
		bench_thread(early_worker, words + i * distance);
		bench_thread(late_worker, words + (WORKERS + i) * distance);
	}
	await_workers(&early_go);
	read_caches(&before);
	await_workers(&late_go);
	read_caches(&after);
	printf("bytes %s %.0f\n", row, growth(&before, &after));
}

/* In a separate process: the workers are not run, they exit with it. */
static void measure_in_process(const char *row, size_t distance)
{
	int status;
	pid_t pid;

	if (!bench_wants(row))
		return;
	pid = fork();
	if (!pid) {
		measure(row, distance);
		fflush(stdout);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status)
		bench_die("%s: the process that measures has failed", row);
}

int main(int argc, char *argv[])
{
	const struct rlimit no_limit = { RLIM_INFINITY, RLIM_INFINITY };

	bench_begin(argc, argv);
	if (setrlimit(RLIMIT_MEMLOCK, &no_limit))
		bench_die_errno("RLIMIT_MEMLOCK", errno);
	umcg_open();
	measure_in_process("task_bytes", PAGE);
	measure_in_process("task_bytes_shared_page", sizeof(struct umcg_thread));
	return 0;
}
