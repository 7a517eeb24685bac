// SPDX-License-Identifier: GPL-2.0
/* The usual mechanisms to switch between two threads. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pair.h"

static void nothing(struct side *side)
{
	(void)side;
}

static void close_nothing(struct side *first, struct side *second)
{
	(void)first;
	(void)second;
}

static bool open_nothing(struct side *first, struct side *second)
{
	(void)first;
	(void)second;
	return true;
}

/* sched_yield(): no wake-up, the lower bound of a thread switch. */

static void yield_swap(struct side *side)
{
	(void)side;
	syscall_of_3(SYS_sched_yield, 0, 0, 0);
}

const struct pair_kind yield_pair = {
	.row = "yield_pair",
	.open = open_nothing,
	.enter = pair_meet,
	.swap = yield_swap,
	.leave = nothing,
	.close = close_nothing,
};

/* futex: each side sleeps at a word of its own. */

struct turn {
	_Alignas(64) _Atomic uint32_t is_mine;
};

static bool futex_open(struct side *first, struct side *second)
{
	static struct turn turns[2];

	turns[0].is_mine = 1;
	turns[1].is_mine = 0;
	first->data = &turns[0];
	second->data = &turns[1];
	return true;
}

static void futex_take(struct side *side)
{
	struct turn *turn = side->data;

	/* Acquire: pairs with the release in futex_give(). */
	while (!atomic_load_explicit(&turn->is_mine, memory_order_acquire))
		futex_wait(&turn->is_mine, 0);
	atomic_store_explicit(&turn->is_mine, 0, memory_order_relaxed);
}

static void futex_give(struct side *side)
{
	struct turn *turn = side->peer->data;

	/* Release: pairs with the acquire in futex_take(). */
	atomic_store_explicit(&turn->is_mine, 1, memory_order_release);
	futex_wake(&turn->is_mine);
}

static void futex_swap(struct side *side)
{
	futex_give(side);
	futex_take(side);
}

const struct pair_kind futex_pair = {
	.row = "futex",
	.open = futex_open,
	.enter = futex_take,
	.swap = futex_swap,
	.leave = futex_give,
	.close = close_nothing,
};

/* Descriptors: each side reads what the other one writes. */

struct ends {
	int read;
	int write;
	uint64_t message;
	unsigned int size;
};

static struct ends ends[2];

static void ends_take(struct side *side)
{
	struct ends *own = side->data;

	if (syscall_of_3(SYS_read, own->read, (long)&own->message, own->size) != own->size)
		bench_die("%s: cannot read", side->kind->row);
}

static void ends_give(struct side *side)
{
	struct ends *own = side->data;

	if (syscall_of_3(SYS_write, own->write, (long)&own->message, own->size) != own->size)
		bench_die("%s: cannot write", side->kind->row);
}

static void ends_enter(struct side *side)
{
	if (!side->is_first)
		ends_take(side);
}

static void ends_swap(struct side *side)
{
	ends_give(side);
	ends_take(side);
}

static void ends_leave(struct side *side)
{
	if (side->is_first)
		ends_give(side);
}

static void pipe_close(struct side *first, struct side *second)
{
	(void)first;
	(void)second;
	for (int i = 0; i < 2; i++) {
		close(ends[i].read);
		close(ends[i].write);
	}
}

static bool pipe_open(struct side *first, struct side *second)
{
	int there[2], back[2];

	if (pipe2(there, O_CLOEXEC) || pipe2(back, O_CLOEXEC))
		bench_die_errno("pipe2", errno);
	ends[0] = (struct ends){ .read = back[0], .write = there[1], .message = 1, .size = 1 };
	ends[1] = (struct ends){ .read = there[0], .write = back[1], .message = 1, .size = 1 };
	first->data = &ends[0];
	second->data = &ends[1];
	return true;
}

const struct pair_kind pipe_pair = {
	.row = "pipe",
	.open = pipe_open,
	.enter = ends_enter,
	.swap = ends_swap,
	.leave = ends_leave,
	.close = pipe_close,
};

static void eventfd_close(struct side *first, struct side *second)
{
	(void)first;
	(void)second;
	close(ends[0].read);
	close(ends[1].read);
}

static bool eventfd_open(struct side *first, struct side *second)
{
	int there = eventfd(0, EFD_CLOEXEC), back = eventfd(0, EFD_CLOEXEC);

	if (there < 0 || back < 0)
		bench_die_errno("eventfd", errno);
	ends[0] = (struct ends){ .read = back, .write = there, .message = 1, .size = 8 };
	ends[1] = (struct ends){ .read = there, .write = back, .message = 1, .size = 8 };
	first->data = &ends[0];
	second->data = &ends[1];
	return true;
}

const struct pair_kind eventfd_pair = {
	.row = "eventfd",
	.open = eventfd_open,
	.enter = ends_enter,
	.swap = ends_swap,
	.leave = ends_leave,
	.close = eventfd_close,
};

/* A condition variable each; signalled with the mutex free, for the woken thread to get it at once. */

struct place {
	_Alignas(64) pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_mine;
};

static struct place places[2];

static bool condvar_open(struct side *first, struct side *second)
{
	for (int i = 0; i < 2; i++) {
		pthread_mutex_init(&places[i].lock, NULL);
		pthread_cond_init(&places[i].changed, NULL);
		places[i].is_mine = i == 0;
	}
	first->data = &places[0];
	second->data = &places[1];
	return true;
}

static void condvar_take(struct side *side)
{
	struct place *place = side->data;

	pthread_mutex_lock(&place->lock);
	while (!place->is_mine)
		pthread_cond_wait(&place->changed, &place->lock);
	place->is_mine = false;
	pthread_mutex_unlock(&place->lock);
}

static void condvar_give(struct side *side)
{
	struct place *place = side->peer->data;

	pthread_mutex_lock(&place->lock);
	place->is_mine = true;
	pthread_mutex_unlock(&place->lock);
	pthread_cond_signal(&place->changed);
}

static void condvar_swap(struct side *side)
{
	condvar_give(side);
	condvar_take(side);
}

static void condvar_close(struct side *first, struct side *second)
{
	(void)first;
	(void)second;
	for (int i = 0; i < 2; i++) {
		pthread_cond_destroy(&places[i].changed);
		pthread_mutex_destroy(&places[i].lock);
	}
}

const struct pair_kind condvar_pair = {
	.row = "condvar",
	.open = condvar_open,
	.enter = condvar_take,
	.swap = condvar_swap,
	.leave = condvar_give,
	.close = condvar_close,
};
