// SPDX-License-Identifier: GPL-2.0
/*
 * io_uring's futex operations: one system call wakes the peer and waits, the only
 * way that a kernel without UMCG has for that.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pair.h"

#define ENTRIES		8U
#define MATCH_ANY	0xffffffffUL

/* A side: its futex word and its ring, made and used by its own thread. */
struct uring {
	_Alignas(64) _Atomic uint32_t is_mine;
	int fd;
	char *ring;
	struct io_uring_params params;
	struct io_uring_sqe *sqes;
	_Atomic uint32_t *sq_tail;
	_Atomic uint32_t *cq_head;
	_Atomic uint32_t *cq_tail;
	uint32_t *sq_array;
	struct io_uring_cqe *cqes;
};

static struct uring urings[2];

static int set_up(struct io_uring_params *params)
{
	*params = (struct io_uring_params){
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	};
	return syscall(SYS_io_uring_setup, ENTRIES, params);
}

/* Futex operations came one version after IORING_OP_SENDMSG_ZC, so they are probed for. */
static bool has_futex_operations(int fd)
{
	struct {
		struct io_uring_probe probe;
		struct io_uring_probe_op ops[256];
	} all = {};

	return !syscall(SYS_io_uring_register, fd, IORING_REGISTER_PROBE, &all, 256) &&
	       all.probe.last_op >= IORING_OP_FUTEX_WAKE &&
	       all.ops[IORING_OP_FUTEX_WAKE].flags & IO_URING_OP_SUPPORTED;
}

static bool io_uring_open(struct side *first, struct side *second)
{
	struct io_uring_params params;
	int fd = set_up(&params);
	bool usable = fd >= 0 && has_futex_operations(fd);

	close(fd);
	memset(urings, 0, sizeof(urings));
	urings[0].is_mine = 1;
	first->data = &urings[0];
	second->data = &urings[1];
	return usable;
}

static void *map(int fd, size_t size, off_t offset)
{
	void *address = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
			     offset);

	if (address == MAP_FAILED)
		bench_die_errno("cannot map a ring of io_uring", errno);
	return address;
}

static size_t ring_size(const struct io_uring_params *params)
{
	size_t sq = params->sq_off.array + params->sq_entries * sizeof(uint32_t);
	size_t cq = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);

	return sq > cq ? sq : cq;
}

static size_t sqes_size(const struct io_uring_params *params)
{
	return params->sq_entries * sizeof(struct io_uring_sqe);
}

static void make_ring(struct uring *uring)
{
	struct io_uring_params *params = &uring->params;

	uring->fd = set_up(params);
	if (uring->fd < 0)
		bench_die_errno("io_uring_setup", errno);
	uring->ring = map(uring->fd, ring_size(params), IORING_OFF_SQ_RING);
	uring->sqes = map(uring->fd, sqes_size(params), IORING_OFF_SQES);
	uring->sq_tail = (void *)(uring->ring + params->sq_off.tail);
	uring->sq_array = (void *)(uring->ring + params->sq_off.array);
	uring->cq_head = (void *)(uring->ring + params->cq_off.head);
	uring->cq_tail = (void *)(uring->ring + params->cq_off.tail);
	uring->cqes = (void *)(uring->ring + params->cq_off.cqes);
}

/* Adds a futex operation to those that the next call submits. */
static void add(struct uring *uring, uint8_t operation, _Atomic uint32_t *word, uint64_t value)
{
	uint32_t tail = atomic_load_explicit(uring->sq_tail, memory_order_relaxed);
	uint32_t index = tail & (uring->params.sq_entries - 1);

	uring->sqes[index] = (struct io_uring_sqe){
		.opcode = operation,
		.fd = FUTEX2_SIZE_U32 | FUTEX2_PRIVATE,
		.addr = (uintptr_t)word,
		.off = value,
		.addr3 = MATCH_ANY,
	};
	uring->sq_array[index] = index;
	/* Release: pairs with the kernel's acquire of the tail. */
	atomic_store_explicit(uring->sq_tail, tail + 1, memory_order_release);
}

/* Submits, and waits until all that was submitted is done. */
static void enter(struct uring *uring, uint32_t count)
{
	uint32_t head = atomic_load_explicit(uring->cq_head, memory_order_relaxed);

	if (syscall_of_6(SYS_io_uring_enter, uring->fd, count, count, IORING_ENTER_GETEVENTS, 0,
			 0) < 0)
		bench_die("io_uring_enter has failed");
	/* Acquire: pairs with the kernel's release of the tail. */
	if (atomic_load_explicit(uring->cq_tail, memory_order_acquire) - head != count)
		bench_die("io_uring: a futex operation did not complete");
	atomic_store_explicit(uring->cq_head, head + count, memory_order_release);
}

/*
 * Takes the turn, by an operation in the queue that waits for it. A wait fails at
 * once if the turn has come before, and then a wake-up that is late ends the next one.
 */
static void take(struct uring *own, uint32_t queued)
{
	enter(own, queued);
	/* Acquire: pairs with the release in give(). */
	while (!atomic_load_explicit(&own->is_mine, memory_order_acquire)) {
		add(own, IORING_OP_FUTEX_WAIT, &own->is_mine, 0);
		enter(own, 1);
	}
	atomic_store_explicit(&own->is_mine, 0, memory_order_relaxed);
}

/* Gives the turn to the peer, by an operation in the queue. */
static void give(struct uring *own, struct uring *peer)
{
	atomic_store_explicit(&peer->is_mine, 1, memory_order_release);
	add(own, IORING_OP_FUTEX_WAKE, &peer->is_mine, 1);
}

static void io_uring_enter(struct side *side)
{
	struct uring *own = side->data;

	make_ring(own);
	add(own, IORING_OP_FUTEX_WAIT, &own->is_mine, 0);
	take(own, 1);
}

static void io_uring_swap(struct side *side)
{
	struct uring *own = side->data;

	give(own, side->peer->data);
	add(own, IORING_OP_FUTEX_WAIT, &own->is_mine, 0);
	take(own, 2);
}

static void io_uring_leave(struct side *side)
{
	struct uring *own = side->data;

	if (side->is_first) {
		give(own, side->peer->data);
		enter(own, 1);
	}
	munmap(own->sqes, sqes_size(&own->params));
	munmap(own->ring, ring_size(&own->params));
	close(own->fd);
}

static void io_uring_close(struct side *first, struct side *second)
{
	(void)first;
	(void)second;
}

const struct pair_kind io_uring_pair = {
	.row = "io_uring_futex",
	.open = io_uring_open,
	.enter = io_uring_enter,
	.swap = io_uring_swap,
	.leave = io_uring_leave,
	.close = io_uring_close,
};
