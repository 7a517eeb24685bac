// SPDX-License-Identifier: GPL-2.0
/* Threads: how they begin, give way, have names, and end. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <threads.h>
#include <unistd.h>

#include <linux/umcg.h>

#include "cases.h"
#include "subject.h"

static pthread_key_t key;
static atomic_int destructors;

/* It comes after the thread has left. */
static void check_has_left(void *argument)
{
	(void)argument;
	CHECK(!is_worker(gettid()));
	destructors++;
}

static void *check_and_return(void *argument)
{
	CHECK(is_worker(gettid()));
	pthread_setspecific(key, argument);
	return argument;
}

static void *check_and_exit(void *argument)
{
	CHECK(is_worker(gettid()));
	pthread_setspecific(key, argument);
	pthread_exit(argument);
}

static atomic_int cleanups;

static void clean_up(void *argument)
{
	(void)argument;
	CHECK(is_worker(gettid()));
	cleanups++;
}

static void *be_cancelled(void *argument)
{
	pthread_setspecific(key, argument);
	pthread_cleanup_push(clean_up, NULL);
	for (;;)
		pause();
	pthread_cleanup_pop(0);
	return NULL;
}

static int run_thrd(void *argument)
{
	CHECK(is_worker(gettid()));
	return *(int *)argument;
}

static void *end_later(void *argument)
{
	usleep(10000);
	return argument;
}

static int threads(char **arguments)
{
	pthread_t thread;
	int value = 17, result;
	pthread_attr_t small;
	thrd_t thrd;

	(void)arguments;
	CHECK(!pthread_key_create(&key, check_has_left));
	CHECK(join(start(check_and_return, &value)) == &value);
	CHECK(join(start(check_and_exit, &value)) == &value);
	thread = start(be_cancelled, &value);
	CHECK(!pthread_cancel(thread));
	CHECK(join(thread) == PTHREAD_CANCELED);
	CHECK(destructors >= 2 && cleanups <= 1);
	CHECK(thrd_create(&thrd, run_thrd, &value) == thrd_success);
	CHECK(thrd_join(thrd, &result) == thrd_success && result == value);
	CHECK(!pthread_attr_init(&small));
	CHECK(!pthread_attr_setstacksize(&small, PTHREAD_STACK_MIN));
	CHECK(!pthread_create(&thread, &small, end_later, &value));
	CHECK(join(thread) == &value);
	CHECK(!is_worker(getpid()));
	CHECK(count_workers() == 0);
	return 0;
}

#define MANY 200

static atomic_int sum;

static void *add(void *argument)
{
	sum += (long)argument;
	usleep(100);
	return argument;
}

static int many(char **arguments)
{
	pthread_t all[MANY];

	(void)arguments;
	for (long i = 0; i < MANY; i++)
		all[i] = start(add, (void *)i);
	for (long i = 0; i < MANY; i++)
		CHECK(join(all[i]) == (void *)i);
	CHECK(sum == MANY * (MANY - 1) / 2);
	return 0;
}

/*
 * With one server and no slices, others run only if a worker gives way. In a critical section no
 * worker does so because the kernel preempts it.
 */
static atomic_bool told;

static void *yield_until_told(void *argument)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

	CHECK(!pthread_mutex_lock(&mutex));
	while (!told)
		CHECK(!sched_yield());
	CHECK(!pthread_mutex_unlock(&mutex));
	return argument;
}

static void *thrd_yield_until_told(void *argument)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

	CHECK(!pthread_mutex_lock(&mutex));
	while (!told)
		thrd_yield();
	CHECK(!pthread_mutex_unlock(&mutex));
	return argument;
}

static void *tell(void *argument)
{
	told = true;
	return argument;
}

static int yield(char **arguments)
{
	pthread_t waits;

	(void)arguments;
	waits = start(yield_until_told, NULL);
	join(start(tell, NULL));
	join(waits);
	told = false;
	waits = start(thrd_yield_until_told, NULL);
	join(start(tell, NULL));
	join(waits);
	return 0;
}

/* Nothing but slices lets others run. */
static void *spin_until_told(void *argument)
{
	while (!told)
		;
	return argument;
}

#define PARTIES 4
#define ROUNDS 5

static atomic_int arrived;

static void *pass_spin_barriers(void *argument)
{
	for (int round = 1; round <= ROUNDS; round++) {
		arrived++;
		while (arrived < round * PARTIES)
			;
	}
	return argument;
}

static int spin(char **arguments)
{
	pthread_t all[PARTIES], waits = start(spin_until_told, NULL);

	(void)arguments;
	join(start(tell, NULL));
	join(waits);
	for (int i = 0; i < PARTIES; i++)
		all[i] = start(pass_spin_barriers, NULL);
	for (int i = 0; i < PARTIES; i++)
		join(all[i]);
	CHECK(arrived == PARTIES * ROUNDS);
	return 0;
}

/* With one server and no slices: threads queue while another one runs; in which order they run. */
#define CONTESTANTS 4

static atomic_int tids[CONTESTANTS], places;
static int order[CONTESTANTS];
static int gate[2];

static void *come_in(void *argument)
{
	const long number = (long)argument;
	char byte;

	if (number == CONTESTANTS - 1)
		CHECK(!prctl(PR_SET_NAME, "urgent"));
	tids[number] = gettid();
	CHECK(read(gate[0], &byte, 1) == 1);
	order[places++] = number;
	return argument;
}

static atomic_bool holds_server;

/* In a critical section the server is not lent either, while the kernel has others run. */
static void *hold_server(void *argument)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

	CHECK(!pthread_mutex_lock(&mutex));
	holds_server = true;
	while (!told)
		;
	CHECK(!pthread_mutex_unlock(&mutex));
	return argument;
}

static int names(char **arguments)
{
	pthread_t all[CONTESTANTS], holds;

	(void)arguments;
	CHECK(!pipe(gate));
	for (long i = 0; i < CONTESTANTS; i++) {
		all[i] = start(come_in, (void *)i);
		/* By the creator: the third is "high-2", the last names itself. */
		if (i == 2)
			CHECK(!pthread_setname_np(all[i], "high-2"));
		WAIT_FOR(tids[i] && is_in_state(tids[i], "BLOCKED"));
	}
	holds = start(hold_server, NULL);
	WAIT_FOR(holds_server);
	/* One after the other: of two that wake each other, either may be queued first. */
	for (int i = 0; i < CONTESTANTS; i++) {
		CHECK(write(gate[1], "x", 1) == 1);
		WAIT_FOR(is_in_state(tids[i], "IDLE"));
	}
	told = true;
	join(holds);
	for (int i = 0; i < CONTESTANTS; i++)
		join(all[i]);
	printf("%d%d\n", order[0], order[1]);
	return 0;
}

/* The program uses UMCG by itself. */
static struct umcg_task task;

static void *be_server(void *argument)
{
	struct umcg_ctl_args args = {
		.size = sizeof(args),
		.flags = UMCG_CTL_REGISTER,
		.self = (unsigned long)&task,
	};
	const int fd = open("/dev/umcg", O_RDWR | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(is_worker(gettid()));
	task.state_ts = UMCG_TASK_RUNNING;
	CHECK(!ioctl(fd, UMCG_IOC_CTL, &args));
	CHECK(has_role(gettid(), "server"));
	/* As before, in a thread that is no worker of ours any more. */
	sched_yield();
	args.flags = UMCG_CTL_UNREGISTER;
	args.self = 0;
	CHECK(!ioctl(fd, UMCG_IOC_CTL, &args));
	CHECK(ioctl(fd, UMCG_IOC_CTL, &args) == -1);
	close(fd);
	return argument;
}

static int registers(char **arguments)
{
	(void)arguments;
	join(start(be_server, NULL));
	check_threads_are_workers();
	return 0;
}

static void *be_adder(void *argument)
{
	CHECK(!pthread_setname_np(pthread_self(), "adder-1"));
	usleep(1000);
	return argument;
}

/* The program waits for a line, and ends. */
static int stays(char **arguments)
{
	char line[16];
	struct sigaction action;

	(void)arguments;
	CHECK(!sigaction(SIGSTKFLT, NULL, &action) && action.sa_flags & SA_ONSTACK);
	join(start(be_adder, NULL));
	printf("begun\n");
	fflush(stdout);
	CHECK(fgets(line, sizeof(line), stdin));
	return 0;
}

static void *exit_by(void *argument)
{
	exit((long)argument);
}

/* The process ends with its last thread, even if that is not the first one. */
static int first_ends(char **arguments)
{
	if (arguments[0])
		start(end_later, NULL);
	else
		join(start(end_later, NULL));
	pthread_exit(NULL);
}

static int first_ends_by_thrd_exit(char **arguments)
{
	(void)arguments;
	start(end_later, NULL);
	thrd_exit(0);
}

static atomic_bool is_made;

static void check_is_made(void *argument)
{
	(void)argument;
	CHECK(is_made);
}

/* A cancellation before the first thread is made comes after that: it is no cancellation point. */
static int first_is_cancelled(char **arguments)
{
	(void)arguments;
	pthread_cleanup_push(check_is_made, NULL);
	CHECK(!pthread_cancel(pthread_self()));
	start(end_later, NULL);
	is_made = true;
	pthread_testcancel();
	pthread_cleanup_pop(0);
	return 99;
}

static int exits(char **arguments)
{
	(void)arguments;
	join(start(exit_by, (void *)23));
	return 0;
}

static int nothing(char **arguments)
{
	(void)arguments;
	return 0;
}

/* A library starts the first thread when it is loaded. */
static int loads(char **arguments)
{
	pthread_t *thread;
	atomic_int *rounds;
	void *library;

	if (arguments[0])
		CHECK(!setenv("CONSTRUCTOR_WAITS", "1", 1));
	library = dlopen("/run/constructor.so", RTLD_NOW);
	CHECK(library);
	thread = dlsym(library, "constructed");
	rounds = dlsym(library, "constructed_rounds");
	CHECK(thread && rounds);
	if (!arguments[0])
		CHECK(join(*thread) == rounds);
	CHECK(*rounds == 1);
	check_threads_are_workers();
	return 0;
}

const struct subject_case thread_cases[] = {
	{ "nothing", nothing },
	{ "threads", threads },
	{ "many", many },
	{ "yield", yield },
	{ "spin", spin },
	{ "names", names },
	{ "registers", registers },
	{ "stays", stays },
	{ "exits", exits },
	{ "first_ends", first_ends },
	{ "first_ends_by_thrd_exit", first_ends_by_thrd_exit },
	{ "first_is_cancelled", first_is_cancelled },
	{ "loads", loads },
	{ NULL, NULL },
};
