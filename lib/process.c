// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Memory that belongs to one process, and not to its children: the kernel hands it to them as
 * zeros, by whatever call a child is made. Handlers for fork() do not run where clone() is called
 * past libc, and the PID does not tell: PID 1 of a PID namespace may have a child that is PID 1 of
 * another one.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

static struct process *_Atomic process;

size_t umcg_page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

/*
 * Pages of zeros, here and in each child; or NULL, if there is no memory. The kernel pins what the
 * words lie in that it shares: of a huge page all would be pinned, and count against
 * RLIMIT_MEMLOCK.
 */
void *umcg_map_pages(size_t size)
{
	void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		return NULL;
	if (madvise(pages, size, MADV_WIPEONFORK)) {
		umcg_unmap_pages(pages, size);
		return NULL;
	}
	/* This fails on kernels that have no huge pages. */
	madvise(pages, size, MADV_NOHUGEPAGE);

	return pages;
}

void umcg_unmap_pages(void *pages, size_t size)
{
	munmap(pages, size);
}

void *umcg_map_page(void)
{
	return umcg_map_pages(umcg_page_size());
}

void umcg_unmap_page(void *page)
{
	umcg_unmap_pages(page, umcg_page_size());
}

/* Without a lock, for a child may be made at any moment. NULL if there is no memory. */
struct process *umcg_process(void)
{
	/* Acquire: pairs with the exchange, as does that of who loses it. */
	struct process *page = atomic_load_explicit(&process, memory_order_acquire);
	struct process *first = NULL;

	if (page)
		return page;

	page = umcg_map_page();
	if (!page || atomic_compare_exchange_strong(&process, &first, page))
		return page;

	umcg_unmap_page(page);
	return first;
}

/* Whether a thread is registered, or was when it ended. */
bool umcg_somebody_is_registered(void)
{
	const struct process *page = atomic_load_explicit(&process, memory_order_acquire);

	return page && atomic_load_explicit(&page->registered, memory_order_relaxed);
}

_Atomic int64_t umcg_clock_offset;

/*
 * To be called before the first timestamp is made in a process: a child may be in another time
 * namespace. All threads find out the same number. Release and acquire: who sees that it is known
 * sees it.
 */
void umcg_learn_clock(void)
{
	struct process *self = umcg_process();
	int64_t offset;

	if (atomic_load_explicit(&self->knows_clock, memory_order_acquire) ||
	    !umcg_sys_clock_offset(&offset))
		return;
	atomic_store_explicit(&umcg_clock_offset, offset, memory_order_relaxed);
	atomic_store_explicit(&self->knows_clock, true, memory_order_release);
}
