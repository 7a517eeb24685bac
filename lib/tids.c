// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Threads by TID: the ring of a group in direct mode has nothing else. Lookups take no lock. A TID
 * may name another thread when it is looked at; memory of a record is never unmapped, so that is
 * the business of whoever changes its state.
 *
 * Pages are never given back either. Those of a child are zeros, like all that is of one process.
 */
#include "internal.h"

/* No TID is larger, in any PID namespace. */
#define MAX_TID		(1U << 22)
#define PAGE_TIDS	512U

struct tid_page {
	struct thread *_Atomic threads[PAGE_TIDS];
};

/* Each points to a struct tid_page, or is NULL. */
struct tid_pages {
	void *_Atomic pages[MAX_TID / PAGE_TIDS];
};

/* Maps memory for @place, unless somebody else has. Acquire, and release: it is zeros for all. */
static void *map_once(void *_Atomic *place, size_t size)
{
	void *memory = atomic_load_explicit(place, memory_order_acquire);
	void *first = NULL;

	if (memory)
		return memory;
	memory = umcg_map_pages(size);
	if (!memory || atomic_compare_exchange_strong(place, &first, memory))
		return memory;

	umcg_unmap_pages(memory, size);
	return first;
}

static struct thread *_Atomic *entry_of(struct tid_page *page, uint32_t tid)
{
	return &page->threads[tid % PAGE_TIDS];
}

/* Adds a thread that is about to register, in the place of one that has ended. False: no memory. */
bool umcg_add_tid(struct thread *thread)
{
	struct process *process = umcg_process();
	struct tid_pages *pages;
	struct tid_page *page;
	const uint32_t tid = thread->tid;

	if (!process || tid >= MAX_TID)
		return false;
	pages = map_once(&process->tids, sizeof(*pages));
	if (!pages)
		return false;
	page = map_once(&pages->pages[tid / PAGE_TIDS], sizeof(*page));
	if (!page)
		return false;

	/* Release: pairs with umcg_find_tid(). */
	atomic_store_explicit(entry_of(page, tid), thread, memory_order_release);
	return true;
}

static struct tid_page *page_of(uint32_t tid)
{
	struct process *process = umcg_process();
	struct tid_pages *pages;

	if (!process || tid >= MAX_TID)
		return NULL;
	pages = atomic_load_explicit(&process->tids, memory_order_acquire);
	if (!pages)
		return NULL;

	return atomic_load_explicit(&pages->pages[tid / PAGE_TIDS], memory_order_acquire);
}

/* Removes a thread. Another one may have got its TID, if it has ended. */
void umcg_remove_tid(struct thread *thread)
{
	struct tid_page *page = page_of(thread->tid);
	struct thread *expected = thread;

	if (page)
		atomic_compare_exchange_strong(entry_of(page, thread->tid), &expected, NULL);
}

/* The worker or server of this TID in a group in direct mode, or NULL. */
struct thread *umcg_find_tid(uint32_t tid)
{
	struct tid_page *page = page_of(tid);

	return page ? atomic_load_explicit(entry_of(page, tid), memory_order_acquire) : NULL;
}
