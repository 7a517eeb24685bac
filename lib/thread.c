// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Records of threads: where they come from, and which one is the caller's.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

static _Thread_local struct thread *own_thread;

/*
 * Records that nobody uses, and their lock. A thread that is registered has a record, so
 * no worker needs one; see also the rule of locks in internal.h.
 */
static struct thread *unused;
static pthread_mutex_t unused_lock = PTHREAD_MUTEX_INITIALIZER;

static pthread_key_t end_of_thread;
static int key_error;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void put_unused(struct thread *first, struct thread *last)
{
	pthread_mutex_lock(&unused_lock);
	last->next_waiting = unused;
	unused = first;
	pthread_mutex_unlock(&unused_lock);
}

static struct thread *take_unused(void)
{
	struct thread *thread;

	pthread_mutex_lock(&unused_lock);
	thread = unused;
	if (thread)
		unused = thread->next_waiting;
	pthread_mutex_unlock(&unused_lock);

	return thread;
}

size_t umcg_page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

/*
 * A page for words that the kernel shares. It pins what they lie in: of a huge page all would be
 * pinned, and count against RLIMIT_MEMLOCK. Returns NULL if there is no memory.
 */
void *umcg_map_page(void)
{
	void *page = mmap(NULL, umcg_page_size(), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return NULL;
	/* This fails on kernels that have no huge pages. */
	madvise(page, umcg_page_size(), MADV_NOHUGEPAGE);

	return page;
}

/* A new page of records, for others but the first; the kernel pins pages, so they lie close. */
static struct thread *map_threads(void)
{
	struct thread *threads = umcg_map_page();
	struct thread *last;

	if (!threads)
		return NULL;
	last = threads + umcg_page_size() / sizeof(*threads) - 1;
	for (struct thread *thread = threads + 1; thread < last; thread++)
		thread->next_waiting = thread + 1;
	put_unused(threads + 1, last);

	return threads;
}

static struct thread *allocate_thread(void)
{
	struct thread *thread = take_unused();

	return thread ? thread : map_threads();
}

void umcg_free_thread(struct thread *thread)
{
	put_unused(thread, thread);
}

static void thread_ends(void *thread)
{
	umcg_unregister_task();
	own_thread = NULL;
	/* If that has failed, the kernel writes to the record when the thread is gone. */
	if (kind_of(thread) == UNREGISTERED)
		umcg_free_thread(thread);
}

/*
 * The kernel has registered the parent's thread, not the child's copy of it. Another thread of
 * the parent may have been changing the list of records just then, so the child begins anew.
 */
static void child_begins(void)
{
	pthread_mutex_init(&unused_lock, NULL);
	unused = NULL;
	if (own_thread)
		umcg_forget_registration(own_thread);
}

static void initialize(void)
{
	key_error = pthread_key_create(&end_of_thread, thread_ends);
	if (!key_error)
		key_error = pthread_atfork(NULL, NULL, child_begins);
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

/* Relaxed: a tag is a value of its own; what it may point to is the program's business. */
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

	/* The word is prepared before the registration: till then other calls know no such task. */
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
	return state_time_ns(atomic_load(&thread_of(utid)->words.state_ts), monotonic_ns());
}

uint64_t umcg_get_time_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}
