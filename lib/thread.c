// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Records of threads: where they come from, and which one is the caller's.
 */
#include <errno.h>

#include "internal.h"

static _Thread_local struct thread *own_thread;

static pthread_key_t end_of_thread;
static int key_error = -1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void put_unused(struct process *process, struct thread *first, struct thread *last)
{
	pthread_mutex_lock(&process->records_lock);
	last->next_waiting = process->unused;
	process->unused = first;
	pthread_mutex_unlock(&process->records_lock);
}

static struct thread *take_unused(struct process *process)
{
	struct thread *thread;

	pthread_mutex_lock(&process->records_lock);
	thread = process->unused;
	if (thread)
		process->unused = thread->next_waiting;
	pthread_mutex_unlock(&process->records_lock);

	return thread;
}

/* LeakSanitizer, if present: memory to be scanned for pointers. */
void __lsan_register_root_region(const void *region, size_t size) __attribute__((weak));

/*
 * A new page of records, all but the first for others; the kernel pins pages, so records
 * are packed.
 */
static struct thread *map_threads(struct process *process)
{
	struct thread *threads = umcg_map_page();
	struct thread *last;

	if (!threads)
		return NULL;
	/* A tag may be all that points to something of the program. */
	if (__lsan_register_root_region)
		__lsan_register_root_region(threads, umcg_page_size());
	last = threads + umcg_page_size() / sizeof(*threads) - 1;
	for (struct thread *thread = threads + 1; thread < last; thread++)
		thread->next_waiting = thread + 1;
	put_unused(process, threads + 1, last);

	return threads;
}

static struct thread *allocate_thread(void)
{
	struct process *process = umcg_process();
	struct thread *thread;

	if (!process)
		return NULL;
	thread = take_unused(process);

	return thread ? thread : map_threads(process);
}

void umcg_free_thread(struct thread *thread)
{
	put_unused(umcg_process(), thread, thread);
}

static void thread_ends(void *thread)
{
	umcg_unregister_task();
	own_thread = NULL;
	/* If that has failed, the kernel writes to the record when the thread exits. */
	if (kind_of(thread) == UNREGISTERED)
		umcg_free_thread(thread);
}

/*
 * The child of fork() inherits all but the registration, so its only thread gets its tag again,
 * unless another handler has set one. No other thread there has its record.
 */
static _Thread_local intptr_t tag_at_fork;

static void before_fork(void)
{
	tag_at_fork = own_thread ? umcg_get_task_tag(utid_of(own_thread)) : 0;
}

static void child_begins(void)
{
	if (own_thread && !umcg_get_task_tag(utid_of(own_thread)))
		umcg_set_task_tag(utid_of(own_thread), tag_at_fork);
}

static void initialize(void)
{
	key_error = pthread_key_create(&end_of_thread, thread_ends);
	if (!key_error && pthread_atfork(before_fork, NULL, child_begins)) {
		pthread_key_delete(end_of_thread);
		key_error = -1;
	}
}

/*
 * An object that contains the static library is unloaded, like a plugin, or the process exits.
 * Remaining threads must not call thread_ends() when they exit; the program must ensure that none
 * is just exiting. The device stays open for registered threads, which may exist at the end of a
 * process.
 */
__attribute__((destructor)) static void unload(void)
{
	if (!key_error)
		pthread_key_delete(end_of_thread);
	if (!umcg_somebody_is_registered())
		umcg_sys_close();
}

struct thread *umcg_own_thread(void)
{
	struct thread *thread = own_thread;

	if (thread)
		return thread;

	pthread_once(&once, initialize);
	thread = key_error ? NULL : allocate_thread();
	if (thread && pthread_setspecific(end_of_thread, thread)) {
		umcg_free_thread(thread);
		thread = NULL;
	}
	if (!thread)
		errno = ENOMEM;

	own_thread = thread;
	return thread;
}

/* The calling thread, if it is registered as @kind; or NULL and EINVAL. */
struct thread *umcg_own_thread_as(enum thread_kind kind)
{
	if (own_thread && kind_of(own_thread) == kind)
		return own_thread;

	errno = EINVAL;
	return NULL;
}

umcg_tid umcg_get_utid(void)
{
	return utid_of(umcg_own_thread());
}

/* Relaxed: a tag is independent; the program must order what it points to. */
void umcg_set_task_tag(umcg_tid utid, intptr_t tag)
{
	atomic_store_explicit(&thread_of(utid)->tag, tag, memory_order_relaxed);
}

intptr_t umcg_get_task_tag(umcg_tid utid)
{
	return atomic_load_explicit(&thread_of(utid)->tag, memory_order_relaxed);
}

uint64_t umcg_get_task_state(umcg_tid utid)
{
	struct thread *thread = thread_of(utid);
	const enum thread_kind kind = kind_of(thread);
	const uint64_t word = atomic_load(&thread->words.state_ts);
	uint64_t state = word & (UMCG_TASK_STATE_MASK | LOCKED | PREEMPTED | PROGRAM_BITS);

	/*
	 * The word is prepared before the registration: until then it is no task for
	 * other calls.
	 */
	if (kind == UNREGISTERED || (word & UMCG_TASK_STATE_MASK) == NONE)
		return UMCG_TASK_NONE;
	if (kind == WORKER && word & WAITS)
		state |= UMCG_UTF_WORKER_IN_WAIT;
	if (has_wakeup(thread))
		state |= UMCG_UTF_WAKEUP_QUEUED;

	return state;
}

uint64_t umcg_get_task_since(umcg_tid utid)
{
	return state_time_ns(atomic_load(&thread_of(utid)->words.state_ts), monotonic_ns()) +
	       atomic_load_explicit(&umcg_clock_offset, memory_order_relaxed);
}

uint64_t umcg_get_time_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}
