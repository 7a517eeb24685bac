// SPDX-License-Identifier: GPL-2.0
/*
 * Slots and deschedule notifications by way of libumcg, and the two examples that
 * stand on them.
 */
#define _GNU_SOURCE
#include <sys/resource.h>
#include <sys/sysinfo.h>

#include "kselftest_harness.h"
#include "libumcg_crew.h"
#include "../examples/adaptive_mutex.h"
#include "../examples/percpu_cache.h"

#define THREADS		8
#define ROUNDS		20000
#define OBJECTS		200
#define ALWAYS		(UMCG_DESCHED_ON_PREEMPT | UMCG_DESCHED_ON_BLOCK)

static const struct umcg_sched_state *slot_of_other;
static unsigned long counter;

static void *leave_a_slot(void *arg)
{
	(void)arg;
	slot_of_other = umcg_sched_state_register(0);
	return NULL;
}

static void in_another_thread(void *(*body)(void *), void *arg)
{
	pthread_t thread;

	MUST(!pthread_create(&thread, NULL, body, arg));
	pthread_join(thread, NULL);
}

TEST(a_thread_gets_the_same_slot_again)
{
	const struct umcg_sched_state *slot = umcg_sched_state_register(0);
	struct umcg_sched_state copy;

	ASSERT_NE(NULL, slot);
	EXPECT_EQ(slot, umcg_sched_state_register(UMCG_SCHED_STATE_VCPU));
	EXPECT_EQ(slot, &umcg_sched_slots()[umcg_sched_number(umcg_sched_slots(), slot)]);
	EXPECT_TRUE(umcg_on_cpu(slot));
	/* False, if the thread leaves its CPU meanwhile. */
	while (!umcg_sched_read(slot, &copy))
		;
	EXPECT_EQ(gettid(), copy.tid);
	EXPECT_EQ(NULL, umcg_sched_state_register(2));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, umcg_sched_state_unregister());
	EXPECT_FALSE(umcg_on_cpu(slot));
	EXPECT_FAILS(ENOENT, umcg_sched_state_unregister());
}

TEST(the_slot_of_a_thread_that_has_ended_can_be_read)
{
	in_another_thread(leave_a_slot, NULL);
	ASSERT_NE(NULL, slot_of_other);
	MUST(SOON(slot_of_other->state == UMCG_SCHED_EXITED));
	EXPECT_FALSE(umcg_on_cpu(slot_of_other));
}

TEST(a_child_of_fork_reads_the_slots_that_its_parent_knew)
{
	const struct umcg_sched_state *slot = umcg_sched_state_register(0);
	uint64_t word = 7;
	int status;
	pid_t pid;

	ASSERT_EQ(0, umcg_desched_add(&word, ALWAYS, &word, sizeof(word), 0));
	pid = fork();
	if (!pid) {
		const struct umcg_sched_state *own;

		if (umcg_on_cpu(slot) || umcg_desched_remove(&word) != -1)
			_exit(1);
		own = umcg_sched_state_register(0);
		_exit(own == slot && umcg_on_cpu(own) && own->tid == (uint32_t)gettid() ? 0 : 2);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(umcg_on_cpu(slot));
	EXPECT_EQ(0, umcg_desched_remove(&word));
}

static long own_sleeps(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

/* A moment may be over before the thread has gone to sleep for it. */
static void sleep_once(void)
{
	const long before = own_sleeps();

	while (own_sleeps() == before)
		usleep(1000);
}

TEST(libraries_have_notifications_side_by_side)
{
	static uint64_t of_malloc = 1;
	static uint32_t of_locks = 1;

	ASSERT_EQ(0, umcg_desched_add(&of_malloc, ALWAYS, &of_malloc, 8, 0));
	ASSERT_EQ(0, umcg_desched_add(&of_locks, ALWAYS, &of_locks, 4, 9));
	EXPECT_EQ(9, of_locks);
	EXPECT_FAILS(EEXIST, umcg_desched_add(&of_locks, ALWAYS, &of_locks, 4, 9));
	EXPECT_FAILS(EINVAL, umcg_desched_add(&counter, ALWAYS, &of_locks, 16, 0));
	EXPECT_FAILS(EFAULT, umcg_desched_add(&counter, ALWAYS, NULL, 8, 0));
	EXPECT_EQ(0, umcg_desched_remove(&of_locks));
	EXPECT_FAILS(ENOENT, umcg_desched_remove(&of_locks));
	of_malloc = 1;
	of_locks = 1;
	sleep_once();
	EXPECT_EQ(0, of_malloc);
	EXPECT_EQ(1, of_locks);
}

static struct adaptive_mutex mutex;

static void *count_under_mutex(void *arg)
{
	struct adaptive_thread self;

	(void)arg;
	MUST(adaptive_thread_init(&self));
	for (int round = 0; round < ROUNDS; round++) {
		adaptive_lock(&mutex, &self);
		counter++;
		if (round % 512 == 0)
			usleep(1);
		adaptive_unlock(&mutex);
	}
	return NULL;
}

static void run_threads(void *(*body)(void *))
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		MUST(!pthread_create(&threads[i], NULL, body, NULL));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

TEST(the_adaptive_mutex_excludes_and_wakes)
{
	run_threads(count_under_mutex);
	EXPECT_EQ(THREADS * ROUNDS, counter);
	EXPECT_EQ(0, mutex.word);
}

static struct percpu_cache *caches;
static _Atomic int owners[OBJECTS];
static _Atomic unsigned long lookups;

static void *take_and_put(void *arg)
{
	static _Thread_local struct percpu_thread self;

	(void)arg;
	MUST(percpu_thread_init(&self, caches));
	for (int round = 0; round < ROUNDS; round++) {
		_Atomic int *object = percpu_take(&self);

		if (!object) {
			sched_yield();
			continue;
		}
		MUST(!atomic_exchange(object, 1));
		if (round % 64 == 0)
			sched_yield();
		*object = 0;
		/* On another CPU by now, perhaps, whose cache may be full. */
		while (!percpu_put(&self, (void *)object))
			sched_yield();
	}
	percpu_thread_exit(&self);
	lookups += self.lookups;
	return NULL;
}

TEST(the_cache_of_each_cpu_gives_no_object_twice)
{
	const int cpus = get_nprocs_conf();
	unsigned long count = 0;

	if (!__rseq_size)
		SKIP(return, "the C library has not registered restartable sequences");
	caches = aligned_alloc(64, cpus * sizeof(*caches));
	for (int cpu = 0; cpu < cpus; cpu++) {
		caches[cpu].count = PERCPU_CAPACITY / 2;
		for (int i = 0; i < PERCPU_CAPACITY / 2; i++)
			caches[cpu].objects[i] = (void *)&owners[cpu * PERCPU_CAPACITY / 2 + i];
	}
	run_threads(take_and_put);
	for (int cpu = 0; cpu < cpus; cpu++)
		count += caches[cpu].count;
	EXPECT_EQ(cpus * PERCPU_CAPACITY / 2, count);
	TH_LOG("the cache was looked up %lu times", (unsigned long)lookups);
	EXPECT_LT(THREADS, lookups);
}

TEST_HARNESS_MAIN
