// SPDX-License-Identifier: GPL-2.0
/*
 * What the workers do: six kinds of work that block, and prove that they were
 * done. The workers of a pair talk with one another.
 */
#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "demo.h"

const char *const kind_names[KINDS + 1] = {
	"nanosleep", "pipe", "socketpair", "futex", "page fault", "file read", "other",
};

const char *const kind_calls[KINDS + 1] = {
	"nanosleep()", "read() of a pipe", "recv() of a socket pair", "futex() wait",
	"a page fault of a file mapping", "read() of a file", "something else",
};

static const int workers_of_kind[KINDS] = { 2, 4, 4, 2, 2, 2 };

enum {
	MESSAGE_WORDS = 64,
	COMPUTE_STEPS = 400000,
	SHORTEST_SLEEP_NS = 2000000,
};

/* The next number of a pseudo-random sequence (xorshift). */
static uint64_t next_number(uint64_t number)
{
	number ^= number << 13;
	number ^= number >> 7;
	number ^= number << 17;
	return number;
}

/* What @worker says in @round: both ends know, so the reader can check it. */
static uint64_t first_number(const struct worker *worker, int round)
{
	return next_number((worker->index + 1) * 1000003ULL + round);
}

/* Work on the CPU, so that there is something to schedule between two blocks. */
static void compute(struct worker *worker, int round)
{
	uint64_t number = first_number(worker, round);

	for (int i = 0; i < COMPUTE_STEPS; i++)
		number = next_number(number);
	if (number == 0)
		worker->failure = "the sequence has ended, which it never does";
}

static bool fail(struct worker *worker, const char *why)
{
	worker->failure = why;
	return false;
}

static bool sleep_a_while(struct worker *worker, int round)
{
	uint64_t start = monotonic_ns();
	struct timespec duration = {
		.tv_nsec = SHORTEST_SLEEP_NS + first_number(worker, round) % 10000000,
	};

	while (nanosleep(&duration, &duration)) {
		if (errno != EINTR)
			return fail(worker, "nanosleep() failed");
	}

	return monotonic_ns() - start >= SHORTEST_SLEEP_NS ||
	       fail(worker, "it has not slept long enough");
}

static bool send_message(struct worker *worker, int round)
{
	uint64_t message[MESSAGE_WORDS];
	uint64_t number = first_number(worker, round);

	for (int i = 0; i < MESSAGE_WORDS; i++)
		message[i] = number = next_number(number);

	return write(worker->out, message, sizeof(message)) == sizeof(message) ||
	       fail(worker, "write() failed");
}

static bool receive_message(struct worker *worker, int round)
{
	uint64_t message[MESSAGE_WORDS];
	uint64_t number = first_number(worker->peer, round);
	size_t size = 0;

	while (size < sizeof(message)) {
		ssize_t more = read(worker->in, (char *)message + size, sizeof(message) - size);

		if (more <= 0)
			return fail(worker, "read() failed");
		size += more;
	}
	for (int i = 0; i < MESSAGE_WORDS; i++) {
		number = next_number(number);
		if (message[i] != number)
			return fail(worker, "a message has arrived damaged");
	}

	return true;
}

static long futex(_Atomic uint32_t *word, int operation, uint32_t value)
{
	return syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

/* Release: pairs with the acquire in receive_letter(); the letter is written before its number. */
static bool send_letter(struct worker *worker, int round)
{
	struct worker *peer = worker->peer;

	peer->letter = first_number(worker, round);
	atomic_store_explicit(&peer->mail, round + 1, memory_order_release);
	futex(&peer->mail, FUTEX_WAKE, 1);

	return true;
}

static bool receive_letter(struct worker *worker, int round)
{
	uint32_t number;

	while ((number = atomic_load_explicit(&worker->mail, memory_order_acquire)) !=
	       (uint32_t)round + 1) {
		if (futex(&worker->mail, FUTEX_WAIT, number) && errno != EAGAIN && errno != EINTR)
			return fail(worker, "futex() failed");
	}

	return worker->letter == first_number(worker->peer, round) ||
	       fail(worker, "a letter was damaged");
}

/* One of a pair speaks first, the other one answers. */
static bool talk(struct worker *worker, int round,
		 bool (*say)(struct worker *worker, int round),
		 bool (*hear)(struct worker *worker, int round))
{
	bool speaks_first = worker->slot % 2 == 0;

	return speaks_first ? say(worker, round) && hear(worker, round) :
			      hear(worker, round) && say(worker, round);
}

static bool block_once(struct worker *worker, int round)
{
	switch (worker->kind) {
	case KIND_SLEEP:
		return sleep_a_while(worker, round);
	case KIND_PIPE:
	case KIND_SOCKET:
		return talk(worker, round, send_message, receive_message);
	case KIND_FUTEX:
		return talk(worker, round, send_letter, receive_letter);
	case KIND_FAULT:
		worker->checksums[round] = checksum_by_fault(worker->slot, round);
		return true;
	default:
		worker->checksums[round] = checksum_by_read(workers_of_kind[KIND_FAULT] +
							    worker->slot, round);
		return true;
	}
}

void do_work(struct worker *worker)
{
	for (int round = 0; round < ROUNDS && !worker->failure; round++) {
		compute(worker, round);
		atomic_store(&worker->blocks_in, worker->kind);
		if (block_once(worker, round))
			worker->rounds++;
		atomic_store(&worker->blocks_in, KIND_OTHER);
	}

	/* A worker that has failed does not keep its peer waiting. */
	if (worker->kind == KIND_PIPE || worker->kind == KIND_SOCKET)
		close(worker->out);
}

static bool connect_pair(struct worker *one, struct worker *other)
{
	int there[2], back[2];

	one->peer = other;
	other->peer = one;

	switch (one->kind) {
	case KIND_PIPE:
		if (pipe(there) || pipe(back))
			return false;
		one->out = there[1];
		other->in = there[0];
		other->out = back[1];
		one->in = back[0];
		return true;
	case KIND_SOCKET:
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, there))
			return false;
		one->in = one->out = there[0];
		other->in = other->out = there[1];
		return true;
	default:
		return true;
	}
}

bool prepare_work(struct worker *workers)
{
	struct worker *worker = workers;

	for (int kind = 0; kind < KINDS; kind++) {
		for (int slot = 0; slot < workers_of_kind[kind]; slot++, worker++) {
			worker->index = worker - workers;
			worker->kind = kind;
			worker->slot = slot;
			atomic_store(&worker->blocks_in, KIND_OTHER);
			if (slot % 2 == 1 && !connect_pair(worker - 1, worker)) {
				perror("demo: no pipe or socket pair");
				return false;
			}
		}
	}

	return true;
}

/* What came in by a page fault must be what read() says, and the other way round. */
static bool file_data_agrees(struct worker *worker)
{
	for (int round = 0; round < worker->rounds; round++) {
		uint64_t again = worker->kind == KIND_FAULT ?
			checksum_by_read(worker->slot, round) :
			checksum_by_fault(workers_of_kind[KIND_FAULT] + worker->slot, round);

		if (worker->checksums[round] != again)
			return fail(worker, "the mapping and read() do not agree");
	}

	return true;
}

bool check_work(struct worker *workers)
{
	bool good = true;

	for (struct worker *worker = workers; worker < workers + WORKERS; worker++) {
		if (worker->kind == KIND_FAULT || worker->kind == KIND_READ)
			file_data_agrees(worker);
		if (worker->rounds == ROUNDS && !worker->failure)
			continue;

		printf("demo: FAILED: worker %d (%s) has done %d of %d rounds: %s\n", worker->index,
		       kind_names[worker->kind], worker->rounds, ROUNDS,
		       worker->failure ? worker->failure : "it has stopped early");
		good = false;
	}

	return good;
}
