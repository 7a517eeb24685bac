// SPDX-License-Identifier: GPL-2.0
/*
 * Locks: with one server, the holder of one runs on at the end of a slice, and gives way when it
 * unlocks. So a rival runs in between if, and only if, it should.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <time.h>
#include <threads.h>
#include <unistd.h>

#include "cases.h"
#include "subject.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_spinlock_t spinlock;
static mtx_t mtx;

static struct timespec later(clockid_t clock, long ms)
{
	struct timespec time;

	clock_gettime(clock, &time);
	time.tv_sec += ms / 1000;
	time.tv_nsec += ms % 1000 * 1000000;
	if (time.tv_nsec >= 1000000000) {
		time.tv_sec++;
		time.tv_nsec -= 1000000000;
	}
	return time;
}

#define LATER later(CLOCK_REALTIME, 100000)
#define LATER_MONOTONIC later(CLOCK_MONOTONIC, 100000)

/*
 * The caller is in a section: it is not preempted for some slices. That ends after eight of them,
 * which is much longer, for others need the CPUs, too.
 */
static void check_runs_on(void)
{
	const unsigned long before = rival_count();

	compute(2 * SLICE_NS);
	CHECK(rival_count() == before);
}

/* The caller was in one for some slices, and has just left it. */
static void check_has_given_way(unsigned long before)
{
	CHECK(rival_count() != before);
}

/* The caller is in no section: it is preempted before many slices are over. */
static void check_is_preempted(void)
{
	const unsigned long before = rival_count();

	compute(3 * SLICE_NS);
	CHECK(rival_count() != before);
}

#define CHECK_SECTION(lock, unlock) do {					\
	unsigned long before_;							\
										\
	check_is_preempted();							\
	CHECK((lock) == 0);							\
	check_runs_on();							\
	before_ = rival_count();						\
	CHECK((unlock) == 0);							\
	check_has_given_way(before_);						\
} while (0)

static void *take_each(void *argument)
{
	struct timespec time;

	CHECK_SECTION(pthread_mutex_lock(&mutex), pthread_mutex_unlock(&mutex));
	CHECK_SECTION(pthread_mutex_trylock(&mutex), pthread_mutex_unlock(&mutex));
	time = LATER;
	CHECK_SECTION(pthread_mutex_timedlock(&mutex, &time), pthread_mutex_unlock(&mutex));
	time = LATER_MONOTONIC;
	CHECK_SECTION(pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &time),
		      pthread_mutex_unlock(&mutex));
	CHECK_SECTION(mtx_lock(&mtx), mtx_unlock(&mtx));
	CHECK_SECTION(mtx_trylock(&mtx), mtx_unlock(&mtx));
	time = LATER;
	CHECK_SECTION(mtx_timedlock(&mtx, &time), mtx_unlock(&mtx));
	CHECK_SECTION(pthread_spin_lock(&spinlock), pthread_spin_unlock(&spinlock));
	CHECK_SECTION(pthread_spin_trylock(&spinlock), pthread_spin_unlock(&spinlock));
	return argument;
}

static void *take_each_rwlock(void *argument)
{
	struct timespec time;

	CHECK_SECTION(pthread_rwlock_rdlock(&rwlock), pthread_rwlock_unlock(&rwlock));
	CHECK_SECTION(pthread_rwlock_tryrdlock(&rwlock), pthread_rwlock_unlock(&rwlock));
	time = LATER;
	CHECK_SECTION(pthread_rwlock_timedrdlock(&rwlock, &time), pthread_rwlock_unlock(&rwlock));
	time = LATER_MONOTONIC;
	CHECK_SECTION(pthread_rwlock_clockrdlock(&rwlock, CLOCK_MONOTONIC, &time),
		      pthread_rwlock_unlock(&rwlock));
	CHECK_SECTION(pthread_rwlock_wrlock(&rwlock), pthread_rwlock_unlock(&rwlock));
	CHECK_SECTION(pthread_rwlock_trywrlock(&rwlock), pthread_rwlock_unlock(&rwlock));
	time = LATER;
	CHECK_SECTION(pthread_rwlock_timedwrlock(&rwlock, &time), pthread_rwlock_unlock(&rwlock));
	time = LATER_MONOTONIC;
	CHECK_SECTION(pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &time),
		      pthread_rwlock_unlock(&rwlock));
	return argument;
}

static int run_beside_rival(void *(*body)(void *argument))
{
	pthread_t thread;

	pthread_spin_init(&spinlock, PTHREAD_PROCESS_PRIVATE);
	mtx_init(&mtx, mtx_timed);
	rival_begin();
	thread = start(body, NULL);
	join(thread);
	rival_end();
	return 0;
}

static int locks(char **arguments)
{
	(void)arguments;
	return run_beside_rival(take_each);
}

static int rwlocks(char **arguments)
{
	(void)arguments;
	return run_beside_rival(take_each_rwlock);
}

/* Attempts in vain leave no section. */
static void *take_none(void *argument)
{
	struct timespec time = later(CLOCK_REALTIME, 5);

	for (int i = 0; i < 1000; i++) {
		CHECK(pthread_mutex_trylock(&mutex) == EBUSY);
		CHECK(pthread_spin_trylock(&spinlock) == EBUSY);
		CHECK(pthread_rwlock_tryrdlock(&rwlock) == EBUSY);
		CHECK(pthread_rwlock_trywrlock(&rwlock) == EBUSY);
	}
	CHECK(pthread_mutex_timedlock(&mutex, &time) == ETIMEDOUT);
	CHECK(pthread_rwlock_timedwrlock(&rwlock, &time) == ETIMEDOUT);
	check_is_preempted();
	return argument;
}

static int vain(char **arguments)
{
	(void)arguments;
	pthread_spin_init(&spinlock, PTHREAD_PROCESS_PRIVATE);
	CHECK(!pthread_mutex_lock(&mutex));
	CHECK(!pthread_spin_lock(&spinlock));
	CHECK(!pthread_rwlock_wrlock(&rwlock));
	rival_begin();
	join(start(take_none, NULL));
	rival_end();
	return 0;
}

/* Mutexes that one thread takes and another one gives back. */
static pthread_mutex_t passed_on[2] = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER };
static atomic_bool taken, given_back;

static void *take_only(void *argument)
{
	unsigned long before;

	CHECK(!pthread_mutex_lock(&passed_on[0]));
	CHECK(!pthread_mutex_lock(&passed_on[1]));
	taken = true;
	while (!given_back)
		usleep(1000);
	/* It seems to be in two sections. Such a one ends after a while. */
	before = rival_count();
	while (rival_count() == before)
		;
	/* And does not come back. */
	CHECK(!pthread_mutex_lock(&mutex));
	CHECK(!pthread_mutex_unlock(&mutex));
	check_is_preempted();
	check_is_preempted();
	return argument;
}

static void *give_back_only(void *argument)
{
	unsigned long before;

	while (!taken)
		usleep(1000);
	CHECK(!pthread_mutex_unlock(&passed_on[0]));
	CHECK(!pthread_mutex_unlock(&passed_on[1]));
	check_is_preempted();
	/* One section is one, whatever was given back before. */
	CHECK(!pthread_mutex_lock(&mutex));
	check_runs_on();
	before = rival_count();
	CHECK(!pthread_mutex_unlock(&mutex));
	check_has_given_way(before);
	given_back = true;
	return argument;
}

static int passes(char **arguments)
{
	pthread_t takes;

	(void)arguments;
	rival_begin();
	takes = start(take_only, NULL);
	join(start(give_back_only, NULL));
	join(takes);
	rival_end();
	return 0;
}

/* Waits for a condition. */
static atomic_bool waits, comes;

static void *wait_for_condition(void *argument)
{
	struct timespec time = later(CLOCK_REALTIME, 5);
	unsigned long before;

	CHECK(!pthread_mutex_lock(&mutex));
	CHECK(pthread_cond_timedwait(&condition, &mutex, &time) == ETIMEDOUT);
	time = later(CLOCK_MONOTONIC, 5);
	CHECK(pthread_cond_clockwait(&condition, &mutex, CLOCK_MONOTONIC, &time) == ETIMEDOUT);
	waits = true;
	while (!comes)
		CHECK(!pthread_cond_wait(&condition, &mutex));
	/* It has the mutex, and is in its section. */
	check_runs_on();
	before = rival_count();
	CHECK(!pthread_mutex_unlock(&mutex));
	check_has_given_way(before);
	check_is_preempted();
	return argument;
}

static void *signal_condition(void *argument)
{
	while (!waits)
		usleep(1000);
	/* The other one waits, and its section keeps nobody off. */
	CHECK(!pthread_mutex_lock(&mutex));
	comes = true;
	CHECK(!pthread_cond_signal(&condition));
	CHECK(!pthread_mutex_unlock(&mutex));
	check_is_preempted();
	return argument;
}

static void unlock(void *argument)
{
	CHECK(!pthread_mutex_unlock(argument));
}

static atomic_int cancelled_tid;

static void *wait_until_cancelled(void *argument)
{
	CHECK(!pthread_mutex_lock(&mutex));
	pthread_cleanup_push(unlock, &mutex);
	cancelled_tid = gettid();
	for (;;)
		pthread_cond_wait(&condition, &mutex);
	pthread_cleanup_pop(0);
	return argument;
}

static int conditions(char **arguments)
{
	pthread_t waiter;

	(void)arguments;
	rival_begin();
	waiter = start(wait_for_condition, NULL);
	join(start(signal_condition, NULL));
	join(waiter);

	waiter = start(wait_until_cancelled, NULL);
	WAIT_FOR(cancelled_tid && is_in_state(cancelled_tid, "BLOCKED"));
	CHECK(!pthread_cancel(waiter));
	CHECK(join(waiter) == PTHREAD_CANCELED);
	CHECK(!pthread_mutex_trylock(&mutex));
	rival_end();
	return 0;
}

/* Without slices, a thread that spins on a lock yields to others, which may hold it. */
static atomic_bool has_lock;

static void *hold_and_sleep(void *argument)
{
	CHECK(!pthread_spin_lock(&spinlock));
	has_lock = true;
	usleep(20000);
	CHECK(!pthread_spin_unlock(&spinlock));
	return argument;
}

static void *spin_on_lock(void *argument)
{
	while (!has_lock)
		usleep(1000);
	CHECK(!pthread_spin_lock(&spinlock));
	CHECK(!pthread_spin_unlock(&spinlock));
	return argument;
}

static int spinlock_waits(char **arguments)
{
	pthread_t holds, spins;

	(void)arguments;
	pthread_spin_init(&spinlock, PTHREAD_PROCESS_PRIVATE);
	holds = start(hold_and_sleep, NULL);
	spins = start(spin_on_lock, NULL);
	join(holds);
	join(spins);
	return 0;
}

/* Many threads, one counter: no lock is lost. */
#define CROWD 16
#define TIMES 2000

static long counter;

static void *count_up(void *argument)
{
	for (int i = 0; i < TIMES; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
	}
	return argument;
}

static int contention(char **arguments)
{
	pthread_t all[CROWD];

	(void)arguments;
	for (int i = 0; i < CROWD; i++)
		all[i] = start(count_up, NULL);
	for (int i = 0; i < CROWD; i++)
		join(all[i]);
	CHECK(counter == CROWD * TIMES);
	return 0;
}

const struct subject_case lock_cases[] = {
	{ "locks", locks },
	{ "rwlocks", rwlocks },
	{ "vain", vain },
	{ "passes", passes },
	{ "conditions", conditions },
	{ "spinlock_waits", spinlock_waits },
	{ "contention", contention },
	{ NULL, NULL },
};
